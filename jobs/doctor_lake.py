"""Facts about the lake for `leasehold doctor`: are its tables sound, what ran last, and what is in the last days.

Of growing tables only the last day is read, or a week of those that are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.conditions import on_dates
from jobs.coverage_answer import failed_polls
from jobs.doctor_aws import FlowLog
from jobs.sources.classify import fields_in
from jobs.sources.streams import DamagedError, UnreadableError
from jobs.storage import Lake, exists, protocol
from transforms.columns import SCOPE
from transforms.schemas import (
    ALL,
    CLOUDTRAIL_EVENTS,
    COVERAGE,
    FAILED_POLLS,
    FLOW_LOGS,
    INGESTED_FILES,
    IP_LEASES,
    POLLS,
    RUNS,
)
from transforms.schemas.table import Table

Row = dict[str, Any]
TOLD_BY_RECORDS = (
    "pkt_src_addr", "pkt_dst_addr", "flow_direction", "log_status", "action", "bytes", "packets", "src_port",
    "dst_port", "protocol",
)  # fmt: skip
"""Columns that some record of a day has a value in if the format has the field at all."""

READ = (RUNS, INGESTED_FILES, FLOW_LOGS, CLOUDTRAIL_EVENTS, POLLS, FAILED_POLLS, COVERAGE, IP_LEASES)
"""The tables that `contents` reads."""

_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class LakeFacts:
    """What the tables say."""

    root: str
    there: bool = True
    unreadable: str = ""
    missing: tuple[str, ...] = ()
    """tables that are not there"""
    lacking: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """table → columns that it lacks"""
    odd: dict[str, tuple[int, int]] = field(default_factory=dict)
    """table → (reader, writer), where they are not 1 and 2"""
    runs: tuple[Row, ...] = ()
    """the last run of each job: job, started_at, window_start, window_end, outcome"""
    taken_in_until: datetime | None = None
    """end of the last window that `ingest` finished"""
    kinds: frozenset[str] = field(default_factory=frozenset)
    flows: tuple[Row, ...] = ()
    """of the last day, per flow log: flow_log_id, account_id, region, last (its latest record)"""
    flow_logs: tuple[FlowLog, ...] = ()
    trails: tuple[Row, ...] = ()
    """of the last day, per account, region and event_category: events, last"""
    polls: tuple[Row, ...] = ()
    """of the last week, per account, region and operation: polls, last, usual (seconds between two)"""
    failed: tuple[Row, ...] = ()
    """of the last week, as `coverage_answer.failed_polls` has them"""
    missed: tuple[Row, ...] = ()
    """of the last week, per account and region: interface_polls_missed, function_polls_missed"""
    outside: tuple[str, ...] = ()
    """functions outside any VPC on the last day that `coverage` has"""
    lambda_places: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """accounts and regions in which Lambda has an interface"""


def sound(root: str) -> LakeFacts:
    """Which tables are there, at which protocol; needs no engine."""
    try:
        there = [table for table in ALL if exists(root, table)]
        base = root if "://" in root else str(Path(root).resolve())
        versions = {table.name: protocol(f"{base}/{table.name}") for table in there}
    except Exception as error:  # deltalake raises whatever its Rust half has met
        return LakeFacts(root, unreadable=f"{type(error).__name__}: {error}"[:300])
    missing = tuple(table.name for table in ALL if table not in there)
    odd = {name: found for name, found in versions.items() if found != (1, 2)}
    return LakeFacts(root, there=bool(there), missing=missing, odd=odd)


def lacking(lake: Lake) -> dict[str, tuple[str, ...]]:
    """Columns that the tables there are lack: another version of Leasehold made them."""
    there = [table for table in ALL if exists(lake.root, table)]
    found = {table.name: set(table.schema.names) - set(lake.read(table).columns) for table in there}
    return {name: tuple(sorted(columns)) for name, columns in found.items() if columns}


def contents(lake: Lake, raw: str, today: date) -> Row:
    """What `LakeFacts` has beyond `sound`, as its fields; the tables of READ must be sound."""
    ran = lake.read(RUNS).withColumns({"until": _seconds("window_end"), "since": _seconds("started_at")})
    done = ran.where((F.col("job") == "ingest") & (F.col("outcome") == "done")).agg(F.max("until").alias("until"))
    last = F.max(F.struct("since", "until", _seconds("window_start").alias("from"), "outcome")).alias("last")
    runs = _rows(ran.groupBy("job").agg(last).select("job", "last.*"))
    kinds = lake.read(INGESTED_FILES).where(F.col("state") == "done").select("kind").distinct()
    flows = _flows(lake, today)
    return {
        "runs": tuple(
            {
                "job": run["job"],
                "started_at": _moment(run["since"]),
                "window_start": _moment(run["from"]),
                "window_end": _moment(run["until"]),
                "outcome": run["outcome"],
            }
            for run in sorted(runs, key=lambda run: run["since"])
        ),
        "taken_in_until": _moment(_rows(done)[0]["until"]),
        "kinds": frozenset(row["kind"] for row in _rows(kinds)),
        "flows": tuple(flows),
        "flow_logs": tuple(_flow_log(row, raw) for row in flows if row["flow_log_id"]),
        "trails": tuple(_trails(lake, today)),
        "polls": tuple(_polls(lake, today)),
        "failed": tuple(failed_polls(_week(lake, FAILED_POLLS, today))),
        **_covered(lake, today),
        "lambda_places": frozenset(
            (row["account_id"], row["region"])
            for row in _rows(
                lake.read(IP_LEASES)
                .where((F.col("owner_kind") == "lambda") & F.col("valid_to").isNull())
                .select(*SCOPE)
                .distinct()
            )
        ),
    }


def _flows(lake: Lake, today: date) -> list[Row]:
    """The last day's records, flow log by flow log: which columns have a value, how long windows are, the last file."""
    length = F.unix_timestamp("end_time") - F.unix_timestamp("start_time")
    records = _last_day(lake, FLOW_LOGS, today)
    told = [F.max(F.col(name).isNotNull().cast("int")).alias(name) for name in TOLD_BY_RECORDS]
    rows = _rows(
        records.groupBy("flow_log_id", *SCOPE).agg(
            F.max(_seconds("start_time")).alias("last"),
            F.max(F.when(F.col("log_status") == "OK", length)).alias("longest"),
            F.max_by("source_file", F.struct(_seconds("start_time"), "source_file")).alias("file"),
            *told,
        )
    )
    return [{**row, "last": _moment(row["last"])} for row in rows]


