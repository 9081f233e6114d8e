"""Job: what was not normal. Activity and baselines → observations → alerts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import detections
from conf.settings import Settings, Tuning
from detections import triage
from detections.alerts import alerts
from detections.detection import Detection
from jobs import conditions, hours, judgements, threats
from jobs.baseline import learning_of
from jobs.errors import LeaseholdError
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.baselines import daily_sightings, judge
from transforms.novelties import novelties
from transforms.schemas import (
    ALERTS,
    ALL,
    DECISIONS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    NOVELTIES,
    OBSERVATIONS,
)
from transforms.schemas.table import Table

_TABLES = {table.name: table for table in ALL}


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Run every detection over the days of the window and the reopened ones, then bring the alerts up to date."""
    reopened = hours.reopened(lake, "detect")
    days = sorted({hour.date() for hour in (*reopened, *hours.of_window(lake, window))})
    parameters = _parameters(settings)
    threats.refresh(lake, settings)
    if days:
        on_days = conditions.on_dates("date", days)
        activity = lake.read(FUNCTION_ACTIVITY_HOURLY).where(on_days)
        baselines = lake.read(FUNCTION_BASELINES).where(conditions.on_dates("as_of_date", days))
        judged = judge(daily_sightings(activity), baselines, learning_of(settings))
        lake.replace(NOVELTIES, on_days, novelties(judged, baselines))
        progress(1, 3)
        found = []
        for alike in _reading_the_same(detections.ALL):
            parts = [observations(lake, detection, parameters[detection.id], days) for detection in alike]
            found.append(functools.reduce(DataFrame.unionByName, parts))
        staged = lake.staged(OBSERVATIONS, *found)
        judgements.record(lake, days, parameters)
        lake.replace(OBSERVATIONS, on_days, staged)
    progress(2, 3)

    raise_alerts(lake, settings)
    hours.close(lake, "detect", reopened)
    progress(3, 3)
    row = (
        lake.read(ALERTS).agg(F.count(F.lit(1)).alias("n"), F.count_if(F.col("status") == "open").alias("open")).first()
    )
    assert row is not None
    return f"{len(days):,} days, {row['n']:,} alerts, {row['open']:,} of them open"


def raise_alerts(lake: Lake, settings: Settings) -> None:
    """Bring the alerts up to what was observed and decided."""
    last = max(lake.days(FUNCTION_ACTIVITY_HOURLY), default=date.min)
    lately = lake.read_days(FUNCTION_ACTIVITY_HOURLY, last, last)
    seen_until = lately.agg((F.max("hour") + F.expr("INTERVAL 1 HOUR")).alias("seen_until"))
    dry = [tuning.detection_id for tuning in settings.detections if tuning.dry_run]
    observed = lake.read(OBSERVATIONS).where(~F.col("detection_id").isin(dry))
    raised = alerts(observed, seen_until, detections.ALL, settings.close_after_days, settings.memory_days)
    told = triage.within_budget(triage.without_floods(raised, settings.flood_limit), settings.alerts_per_day)
    lake.overwrite(ALERTS, triage.decided(told, lake.read(DECISIONS), seen_until))


def _parameters(settings: Settings) -> dict[str, dict[str, float]]:
    """Of each detection, the defaults with what the settings say.

    Raises LeaseholdError for a detection that is none, or a parameter that it lacks.
    """
    known = {detection.id: detection for detection in detections.ALL}
    for tuning in settings.detections:
        if tuning.detection_id not in known:
            raise LeaseholdError(f"settings: there is no detection {tuning.detection_id!r}: {', '.join(known)}")
        lacking = sorted(set(tuning.parameters) - set(known[tuning.detection_id].parameters))
        if lacking:
            has = ", ".join(known[tuning.detection_id].parameters) or "none"
            raise LeaseholdError(f"settings: {tuning.detection_id} has no {', '.join(lacking)}; it has: {has}")
    tuned = {tuning.detection_id: tuning for tuning in settings.detections}
    return {name: {**known[name].parameters, **tuned.get(name, Tuning(name)).parameters} for name in known}


def _reading_the_same(all_of_them: Iterable[Detection]) -> list[list[Detection]]:
    """The detections in groups that read the same tables for as long: they share a plan, and its scans."""
    groups: dict[tuple[tuple[str, ...], int], list[Detection]] = {}
    for detection in all_of_them:
        groups.setdefault((detection.tables, detection.history_days), []).append(detection)
    return list(groups.values())


def observations(
    lake: Lake,
    detection: Detection,
    parameters: Mapping[str, float],
    days: list[date],
    versions: Mapping[str, int] | None = None,
) -> DataFrame:
    """What one detection finds, as `observations`; in the tables as they are, or as they were at these versions."""
    since = days[0] - timedelta(days=detection.history_days)
    frames = {
        name: _since(lake, _TABLES[name], since, days[-1], (versions or {}).get(name)) for name in detection.tables
    }
    found = detection.detect(days, **frames, **parameters)
    rows = OBSERVATIONS.filled(found.withColumn("detection_id", F.lit(detection.id)))
    return rows.withColumn("severity", F.coalesce("severity", F.lit(detection.severity)))


def _since(lake: Lake, table: Table, first: date, last: date, version: int | None) -> DataFrame:
    """The table's rows of these days; all of a table that has no days."""
    if version is not None:
        return lake.read_at(table, version, first, last)
    return lake.read_days(table, first, last)


if __name__ == "__main__":
    from jobs.entry import main

    main("detect")
