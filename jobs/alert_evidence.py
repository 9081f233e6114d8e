"""The rows that show what an alert says: of whatever table they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F
from rich.table import Table as Shown

from jobs import conditions
from jobs.bounded import Some, some
from jobs.show import Row, table
from jobs.storage import Lake
from transforms.schemas import ALL, CLOUDTRAIL_EVENTS, FLOW_LOGS, FUNCTION_FLOWS
from transforms.schemas.table import Table

_TABLES = {one.name: one for one in ALL}
_SHOWN = 20
"""Rows on a screen; the tables have them all."""
_COLUMNS = {
    "function_flows": (
        "conversation_id", "start_time", "local_addr", "local_port", "peer_addr", "peer_port", "bytes_out", "bytes_in",
        "rejected", "attribution", "probability",
    ),
    "function_api_calls": (
        "event_id", "event_time", "function_name", "service", "action", "error_code", "api_region",
        "source_ip_address", "identified_by",
    ),
    "function_changes": (
        "event_id", "event_time", "function_name", "change", "event_name", "principal", "source_ip_address",
        "error_code", "detail", "opens_to",
    ),
    "cloudtrail_events": (
        "event_id", "event_time", "event_source", "event_name", "error_code", "source_ip_address", "source_file",
        "source_line",
    ),
    "function_metrics_hourly": (
        "function_name", "hour", "invocations", "peak_invocations", "errors", "throttles", "duration_seconds",
        "longest_seconds", "concurrent_executions",
    ),
    "function_activity_hourly": (
        "function_name", "hour", "behaviour", "thing", "events", "bytes_out", "bytes_in", "first_evidence",
    ),
    "novelties": ("date", "functions", "behaviour", "thing", "first_time", "events", "evidence", "surprise"),
    "observations": ("date", "functions", "subject", "severity", "first_time", "events", "evidence", "summary"),
}  # fmt: skip
_TIMES = ("window_start", "event_time", "hour", "first_time", "date")
_IDS = ("conversation_id", "event_id")
_BY_EVENT = ("function_api_calls", "function_changes")


class Evidence(NamedTuple):
    """Rows that show what an alert says, for whoever sets them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: int
    """so many rows are not among them"""


def tables(lake: Lake, alert: Row) -> list[Shown]:
    """What `found` finds, as tables for a terminal."""
    return [
        table(f"{one.title}; {one.more:,} more" if one.more else one.title, one.columns, one.rows)
        for one in found(lake, alert)
    ]


def found(lake: Lake, alert: Row) -> list[Evidence]:
    """The evidence, the row that the alert names first, and the raw records of that one."""
    kept = _TABLES.get(alert["evidence_table"] or "")
    if kept is None:
        return []
    rows, more = _rows(lake, kept, alert)
    columns = list(_COLUMNS.get(kept.name, kept.schema.names[:10]))
    if "function_name" in columns and ", " not in (alert["functions"] or ", "):
        columns.remove("function_name")  # it stands above
    shown = [Evidence(f"The evidence ({kept.name})", columns, [[row[name] for name in columns] for row in rows], more)]
    if kept is FUNCTION_FLOWS and rows:
        shown.append(_records(lake, rows[0]))
    if kept.name in _BY_EVENT and rows:
        shown.append(_event(lake, rows[0]))
    return shown


def _rows(lake: Lake, kept: Table, alert: Row) -> Some:
    columns = kept.schema.names
    here = lake.read(kept)
    if kept.partition_by == "date":
        here = here.where(conditions.on_dates("date", _days(alert)))
    for name in ("account_id", "region"):
        if name in columns and alert[name] not in (None, "unknown"):
            here = here.where(F.col(name) == F.lit(alert[name]))
    named, alike = _is_named(kept, alert), _alike(kept, alert)
    if "hour" in columns:  # which is every function's
        named = named & alike
    time = next((name for name in _TIMES if name in columns), kept.key[0])
    those = here.where(named | alike).withColumn("named", named)
    if kept is FUNCTION_FLOWS:  # every candidate has the same conversations
        those = those.dropDuplicates(["conversation_id"])
    return some(those, _SHOWN, F.col("named").desc(), time, *kept.key)


