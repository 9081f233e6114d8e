"""A lake of a few rows for questions in SQL: NULLs, ties, hostile names, and what lies on the edge of a window.

Written by `deltalake`, so that every engine is asked about the very same files.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import deltalake
import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.sources.arrow import arrow_schema
from jobs.storage import Lake
from tests.rows import ACCOUNT, REGION, Row, at, config, lease, resource
from transforms.schemas import (
    ALERTS,
    ALL,
    COVERAGE,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_CHANGES,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS_HOURLY,
    IP_LEASES,
)
from transforms.schemas.table import Table

HOSTILE = "o'brien\"; DROP TABLE alerts --\\ :at /* \u202e =1+1 \U0001f98a"
"""A peer's name as a log may have it"""
OTHER = "999999999999"
_OF = {"account_id": ACCOUNT, "region": REGION}

LEASES = [
    lease(date=date(2026, 1, 5)),
    lease(owner_name="g", valid_from=None, from_evidence="undated snapshot", date=date(1970, 1, 1)),
    lease(owner_name="before", valid_from=at("8:00"), valid_to=at("10:00"), date=date(2026, 1, 5)),
    lease(owner_name="after", valid_from=at("10:00:01"), date=date(2026, 1, 5)),
    lease(owner_name="ends", valid_to=at("10:00:01"), date=date(2026, 1, 5)),
    resource("db", "10.0.0.1", vpc_id="vpc-2", owner_name=None, date=date(2025, 12, 6)),
    lease(address="2001:db8::1", owner_name="six", date=date(2026, 1, 5)),
]


def active(hour: str, **overrides: object) -> Row:
    """One row of the hourly history: f speaks with db alone, once, in the middle of the hour."""
    start = at(hour)
    row: Row = _OF | {
        "function_name": "f", "candidates": "f", "hour": start, "behaviour": "peer", "thing": "6|5432|rds|db",
        "peer_kind": "rds", "peer_name": "db", "peer_internal": True, "peer_port": 5432, "protocol": 6, "events": 1,
        "bytes_out": 100, "bytes_in": 1000, "first_time": start + timedelta(minutes=30),
        "last_time": start + timedelta(minutes=31), "first_evidence": f"evidence-{hour}", "first_peer_addr": "10.0.9.9",
        "first_local_addr": "10.0.0.1", "date": start.date(),
    }  # fmt: skip
    return row | overrides


OUTSIDE = {"thing": f"6|443|address|{HOSTILE}", "peer_kind": "address", "peer_name": HOSTILE, "peer_internal": False,
           "peer_port": 443, "first_peer_addr": "203.0.113.9"}  # fmt: skip
CALL = {"behaviour": "api call", "peer_kind": None, "peer_name": None, "peer_internal": None, "peer_port": None,
        "protocol": None, "bytes_out": None, "bytes_in": None, "first_peer_addr": "192.0.2.7"}  # fmt: skip
LEGACY = {"thing": "6|22|ec2|legacy", "peer_kind": "ec2", "peer_name": "legacy", "peer_port": 22}
CACHE = {"thing": "6|6379|elasticache|cache", "peer_kind": "elasticache", "peer_name": "cache", "peer_port": 6379}

# f is deployed on the 15th at 10:40, in the middle of an hour.
ACTIVITY = [
    active("5T10:00"),
    active("14T10:00", events=3),
    active("15T10:00", events=2, first_time=at("15T10:39:59"), last_time=at("15T10:41")),
    active("16T10:00", events=5, bytes_out=500),
    active("16T11:00", candidates="f, g", events=7),
    active("16T11:00", function_name="g", candidates="f, g", events=7),
    active("15T10:00", **OUTSIDE, first_time=at("15T10:40"), last_time=at("15T10:59")),
    active("16T10:00", **OUTSIDE),
    active("5T10:00", **CACHE),
    active("16T12:00", **CACHE),
    active("9T10:00", **LEGACY),
    active("5T10:00", **LEGACY, function_name="old"),
    active("23T10:00", thing="6|25|network|later", peer_kind="network", peer_name="later", peer_internal=False),
    active("5T10:00", **CALL, thing="s3:GetObject"),
    active("16T10:00", **CALL, thing="iam:CreateUser", events=2),
    active("17T10:00", **CALL, thing="iam:CreateUser"),
    active("17T11:00", **(CALL | {"behaviour": "api error"}), thing="iam:CreateUser AccessDenied"),
]


