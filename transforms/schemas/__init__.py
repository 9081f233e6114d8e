"""The tables' contracts: columns, keys and partitions, each stated once. Everything else is derived from them."""

from transforms.schemas.behaviour import FUNCTION_API_CALLS, FUNCTION_CHANGES, FUNCTION_METRICS_HOURLY
from transforms.schemas.bookkeeping import INGESTED_FILES, REJECTED_RECORDS, REOPENED_HOURS, RUNS
from transforms.schemas.evidence import INVOCATION_EVIDENCE
from transforms.schemas.findings import ALERTS, FUNCTION_BASELINES, NOVELTIES, OBSERVATIONS, THREATS
from transforms.schemas.flows import COVERAGE, FUNCTION_ACTIVITY_HOURLY, FUNCTION_FLOWS
from transforms.schemas.leases import FUNCTION_CONFIGS, INTERFACES, IP_LEASES
from transforms.schemas.sightings import FUNCTION_SIGHTINGS, INTERFACE_SIGHTINGS, LEASE_EVENTS, POLLS
from transforms.schemas.sources import (
    CLOUDTRAIL_EVENTS,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_METRICS,
    FUNCTION_SNAPSHOTS,
    INTERFACE_SNAPSHOTS,
)
from transforms.schemas.table import Table

__all__ = [
    "ALERTS",
    "ALL",
    "CLOUDTRAIL_EVENTS",
    "COVERAGE",
    "FAILED_POLLS",
    "FLOW_LOGS",
    "FUNCTION_ACTIVITY_HOURLY",
    "FUNCTION_API_CALLS",
    "FUNCTION_BASELINES",
    "FUNCTION_CHANGES",
    "FUNCTION_CONFIGS",
    "FUNCTION_FLOWS",
    "FUNCTION_METRICS",
    "FUNCTION_METRICS_HOURLY",
    "FUNCTION_SIGHTINGS",
    "FUNCTION_SNAPSHOTS",
    "INGESTED_FILES",
    "INTERFACES",
    "INTERFACE_SIGHTINGS",
    "INTERFACE_SNAPSHOTS",
    "INVOCATION_EVIDENCE",
    "IP_LEASES",
    "LEASE_EVENTS",
    "NOVELTIES",
    "OBSERVATIONS",
    "POLLS",
    "REJECTED_RECORDS",
    "REOPENED_HOURS",
    "RUNS",
    "THREATS",
]

ALL: tuple[Table, ...] = (
    FLOW_LOGS,
    CLOUDTRAIL_EVENTS,
    INTERFACE_SNAPSHOTS,
    FUNCTION_SNAPSHOTS,
    FUNCTION_METRICS,
    FAILED_POLLS,
    REJECTED_RECORDS,
    INGESTED_FILES,
    POLLS,
    INTERFACE_SIGHTINGS,
    FUNCTION_SIGHTINGS,
    LEASE_EVENTS,
    INTERFACES,
    FUNCTION_CONFIGS,
    IP_LEASES,
    INVOCATION_EVIDENCE,
    FUNCTION_FLOWS,
    FUNCTION_ACTIVITY_HOURLY,
    COVERAGE,
    FUNCTION_API_CALLS,
    FUNCTION_CHANGES,
    FUNCTION_METRICS_HOURLY,
    FUNCTION_BASELINES,
    THREATS,
    NOVELTIES,
    OBSERVATIONS,
    ALERTS,
    REOPENED_HOURS,
    RUNS,
)
"""Every table, in the order in which data moves through them."""
