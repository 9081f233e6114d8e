"""Job: what is normal. function_activity_hourly → function_baselines, one day after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import hours
from jobs.storage import Lake
from jobs.window import Window
from transforms.baselines import Learning, daily_sightings, judge, next_baseline
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES

_DAY = timedelta(days=1)


def run(lake: Lake, settings: Settings, window: Window) -> str:
    """Roll the baseline forward to the window's last midnight, from the earliest day that changed."""
    reopened = hours.reopened(lake, "baseline", window.end)
    changed = {hour.date() for hour in (*reopened, *window.hours())}
    learning = learning_of(settings)
    computed = _last_day(lake)
    last = max(window.end.date(), computed or date.min)
    first = _first_day(lake, min(changed))
    rolled = 0
    for day in _days(first, last):
        baseline = lake.read(FUNCTION_BASELINES).where(hours.on_dates("as_of_date", [day]))
        activity = lake.read(FUNCTION_ACTIVITY_HOURLY).where(hours.on_dates("date", [day]))
        judged = judge(daily_sightings(activity), baseline, learning)
        following = next_baseline(baseline, judged, day, learning)
        lake.replace(FUNCTION_BASELINES, hours.on_dates("as_of_date", [day + _DAY]), following)
        rolled += 1
    # A changed day changes the verdicts on every later one.
    hours.reopen(lake, "detect", [datetime.combine(d, time(), UTC) for d in (*_days(min(changed), last), last)])
    hours.close(lake, "baseline", reopened)
    return f"{rolled:,} days"


def learning_of(settings: Settings) -> Learning:
    """The part of the settings that says how to learn."""
    return Learning(settings.min_history_days, settings.memory_days, settings.max_unseen_mass)


def _first_day(lake: Lake, earliest: date) -> date:
    """Where to begin: the last day before `earliest` with a baseline, so that a day without a run leaves no hole."""
    row = (
        lake.read(FUNCTION_BASELINES)
        .where(F.col("as_of_date") <= F.lit(earliest.isoformat()).cast("date"))
        .agg(F.max("as_of_date").alias("day"))
        .first()
    )
    return row.day if row and row.day else earliest


def _last_day(lake: Lake) -> date | None:
    row = lake.read(FUNCTION_BASELINES).agg(F.max("as_of_date").alias("day")).first()
    return row.day if row else None


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += _DAY
