"""Which hours change with leases: every one that does, none without a reason, and not many more."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests import flow_oracles
from tests.rows import MONDAY, Row, at, frame, lease, record, resource, rows_of
from transforms.changes import changed_hours, changed_spans
from transforms.schemas import IP_LEASES

SINCE, UNTIL, ALL = at("8:00"), at("15:00"), tuple(range(8, 16))


def test_what_reopens_what(spark: SparkSession) -> None:
    """A lease that begins at 9:00 and is open; flow logs exist from 8:00 to 15:00."""
    ended = {"valid_to": at("13:20"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    first = {"from_evidence": "first snapshot", "from_uncertainty_seconds": None}
    cases: dict[str, tuple[list[Row], list[Row], tuple[int, ...]]] = {
        "nothing": ([lease()], [lease()], ()),
        "in another order": ([lease(), resource("db", "10.0.9.9")], [resource("db", "10.0.9.9"), lease()], ()),
        "other evidence for the same times": ([lease()], [lease(basis="creator", from_evidence="snapshot")], ()),
        # 13:20 - 60 s - 11 min is in the hour of 13; what is open reaches to the last record.
        "it has ended": ([lease()], [lease(**ended)], (13, 14, 15)),
        # 13:05 may belong to a conversation of 12:53.
        "it has ended just after the hour": ([lease()], [lease(**ended | {"valid_to": at("13:05")})], (12, 13, 14, 15)),
        "it ended a little earlier": ([lease(**ended)], [lease(**ended | {"valid_to": at("13:19")})], (13,)),
        "its end is less sure": ([lease(**ended)], [lease(**ended | {"to_uncertainty_seconds": 2700})], (13, 14)),
        "another function": ([lease()], [lease(owner_name="g")], ALL),
        "a new one beside it": ([lease()], [lease(), lease(owner_name="g", valid_from=at("14:30"))], (14, 15)),
        "a first snapshot reaches back to the first record": (
            [lease(valid_from=at("14:30"))], [lease(valid_from=at("14:30"), **first)], tuple(range(8, 15)),
        ),
        "presumed becomes sure": (
            [lease(valid_from=at("14:30"), **first)], [lease(valid_from=at("13:30"), **first)], (13, 14),
        ),
        "a resource's name": ([lease(), resource("db", "10.0.9.9")], [lease(), resource("sql", "10.0.9.9")], ALL),
        "a resource that came": (
            [lease()], [lease(), resource("db", "10.0.9.9", valid_from=at("10:30"), **ended)], (10, 11, 12, 13),
        ),
        "only the VPC": ([lease(vpc_id=None)], [lease()], ALL),
        "a resource's VPC": ([resource("db", "10.0.9.9", vpc_id=None)], [resource("db", "10.0.9.9")], ALL),
        "an interface that was not known": ([], [lease(valid_from=at("14:00"))], (13, 14, 15)),
        "all later than any record": ([], [lease(valid_from=at("20:00"))], ()),
        "undated": ([], [lease(valid_from=None, from_evidence="undated snapshot")], ALL),
        "nobody's name": ([], [resource(None, "10.0.9.9")], ()),
    }  # fmt: skip
    sides = [[_of_case(name, row) for name, case in cases.items() for row in case[side]] for side in (0, 1)]
    before, after = (frame(spark, IP_LEASES, rows) for rows in sides)
    found: dict[str, set[int]] = defaultdict(set)
    for row in rows_of(changed_spans(before, after, SINCE, UNTIL, 60)):
        name = next(n for n in cases if f"<{n}>" in row["span"])
        found[name] |= set(range(row["begins"].hour, row["ends"].hour + 1))
    for name, (_, _, expected) in cases.items():
        assert sorted(found[name]) == list(expected), name
    hours = rows_of(changed_hours(before, after, SINCE, UNTIL, 60))
    assert sorted(row["hour"].hour for row in hours) == list(ALL)


def _of_case(name: str, row: Row) -> Row:
    """The row with an interface and an address of its case's own."""
    return row | {key: f"{row[key]}<{name}>" for key in ("interface_id", "address")}


