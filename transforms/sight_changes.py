"""What was done to the account's own sight: flow logs, trails, GuardDuty, log groups."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.cloudtrail import request, values_of

FLOW_LOGS, TRAIL, GUARD, LOG_GROUP = "flow logs", "trail", "guardduty", "log group"
SIGHT = (FLOW_LOGS, TRAIL, GUARD)
"""Changes after which less is seen."""
STOPPED = "stopped"
"""How the detail of a trail begins that writes nothing any more; any other was narrowed."""

_NAMES = {
    FLOW_LOGS: ("ec2.amazonaws.com", ("DeleteFlowLogs",)),
    TRAIL: ("cloudtrail.amazonaws.com", ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors")),
    GUARD: (
        "guardduty.amazonaws.com",
        (
            "DeleteDetector", "UpdateDetector", "DisassociateFromMasterAccount", "DisassociateFromAdministratorAccount",
            "StopMonitoringMembers", "DisassociateMembers", "DeleteMembers",
        ),
    ),
    LOG_GROUP: ("logs.amazonaws.com", ("DeleteLogGroup",)),
}  # fmt: skip


def sight_change() -> Column:
    """Which sort of change an event of `cloudtrail_events` is, if its detail says that something is lost."""
    return F.coalesce(
        *[
            F.when((F.col("event_source") == source) & F.col("event_name").isin(*names), what)
            for what, (source, names) in _NAMES.items()
        ]
    )


def log_group_function() -> Column:
    """A log group of Lambda's belongs to its function; NULL for the others."""
    named = F.regexp_extract(F.coalesce(request("logGroupName"), F.lit("")), r"^/aws/lambda/([A-Za-z0-9_-]+)$", 1)
    return F.when(F.col("change") == LOG_GROUP, F.nullif(named, F.lit("")))


def sight_detail() -> Column:
    """What is not seen any more, by the row's `change`; NULL: nothing is lost.

    What a call says counts: a trail that is told to write on, or that gains, loses nothing. The state before is not
    known: a trail of data events alone that is set again so looks like a loss of management events.

    StopLogging of trail-1 → `stopped trail-1`. PutEventSelectors with readWriteType ReadOnly → `narrowed trail-1: calls
    that change are not written any more`. DeleteFlowLogs → `fl-1, fl-2`.
    """
    change, name = F.col("change"), F.col("event_name")
    trail = F.coalesce(request("name"), request("trailName"), F.lit("a trail"))
    stopped = F.when(name.isin("StopLogging", "DeleteTrail"), F.concat(F.lit(f"{STOPPED} "), trail))
    lost = F.when(name == "UpdateTrail", _trail_loses()).when(name == "PutEventSelectors", _selectors_lose())
    flow_logs = F.array_join(
        F.array_sort(F.array_distinct(F.regexp_extract_all("request_parameters", F.lit(r'"(fl-[0-9a-f]+)"'), 1))), ", "
    )
    disabled = F.when((name != "UpdateDetector") | (request("enable") == "false"), name)
    return (
        F.when(change == FLOW_LOGS, F.coalesce(flow_logs, F.lit("")))
        .when(change == TRAIL, F.coalesce(stopped, F.concat(F.lit("narrowed "), trail, F.lit(": "), lost)))
        .when(change == GUARD, disabled)
        .when(change == LOG_GROUP, F.coalesce(request("logGroupName"), F.lit("unknown")))
    )


def _trail_loses() -> Column:
    return F.coalesce(
        F.when(request("isMultiRegionTrail") == "false", "other regions are not written any more"),
        F.when(request("includeGlobalServiceEvents") == "false", "IAM and STS are not written any more"),
        F.concat(F.lit("it is written to the bucket "), request("s3BucketName")),
        F.when(request("enableLogFileValidation") == "false", "its files are not signed any more"),
    )


def _selectors_lose() -> Column:
    classic, advanced = request("eventSelectors"), request("advancedEventSelectors")
    management = F.array_contains(_flags(classic, "includeManagementEvents"), "true")
    # One selector that writes all is enough, whatever the others leave out.
    modes = values_of(classic, "readWriteType")
    excluded = values_of_list(classic, "excludeManagementEventSources")
    unnamed = classic.contains('"readWriteType"')
    of_classic = (
        F.when(classic.contains('"includeManagementEvents":') & ~management, "management events")
        .when(unnamed & ~F.array_contains(modes, "All") & ~F.array_contains(modes, "WriteOnly"), "calls that change")
        .when(unnamed & ~F.array_contains(modes, "All") & ~F.array_contains(modes, "ReadOnly"), "calls that read")
        .when(excluded != "", F.concat(F.lit("calls of "), excluded))
    )
    of_advanced = F.when(~advanced.contains('"Management"'), "management events").when(
        advanced.contains('"readOnly"'), "calls that only read, or only change something,"
    )
    lost = F.coalesce(of_classic, of_advanced)
    return F.concat(lost, F.lit(" are not written any more"))


def _flags(json: Column, key: str) -> Column:
    return F.regexp_extract_all(F.coalesce(json, F.lit("")), F.lit(rf'"{key}"\s*:\s*(true|false)'), 1)


def values_of_list(json: Column, key: str) -> Column:
    """The strings in the lists of one key, joined by a comma."""
    found = F.regexp_extract_all(F.coalesce(json, F.lit("")), F.lit(rf'"{key}"\s*:\s*\[([^\]]*)\]'), 1)
    return F.regexp_replace(F.array_join(F.filter(found, lambda part: part != ""), ", "), '"', "")
