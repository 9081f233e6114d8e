"""`leasehold status`: how fresh everything is, what ran last, what waits, and who writes. It needs no engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.delta_tables import Glance, glance, peek
from jobs.errors import LeaseholdError
from jobs.lock import Holder, held_by
from jobs.show import SEVERITY_STYLES, Row, document, moment, safe, span, table
from transforms.schemas import (
    ALERTS,
    ALL,
    FAILED_POLLS,
    FLOW_LOGS,
    INGESTED_FILES,
    QUALITY_GATES,
    REOPENED_HOURS,
    RUNS,
)
from transforms.schemas.table import Table

_TIMES = (
    "started_at", "window_start", "start_time", "event_time", "minute", "hour", "polled_at", "last_at", "begins",
    "checked_at", "made_at", "updated_at", "max_time",
)  # fmt: skip
"""Of a table's columns the first of these says of when its data are; else its day does."""
_OF_RUNS = "started_at"
_RECENT = timedelta(days=7)
_AT_ONCE = 8


@dataclass(frozen=True)
class Status:
    """What there is to say of a lake."""

    now: datetime
    judged_until: datetime | None
    """until when data have come and been judged; None: nothing has been"""
    holder: Holder | None
    tables: dict[str, Glance]
    runs: list[Row]
    """the last run of each job: job, started_at, seconds, outcome, window_start, window_end, note"""
    reopened: dict[str, int]
    """hours to compute again, by job"""
    unfinished_files: int
    """begun and not finished: by the run at work, or by one that broke off"""
    failed_checks: list[str]
    """tables whose critical checks failed"""
    failed_polls: int
    """of the last seven days"""
    open_alerts: dict[str, int]
    """by severity"""

    @property
    def age(self) -> timedelta | None:
        """How far behind now the judged data end."""
        return None if self.judged_until is None else self.now - self.judged_until


def look(root: str, now: datetime) -> Status:
    """Read what there is to say. Raises LeaseholdError where it cannot be read, or there is no lake."""
    try:
        return _look(root, now)
    except LeaseholdError:
        raise
    except Exception as error:  # deltalake raises whatever its Rust half has met
        raise LeaseholdError(f"the lake {root!r} cannot be read: {type(error).__name__}: {error}"[:500]) from None


def _look(root: str, now: datetime) -> Status:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        seen = pool.map(lambda of: glance(root, of, _time_of(of), now.date()), ALL)
        tables = {of.name: found for of, found in zip(ALL, seen, strict=True) if found}
    if ALERTS.name not in tables:
        raise LeaseholdError(f"there are no tables in {root!r}: give --lake or --config, or make some: `leasehold run`")
    runs = peek(root, RUNS, ["job", "started_at", "seconds", "outcome", "window_start", "window_end", "note"])
    since = (now - _RECENT).date()
    failed = peek(root, FAILED_POLLS, ["polled_at"], [("date", ">=", since)])
    gates = peek(root, QUALITY_GATES, ["table_name", "failure"])
    return Status(
        now=now,
        judged_until=_judged_until(tables[FLOW_LOGS.name].newest if FLOW_LOGS.name in tables else None, runs),
        holder=held_by(root),
        tables=tables,
        runs=_last(runs),
        reopened=dict(sorted(Counter(row["job"] for row in peek(root, REOPENED_HOURS, ["job"])).items())),
        unfinished_files=len(peek(root, INGESTED_FILES, ["state"], [("state", "=", "started")])),
        failed_checks=sorted(row["table_name"] for row in gates if row["failure"]),
        failed_polls=len(failed),
        open_alerts=_counted(peek(root, ALERTS, ["severity"], [("status", "=", "open")])),
    )


def _time_of(of: Table) -> str | None:
    return next((name for name in _TIMES if name in of.schema.names), None)


def _judged_until(newest: datetime | date | None, runs: Iterable[Row]) -> datetime | None:
    """The end of the last window that `detect` finished, or the last flow-log record where that is earlier."""
    done: list[datetime] = [row["window_end"] for row in runs if row["job"] == "detect" and row["outcome"] == "done"]
    if newest is None or not done:
        return None
    # A day tells no time: it counts from its beginning.
    seen = newest if isinstance(newest, datetime) else datetime.combine(newest, time(), UTC)
    return min(seen, max(done))


