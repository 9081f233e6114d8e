"""Job: what is normal. function_activity_hourly → function_baselines, one day after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import detections
from conf.settings import Settings
from jobs import conditions, hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.baselines import Learning, daily_sightings, judge, next_baseline
from transforms.schemas import DECISIONS, FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES

_DAY = timedelta(days=1)
_LOOK_BACK = max(timedelta(days=detection.history_days + 1) for detection in detections.ALL)


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Roll the baseline forward to the window's last midnight, from the earliest day that changed.

    It ends a day after the last day with activity: nothing could be judged against a later one.
    """
    # Also beyond the window: what changed in it changes the days after it, if they have been run.
    reopened = hours.reopened(lake, "baseline")
    changed = {hour.date() for hour in (*reopened, *hours.of_window(lake, window))}
    active_days, baseline_days = lake.days(FUNCTION_ACTIVITY_HOURLY), lake.days(FUNCTION_BASELINES)
    active = (active_days[0], active_days[-1]) if active_days else None
    if not changed or not active:
        _judge_again(lake, changed)
        hours.close(lake, "baseline", reopened)
        return "no activity to learn from"
    learning = learning_of(settings)
    known = (baseline_days[0], baseline_days[-1]) if baseline_days else None
    last = min(max(window.end.date(), known[1] if known else date.min), active[1] + _DAY)
    # From the last day before with a baseline, so that a day without a run leaves no hole.
    first = max(active[0], min(min(changed), known[1]) if known else active[0])
    days = [day for day in _days(first, last) if _remembers(day, active_days, settings.memory_days)]
    judged_by_people = lake.read(DECISIONS).where("kind = 'verdict'").count() > 0
    for done, day in enumerate(days):
        progress(done, len(days))
        baseline = lake.read_day(FUNCTION_BASELINES, day)
        activity = lake.read_day(FUNCTION_ACTIVITY_HOURLY, day)
        judged = judge(daily_sightings(activity), baseline, learning)
        following = next_baseline(baseline, judged, day, learning, _accepted(lake, day) if judged_by_people else None)
        lake.replace(FUNCTION_BASELINES, conditions.on_dates("as_of_date", [day + _DAY]), following)
    progress(len(days), len(days))
    if known and (known[0] <= active[0] or known[1] > last):
        # Left over from activity that turned out to be nobody's.
        lake.delete_where(FUNCTION_BASELINES, f"as_of_date <= DATE '{active[0]}' OR as_of_date > DATE '{last}'")
    # A changed day changes the verdicts on every later one of the baselines' days, and on those that look back on it.
    end = max(last, max(changed) + _DAY)
    _judge_again(
        lake, {*_days(first, end), *(day for one in changed for day in _days(one, min(one + _LOOK_BACK, end)))}
    )
    hours.close(lake, "baseline", reopened)
    return f"{len(days):,} days"


def _remembers(day: date, active_days: list[date], memory_days: int) -> bool:
    """Is there anything to learn on the day, or left to forget? Else its baseline is empty, as the one before."""
    return any(0 <= (day - active).days <= memory_days for active in active_days)


def _judge_again(lake: Lake, days: Iterable[date]) -> None:
    hours.reopen(lake, {"detect": [datetime.combine(day, time(), UTC) for day in days]})


def _accepted(lake: Lake, day: date) -> DataFrame:
    """What people had said to be harmless by the end of a day; of several verdicts on one alert the latest counts."""
    made = lake.read(DECISIONS).where((F.col("kind") == "verdict") & (F.to_date("made_at") <= F.lit(day)))
    about = F.struct("account_id", "region", "functions", "subject", "verdict")
    latest = made.groupBy("alert_id").agg(F.max_by(about, F.struct("made_at", "decision_id")).alias("of"))
    harmless = latest.select("of.*").where(F.col("verdict").isin("benign trigger", "false"))
    names = F.explode(F.split("functions", ", ")).alias("function_name")
    return harmless.select("account_id", "region", names, F.col("subject").alias("thing"))


def learning_of(settings: Settings) -> Learning:
    """The part of the settings that says how to learn."""
    return Learning(
        settings.min_history_days, settings.memory_days, settings.max_unseen_mass, settings.max_strangers_per_day
    )


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += _DAY


if __name__ == "__main__":
    from jobs.entry import main

    main("baseline")