def flow(number: int, when: str, **overrides: object) -> Row:
    """One conversation of f with db."""
    start = at(when)
    row: Row = _OF | {
        "conversation_id": f"c{number}", "window_start": start.replace(second=0), "start_time": start,
        "end_time": start + timedelta(seconds=20), "vpc_id": "vpc-1", "interface_id": "eni-1", "local_addr": "10.0.0.1",
        "local_port": 40_000, "peer_addr": "10.0.9.9", "peer_port": 5432, "protocol": 6, "peer_kind": "rds",
        "peer_name": "db", "peer_internal": True, "bytes_out": 300, "bytes_in": 900, "packets_out": 3, "packets_in": 4,
        "rejected": False, "function_name": "f", "candidates": "f", "plausible": "f", "probability": 1.0,
        "attribution": "unique", "evidence": "sole candidate", "date": start.date(),
    }  # fmt: skip
    return row | overrides


SHARED = {"candidates": "f, g", "plausible": "f, g", "attribution": "weighted", "evidence": "invocations"}
EVENLY = SHARED | {"attribution": "shared", "probability": 0.5, "local_addr": "10.0.0.2"}
FLOWS = [
    flow(1, "5T10:00"),
    flow(2, "5T10:01", **SHARED, probability=0.75),
    flow(2, "5T10:01", **SHARED, probability=0.25, function_name="g"),
    flow(3, "6T10:01", **EVENLY),
    flow(3, "6T10:01", **EVENLY, function_name="g"),
    flow(4, "6T23:59:59", **(SHARED | {"plausible": "f"}), probability=0.97),
    flow(4, "6T23:59:59", **(SHARED | {"plausible": "f"}), probability=0.03, function_name="g"),
    flow(5, "7T10:00", peer_addr="203.0.113.9", peer_port=443, peer_kind="address", peer_name=HOSTILE,
         peer_internal=False, bytes_out=5_000_000_000),
    flow(6, "7T10:05", peer_addr="203.0.113.9", peer_port=443, peer_kind="address", peer_name=HOSTILE,
         peer_internal=False, rejected=True, function_name=None, candidates=None, plausible=None, attribution="unknown",
         evidence="", bytes_in=0),
]  # fmt: skip

_NONE = {name: 0 for name in (
    "unknown_conversations", "shared_conversations", "presumed_conversations", "skipdata_records", "gap_seconds",
    "interface_polls_missed", "function_polls_missed", "interface_polls_failed", "function_polls_failed",
    "metric_polls_failed", "unleased_interfaces",
)}  # fmt: skip
SEEN = [
    _OF | _NONE | {"date": date(2026, 1, 5), "skipdata_records": 2, "gap_interfaces": 1, "gap_seconds": 1800,
                   "interface_polls_failed": 3, "last_poll_error": "AccessDenied", "unknown_conversations": 4},
    _OF | {"date": date(2026, 1, 5), "function_name": "f", "shared_conversations": 0.5, "presumed_conversations": 0.25,
           "unknown_conversations": 0, "in_vpc": True},
    _OF | {"date": date(2026, 1, 5), "function_name": "w", "shared_conversations": 0.0, "presumed_conversations": 0.0,
           "unknown_conversations": 0, "in_vpc": False},
    _OF | _NONE | {"date": date(2026, 1, 6)},
    _OF | _NONE | {"date": date(2026, 1, 7)},
    _OF | _NONE | {"date": date(2026, 1, 6), "account_id": OTHER},
]  # fmt: skip


