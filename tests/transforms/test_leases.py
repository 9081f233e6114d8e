"""Leases: examples, unions and intersections, and thousands of interfaces and configurations against the oracle."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests import oracles
from tests.rows import MONDAY, Row, at, config, frame, interface, rows_of
from transforms.intervals import BOUNDARIES, union_intervals
from transforms.leases import ip_leases
from transforms.schemas import FUNCTION_CONFIGS, INTERFACES, IP_LEASES
from transforms.schemas.table import columns

_KINDS = {"valid_from": "timestamp", "valid_to": "timestamp", "from_evidence": "string", "to_evidence": "string"}
INTERVALS = columns(("case", "string", ""), *[(name, _KINDS.get(name, "bigint"), "") for name in BOUNDARIES])


def built(spark: SparkSession, interfaces: list[Row], configs: list[Row]) -> list[Row]:
    made = ip_leases(frame(spark, INTERFACES, interfaces), frame(spark, FUNCTION_CONFIGS, configs))
    return rows_of(IP_LEASES.conform(made))


def test_who_may_use_an_interface(spark: SparkSession) -> None:
    """eni-1 (subnet-a, sg-1,sg-2) lives [10:00, 14:00); eni-2 (subnet-b, sg-1) since 10:00; a database; an old one."""
    interfaces = [
        interface(security_group_ids="sg-1,sg-2", valid_to=at("14:00"), to_evidence="cloudtrail"),
        interface(interface_id="eni-2", address="10.0.0.2", subnet_id="subnet-b"),
        interface(interface_id="eni-3", address="10.0.0.3", owner_kind="rds", owner_name="orders-db"),
        interface(interface_id="eni-4", address="10.0.0.4", security_group_ids="sg-9", owner_name="long-gone"),
        interface(interface_id="eni-5", address="10.0.0.5", valid_from=None, from_evidence="undated snapshot"),
    ]
    both = {"security_group_ids": "sg-1,sg-2", "subnet_ids": "subnet-a,subnet-b"}
    configs = [
        config(**both),
        config(function_name="h", **both, valid_from=at("12:00"), valid_to=at("13:00"), to_evidence="snapshot",
               to_uncertainty_seconds=300),
        # Versions of one function are one candidate; they overlap, touch, and leave a gap.
        config(function_name="v", version="1", **both, valid_from=at("10:10"), valid_to=at("10:20")),
        config(function_name="v", version="2", **both, valid_from=at("10:20"), valid_to=at("10:40")),
        config(function_name="v", version="3", **both, valid_from=at("10:30"), valid_to=at("10:50")),
        config(function_name="v", version="4", **both, valid_from=at("11:00"), valid_to=at("11:10")),
        config(function_name="fewer-groups"),  # only sg-1: that is eni-2's set, but in another subnet
        config(function_name="b", subnet_ids="subnet-b"),
        config(function_name="before", **both, valid_from=at("8:00"), valid_to=at("10:00")),
        config(function_name="after", **both, valid_from=at("14:00")),
        config(function_name="elsewhere", **both, region="us-east-1"),
        config(function_name="another-account", **both, account_id="999999999999"),
        config(function_name="outside", subnet_ids="", security_group_ids=""),
        config(function_name="undated", valid_from=None),
    ]  # fmt: skip
    found = sorted(
        (r["interface_id"], r["owner_name"], r["basis"], r["valid_from"], r["valid_to"], r["to_uncertainty_seconds"])
        for r in built(spark, interfaces, configs)
        if r["valid_from"]
    )  # fmt: skip
    assert [(i, o, b, f, t) for i, o, b, f, t, _ in found] == [
        ("eni-1", "f", "configuration", at("10:00"), at("14:00")),
        ("eni-1", "h", "configuration", at("12:00"), at("13:00")),
        ("eni-1", "v", "configuration", at("10:10"), at("10:50")),
        ("eni-1", "v", "configuration", at("11:00"), at("11:10")),
        ("eni-2", "b", "configuration", at("10:00"), None),
        ("eni-3", "orders-db", "resource", at("10:00"), None),
        ("eni-4", "long-gone", "creator", at("10:00"), None),
    ]
    assert found[1][-1] == 300
    undated = [r for r in built(spark, interfaces, configs) if not r["valid_from"]]
    assert [(r["interface_id"], r["owner_name"], r["basis"]) for r in undated] == [
        ("eni-5", "undated", "configuration")
    ]


def test_a_start_is_as_unsure_as_what_it_comes_from(spark: SparkSession) -> None:
    """The later of two starts, the earlier of two ends, and what both uncertainties can make of them."""
    cases: dict[str, tuple[Row, Row, tuple[Any, ...]]] = {
        # interface; configuration; start, evidence, ±, end, evidence, ±
        "exact": (
            {"valid_from": at("10:00")}, {"valid_from": at("9:00")}, (at("10:00"), "cloudtrail", 0, None, None, None),
        ),
        "the earlier may have been later": (
            {"valid_from": at("10:00")},
            {"valid_from": at("9:55"), "from_uncertainty_seconds": 600, "from_evidence": "snapshot"},
            (at("10:00"), "cloudtrail", 300, None, None, None),
        ),
        "both in the first snapshot": (
            {"valid_from": at("10:00"), "from_uncertainty_seconds": None, "from_evidence": "first snapshot"},
            {"valid_from": at("10:01"), "from_uncertainty_seconds": None, "from_evidence": "first snapshot"},
            (at("10:01"), "first snapshot", None, None, None, None),
        ),
        "one in the first snapshot and one known": (
            {"valid_from": at("10:00"), "from_uncertainty_seconds": None, "from_evidence": "first snapshot"},
            {"valid_from": at("9:50")},
            (at("10:00"), "first snapshot", 600, None, None, None),
        ),
        "the later end may have been earlier": (
            {"valid_to": at("12:00"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0},
            {"valid_to": at("12:05"), "to_evidence": "snapshot", "to_uncertainty_seconds": 600},
            (at("10:00"), "cloudtrail", 0, at("12:00"), "cloudtrail", 300),
        ),
    }  # fmt: skip
    interfaces = [interface(interface_id=name, subnet_id=name, **i) for name, (i, _, _) in cases.items()]
    configs = [config(subnet_ids=name, **c) for name, (_, c, _) in cases.items()]
    found = {r["interface_id"]: r for r in built(spark, interfaces, configs)}
    for name, (_, _, expected) in cases.items():
        row = found[name]
        got = (
            row["valid_from"], row["from_evidence"], row["from_uncertainty_seconds"],
            row["valid_to"], row["to_evidence"], row["to_uncertainty_seconds"],
        )  # fmt: skip
        assert got == expected, name


def interval(rng: random.Random) -> Row:
    begin = MONDAY + timedelta(seconds=rng.randrange(0, 40) * 60, milliseconds=rng.choice((0, 0, 500)))
    end = begin + timedelta(seconds=rng.randrange(1, 20) * 60)
    first = rng.random() < 0.2
    row: Row = {
        "valid_from": begin,
        "from_evidence": "first snapshot" if first else rng.choice(("cloudtrail", "snapshot")),
        "from_uncertainty_seconds": None if first else rng.choice((0, 1, 90, 1_000)),
    }
    if rng.random() < 0.8:
        row |= {"valid_to": end, "to_evidence": rng.choice(("cloudtrail", "snapshot", "address reused"))}
        row["to_uncertainty_seconds"] = rng.choice((0, 1, 90, 1_000))
    return row


def test_unions_against_the_oracle(spark: SparkSession) -> None:
    rng = random.Random(5)
    rows = [{"case": f"{n}"} | interval(rng) for n in range(2_000) for _ in range(rng.randrange(1, 6))]
    by_case = defaultdict(list)
    for row in rows:
        by_case[row["case"]].append({b: None for b in BOUNDARIES} | row)
    wanted = [(case, *[u[b] for b in BOUNDARIES]) for case, group in by_case.items() for u in oracles.union(group)]
    rng.shuffle(rows)
    found = rows_of(union_intervals(frame(spark, INTERVALS, rows + rows[:100]), ["case"]))
    assert sorted([(r["case"], *[r[b] for b in BOUNDARIES]) for r in found], key=str) == sorted(wanted, key=str)


def test_leases_against_the_oracle(spark: SparkSession) -> None:
    """Random interfaces and configurations: the oracle's leases; one function never holds an address twice at once."""
    rng = random.Random(6)
    interfaces, configs, wanted = [], [], []
    groups, subnets = ("sg-1", "sg-1,sg-2", ""), ("subnet-a", "subnet-b")
    for number in range(500):
        case = f"case {number}"
        mine = [
            interface(account_id=case, interface_id=f"{case}/{n}", address=f"10.0.0.{n}", subnet_id=rng.choice(subnets),
                      security_group_ids=rng.choice(groups[:2]), owner_name=rng.choice(("maker", None)),
                      owner_kind=rng.choice(("lambda", "lambda", "rds")), **_dated(rng))
            for n in range(rng.randrange(1, 4))
        ]  # fmt: skip
        theirs = [
            config(
                account_id=case,
                function_name=rng.choice("fgh"),
                version=f"{n}",
                security_group_ids=rng.choice(groups),
                subnet_ids=rng.choice(("subnet-a", "subnet-b", "subnet-a,subnet-b", "")),
                **_dated(rng),
            )
            for n in range(rng.randrange(0, 8))
        ]
        interfaces, configs = interfaces + mine, configs + theirs
        wanted += oracles.leases_of(mine, [c for c in theirs if c["subnet_ids"]])
    rng.shuffle(interfaces)
    rng.shuffle(configs)
    found = built(spark, interfaces, configs)
    names = ("interface_id", "address", "subnet_id", "owner_kind", "owner_name", "basis", *BOUNDARIES)
    got = sorted([tuple(r[n] for n in names) for r in found], key=str)
    assert got == sorted([tuple(r[n] for n in names) for r in wanted], key=str)
    assert {r["basis"] for r in found} == {"configuration", "creator", "resource"} and len(found) > 1_000
    lines = defaultdict(list)
    for row in found:
        lines[row["interface_id"], row["address"], row["owner_name"]].append(row)
    for line in lines.values():
        line.sort(key=lambda r: r["valid_from"])
        for one, other in itertools.pairwise(line):
            assert one["valid_to"] is not None and one["valid_to"] < other["valid_from"]


def _dated(rng: random.Random) -> Row:
    return {"valid_to": None, "to_evidence": None, "to_uncertainty_seconds": None} | interval(rng)
