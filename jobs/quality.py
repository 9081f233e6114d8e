"""The gate between jobs: what a job wrote is checked before a later job reads it.

`quality_gates` keeps for each table the Delta version up to which all is good. Whatever the table has beyond that is
checked after the job that writes it, however it got there: by this run, by one that was killed before it could check,
or by one whose checks failed. So a run that is started again does not pass over what stopped the one before. Results
and gates are written once a run; a kill before that costs the checks again, and nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs import logs
from jobs.errors import LeaseholdError
from jobs.storage import Lake, Written
from transforms.schemas import ALL, QUALITY_GATES, QUALITY_RESULTS
from transforms.schemas.checks import Check
from transforms.schemas.suites import CHECKS
from transforms.schemas.table import Table

if TYPE_CHECKING:
    from jobs.expectations import Outcome

Row = dict[str, Any]


def tables_of(job: str) -> list[Table]:
    """The tables that a job writes and that have checks, in the order in which data move through them."""
    return [table for table in ALL if job in table.job.split(", ") and table.name in CHECKS]


@dataclass
class Gate:
    """The checks of one run. Use it in a `with`: leaving it keeps the results."""

    lake: Lake
    mode: str
    """enforce: a failed critical check stops later jobs; warn: it is said; off: nothing is checked"""
    checks: int = 0
    warnings: list[str] = field(default_factory=list)
    _gates: dict[str, Row] = field(default_factory=dict)
    _results: list[Row] = field(default_factory=list)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.keep()

    @property
    def note(self) -> str:
        """What was found so far, in words."""
        if self.mode == "off":
            return "off: nothing is checked"
        said = f"{self.checks:,} checks"
        return f"{said}, {len(self.warnings):,} warnings: {'; '.join(self.warnings)}" if self.warnings else said

    def tell(self, seconds: float) -> None:
        """Log what was found, and that all is done."""
        for warning in self.warnings:
            logs.warn("quality_warning", warning)
        counts = {"checks": self.checks, "warnings": len(self.warnings)}
        said = f"all is done: {self.checks:,} checks, {len(self.warnings):,} warnings"
        logs.say("run_done", said, seconds=round(seconds, 3), **counts)

    def check(self, jobs: Iterable[str], waiting: Sequence[str]) -> None:
        """Check what is new in the tables of these jobs.

        Raises LeaseholdError when a critical check fails and the mode is `enforce`: which table, which check, how many
        rows, an example, and what to do; `waiting` are the jobs that do not run for it.
        """
        if self.mode == "off":
            return
        if not self._gates:
            rows = self.lake.read(QUALITY_GATES).toArrow().to_pylist()
            self._gates = {table.name: _gate(table) for table in ALL} | {row["table_name"]: row for row in rows}
        for table in dict.fromkeys(table for job in jobs for table in tables_of(job)):
            failures = self._check(table)
            if failures and self.mode == "enforce":
                self.keep()
                passed = self._gates[table.name]["passed_version"]
                raise LeaseholdError(_why(table, failures, passed, waiting))
            self.warnings += failures

    def _check(self, table: Table) -> list[str]:
        """Check one table; returns what is critical, in words."""
        gate = self._gates[table.name]
        written = self.lake.written(table, gate["passed_version"])
        outcomes: list[Outcome] = []
        failures: list[str] = []
        if written.files:
            from jobs.expectations import validate  # slow to import, and often there is nothing to validate

            outcomes = validate(table, CHECKS[table.name], self.lake.read_written(table, written))
        common = _common(table, gate["passed_version"], written)
        for outcome in outcomes:
            check, message = outcome.check, ""
            if not outcome.passed:
                message = _failed(check, outcome.failed_rows, written.rows, outcome.examples)
                (failures if check.severity == "critical" else self.warnings).append(f"{table.name}: {message}")
            self._results.append(
                {
                    **common,
                    "check_name": check.says,
                    "severity": check.severity,
                    "outcome": "passed" if outcome.passed else "failed",
                    "failed_rows": outcome.failed_rows,
                    "message": message or None,
                    "result": outcome.result,
                }
            )
        self.checks += len(outcomes)
        if outcomes:
            wrong = [f"{outcome.check.says} ({outcome.check.severity})" for outcome in outcomes if not outcome.passed]
            logs.say(
                "table_checked",
                f"{table.name}: {written.rows:,} rows, {len(wrong)} of {len(outcomes)} checks failed",
                table=table.name,
                rows=written.rows,
                version=written.version,
                checks=len(outcomes),
                failed=wrong,
            )
        self._gates[table.name] = {
            **gate,
            "passed_version": gate["passed_version"] if failures else written.version,
            "checked_version": written.version,
            "failure": "; ".join(failures) or None,
        }
        return failures

    def keep(self) -> None:
        """Write the results, then the gates: killed in between, the next run checks again."""
        if self._results:
            self.lake.append(QUALITY_RESULTS, self.lake.frame(QUALITY_RESULTS, self._results))
            self.lake.overwrite(QUALITY_GATES, self.lake.frame(QUALITY_GATES, list(self._gates.values())))
            self._results = []


def accept(lake: Lake, name: str) -> str:
    """Let pass what failed in a table; returns what that was.

    Only what has been looked at is accepted: rows that are written later are checked as ever.
    """
    gates = lake.read(QUALITY_GATES).toArrow().to_pylist()
    gate = next((row for row in gates if row["table_name"] == name and row["failure"]), None)
    if gate is None:
        failing = ", ".join(row["table_name"] for row in gates if row["failure"]) or "none"
        raise LeaseholdError(f"nothing is to be accepted in {name!r}: tables with a failed critical check: {failing}")
    table = next(table for table in ALL if table.name == name)
    written = Written(gate["checked_version"], {}, frozenset(), 0)
    row = {
        **_common(table, gate["passed_version"], written),
        "check_name": "accepted by a person",
        "severity": "critical",
        "outcome": "accepted",
        "message": gate["failure"],
    }
    lake.append(QUALITY_RESULTS, lake.frame(QUALITY_RESULTS, [row]))
    gate |= {"passed_version": gate["checked_version"], "failure": None}
    failure = str(row["message"])
    lake.overwrite(QUALITY_GATES, lake.frame(QUALITY_GATES, gates))
    return failure


def _gate(table: Table) -> Row:
    return {"table_name": table.name, "passed_version": None, "checked_version": None, "failure": None}


def _common(table: Table, since: int | None, written: Written) -> Row:
    days = [day for day in written.files.values() if day]
    return {
        "validation_id": uuid.uuid4().hex,
        "checked_at": datetime.now(UTC),
        "table_name": table.name,
        "from_version": since,
        "to_version": written.version,
        "checked_rows": written.rows,
        "first_date": min(days, default=None),
        "last_date": max(days, default=None),
    }


def _failed(check: Check, failed: int | None, rows: int, examples: str) -> str:
    """`3 of 28 rows break "valid_from is before valid_to", as account_id=…; or the query's own count of findings."""
    if failed is None:
        return f'"{check.says}": {examples}. {check.remedy}'
    found = f"{failed:,} findings against" if check.kind == "nothing" else f"{failed:,} of {rows:,} rows written break"
    example = f", as {examples}" if examples else ""
    return f'{found} "{check.says}"{example}. {check.remedy}'


def _why(table: Table, failures: list[str], passed: int | None, waiting: Sequence[str]) -> str:
    good = f"was good at version {passed}" if passed is not None else "was never found good before"
    stopped = f" {', '.join(waiting)} did not run: their tables can be read as they were." if waiting else ""
    return (
        f"{' '.join(failures)}{stopped} {table.name} {good}. To go on with it as it is: "
        f"`leasehold quality --accept {table.name}`, or the setting `quality: warn`."
    )
