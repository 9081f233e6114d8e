"""Who had this address then?"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from tests.rows import Row, at, frame, lease, rows_of
from transforms.lookup import holders
from transforms.schemas import IP_LEASES


def test_who_had_the_address(spark: SparkSession) -> None:
    """One case an interface, all at 10.0.0.1, asked at 11:00: the answer and how far away the lease is."""
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
    rows += [lease(address="10.0.0.2"), lease(interface_id="another VPC", vpc_id="vpc-2")]
    found = rows_of(holders(frame(spark, IP_LEASES, rows), "10.0.0.1", at("11:00"), "vpc-1"))
    got = {r["interface_id"]: (r["answer"], r["distance_seconds"]) for r in found}
    assert got == {name: expected for name, (_, expected) in cases.items()}
    hostile = rows_of(holders(frame(spark, IP_LEASES, rows), "x' OR 1=1 --", at("11:00")))
    assert hostile == []