def _last(runs: list[Row]) -> list[Row]:
    by_job = {row["job"]: row for row in sorted(runs, key=lambda row: row[_OF_RUNS])}
    return sorted(by_job.values(), key=lambda row: row[_OF_RUNS])


def _counted(alerts: list[Row]) -> dict[str, int]:
    counts = Counter(row["severity"] for row in alerts)
    known = [name for name in SEVERITY_STYLES if name in counts]
    return {name: counts[name] for name in (*known, *sorted(counts.keys() - SEVERITY_STYLES.keys()))}


def too_old(status: Status, hours: float) -> str:
    """Why the lake is staler than that; empty if it is not."""
    if status.age is None:
        return "nothing has been judged yet"
    if status.age <= timedelta(hours=hours):
        return ""
    return f"judged until {moment(status.judged_until or status.now)}, {_ago(status.age)}: more than {hours:g} h"


def show(console: Console, status: Status) -> None:
    """For the eye, on 80 columns."""
    console.print(Text(_judged(status), style="bold"))
    console.print(Text(f"Being written by {status.holder}." if status.holder else "Nobody is writing to it."))
    for line, style in _waiting(status):
        console.print(Text(safe(line), style=style))
    runs = [
        (of["job"], _minute(of["started_at"]), span(round(of["seconds"])), _minute(of["window_end"]), of["outcome"])
        for of in status.runs
    ]
    wrong = {number: "bold red" for number, row in enumerate(status.runs) if row["outcome"] != "done"}
    console.print(table("Last runs", ("job", "started", "took", "window until", "outcome"), runs, wrong))
    filled = {name: at for name, at in status.tables.items() if at.rows}
    cells = [
        (name, f"{at.rows:,}", _size(at.bytes), _minute(at.newest), _ago(status.now - at.committed_at, units=1))
        for name, at in filled.items()
    ]
    console.print(table("Tables (UTC)", ("table", "rows", "size", "newest data", "written"), cells))
    empty = [name for name in status.tables if name not in filled]
    missing = [of.name for of in ALL if of.name not in status.tables]
    for names, said in ((empty, "Empty"), (missing, "Not there yet (the next run makes them)")):
        if names:
            console.print(Text(f"{said}: {', '.join(names)}."))


def as_document(status: Status) -> str:
    """The same for machines, as a JSON object."""
    said: dict[str, Any] = asdict(status) | {"age_seconds": status.age and round(status.age.total_seconds())}
    return document(said)


def _judged(status: Status) -> str:
    if status.judged_until is None or status.age is None:
        return "Nothing has been judged yet."
    return f"Judged until {moment(status.judged_until)}, {_ago(status.age)}."


def _waiting(status: Status) -> list[tuple[str, str]]:
    """What waits for somebody or something, a line each, with its style."""
    lines = []
    if status.open_alerts:
        words = ", ".join(f"{count:,} {name}" for name, count in status.open_alerts.items())
        lines.append((f"Open alerts: {sum(status.open_alerts.values()):,} ({words}).", "yellow"))
    else:
        lines.append(("No alert is open.", ""))
    if status.failed_checks:
        lines.append((f"Later jobs wait: critical checks of {', '.join(status.failed_checks)} failed "
                      "(`leasehold quality`).", "bold red"))  # fmt: skip
    if status.reopened:
        words = ", ".join(f"{job} {count:,}" for job, count in status.reopened.items())
        lines.append((f"Hours to compute again: {words}.", ""))
    if status.unfinished_files:
        lines.append((f"Files begun and not finished: {status.unfinished_files:,}.", "" if status.holder else "yellow"))
    if status.failed_polls:
        lines.append((f"Failed polls in the last 7 days: {status.failed_polls:,} (`leasehold coverage`).", "yellow"))
    return lines


def _minute(at: datetime | date | None) -> str:
    if at is None:
        return "—"
    return at.strftime("%Y-%m-%d %H:%M") if isinstance(at, datetime) else str(at)


def _ago(ago: timedelta, units: int = 2) -> str:
    seconds = round(ago.total_seconds())
    words = span(seconds).split()[: 2 * units]
    return f"{' '.join(words)} ago" if seconds > 0 else "just now"


def _size(number: int) -> str:
    size, units = float(number), ("B", "kB", "MB", "GB", "TB")
    for unit in units[:-1]:
        if size < 1_000:
            return f"{size:.0f} {unit}"
        size /= 1_000
    return f"{size:.1f} {units[-1]}"
