"""The checks of each table."""

from __future__ import annotations

from pyspark.sql.types import DoubleType, LongType

from transforms.schemas import (
    ALERTS,
    CLOUDTRAIL_EVENTS,
    COVERAGE,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_API_CALLS,
    FUNCTION_BASELINES,
    FUNCTION_CHANGES,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS,
    FUNCTION_METRICS_HOURLY,
    FUNCTION_SIGHTINGS,
    FUNCTION_SNAPSHOTS,
    INGESTED_FILES,
    INTERFACE_SIGHTINGS,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
    INVOCATION_EVIDENCE,
    IP_LEASES,
    JUDGEMENTS,
    LEASE_EVENTS,
    NOVELTIES,
    OBSERVATIONS,
    POLLS,
    REJECTED_RECORDS,
    REOPENED_HOURS,
    THREATS,
)
from transforms.schemas.checks import (
    BATCH,
    Check,
    between,
    counts,
    in_order,
    none_of,
    nothing,
    of_key,
    one_of,
    present,
    warning,
)
from transforms.schemas.table import Table

_EVIDENCE = ("cloudtrail", "snapshot", "first snapshot", "undated snapshot", "address reused")
_SIDES = ("from", "to")
_SPAN = [
    in_order("valid_from", "valid_to", equal=False),
    *counts(*[f"{side}_uncertainty_seconds" for side in _SIDES]),
    *[one_of(f"{side}_evidence", *_EVIDENCE) for side in _SIDES],
    *present("from_evidence"),
    nothing(
        "an end has its evidence",
        f"SELECT * FROM {BATCH} WHERE valid_to IS NOT NULL AND (valid_from IS NULL OR to_evidence IS NULL)",
    ),
]
_TRAFFIC = [*counts("bytes_out", "bytes_in"), between("protocol", -1, 255), between("peer_port", 0, 65535)]
_BEHAVIOURS = ("peer", "api call", "api error", "api region")
_LATE = "Clocks disagree: look at the files of the rows that are named, and at who writes them."
_UNDATED = (
    "Snapshots without a time say who held an address, but not when: store polls with `leasehold collect`, or in its "
    "envelope."
)


def _alone(key: str, *groups: str) -> Check:
    """Intervals of one key in one group of columns do not overlap; those without a beginning are passed over."""
    group = ", ".join(groups)
    following = f"lead(valid_from) OVER (PARTITION BY {group} ORDER BY valid_from)"
    return nothing(
        f"one {key} at a time for each {group}",
        f"SELECT * FROM (SELECT {group}, valid_from, valid_to, {following} AS next_from FROM {BATCH} "
        "WHERE valid_from IS NOT NULL) spans WHERE next_from < coalesce(valid_to, TIMESTAMP '9999-01-01 00:00:00')",
    )


def _not_to_come(column: str) -> Check:
    """No time lies more than an hour after the time in the file's name, which says when the file was written."""
    return nothing(
        f"{column} is at most an hour after the time in the file's name",
        f"SELECT source_file, source_line, {column} FROM {BATCH} WHERE {column} > delivered_at + INTERVAL 1 HOUR",
    )


# That a file was taken in twice shows without comparing every row with every other.
_OF_FILES = [
    *present("source_file", "source_line", "date"),
    nothing(
        "no file has more rows than line numbers",
        f"SELECT source_file FROM {BATCH} GROUP BY source_file "
        "HAVING count(*) > max(source_line) - min(source_line) + 1",
    ),
]

