"""Job: when functions ran. CloudTrail, CloudWatch's minutes and function snapshots → invocation_evidence."""

from __future__ import annotations

from datetime import timedelta

from conf.settings import Settings
from jobs import conditions, hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.evidence import changed_hours, invocation_evidence
from transforms.schemas import CLOUDTRAIL_EVENTS, FUNCTION_METRICS, FUNCTION_SNAPSHOTS, INVOCATION_EVIDENCE

_DAY = timedelta(days=1)


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Build the days that new evidence touches anew; hours of which it tells something else are attributed again."""
    del window  # evidence of today may tell of yesterday
    queued = hours.reopened(lake, "evidence")
    # What was polled just before midnight tells how long invocations of the next day may have lasted.
    days = sorted({moment.date() for hour in queued for moment in (hour, hour + conditions.HOUR)})
    if not days:
        return "no new evidence"
    eves = [day - _DAY for day in days]
    on_days, and_before = conditions.on_dates("date", days), conditions.on_dates("date", [*days, *eves])
    sources = (CLOUDTRAIL_EVENTS, FUNCTION_METRICS, FUNCTION_SNAPSHOTS)
    after = invocation_evidence(*[lake.read(table).where(and_before) for table in sources]).where(on_days)
    before = lake.read(INVOCATION_EVIDENCE).where(on_days)
    changed = hours.collect_hours(changed_hours(before, after, settings.clock_tolerance_seconds))
    hours.reopen(lake, {"attribute": changed})
    lake.replace(INVOCATION_EVIDENCE, on_days, after)
    hours.close(lake, "evidence", queued)
    progress(1, 1)
    return f"{len(days):,} days of evidence, {len(changed):,} hours of which it says something new"


if __name__ == "__main__":
    from jobs.entry import main

    main("evidence")
