"""A small lake in which every string is hostile, for all that a report reads."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from jobs.storage import Lake
from tests.rows import at
from transforms.schemas import (
    ALERTS,
    ALL,
    CLOUDTRAIL_EVENTS,
    COVERAGE,
    DECISIONS,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_API_CALLS,
    FUNCTION_BASELINES,
    FUNCTION_CHANGES,
    FUNCTION_FLOWS,
    FUNCTION_METRICS_HOURLY,
    IP_LEASES,
    NOVELTIES,
    OBSERVATIONS,
)
from transforms.schemas.table import Table

DAY = date(2026, 1, 5)
NAME = "RDSQueryLogger"
_LONG = "x" * 10_000


def hostile(column: str, wire: str) -> str:
    """What a log may hold where a name is expected; `wire` is an address that nobody may call."""
    return (
        f"</td></title></style></svg><script>document.title='OWNED';fetch('{wire}s')</script>"
        f"\"'><img src={wire}i onerror=\"fetch('{wire}e')\"><a href=javascript:alert(1)>{{{{7*7}}}}{{% raw %}}]]>"
        f"<svg onload=alert(1)><link rel=stylesheet href={wire}l>"
        f"\u202e\u2028\x00\x1b[31m\x07\r\n--> $(id) `id` {column}"
        f"{_LONG}"
    )


def row(table: Table, wire: str, **said: Any) -> dict[str, Any]:
    """A row with something in each column: hostile where it is text."""
    made: dict[str, Any] = {}
    for field in table.schema.fields:
        kind = field.dataType.simpleString()
        made[field.name] = {
            "string": hostile(field.name, wire), "int": 22, "bigint": 3, "double": 2.5, "boolean": True,
            "date": DAY, "timestamp": at("6:00"), "array<string>": [hostile(field.name, wire)],
        }[kind]  # fmt: skip
    assert set(said) <= set(made), set(said) - set(made)
    return made | said


def make(spark: SparkSession, root: str, wire: str) -> Lake:
    """Alerts of every kind of evidence (a0, a1, …), closed, decided about and suppressed; and what belongs to them."""
    lake = Lake(spark, root)
    lake.create(ALL)
    whose = {"account_id": hostile("account", wire), "region": hostile("region", wire)}
    before = [DAY - timedelta(days=n) for n in range(3)]
    peers = ("peer", "api call", "api error", "api region")
    kinds = (FUNCTION_FLOWS, FUNCTION_API_CALLS, FUNCTION_METRICS_HOURLY, OBSERVATIONS)
    rows: dict[Table, list[dict[str, Any]]] = {
        ALERTS: [
            row(ALERTS, wire, **whose, alert_id=f"a{n}", functions=NAME, evidence_table=table.name, baseline_to=DAY,
                status=("open", hostile("status", wire))[n % 2], closed_at=at("9:00"), surprise=float("nan"),
                detection_id=("volume_outlier", "invocation_spike", hostile("detection", wire))[n % 3])
            for n, table in enumerate(kinds)
        ] + [row(ALERTS, wire, account_id="unknown", region=None, alert_id="whole", functions=None, updated_at=None)],
        OBSERVATIONS: [row(OBSERVATIONS, wire, **whose, functions=NAME)],
        DECISIONS: [row(DECISIONS, wire, alert_id="a0")],
        FUNCTION_BASELINES: [row(FUNCTION_BASELINES, wire, **whose, function_name=NAME, behaviour=b, as_of_date=DAY)
                             for b in peers],
        FUNCTION_ACTIVITY_HOURLY: [
            row(FUNCTION_ACTIVITY_HOURLY, wire, **whose, function_name=NAME, behaviour=b, date=day, hour=_noon(day),
                thing=f"{n}{hostile('thing', wire)}", peer_internal=False)
            for n, b in enumerate(peers * 8) for day in before[: 1 + n % 3]
        ],
        FUNCTION_METRICS_HOURLY: [row(FUNCTION_METRICS_HOURLY, wire, **whose, function_name=NAME, date=day,
                                      hour=_noon(day)) for day in before],
        FUNCTION_CHANGES: [row(FUNCTION_CHANGES, wire, **whose, function_name=NAME)],
        FUNCTION_API_CALLS: [row(FUNCTION_API_CALLS, wire, **whose, function_name=NAME)],
        FUNCTION_FLOWS: [row(FUNCTION_FLOWS, wire, **whose, function_name=NAME, plausible=NAME, end_time=at("6:01"))],
        FLOW_LOGS: [row(FLOW_LOGS, wire, **whose, src_port=22, dst_port=22)],
        CLOUDTRAIL_EVENTS: [row(CLOUDTRAIL_EVENTS, wire, **whose)],
        NOVELTIES: [row(NOVELTIES, wire, **whose, functions=NAME, behaviour="peer")],
        COVERAGE: [row(COVERAGE, wire, **whose, function_name=NAME), row(COVERAGE, wire, **whose, function_name=None)],
        FAILED_POLLS: [row(FAILED_POLLS, wire, **whose)],
        IP_LEASES: [row(IP_LEASES, wire, **whose, owner_kind=kind, owner_name=owner, valid_to=None,
                        address=hostile("local_addr", wire))
                    for kind, owner in (("lambda", NAME), ("lambda", hostile("owner_name", wire)))],
    }  # fmt: skip
    for table, those in rows.items():
        lake.append(table, lake.frame(table, those))
    return lake


def _noon(day: date) -> datetime:
    return at("12:00") - (DAY - day)
