"""The queue of hours to compute again.

A job that finds that an hour has changed writes it to `reopened_hours` for the next job *before* it
commits the change, and a job takes an hour off the queue only *after* its own commit. A kill in between
costs some work twice, and never a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.conditions import spans, sql_time
from jobs.delta_tables import peek
from jobs.errors import LeaseholdError
from jobs.storage import Lake
from jobs.window import Window
from transforms.schemas import COVERAGE, INGESTED_FILES, REOPENED_HOURS, RETENTION

_NO_TIME_ENDS = datetime(1970, 1, 2, tzinfo=UTC)


def reopen(lake: Lake, touched: Mapping[str, Iterable[datetime]]) -> None:
    """Queue hours, by the job that has to compute them; those already queued stay once."""
    # Only one run writes at a time: a look and an append cost less than a MERGE, on Spark by seconds.
    still_open = set(open_hours(lake, {hour for hours in touched.values() for hour in hours}))
    wanted = {(job, hour) for job, hours in touched.items() for hour in hours if hour in still_open}
    if not wanted:
        return
    queued = lake.read(REOPENED_HOURS).select("job", F.unix_timestamp("hour").alias("s")).collect()
    rows = sorted(wanted - {(row.job, datetime.fromtimestamp(row.s, UTC)) for row in queued})
    if rows:
        lake.append(REOPENED_HOURS, lake.spark.createDataFrame(rows, "job string, hour timestamp"))


def open_hours(lake: Lake, hours: Iterable[datetime]) -> list[datetime]:
    """Those of the hours that can be computed again: that maintenance has deleted nothing of."""
    closed = closed_before(lake)
    # What does not say when it was is on the first day of all, and is kept.
    return [hour for hour in hours if closed is None or hour >= closed or hour < _NO_TIME_ENDS]


def closed_before(lake: Lake) -> datetime | None:
    """Hours before this instant are closed: rows that they were made of have been deleted; None: none were."""
    days = [row["closed_before"] for row in peek(lake.root, RETENTION, ["closed_before"])]
    return datetime.combine(max(days), time(), UTC) if days else None


def refuse_closed(lake: Lake, window: Window) -> None:
    """Raise LeaseholdError for a window that begins before what is kept."""
    closed = closed_before(lake)
    if closed and window.start < closed:
        raise LeaseholdError(
            f"hours before {closed:%Y-%m-%d} cannot be computed again: rows that they are made of were deleted, as "
            f"keep_days says (table retention). What came of them is kept. Give --start {closed:%Y-%m-%d} or later"
        )


def reopened(lake: Lake, job: str, before: datetime | None = None) -> list[datetime]:
    """The job's queued hours (before an instant), in order."""
    queued = lake.read(REOPENED_HOURS).where(F.col("job") == job)
    return sorted(collect_hours(queued if before is None else queued.where(F.col("hour") < F.lit(before))))


def close(lake: Lake, job: str, hours: Iterable[datetime]) -> None:
    """Take hours off a job's queue."""
    parts = [
        f"(hour >= TIMESTAMP '{sql_time(start)}' AND hour < TIMESTAMP '{sql_time(end)}')" for start, end in spans(hours)
    ]
    if parts:
        lake.delete_where(REOPENED_HOURS, f"job = '{job}' AND ({' OR '.join(parts)})")


def collect_hours(frame: DataFrame) -> list[datetime]:
    """The distinct values of the column `hour` as UTC datetimes."""
    # Seconds, because the two engines disagree on the zone of a collected timestamp.
    rows = frame.select(F.unix_timestamp("hour").alias("s")).distinct().collect()
    return [datetime.fromtimestamp(row.s, UTC) for row in rows]


def attributed(lake: Lake) -> tuple[datetime, datetime] | None:
    """From the first to the last instant of the days that `attribute` has worked on; None before it has."""
    days = lake.days(COVERAGE)
    if not days:
        return None
    first, last = (datetime.combine(day, time(), UTC) for day in (days[0], days[-1]))
    return first, last + timedelta(days=1, microseconds=-1)


def of_window(lake: Lake, window: Window) -> list[datetime]:
    """The window's hours from which there are flow logs: a window may be wider than the data."""
    flow_logs = lake.read(INGESTED_FILES).where((F.col("kind") == "vpc_flow_logs") & F.col("min_time").isNotNull())
    row = flow_logs.agg(
        F.unix_timestamp(F.min("min_time")).alias("first"), F.unix_timestamp(F.max("max_time")).alias("last")
    ).first()
    if row is None or row["first"] is None:
        return []
    first, last = (datetime.fromtimestamp(row[end], UTC) for end in ("first", "last"))
    return window.hours(first.replace(minute=0, second=0), last)
