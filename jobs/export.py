"""The command `export`: alerts for other tools."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

from pyspark.sql import functions as F

from jobs import conditions
from jobs.errors import LeaseholdError
from jobs.ocsf_findings import VERSIONS, finding
from jobs.show import Row
from jobs.storage import Lake
from jobs.whole_file import output_file
from transforms.schemas import ALERTS, CLOUDTRAIL_EVENTS, DECISIONS

_BY_EVENT = ("cloudtrail_events", "function_api_calls", "function_changes")
"""Tables whose rows have the key of a CloudTrail event."""


def ocsf(lake: Lake, output: str, version: str, since: datetime | None) -> int:
    """Write the alerts as OCSF Detection Findings, one a line, the oldest first; returns how many."""
    if version not in VERSIONS:
        raise LeaseholdError(f"--schema-version is one of {', '.join(VERSIONS)}, not {version!r}")
    rows = lake.read(ALERTS).orderBy("opened_at", "alert_id").toArrow().to_pylist()
    if since is not None:
        rows = _changed(lake, rows, since)
    events = events_of(lake, rows)
    lines = (json.dumps(finding(row, version, events.get(row["evidence"])), ensure_ascii=True) for row in rows)
    _write(output, lines)
    return len(rows)


def _changed(lake: Lake, rows: list[Row], since: datetime) -> list[Row]:
    """Those that were seen or closed since then, woke up, or were decided about."""
    made = lake.read(DECISIONS).where(F.col("made_at") >= F.lit(since))
    decided = made.select("kind", "alert_id", "decision_id").toArrow().to_pylist()
    if any(row["kind"] == "lift" for row in decided):
        return rows  # which alerts the lifted rule had suppressed is no longer known
    ids = {row[name] for row in decided for name in ("alert_id", "decision_id")} - {None}
    times = ("updated_at", "closed_at", "snoozed_until")
    return [
        row
        for row in rows
        if any(row[name] and row[name] >= since for name in times) or ids & {row["alert_id"], row["suppressed_by"]}
    ]


def events_of(lake: Lake, rows: list[Row]) -> dict[str, Row]:
    """The CloudTrail events that are evidence, by their id."""
    wanted = [row for row in rows if row["evidence_table"] in _BY_EVENT and row["evidence"]]
    if not wanted:
        return {}
    ids = lake.frame(ALERTS, [{"evidence": name} for name in sorted({row["evidence"] for row in wanted})])
    # A change may be of the day before what followed it.
    days = {row["opened_at"].date() - timedelta(days=n) for row in wanted for n in (0, 1)}
    events = lake.read(CLOUDTRAIL_EVENTS).where(conditions.on_dates("date", days))
    found = events.join(ids.select(F.col("evidence").alias("event_id")), "event_id", "left_semi").select(
        "event_id", "event_source", "event_name", "error_code"
    )
    return {row["event_id"]: row for row in found.toArrow().to_pylist()}


def _write(output: str, lines: Iterable[str]) -> None:
    """Into the file, whole or not at all; `-`: to standard output."""
    if output == "-":
        for line in lines:
            sys.stdout.write(line + "\n")
        return
    with output_file(output) as half, half.open("w", encoding="ascii") as file:
        file.writelines(line + "\n" for line in lines)