def _flow_log(row: Row, raw: str) -> FlowLog:
    """A flow log by the header of its latest file; where that has gone, by the columns that hold something."""
    try:
        fields = frozenset(fields_in(f"{raw.rstrip('/')}/{row['file']}"))
    except (UnreadableError, DamagedError, OSError):
        # Whether an AWS service was spoken to at all cannot be told from records: that field is not judged.
        services = ("pkt_src_aws_service", "pkt_dst_aws_service")
        fields = frozenset([name for name in TOLD_BY_RECORDS if row[name]] + list(services))
    window = None if row["longest"] is None else 600 if row["longest"] > 90 else 60
    return FlowLog(
        row["flow_log_id"], row["account_id"], row["region"], fields or None, window_seconds=window, destination="s3"
    )


def _trails(lake: Lake, today: date) -> list[Row]:
    last = F.max(_seconds("event_time")).alias("last")
    counts = _last_day(lake, CLOUDTRAIL_EVENTS, today).groupBy(*SCOPE, "event_category")
    return [{**row, "last": _moment(row["last"])} for row in _rows(counts.agg(F.count(F.lit(1)).alias("events"), last))]


def _polls(lake: Lake, today: date) -> list[Row]:
    """How often each operation answered in the last week."""
    each = [*SCOPE, "operation"]
    line = Window.partitionBy(*each).orderBy("at")
    at = _week(lake, POLLS, today).where("complete").select(*each, _seconds("polled_at").alias("at")).distinct()
    apart = at.withColumn("apart", F.col("at") - F.lag("at").over(line))
    found = apart.groupBy(*each).agg(
        F.count(F.lit(1)).alias("polls"), F.max("at").alias("last"), F.median("apart").alias("usual")
    )
    return [{**row, "last": _moment(row["last"])} for row in _rows(found)]


def _covered(lake: Lake, today: date) -> Row:
    week = _week(lake, COVERAGE, today)
    missed = ("interface_polls_missed", "function_polls_missed")
    accounts = week.where(F.col("function_name").isNull()).groupBy(*SCOPE)
    outside = _last_day(lake, COVERAGE, today).where(~F.col("in_vpc")).select("function_name").distinct()
    return {
        "missed": tuple(_rows(accounts.agg(*[F.sum(name).alias(name) for name in missed]))),
        "outside": tuple(sorted(row["function_name"] for row in _rows(outside))),
    }


def _last_day(lake: Lake, table: Table, today: date) -> DataFrame:
    return lake.read(table).where(on_dates("date", _last(lake, table, today)))


def _week(lake: Lake, table: Table, today: date) -> DataFrame:
    last = _last(lake, table, today)
    return lake.read(table).where(on_dates("date", [day - _WEEK + timedelta(days=n) for day in last for n in range(7)]))


def _last(lake: Lake, table: Table, today: date) -> Sequence[date]:
    """The table's last day; what claims to be of the future does not count."""
    rows = lake.read(table).where(F.col("date") <= F.lit(today)).agg(F.max("date").alias("last")).collect()
    return [rows[0]["last"]] if rows and rows[0]["last"] else []


def _seconds(name: str) -> Column:
    return F.unix_timestamp(name)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _rows(frame: DataFrame) -> list[Row]:
    found: list[Row] = frame.toArrow().to_pylist()
    return found