def test_every_change_is_in_a_changed_hour(spark: SparkSession) -> None:
    """Thousands of conversations attributed by the oracle with old and new leases: where they differ, the hour is in.

    Each case has a month of its own, so that one action serves all; nothing in it is open or unbounded.
    """
    rng = random.Random(8)
    before: list[Row] = []
    after: list[Row] = []
    wanted: set[datetime] = set()
    untouched: set[int] = set()
    for number in range(800):
        shift, case = timedelta(days=30 * number), f"case {number}"
        old = [_lease(rng, case) for _ in range(rng.randrange(1, 7))]
        new = [row if rng.random() < 0.6 else _lease(rng, case) | _kept(rng, row) for row in old]
        new = [row for row in new if rng.random() < 0.9] if number % 10 else list(old)
        records = [_record(rng, case) for _ in range(40)]
        one, other = _attributed(records, old), _attributed(records, new)
        differing = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
        wanted |= {(minute + shift).replace(minute=0) for _, minute in differing}
        if sorted(old, key=str) == sorted(new, key=str):
            untouched.add(number)
        before += [_moved(row, shift) for row in old]
        after += [_moved(row, shift) for row in new]
    rng.shuffle(after)
    changed = changed_hours(
        frame(spark, IP_LEASES, before), frame(spark, IP_LEASES, after), MONDAY - DAY, MONDAY + DAY * 30_000, 60
    )
    found = {r["hour"] for r in rows_of(changed)}
    missing = sorted(wanted - found)
    assert not missing
    assert len(wanted) > 500
    assert not {(hour - MONDAY) // (DAY * 30) for hour in found} & untouched and untouched
    assert len(found) < 4 * len(wanted)  # 40 records do not try every hour


DAY = timedelta(days=1)


def _lease(rng: random.Random, case: str) -> Row:
    begin = MONDAY + timedelta(minutes=rng.randrange(8 * 60, 15 * 60), seconds=rng.choice((0, 30)))
    eni = rng.choice(("1", "2"))
    row = lease(
        vpc_id=case,
        interface_id=f"{case}/{eni}",
        address=f"10.0.0.{eni}",
        owner_name=rng.choice(("f", "g", "h")),
        valid_from=begin,
        from_evidence=rng.choice(("first snapshot", "snapshot", "cloudtrail")),
        from_uncertainty_seconds=rng.choice((0, 0, 30, 600, 7_000)),
        valid_to=begin + timedelta(minutes=rng.randrange(1, 300)),
        to_evidence="snapshot",
        to_uncertainty_seconds=rng.choice((0, 0, 30, 600)),
    )
    if rng.random() < 0.4:
        row |= {"owner_kind": rng.choice(("rds", "ec2")), "address": "10.0.9.9", "interface_id": f"{case}/peer {eni}"}
    return row


def _kept(rng: random.Random, row: Row) -> Row:
    """Most of the row as it was: a lease changes in one thing at a time."""
    changing = rng.choice(("valid_from", "valid_to", "owner_name", "from_evidence", "from_uncertainty_seconds"))
    kept = {k: v for k, v in row.items() if k != changing}
    if changing == "valid_from":
        kept["valid_from"] = min(
            row["valid_from"] + timedelta(seconds=rng.choice((-900, -20, 20, 900))), row["valid_to"]
        )
    return kept


def _record(rng: random.Random, case: str) -> Row:
    eni = rng.choice(("1", "2"))
    start = MONDAY + timedelta(seconds=rng.randrange(7 * 3_600, 20 * 3_600))
    row = record(interface_id=f"{case}/{eni}", vpc_id=case, src_addr=f"10.0.0.{eni}", start_time=start)
    row["end_time"] = start + timedelta(seconds=rng.choice((0, 59, 599, 9_000)))
    if rng.random() < 0.4:
        row |= {"src_addr": "10.0.9.9", "src_port": 5_432, "dst_addr": f"10.0.0.{eni}", "dst_port": 40_000}
    return row


def _attributed(records: list[Row], leases: list[Row]) -> dict[tuple[Any, ...], Any]:
    """Everything that comes out for each conversation and minute."""
    found = {}
    for row in flow_oracles.conversations(records, leases):
        key = (tuple(row[k] for k in ("interface_id", "local_addr", "local_port", "peer_addr")), row["window_start"])
        place = row | {"vpc_id": leases[0]["vpc_id"]}
        found[key] = (row, flow_oracles.owners(row, leases, 60), flow_oracles.peer(place, leases, []))
    return found


def _moved(row: Row, shift: timedelta) -> Row:
    return row | {"valid_from": row["valid_from"] + shift, "valid_to": row["valid_to"] + shift}
