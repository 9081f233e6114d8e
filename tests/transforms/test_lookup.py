"""Who had this address then?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import Row, at, frame, lease, resource, rows_of
from transforms.lookup import answered, narrowed, shares, used_by
from transforms.schemas import FUNCTION_FLOWS, IP_LEASES


def test_who_had_the_address(spark: SparkSession) -> None:
    """One case an interface, asked at 11:00: the answer and how far away the lease is."""
    ended = {"to_evidence": "snapshot", "to_uncertainty_seconds": 300}
    first = {"from_evidence": "first snapshot", "from_uncertainty_seconds": None}
    cases: dict[str, tuple[Row, tuple[Any, ...]]] = {
        "open": ({}, ("held", 0)),
        "from this instant": ({"valid_from": at("11:00")}, ("held", 0)),
        "until this instant": ({"valid_to": at("11:00")} | ended, ("perhaps", 0)),
        "ended within the uncertainty": ({"valid_to": at("10:55")} | ended, ("perhaps", 300)),
        "ended before": ({"valid_to": at("10:54")} | ended, ("before", 360)),
        "ended before, exactly": ({"valid_to": at("10:59"), "to_uncertainty_seconds": 0}, ("before", 60)),
        "begins within the uncertainty": (
            {"valid_from": at("11:10"), "from_uncertainty_seconds": 600},
            ("perhaps", 600),
        ),
        "begins later": ({"valid_from": at("11:10"), "from_uncertainty_seconds": 599}, ("after", 600)),
        "in the first snapshot, later": ({"valid_from": at("12:00")} | first, ("perhaps", 3_600)),
        "undated": ({"valid_from": None, "from_uncertainty_seconds": None}, ("perhaps", None)),
    }
    rows = [lease(interface_id=name, **overrides) for name, (overrides, _) in cases.items()]
    found = rows_of(answered(frame(spark, IP_LEASES, rows), at("11:00")))
    got = {r["interface_id"]: (r["answer"], r["distance_seconds"]) for r in found}
    assert got == {name: expected for name, (_, expected) in cases.items()}


def test_narrowing_keeps_what_is_not_known_to_be_elsewhere(spark: SparkSession) -> None:
    places = {
        "here": {},
        "another account": {"account_id": "210987654321"},
        "another region": {"region": "us-east-1"},
        "another VPC": {"vpc_id": "vpc-2"},
        "nowhere": {"account_id": "unknown", "region": "unknown", "vpc_id": None},
    }
    leases = frame(spark, IP_LEASES, [lease(interface_id=name, **place) for name, place in places.items()])

    def kept(**where: str | None) -> set[str]:
        return {r["interface_id"] for r in rows_of(narrowed(leases, **where))}

    assert kept() == set(places)
    assert kept(account_id="123456789012") == set(places) - {"another account"}
    assert kept(region="eu-west-1", vpc_id="vpc-1") == {"here", "another account", "nowhere"}
    assert kept(vpc_id="x' OR 1=1 --") == {"nowhere"}


def test_a_functions_addresses_come_with_the_other_candidates(spark: SparkSession) -> None:
    rows = [
        lease(),
        lease(valid_from=at("20:00")),
        lease(owner_name="g", valid_from=at("12:00")),
        lease(address="10.0.0.9", owner_name="g"),
        lease(interface_id="eni-2", owner_name="h"),
        resource("f", "10.0.0.3"),
        resource("db", "10.0.0.4"),
    ]
    found = rows_of(used_by(frame(spark, IP_LEASES, rows), "f"))
    key = sorted((r["interface_id"], r["address"], r["owner_name"], r["valid_from"]) for r in found)
    assert key == [
        ("eni-1", "10.0.0.1", "f", at("9:00")),
        ("eni-1", "10.0.0.1", "f", at("20:00")),
        ("eni-1", "10.0.0.1", "g", at("12:00")),
    ]
    assert rows_of(used_by(frame(spark, IP_LEASES, rows), "x' OR 1=1 --")) == []


def test_shares_add_up_to_the_number_of_conversations(spark: SparkSession) -> None:
    def flow(clock: str, function: str | None, probability: float, **overrides: Any) -> Row:
        attribution = "unknown" if function is None else "unique" if probability == 1 else "weighted"
        return {
            "interface_id": "eni-1", "local_addr": "10.0.0.1", "start_time": at(clock), "function_name": function,
            "attribution": attribution, "probability": probability, "evidence": "api calls", **overrides,
        }  # fmt: skip

    rows = [
        flow("9:30", "f", 1.0), flow("10:10", "f", 0.5), flow("10:10", "g", 0.5),
        flow("10:30", None, 1.0, evidence=None), flow("10:00", "f", 1.0, local_addr="10.0.0.2"),
        flow("9:29:59", "f", 1.0), flow("10:30:01", "f", 1.0),
    ]  # fmt: skip
    flows = frame(spark, FUNCTION_FLOWS, rows)
    names = ("local_addr", "function_name", "attribution", "evidence", "conversations")
    found = {tuple(r[n] for n in names) for r in rows_of(shares(flows, at("10:00"), timedelta(minutes=30)))}
    assert found == {
        ("10.0.0.1", "f", "unique", "api calls", 1.0),
        ("10.0.0.1", "f", "weighted", "api calls", 0.5),
        ("10.0.0.1", "g", "weighted", "api calls", 0.5),
        ("10.0.0.1", None, "unknown", None, 1.0),
        ("10.0.0.2", "f", "unique", "api calls", 1.0),
    }