def alert(number: int, opened: str, **overrides: object) -> Row:
    """An open alert of f."""
    row: Row = _OF | {
        "alert_id": f"a{number}", "detection_id": "scan", "title": "Scan", "status": "open", "functions": "f",
        "severity": "high", "opened_at": at(opened), "updated_at": at(opened),
    }  # fmt: skip
    return row | overrides


RAISED = [
    alert(1, "5T23:59:59", verdict="true"),
    alert(2, "6T00:00:00", verdict="false", status="closed", severity="low"),
    alert(3, "6T12:00:00", verdict="attempt", detection_id="beaconing", severity="medium"),
    alert(4, "6T12:00:00", verdict="benign trigger"),
    alert(5, "6T13:00:00", functions=None, detection_id="loss_of_sight"),
    alert(6, "7T00:00:00", functions="f, g"),
]

CONFIGS = [
    config(date=date(2026, 1, 5)),
    config(version="1", valid_from=None, date=date(1970, 1, 1)),
    config(function_name="gone", valid_to=at("11:00"), date=date(2026, 1, 5)),
    config(function_name="outside", vpc_id=None, subnet_ids="", security_group_ids="", date=date(2026, 1, 5)),
    config(function_name="idle", date=date(2026, 1, 5)),
    config(function_name="hidden", date=date(2026, 1, 5)),
    config(function_name="unpolled", valid_from=None, date=date(1970, 1, 1)),
]
METRICS = [
    _OF | {"function_name": name, "hour": at(hour), "minutes": 1, "invocations": count, "date": at(hour).date()}
    for name, hour, count in (("f", "5T10:00", 3.0), ("idle", "5T10:00", 0.0), ("hidden", "5T10:00", 2.0),
                              ("hidden", "5T11:00", 1.0), ("outside", "5T10:00", 1.0))
]  # fmt: skip


def change(number: int, when: str, **overrides: object) -> Row:
    """Somebody deploys f."""
    row: Row = _OF | {
        "event_id": f"e{number}", "event_time": at(when), "function_name": "f", "change": "code",
        "event_name": "UpdateFunctionCode20150331v2", "principal": "arn:aws:sts::123456789012:assumed-role/deploy",
        "source_ip_address": "198.51.100.7", "date": at(when).date(),
    }  # fmt: skip
    return row | overrides


CHANGED = [
    change(1, "15T10:40"),
    change(2, "15T10:40", change="alias", event_name="UpdateAlias20150331", detail=HOSTILE),
    change(3, "16T10:40", error_code="AccessDenied", opens_to="anybody"),
    change(4, "16T10:40", function_name=None, change="flow logs", event_name="DeleteFlowLogs"),
]

ROWS: dict[str, tuple[Table, list[Row]]] = {
    table.name: (table, rows)
    for table, rows in (
        (IP_LEASES, LEASES), (FUNCTION_ACTIVITY_HOURLY, ACTIVITY), (FUNCTION_FLOWS, FLOWS), (COVERAGE, SEEN),
        (ALERTS, RAISED), (FUNCTION_CONFIGS, CONFIGS), (FUNCTION_METRICS_HOURLY, METRICS), (FUNCTION_CHANGES, CHANGED),
    )
}  # fmt: skip

