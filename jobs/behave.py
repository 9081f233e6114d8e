"""Job: what functions did apart from traffic. CloudTrail and CloudWatch → API calls, changes, metrics by the hour."""

from __future__ import annotations

from conf.settings import Settings
from jobs import conditions, hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.api_calls import function_api_calls, hourly_api_activity
from transforms.behaviours import PEER
from transforms.function_changes import function_changes
from transforms.metrics import metrics_hourly
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_API_CALLS,
    FUNCTION_CHANGES,
    FUNCTION_CONFIGS,
    FUNCTION_METRICS,
    FUNCTION_METRICS_HOURLY,
)


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Build the days that new files touch anew; what is normal from then on is learned again."""
    del window, settings  # what came today may tell of yesterday
    queued = hours.reopened(lake, "behave")
    days = sorted({hour.date() for hour in queued})
    if not days:
        return "nothing new of API calls and metrics"
    on_days = conditions.on_dates("date", days)
    # Before the first commit: a kill after it must not leave later days with an old baseline.
    hours.reopen(lake, {"baseline": queued})
    events = lake.read(CLOUDTRAIL_EVENTS).where(on_days)
    lake.replace(FUNCTION_API_CALLS, on_days, function_api_calls(events, lake.read(FUNCTION_CONFIGS)))
    lake.replace(FUNCTION_CHANGES, on_days, function_changes(events, lake.read(FUNCTION_CONFIGS)))
    progress(1, 2)
    lake.replace(FUNCTION_METRICS_HOURLY, on_days, metrics_hourly(lake.read(FUNCTION_METRICS).where(on_days)))
    activity = FUNCTION_ACTIVITY_HOURLY.filled(hourly_api_activity(lake.read(FUNCTION_API_CALLS).where(on_days)))
    lake.replace(FUNCTION_ACTIVITY_HOURLY, f"{on_days} AND behaviour <> '{PEER}'", activity)
    hours.close(lake, "behave", queued)
    progress(2, 2)
    return f"{len(days):,} days"


if __name__ == "__main__":
    from jobs.entry import main

    main("behave")
