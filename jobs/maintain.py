"""Job: the care of the tables. Small files into large ones, old versions away, old rows away where settings say so.

No job of the pipeline: run it every week or so. It takes the lake's lock, so that no run writes meanwhile; who reads
goes on reading, for what is replaced stays for `keep_versions_days`. A kill at any point costs work, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import detections
from conf.settings import Settings
from jobs import delta_tables
from jobs.conditions import sql_time
from jobs.errors import LeaseholdError
from jobs.pipeline import noted
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from transforms.schemas import (
    ALL,
    CLOUDTRAIL_EVENTS,
    DELIVERIES,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS,
    FUNCTION_SNAPSHOTS,
    INGESTED_FILES,
    INTERFACE_SNAPSHOTS,
    JUDGEMENTS,
    OBSERVATIONS,
    QUALITY_GATES,
    REJECTED_RECORDS,
    REOPENED_HOURS,
    RESPONSE_ACTIONS,
    RETENTION,
)
from transforms.schemas.table import Table

_DAY = timedelta(days=1)
# What does not say when it was is on the first of January 1970, and is kept: it may tell of today.
_FIRST = date(1970, 1, 2)
# Evidence of the eve tells of a day, too; detections look further back.
_LOOKED_BACK_ON: dict[Table, int] = dict.fromkeys(
    (FLOW_LOGS, CLOUDTRAIL_EVENTS, INTERFACE_SNAPSHOTS, FUNCTION_SNAPSHOTS, FUNCTION_METRICS, FAILED_POLLS), 1
) | {FUNCTION_FLOWS: 1 + max(d.history_days for d in detections.ALL if FUNCTION_FLOWS.name in d.tables)}
_MAY_GO = (*_LOOKED_BACK_ON, REJECTED_RECORDS)
"""Tables of which old rows may be deleted: later days are made without them."""
_CLUSTERED = {FUNCTION_FLOWS: ("function_name", "peer_addr")}
"""Tables whose rows are looked for by these columns."""

Row = dict[str, Any]


@dataclass
class _Done:
    """What was done, for the note."""

    files_before: int = 0
    files_after: int = 0
    tables: int = 0
    vacuumed: int = 0
    dropped: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    promised: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.tables} tables: {self.files_before:,} files made into {self.files_after:,}"]
        parts.append(f"{self.vacuumed:,} files of old versions deleted")
        parts += self.dropped
        if self.promised:
            parts.append(
                f"old versions of {', '.join(self.promised)} stay until the next time: they are promised for longer"
            )
        if self.waiting:
            parts.append(f"not made into larger files until they are checked: {', '.join(self.waiting)}")
        return "; ".join(parts)


def maintain(lake: Lake, settings: Settings, now: datetime, progress: Progress = quiet) -> str:
    """Care for all tables, and note it in `runs`. Returns what was done, in words.

    Raises LeaseholdError if `keep_days` names a table of which nothing may be deleted.
    """
    names = {table.name for table in _MAY_GO}
    wrong = sorted(set(settings.keep_days) - names)
    if wrong:
        raise LeaseholdError(f"settings: keep_days names {', '.join(wrong)}; it may name {', '.join(sorted(names))}")
    lake.create(ALL)
    return noted(lake, "maintain", settings, None, lambda: str(_maintain(lake, settings, now, progress)))


def _maintain(lake: Lake, settings: Settings, now: datetime, progress: Progress) -> _Done:
    done = _Done()
    for table in _MAY_GO:
        if table.name in settings.keep_days:
            done.dropped += _drop(lake, table, now.date() - settings.keep_days[table.name] * _DAY)
    _forget_lost_judgements(lake)
    gates: list[Row] = lake.read(QUALITY_GATES).toArrow().to_pylist()
    unchecked = {row["table_name"] for row in gates if _unchecked(lake, row)}
    for number, table in enumerate(ALL):
        progress(number, len(ALL))
        if table in (RESPONSE_ACTIONS, DELIVERIES):  # written under locks of their own, and small
            continue
        _care(lake, table, settings.keep_versions_days, table.name not in unchecked, done)
    done.waiting = sorted(unchecked)
    _settle(lake, gates, unchecked)
    progress(len(ALL), len(ALL))
    return done


def _care(lake: Lake, table: Table, days: int, checked: bool, done: _Done) -> None:
    path = lake.path(table)
    lake.check()
    more = delta_tables.promise(path, days)
    if checked:
        lake.check()
        before, after = delta_tables.compact(path, table.partition_by, _CLUSTERED.get(table, ()))
        done.files_before, done.files_after = done.files_before + before, done.files_after + after
        done.tables += before > 0
    lake.check()
    done.vacuumed += delta_tables.tidy(path, days, vacuum=not more)
    if more:
        done.promised.append(table.name)


def _drop(lake: Lake, table: Table, kept_from: date) -> list[str]:
    """Delete a table's rows of earlier days; what that was, in words.

    First it is written down that earlier hours are closed, then what waits for them is taken off the queue: no run may
    compute an hour of which a part has gone.
    """
    said = f"rows of {table.name} before {kept_from} deleted"
    if table is REJECTED_RECORDS:
        old = lake.read(INGESTED_FILES).where(f"file_time < TIMESTAMP '{sql_time(_midnight(kept_from))}'")
        gone = lake.read(table).join(old.select("source_file"), "source_file", "left_semi").select("source_file")
        found = gone.distinct().toArrow()
        if found.num_rows:
            lake.delete_matching(table, lake.spark.createDataFrame(found))
        return [said] if found.num_rows else []
    known = {row["table_name"]: row for row in delta_tables.peek(lake.root, RETENTION, RETENTION.schema.names)}
    closed = kept_from + _LOOKED_BACK_ON[table] * _DAY
    row = {"table_name": table.name, "kept_from": kept_from, "closed_before": closed}
    if table.name in known and known[table.name]["kept_from"] >= kept_from:
        kept_from = known[table.name]["kept_from"]  # it was kept for a shorter time before: these days are gone
    elif delta_tables.has_days(lake.path(table), str(table.partition_by), _FIRST, kept_from):
        lake.upsert(RETENTION, lake.frame(RETENTION, [row]))
        until = sql_time(_midnight(closed))
        lake.delete_where(
            REOPENED_HOURS, f"hour >= TIMESTAMP '{sql_time(_midnight(_FIRST))}' AND hour < TIMESTAMP '{until}'"
        )
    else:
        return []
    lake.check()
    return [said] if delta_tables.drop_days(lake.path(table), str(table.partition_by), _FIRST, kept_from) else []


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _forget_lost_judgements(lake: Lake) -> None:
    """Those of killed runs, of versions that observations never reached: now it will, without what they tell of."""
    version = lake.version(OBSERVATIONS)
    kept = delta_tables.peek(lake.root, JUDGEMENTS, ["observations_version"])
    if any(row["observations_version"] > version for row in kept):
        lake.delete_where(JUDGEMENTS, f"observations_version > {version}")


def _unchecked(lake: Lake, gate: Row) -> bool:
    """Has the table rows that are still to be checked, or that failed? Among others in a file they would be lost."""
    table = next((table for table in ALL if table.name == gate["table_name"]), None)
    return (
        table is not None
        and gate["passed_version"] is not None
        and bool(lake.written(table, gate["passed_version"]).files)
    )


def _settle(lake: Lake, gates: list[Row], unchecked: set[str]) -> None:
    """What was checked stays so, in its new files."""
    by_name = {table.name: table for table in ALL}
    settled = []
    for row in gates:
        if row["passed_version"] is not None and row["table_name"] in by_name.keys() - unchecked:
            version = lake.version(by_name[row["table_name"]])
            row = row | {"passed_version": version, "checked_version": version}
        settled.append(row)
    if settled != gates:
        lake.overwrite(QUALITY_GATES, lake.frame(QUALITY_GATES, settled))


if __name__ == "__main__":
    from jobs.entry import care

    care()
