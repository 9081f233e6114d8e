"""Job: who held which address, when. Snapshots and CloudTrail → interfaces, function_configs, ip_leases.

Two steps. Of the days that new files touch, what was seen is written down without its repetition (polls,
interface_sightings, function_sightings, lease_events); from these the leases follow, and of them only those that have
changed are written.
"""

from __future__ import annotations

from datetime import date, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import conditions, hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms import sightings
from transforms.api_calls import changed_sessions
from transforms.changes import changed_hours
from transforms.function_changes import calls_of_roles
from transforms.function_configs import function_configs
from transforms.interfaces import interfaces
from transforms.leases import ip_leases
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FUNCTION_CONFIGS,
    FUNCTION_SIGHTINGS,
    FUNCTION_SNAPSHOTS,
    INTERFACE_SIGHTINGS,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
    IP_LEASES,
    LEASE_EVENTS,
    POLLS,
)
from transforms.sightings import FUNCTION_POLL, INTERFACE_POLL


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Bring the leases up to what was ingested; hours whose leases changed are attributed again."""
    del window  # a lease has no window: evidence of today may move a boundary of yesterday
    queued = hours.reopened(lake, "leases")
    days = sorted({hour.date() for hour in queued})
    if not days:
        return "nothing new of interfaces and functions"
    _see(lake, days)
    progress(1, 3)
    events, polls = lake.read(LEASE_EVENTS), lake.read(POLLS)
    of_interfaces, of_functions = (polls.where(f"operation = '{o}'") for o in (INTERFACE_POLL, FUNCTION_POLL))
    shown = interfaces(lake.read(INTERFACE_SIGHTINGS), of_interfaces, events)
    lake.replace_changed(INTERFACES, lake.staged(INTERFACES, shown))
    listed = function_configs(lake.read(FUNCTION_SIGHTINGS), of_functions, events)
    known = lake.staged(FUNCTION_CONFIGS, listed)
    hours.reopen(lake, {"behave": _with_sessions_of(lake, changed_sessions(lake.read(FUNCTION_CONFIGS), known))})
    lake.replace_changed(FUNCTION_CONFIGS, known)
    progress(2, 3)
    after = lake.staged(IP_LEASES, ip_leases(lake.read(INTERFACES), lake.read(FUNCTION_CONFIGS)))
    changed = []
    if span := hours.attributed(lake):
        differing = changed_hours(lake.read(IP_LEASES), after, *span, settings.clock_tolerance_seconds)
        changed = hours.collect_hours(differing)
        hours.reopen(lake, {"attribute": changed})
    lake.replace_changed(IP_LEASES, after)
    hours.close(lake, "leases", queued)
    progress(3, 3)
    return f"{len(days):,} days of sightings, {len(changed):,} hours with changed leases"


def _with_sessions_of(lake: Lake, functions: DataFrame) -> list[datetime]:
    """The hours in which these functions' role sessions called an API, or their roles were changed."""
    named = functions.toArrow()
    if not named.num_rows:
        return []
    keys = lake.spark.createDataFrame(named)
    calls = lake.read(CLOUDTRAIL_EVENTS).where(
        "session_name IS NOT NULL AND (in_scope_of_arn IS NULL OR in_scope_of_arn NOT LIKE '%:function:%')"
    )
    spoken = calls.join(keys, ["session_name", "role_arn"], "left_semi")
    changed = calls_of_roles(lake.read(CLOUDTRAIL_EVENTS), keys)
    return hours.collect_hours(
        spoken.select("event_time")
        .unionByName(changed.select("event_time"))
        .select(F.date_trunc("hour", "event_time").alias("hour"))
    )


def _see(lake: Lake, days: list[date]) -> None:
    """Write what was seen and told on these days; it depends on nothing else."""
    on_days = conditions.on_dates("date", days)
    shown, listed = (lake.read(table).where(on_days) for table in (INTERFACE_SNAPSHOTS, FUNCTION_SNAPSHOTS))
    lake.replace(LEASE_EVENTS, on_days, sightings.lease_events(lake.read(CLOUDTRAIL_EVENTS).where(on_days)))
    told = lake.read(LEASE_EVENTS).where(on_days)
    polls = sightings.polls(shown, INTERFACE_POLL).unionByName(sightings.polls(listed, FUNCTION_POLL))
    lake.replace(POLLS, on_days, polls)
    lake.replace(INTERFACE_SIGHTINGS, on_days, sightings.interface_sightings(shown))
    lake.replace(FUNCTION_SIGHTINGS, on_days, sightings.function_sightings(listed, told))


if __name__ == "__main__":
    from jobs.entry import main

    main("leases")
