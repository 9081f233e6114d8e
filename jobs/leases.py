"""Job: who held which address, when. Snapshots and CloudTrail → interfaces, function_configs, ip_leases."""

from __future__ import annotations

from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.changes import changed_hours
from transforms.function_configs import function_configs
from transforms.interfaces import interfaces
from transforms.leases import ip_leases
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FUNCTION_CONFIGS,
    FUNCTION_SNAPSHOTS,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
    IP_LEASES,
)

# What moves boundaries; everything else in CloudTrail need not be read.
_EVENT_SOURCES = ("ec2.amazonaws.com", "lambda.amazonaws.com")


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Build the three tables anew from all that was ingested; hours whose leases changed are attributed again."""
    del window  # a lease has no window: evidence of today may move a boundary of yesterday
    events = lake.read(CLOUDTRAIL_EVENTS).where(F.col("event_source").isin(*_EVENT_SOURCES))
    lake.overwrite(INTERFACES, interfaces(lake.read(INTERFACE_SNAPSHOTS), events))
    lake.overwrite(FUNCTION_CONFIGS, function_configs(lake.read(FUNCTION_SNAPSHOTS), events))
    after = ip_leases(lake.read(INTERFACES), lake.read(FUNCTION_CONFIGS))
    changed = []
    if span := hours.attributed(lake):
        differing = changed_hours(lake.read(IP_LEASES), after, *span, settings.clock_tolerance_seconds)
        changed = hours.collect_hours(differing)
        hours.reopen(lake, "attribute", changed)
    lake.overwrite(IP_LEASES, after)
    progress(1, 1)
    return f"{len(changed):,} hours with changed leases"


if __name__ == "__main__":
    from jobs.entry import main

    main("leases")
