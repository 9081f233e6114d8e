"""The queue of hours to compute again.

A job that finds that an hour has changed writes it to `reopened_hours` for the next job *before* it
commits the change, and a job takes an hour off the queue only *after* its own commit. A kill in between
costs some work twice, and never a result.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.storage import Lake
from jobs.window import Window
from transforms.schemas import COVERAGE, INGESTED_FILES, REOPENED_HOURS


def reopen(lake: Lake, job: str, hours: Iterable[datetime]) -> None:
    """Queue hours for a job; those already queued stay once."""
    rows = [(job, hour) for hour in sorted(set(hours))]
    if rows:
        lake.insert_new(REOPENED_HOURS, lake.spark.createDataFrame(rows, "job string, hour timestamp"))


def reopened(lake: Lake, job: str, before: datetime | None = None) -> list[datetime]:
    """The job's queued hours (before an instant), in order."""
    queued = lake.read(REOPENED_HOURS).where(F.col("job") == job)
    return sorted(collect_hours(queued if before is None else queued.where(F.col("hour") < F.lit(before))))


def close(lake: Lake, job: str, hours: Iterable[datetime]) -> None:
    """Take hours off a job's queue."""
    rows = [(job, hour) for hour in hours]
    if rows:
        lake.delete_matching(REOPENED_HOURS, lake.spark.createDataFrame(rows, "job string, hour timestamp"))


def collect_hours(frame: DataFrame) -> list[datetime]:
    """The distinct values of the column `hour` as UTC datetimes."""
    # Seconds, because the two engines disagree on the zone of a collected timestamp.
    rows = frame.select(F.unix_timestamp("hour").alias("s")).distinct().collect()
    return [datetime.fromtimestamp(row.s, UTC) for row in rows]


def attributed(lake: Lake) -> tuple[datetime, datetime] | None:
    """From the first to the last instant of the days that `attribute` has worked on; None before it has."""
    row = lake.read(COVERAGE).agg(F.min("date").alias("first"), F.max("date").alias("last")).first()
    if row is None or row["first"] is None:
        return None
    first, last = (datetime.combine(day, time(), UTC) for day in (row["first"], row["last"]))
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
