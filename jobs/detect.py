"""Job: what was not normal. Activity and baselines → observations → alerts."""

from __future__ import annotations

import functools
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import detections
from conf.settings import Settings
from detections.alerts import alerts
from detections.detection import Detection
from jobs import conditions, hours, threats
from jobs.baseline import learning_of
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.baselines import daily_sightings, judge
from transforms.novelties import novelties
from transforms.schemas import ALERTS, ALL, FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES, NOVELTIES, OBSERVATIONS
from transforms.schemas.table import Table

_TABLES = {table.name: table for table in ALL}


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Run every detection over the days of the window and the reopened ones, then bring the alerts up to date."""
    reopened = hours.reopened(lake, "detect")
    days = sorted({hour.date() for hour in (*reopened, *hours.of_window(lake, window))})
    threats.refresh(lake, settings)
    if days:
        on_days = conditions.on_dates("date", days)
        activity = lake.read(FUNCTION_ACTIVITY_HOURLY).where(on_days)
        baselines = lake.read(FUNCTION_BASELINES).where(conditions.on_dates("as_of_date", days))
        judged = judge(daily_sightings(activity), baselines, learning_of(settings))
        lake.replace(NOVELTIES, on_days, novelties(judged, baselines))
        progress(1, 3)
        found = [_observations(lake, detection, days) for detection in detections.ALL]
        lake.replace(OBSERVATIONS, on_days, functools.reduce(DataFrame.unionByName, found))
    progress(2, 3)

    seen_until = lake.read(FUNCTION_ACTIVITY_HOURLY).agg(
        (F.max("hour") + F.expr("INTERVAL 1 HOUR")).alias("seen_until")
    )
    frame = alerts(lake.read(OBSERVATIONS), seen_until, detections.ALL, settings.close_after_days)
    lake.overwrite(ALERTS, frame)
    hours.close(lake, "detect", reopened)
    progress(3, 3)
    row = (
        lake.read(ALERTS).agg(F.count(F.lit(1)).alias("n"), F.count_if(F.col("status") == "open").alias("open")).first()
    )
    assert row is not None
    return f"{len(days):,} days, {row['n']:,} alerts, {row['open']:,} of them open"


def _observations(lake: Lake, detection: Detection, days: list[date]) -> DataFrame:
    """What one detection finds, as `observations`."""
    since = days[0] - timedelta(days=detection.history_days)
    frames = {name: _since(lake, _TABLES[name], since, days[-1]) for name in detection.tables}
    found = detection.detect(days, **frames, **detection.parameters)
    severity = F.coalesce("severity", F.lit(detection.severity)) if "severity" in found.columns else detection.severity
    named = found.withColumns({"detection_id": F.lit(detection.id), "severity": F.lit(severity)})
    return OBSERVATIONS.filled(named)


def _since(lake: Lake, table: Table, first: date, last: date) -> DataFrame:
    """The table's rows of these days; all of a table that has no days."""
    frame, day = lake.read(table), table.partition_by
    if day not in ("date", "as_of_date"):
        return frame
    return frame.where(f"{day} >= DATE '{first}' AND {day} <= DATE '{last}'")


if __name__ == "__main__":
    from jobs.entry import main

    main("detect")