ASKED: dict[str, dict[str, str]] = {
    "alerts-by-function-and-day": {"first": "2026-01-05", "last": "2026-01-06"},
    "api-calls-first-seen": {"since": "2026-01-16"},
    "destinations-first-seen": {"since": "2026-01-06", "outside_only": "false"},
    "functions-never-seen": {},
    "how-right-is-each-detection": {"first": "2026-01-06"},
    "top-talkers": {"first": "2026-01-05", "last": "2026-01-07"},
    "what-changed-after-this-deploy": {"function": "f", "at": "2026-01-15T10:40Z"},
    "what-could-we-not-see": {"first": "2026-01-05", "last": "2026-01-06"},
    "what-did-this-function-talk-to": {"function": "f", "account": ACCOUNT},
    "which-functions-share-addresses": {"first": "2026-01-05", "last": "2026-01-06"},
    "which-functions-talk-to-this-destination": {"destination": HOSTILE},
    "who-changed-this-function": {"function": "f", "last": "2026-01-31"},
    "who-had-this-address": {"ip": "10.0.0.1", "at": "2026-01-05T10:00Z"},
}
"""What each saved query is asked of this lake; tests/fixtures/queries/ has the answers"""


REFUSED: list[tuple[str, str]] = [
    ("DROP TABLE alerts", "begins with 'DROP'"),
    ("/* SELECT */ -- SELECT\n insert INTO alerts SELECT * FROM alerts", "begins with 'INSERT'"),
    ("DELETE FROM alerts", "begins with 'DELETE'"),
    ("UPDATE alerts SET status = 'x'", "begins with 'UPDATE'"),
    ("MERGE INTO alerts USING decisions ON true WHEN MATCHED THEN DELETE", "begins with 'MERGE'"),
    ("CREATE TEMP VIEW alerts AS SELECT 1", "begins with 'CREATE'"),
    ("SHOW TABLES", "--tables"),
    ("SET spark.sql.session.timeZone = 'CET'", "begins with 'SET'"),
    ("INSERT OVERWRITE DIRECTORY '/x' USING csv SELECT 1", "begins with 'INSERT'"),
    ("EXECUTE IMMEDIATE 'DROP VIEW alerts'", "begins with 'EXECUTE'"),
    ("BEGIN DELETE FROM alerts; END", "begins with 'BEGIN'"),
    ("WITH a AS (SELECT * FROM alerts) INSERT INTO alerts SELECT * FROM a", "the query failed"),
    ("FROM alerts INSERT INTO alerts SELECT *", "the query failed"),
    ("(DELETE FROM alerts)", "the query failed"),
    ("SELECT 1; DELETE FROM alerts", "the query failed"),
    ("SELECT 1) x; DELETE FROM alerts --", "the query failed"),
    ("SELECT reflect('java.lang.System', 'getenv')", "'reflect' is refused"),
    ("SELECT `java_method`('java.lang.System', 'getenv')", "'java_method' is refused"),
    ("SELECT IDENTIFIER('ref' || 'lect')('java.lang.System', 'getenv')", "'IDENTIFIER(' is refused"),
    ("SELECT TRANSFORM(a) USING 'touch x' AS (x) FROM VALUES (1) t(a)", "is refused"),
    ('FROM alerts MAP title USING/* */-- x\n "touch x" AS (x)', "is refused"),
    ("SELECT * FROM alrets", "there is no table 'alrets'"),
    ("SELECT * FROM alrets", "did you mean alerts"),
    ("SELECT nope FROM alerts", "there is no column 'nope'"),
    ("SELECT * FROM alerts WHERE functions = :f", "--param f=…"),
    ("SELECT 1 / 0", "the query failed"),
    (" ; ", "give a query"),
]
"""What `leasehold sql` does not do, on either engine, with a part of what it says"""


def make(root: Path, spark: SparkSession | None = None) -> Lake:
    """The lake, with all tables, most of them empty."""
    lake = Lake(spark, str(root))  # type: ignore[arg-type]  # making tables takes no engine
    lake.create(ALL)
    for table, rows in ROWS.values():
        _append(lake, table, rows)
    return lake


def _append(lake: Lake, table: Table, rows: Iterable[Row]) -> None:
    whole = pa.Table.from_pylist(list(rows), schema=arrow_schema(table.schema))
    deltalake.write_deltalake(lake.path(table), whole, mode="append")
