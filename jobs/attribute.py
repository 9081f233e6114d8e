"""Job: whose traffic. Flow logs × leases → function_flows, function_activity_hourly, coverage."""

from __future__ import annotations

from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import hours
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms import attribution
from transforms.conversations import conversations
from transforms.schemas import COVERAGE, FLOW_LOGS, FUNCTION_ACTIVITY_HOURLY, FUNCTION_FLOWS, IP_LEASES


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Attribute the hours of the window and the reopened ones before its end."""
    reopened = hours.reopened(lake, "attribute", window.end)
    own = hours.of_window(lake, window)
    wanted = sorted({*reopened, *own})
    if not wanted:
        return "no flow logs in the window"
    parts = hours.spans(wanted)
    networks = [(network.cidr, network.name, network.internal) for network in settings.networks]
    ip_leases = lake.read(IP_LEASES)

    # An hour more on either side: whether a reply was asked for shows up to ten minutes away.
    records = lake.read(FLOW_LOGS).where(hours.in_spans("start_time", parts, margin=hours.HOUR))
    spoken = conversations(records, ip_leases)
    flows = attribution.attribute(spoken, ip_leases, networks, settings.clock_tolerance_seconds)
    # Before the first commit: a kill after it must not leave the days after this one with an old baseline.
    hours.reopen(lake, "baseline", wanted)
    within = hours.in_spans("window_start", parts)
    lake.replace(FUNCTION_FLOWS, within, flows)
    progress(1, 3)

    attributed = lake.read(FUNCTION_FLOWS)
    activity = attribution.hourly_activity(attributed.where(within))
    lake.replace(FUNCTION_ACTIVITY_HOURLY, hours.in_spans("hour", parts), activity)
    progress(2, 3)

    days = hours.on_dates("date", {hour.date() for hour in wanted})
    until = F.col("start_time") < F.lit(window.end)
    coverage = attribution.coverage(attributed.where(days), lake.read(FLOW_LOGS).where(days).where(until))
    lake.replace(COVERAGE, days, coverage)
    hours.close(lake, "attribute", reopened)
    progress(3, 3)
    return f"{len(wanted):,} hours, {len(set(reopened) - set(own)):,} of them reopened"


if __name__ == "__main__":
    from jobs.entry import main

    main("attribute")
