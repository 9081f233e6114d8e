"""Job: whose traffic. Flow logs × leases → function_flows, function_activity_hourly, coverage."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import conditions, hours
from jobs.cover import cover
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms import attribution
from transforms.behaviours import PEER
from transforms.candidates import in_time
from transforms.conversations import conversations
from transforms.schemas import (
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_FLOWS,
    INVOCATION_EVIDENCE,
    IP_LEASES,
)

_DAY = timedelta(days=1)


def run(lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Attribute the hours of the window and the reopened ones before its end."""
    reopened = hours.reopened(lake, "attribute", window.end)
    own = hours.of_window(lake, window)
    wanted = sorted({*reopened, *own})
    if not wanted:
        cover(lake, [])
        return "no flow logs in the window"
    parts = conditions.spans(wanted)
    networks = [(network.cidr, network.name, network.internal) for network in settings.networks]
    ip_leases = lake.read(IP_LEASES)
    around = {(hour + shift).date() for hour in wanted for shift in (-_DAY, timedelta(0), _DAY)}
    told = lake.read(INVOCATION_EVIDENCE).where(conditions.on_dates("date", around))

    # An hour more on either side: whether a reply was asked for shows up to ten minutes away.
    records = lake.read(FLOW_LOGS).where(conditions.in_spans("start_time", parts, margin=conditions.HOUR))
    within = conditions.in_spans("window_start", parts)
    spoken = conversations(records, ip_leases).withColumn("date", F.to_date("window_start")).where(within)
    near = in_time(ip_leases, parts[0][0], parts[-1][1], settings.clock_tolerance_seconds)
    flows = attribution.attribute(spoken, near, told, networks, settings.clock_tolerance_seconds)
    # Before the first commit: a kill after it must not leave the days after this one with an old baseline.
    hours.reopen(lake, {"baseline": wanted})
    lake.replace(FUNCTION_FLOWS, within, flows)
    progress(1, 3)

    attributed = lake.read(FUNCTION_FLOWS)
    activity = attribution.hourly_activity(attributed.where(within))
    lake.replace(FUNCTION_ACTIVITY_HOURLY, f"({conditions.in_spans('hour', parts)}) AND behaviour = '{PEER}'", activity)
    progress(2, 3)

    cover(lake, {hour.date() for hour in wanted})
    hours.close(lake, "attribute", reopened)
    progress(3, 3)
    return f"{len(wanted):,} hours, {len(set(reopened) - set(own)):,} of them reopened"


if __name__ == "__main__":
    from jobs.entry import main

    main("attribute")
