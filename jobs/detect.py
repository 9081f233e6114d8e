"""Job: what was not normal. Activity and baselines → observations → alerts."""

from __future__ import annotations

import functools

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import detections
from conf.settings import Settings
from detections.alerts import alerts
from jobs import conditions, hours
from jobs.baseline import learning_of
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.baselines import daily_sightings, expected_peers, judge
from transforms.schemas import ALERTS, FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES, OBSERVATIONS


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Run every detection over the days of the window and the reopened ones, then bring the alerts up to date."""
    reopened = hours.reopened(lake, "detect")
    days = {hour.date() for hour in (*reopened, *hours.of_window(lake, window))}
    on_days = conditions.on_dates("date", days)
    activity = lake.read(FUNCTION_ACTIVITY_HOURLY).where(on_days)
    baselines = lake.read(FUNCTION_BASELINES).where(conditions.on_dates("as_of_date", days))
    judged = judge(daily_sightings(activity), baselines, learning_of(settings))
    expected = expected_peers(baselines)
    found = [detection.detect(judged, expected) for detection in detections.ALL]
    observations = functools.reduce(DataFrame.unionByName, [OBSERVATIONS.conform(frame) for frame in found])
    if days:
        lake.replace(OBSERVATIONS, on_days, observations)
    progress(1, 2)

    seen_until = lake.read(FUNCTION_ACTIVITY_HOURLY).agg(
        (F.max("hour") + F.expr("INTERVAL 1 HOUR")).alias("seen_until")
    )
    frame = alerts(lake.read(OBSERVATIONS), seen_until, detections.ALL, settings.close_after_days)
    lake.overwrite(ALERTS, frame)
    hours.close(lake, "detect", reopened)
    progress(2, 2)
    row = (
        lake.read(ALERTS).agg(F.count(F.lit(1)).alias("n"), F.count_if(F.col("status") == "open").alias("open")).first()
    )
    assert row is not None
    return f"{len(days):,} days, {row['n']:,} alerts, {row['open']:,} of them open"


if __name__ == "__main__":
    from jobs.entry import main

    main("detect")