_CHECKS: dict[Table, list[Check]] = {
    FLOW_LOGS: [
        *_OF_FILES,
        *present("start_time", "end_time"),
        in_order("start_time", "end_time"),
        *[between(port, 0, 65535) for port in ("src_port", "dst_port")],
        between("protocol", 0, 255),
        *counts("packets", "bytes"),
        one_of("log_status", "OK", "NODATA", "SKIPDATA"),
        warning(
            one_of("action", "ACCEPT", "REJECT"),
            "AWS writes an action that Leasehold does not know: it counts as accepted traffic.",
        ),
        warning(
            none_of("log_status", "SKIPDATA"),
            "AWS skipped records, so that traffic is missing: `leasehold coverage` says where; shorten the aggregation "
            "interval or split the flow log.",
            share=0.05,
        ),
        warning(_not_to_come("start_time"), _LATE),
    ],
    CLOUDTRAIL_EVENTS: [
        *of_key(CLOUDTRAIL_EVENTS, nullable=["account_id"]),
        *present("event_time", "event_source", "event_name"),
        warning(present("account_id")[0], "These events say of no account whose they are: they cannot date a lease."),
        warning(_not_to_come("event_time"), _LATE),
    ],
    INTERFACE_SNAPSHOTS: [
        *_OF_FILES,
        *present("interface_id"),
        warning(present("polled_at")[0], _UNDATED, share=0.5),
    ],
    FUNCTION_SNAPSHOTS: [
        *_OF_FILES,
        *present("function_name", "version"),
        warning(present("polled_at")[0], _UNDATED, share=0.5),
    ],
    FAILED_POLLS: [*_OF_FILES, *present("operation")],
    FUNCTION_METRICS: [
        *_OF_FILES,
        *present("minute", "value", "metric_name"),
        warning(present("function_name")[0], "Metrics of no function are of no use: ask by FunctionName.", share=0.5),
        warning(between("value", 0), "A count or a duration below 0: these points are no evidence."),
    ],
    REJECTED_RECORDS: [*of_key(REJECTED_RECORDS), *present("reason")],
    INGESTED_FILES: [
        *of_key(INGESTED_FILES),
        one_of("state", "started", "done", "skipped"),
        *present("state"),
        *counts("records", "rejected"),
        in_order("min_time", "max_time"),
        warning(
            none_of("state", "started"),
            "Files could not be opened, and are tried again by the next run: the column `reason` says why.",
        ),
        warning(
            nothing(
                "at most 5% of the records were rejected",
                "SELECT kind, rejected, records FROM (SELECT kind, sum(rejected) AS rejected, sum(records) AS records "
                f"FROM {BATCH} GROUP BY kind) read WHERE rejected > 0.05 * (rejected + records)",
            ),
            "Records that cannot be read are missing everywhere: `rejected_records` has them, with the reasons.",
        ),
    ],
    POLLS: [*of_key(POLLS), one_of("operation", "describe_network_interfaces", "list_functions")],
    INTERFACE_SIGHTINGS: [*of_key(INTERFACE_SIGHTINGS, nullable=["first_at"]), in_order("first_at", "last_at")],
    FUNCTION_SIGHTINGS: [*of_key(FUNCTION_SIGHTINGS, nullable=["first_at"]), in_order("first_at", "last_at")],
    LEASE_EVENTS: [*of_key(LEASE_EVENTS, nullable=["account_id"]), *present("event_time", "event_name")],
    INTERFACES: [
        *of_key(INTERFACES, nullable=["valid_from"]),
        *_SPAN,
        _alone("span", "account_id", "region", "interface_id", "address"),
    ],
    FUNCTION_CONFIGS: [
        *of_key(FUNCTION_CONFIGS, nullable=["valid_from"]),
        *_SPAN,
        _alone("configuration", "account_id", "region", "function_name", "version"),
    ],
    IP_LEASES: [
        *of_key(IP_LEASES, nullable=["owner_name", "valid_from"]),
        *_SPAN,
        one_of("basis", "configuration", "creator", "resource"),
        *present("basis"),
        _alone("lease", "account_id", "region", "vpc_id", "interface_id", "address", "owner_kind", "owner_name"),
        warning(
            none_of("basis", "creator"),
            "The functions of these interfaces are only guessed from descriptions: poll ListFunctions "
            "(`leasehold collect`).",
            share=0.2,
        ),
    ],
    INVOCATION_EVIDENCE: [
        *of_key(INVOCATION_EVIDENCE),
        one_of("source", "data event", "invocations", "api call"),
        *present("ends"),
        in_order("begins", "ends"),
        *counts("invocations"),
    ],
    FUNCTION_FLOWS: [
        *of_key(FUNCTION_FLOWS, nullable=["function_name"]),
        *present("interface_id", "window_start", "start_time", "end_time", "peer_addr", "attribution", "probability"),
        in_order("start_time", "end_time"),
        one_of("attribution", "unique", "weighted", "shared", "presumed", "unknown"),
        between("probability", 0, 1, above=True),
        between("local_port", 0, 65535),
        *_TRAFFIC,
        *counts("packets_out", "packets_in"),
        nothing(
            "the probabilities of a conversation add up to 1",
            f"SELECT conversation_id FROM {BATCH} GROUP BY conversation_id HAVING abs(sum(probability) - 1) > 0.000001",
        ),
        warning(
            none_of("attribution", "unknown"),
            "Conversations on Lambda interfaces that no lease covers: `leasehold coverage` says which; poll more "
            "often, or take in CloudTrail.",
            share=0.2,
        ),
    ],
    FUNCTION_ACTIVITY_HOURLY: [
        *of_key(FUNCTION_ACTIVITY_HOURLY),
        one_of("behaviour", *_BEHAVIOURS),
        between("events", 1),
        in_order("first_time", "last_time"),
        *_TRAFFIC,
    ],
    COVERAGE: [
        *of_key(COVERAGE, nullable=["function_name"]),
        *counts(
            *[field.name for field in COVERAGE.schema.fields if isinstance(field.dataType, (LongType, DoubleType))]
        ),
    ],
    FUNCTION_API_CALLS: [
        *of_key(FUNCTION_API_CALLS),
        *present("event_time", "function_name", "service", "action"),
        one_of("identified_by", "in scope of", "session name"),
    ],
    FUNCTION_CHANGES: [
        *of_key(FUNCTION_CHANGES, nullable=["account_id", "region", "function_name"]),
        *present("event_time", "event_name"),
    ],
    FUNCTION_METRICS_HOURLY: [
        *of_key(FUNCTION_METRICS_HOURLY),
        between("minutes", 0, 60),
        in_order("hour", "peak_minute"),
    ],
    FUNCTION_BASELINES: [
        *of_key(FUNCTION_BASELINES),
        one_of("behaviour", *_BEHAVIOURS),
        in_order("first_seen", "last_seen"),
        in_order("last_seen", "as_of_date", equal=False),
        between("days_seen", 1),
        between("unseen_mass", 0, 1),
        *counts("strangers_per_day"),
        one_of("status", "normal", "flagged"),
    ],
    THREATS: [*of_key(THREATS)],
    NOVELTIES: [
        *of_key(NOVELTIES),
        one_of("behaviour", *_BEHAVIOURS),
        in_order("first_time", "last_time"),
        between("events", 1),
        between("unseen_mass", 0, 1),
        *counts("surprise"),
    ],
    JUDGEMENTS: [
        *of_key(JUDGEMENTS),
        *present("days", "table_versions", "parameters", "code"),
        in_order("first_day", "last_day"),
    ],
    OBSERVATIONS: [
        *of_key(OBSERVATIONS, nullable=["functions"]),
        *present("severity", "summary", "first_time", "last_time"),
        one_of("severity", "low", "medium", "high"),
        in_order("first_time", "last_time"),
        between("events", 1),
    ],
    ALERTS: [
        *of_key(ALERTS),
        *present("detection_id", "summary", "opened_at", "status"),
        one_of("status", "open", "snoozed", "suppressed", "closed"),
        one_of("severity", "low", "medium", "high"),
        in_order("opened_at", "updated_at"),
        in_order("updated_at", "closed_at"),
    ],
    REOPENED_HOURS: [*of_key(REOPENED_HOURS)],
}

CHECKS: dict[str, tuple[Check, ...]] = {table.name: tuple(checks) for table, checks in _CHECKS.items()}
"""By table. Tables about the work itself have none."""