def _is_named(kept: Table, alert: Row) -> Column:
    """Is it the row that the alert names: by its id, by its hour, or by file and line?"""
    columns = set(kept.schema.names)
    if kept.key[0] in _IDS:
        named = F.col(kept.key[0])
    elif "hour" in columns:
        named = F.date_format("hour", "yyyy-MM-dd HH:mm")
    elif {"source_file", "source_line"} <= columns:
        named = F.concat_ws(":", "source_file", F.col("source_line").cast("string"))
    else:
        return F.lit(False)
    return F.coalesce(named == F.lit(alert["evidence"] or ""), F.lit(False))


def _alike(kept: Table, alert: Row) -> Column:
    """Other rows of the same functions, and of the same peer or detection where the alert has one."""
    columns, alike = kept.schema.names, F.lit(True)
    names = str(alert["functions"]).split(", ") if alert["functions"] else []
    if names and kept is FUNCTION_FLOWS:
        alike = alike & (F.col("plausible") == F.lit(alert["functions"]))
    elif names and "function_name" in columns:
        alike = alike & F.col("function_name").isin(names)
    elif names and "functions" in columns:
        alike = alike & (F.col("functions") == F.lit(alert["functions"]))
    # Of a /24 of addresses only the port is the same, and the address that was first.
    peer = ("peer_kind", "peer_port", "protocol") if alert["peer_kind"] else ()
    for name in (*peer, "detection_id"):
        if name in columns:
            alike = alike & F.col(name).eqNullSafe(F.lit(alert[name]))
    if peer and {"peer_name", "peer_addr"} <= set(columns):
        address = F.col("peer_addr") == F.lit(alert["peer_addr"] or "")
        alike = alike & ((F.col("peer_name") == F.lit(alert["peer_name"])) | address)
    return alike


def _days(alert: Row) -> list[date]:
    """Those of the alert, and that of the hour which is its evidence: of silence the last before it.

    A change may be of the day before what followed it.
    """
    first, last = alert["opened_at"].date(), (alert["updated_at"] or alert["opened_at"]).date()
    days = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    hour = re.fullmatch(r"(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}", alert["evidence"] or "")
    if alert["evidence_table"] == "function_changes":
        days |= {first - timedelta(days=1)}
    with suppress(ValueError):
        days |= {date.fromisoformat(hour[1])} if hour else set()
    return sorted(days)


def _event(lake: Lake, row: Row) -> Evidence:
    """The CloudTrail record of an event, with where it stands."""
    columns = _COLUMNS[CLOUDTRAIL_EVENTS.name]
    same = (F.col("event_id") == F.lit(row["event_id"])) & (F.col("date") == F.lit(row["date"]))
    rows = lake.read(CLOUDTRAIL_EVENTS).where(same).orderBy("account_id").select(*columns).toArrow().to_pylist()
    return Evidence("The CloudTrail record of the first one", columns, [[r[name] for name in columns] for r in rows], 0)


def _records(lake: Lake, flow: Row) -> Evidence:
    """The flow-log records of one conversation, with where they stand."""
    local, peer = flow["local_addr"], flow["peer_addr"]
    begin, end = flow["start_time"], flow["end_time"]
    ports = {flow["local_port"], flow["peer_port"]}
    rows = (
        lake.read(FLOW_LOGS)
        .where(conditions.on_dates("date", {begin.date(), end.date()}))
        .where(
            (F.col("interface_id") == F.lit(flow["interface_id"]))
            & F.col("src_port").isin(*ports)
            & F.col("dst_port").isin(*ports)
        )
        .where(F.col("src_addr").isin(local, peer) | F.col("dst_addr").isin(local, peer))
        .where((F.col("start_time") >= F.lit(begin)) & (F.col("start_time") <= F.lit(end)))
        .orderBy("start_time", "source_file", "source_line")
        .limit(_SHOWN)
        .toArrow()
        .to_pylist()
    )
    columns = ("start", "source", "destination", "bytes", "action", "raw file", "line")
    cells = [
        (
            r["start_time"],
            f"{r['src_addr']}:{r['src_port']}",
            f"{r['dst_addr']}:{r['dst_port']}",
            r["bytes"],
            r["action"],
            r["source_file"],
            r["source_line"],
        )
        for r in rows
    ]
    return Evidence("The flow-log records of the first one", columns, cells, 0)
