"""Interfaces over time: examples, a true story that must lie within what is stated, and the oracle."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests import oracles
from tests.rows import (
    MONDAY,
    Row,
    at,
    frame,
    interface_created,
    interface_deleted,
    interface_snapshot,
    rows_of,
)
from transforms.interfaces import interfaces
from transforms.intervals import BOUNDARIES
from transforms.schemas import CLOUDTRAIL_EVENTS, INTERFACE_SNAPSHOTS, INTERFACES
from transforms.sightings import INTERFACE_POLL, interface_sightings, lease_events, polls


def built(spark: SparkSession, snapshots: list[Row], events: list[Row]) -> list[Row]:
    seen = frame(spark, INTERFACE_SNAPSHOTS, snapshots)
    told = lease_events(frame(spark, CLOUDTRAIL_EVENTS, events))
    made = interfaces(interface_sightings(seen), polls(seen, INTERFACE_POLL), told)
    return rows_of(INTERFACES.conform(made))


def test_what_each_evidence_says(spark: SparkSession) -> None:
    """One case an account. Each polled at 10:00, 10:30 and 11:00, where another interface is always there."""
    cases: dict[str, tuple[dict[str, Row], list[Row], list[tuple[Any, ...]]]] = {
        "polls alone": (
            {"10:30": {}},
            [],
            [("eni-1", "10.0.0.1", "10:15", "snapshot", 900, "10:45", "snapshot", 900)],
        ),
        "created and deleted where CloudTrail says": (
            {"10:30": {}},
            [interface_created(at("10:12")), interface_deleted(at("10:50"))],
            [("eni-1", "10.0.0.1", "10:12", "cloudtrail", 0, "10:50", "cloudtrail", 0)],
        ),
        "in no poll at all": (
            {},
            [interface_created(at("10:40")), interface_deleted(at("10:50"))],
            [("eni-1", "10.0.0.1", "10:40", "cloudtrail", 0, "10:50", "cloudtrail", 0)],
        ),
        "created after the last poll": (
            {},
            [interface_created(at("11:10"))],
            [("eni-1", "10.0.0.1", "11:10", "cloudtrail", 0, None, None, None)],
        ),
        "created, never seen, no deletion known": (
            {},
            [interface_created(at("10:40"))],
            [("eni-1", "10.0.0.1", "10:40", "cloudtrail", 0, "10:50", "snapshot", 600)],
        ),
        "a dry run and a denied call change nothing": (
            {},
            [
                interface_created(at("10:40"), error_code="Client.DryRunOperation"),
                interface_created(at("10:41"), error_code="Client.UnauthorizedOperation"),
            ],
            [],
        ),
        "a creation long before the first poll": (
            {"10:00": {}, "10:30": {}, "11:00": {}},
            [interface_created(at("3:00"))],
            [("eni-1", "10.0.0.1", "3:00", "cloudtrail", 0, None, None, None)],
        ),
        "the clocks differ by a second": (
            {"10:00": {}, "10:30": {}},
            [interface_created(at("10:00:01")), interface_deleted(at("10:29:59"))],
            [("eni-1", "10.0.0.1", "10:00", "cloudtrail", 1, "10:30:01", "cloudtrail", 2)],
        ),
        "an address that was added later": (
            {"10:30": {"private_ip_addresses": ["10.0.0.1", "10.0.0.2"]}},
            [interface_created(at("10:10"))],
            [
                ("eni-1", "10.0.0.1", "10:10", "cloudtrail", 0, "10:45", "snapshot", 900),
                ("eni-1", "10.0.0.2", "10:20", "snapshot", 600, "10:45", "snapshot", 900),
            ],
        ),
        "the address goes to another interface": (
            {"10:00": {}, "10:30": {}, "11:00": {}},
            [interface_created(at("11:20"), "eni-2")],
            [
                ("eni-1", "10.0.0.1", "10:00", "first snapshot", None, "11:20", "address reused", 1200),
                ("eni-2", "10.0.0.1", "11:20", "cloudtrail", 0, None, None, None),
            ],
        ),
        "another held it before the first snapshot": (
            {"10:00": {}, "10:30": {}, "11:00": {}},
            [interface_created(at("9:00"), "eni-0"), interface_deleted(at("9:20"), "eni-0")],
            [
                ("eni-0", "10.0.0.1", "9:00", "cloudtrail", 0, "9:20", "cloudtrail", 0),
                ("eni-1", "10.0.0.1", "10:00", "first snapshot", 2400, None, None, None),
            ],
        ),
        "undated, when nothing better is known": (
            {"": {"private_ip_addresses": ["10.0.0.1"], "ipv6_addresses": ["2600:1F::A"]}},
            [],
            [
                ("eni-1", "10.0.0.1", None, "undated snapshot", None, None, "undated snapshot", None),
                ("eni-1", "2600:1f::a", None, "undated snapshot", None, None, "undated snapshot", None),
            ],
        ),
        "undated, when a poll knows it": (
            {"": {"security_group_ids": ["sg-9"]}, "11:00": {}},
            [],
            [("eni-1", "10.0.0.1", "10:45", "snapshot", 900, None, None, None)],
        ),
    }
    snapshots, events = [], []
    for case, (polled, told, _) in cases.items():
        for moment in ("10:00", "10:30", "11:00"):
            place = {"account_id": case, "polled_at": at(moment)}
            snapshots.append(interface_snapshot(**place, interface_id="always", private_ip_addresses=["10.9.9.9"]))
        for moment, overrides in polled.items():
            row = {"account_id": case, "vpc_id": f"vpc {case}", "polled_at": at(moment) if moment else None}
            snapshots.append(interface_snapshot(interface_id=f"{case}/eni-1", **row) | overrides)
        for row in told:
            own = {
                k: (row[k] or "").replace("eni-", f"{case}/eni-") for k in ("request_parameters", "response_elements")
            }
            own["response_elements"] = own["response_elements"].replace("vpc-1", f"vpc {case}")
            events.append(row | own | {"account_id": case})
    found = defaultdict(list)
    for row in built(spark, snapshots, events):
        if row["interface_id"] != "always":
            found[row["account_id"]].append(row)
    for case, (_, _, expected) in cases.items():
        got = sorted(
            (r["interface_id"].rpartition("/")[2], r["address"], r["valid_from"], r["from_evidence"],
             r["from_uncertainty_seconds"], r["valid_to"], r["to_evidence"], r["to_uncertainty_seconds"])
            for r in found[case]
        )  # fmt: skip
        wanted = [(i, a, at(f) if f else None, e, u, at(t) if t else None, x, y) for i, a, f, e, u, t, x, y in expected]
        assert got == wanted, case


def test_an_answer_that_lists_only_a_part_ends_nothing(spark: SparkSession) -> None:
    def poll(eni: str, moment: str, complete: bool | None) -> Row:
        address = {"eni-1": "10.0.0.1", "eni-2": "10.0.0.2"}[eni]
        return interface_snapshot(
            interface_id=eni, private_ip_addresses=[address], polled_at=at(moment), complete=complete
        )

    partly = [poll("eni-1", "10:00", True), poll("eni-1", "10:20", True)]
    partly += [poll("eni-2", "10:05", False), poll("eni-2", "10:10", None)]
    found = {row["interface_id"]: row for row in built(spark, partly, [])}
    assert (found["eni-1"]["valid_from"], found["eni-1"]["valid_to"]) == (at("10:00"), None)
    # Between two whole polls that do not list it: it came and went there, and was seen from 10:05 to 10:10.
    assert (found["eni-2"]["valid_from"], found["eni-2"]["from_uncertainty_seconds"]) == (at("10:02:30"), 150)
    assert (found["eni-2"]["valid_to"], found["eni-2"]["to_uncertainty_seconds"]) == (at("10:15"), 300)


def test_what_is_missing_is_called_unknown(spark: SparkSession) -> None:
    """Samples without account or region still make rows, joined to nobody else's."""
    blank = {"account_id": None, "region": None, "vpc_id": None}
    found = built(spark, [interface_snapshot(**blank), interface_snapshot(**blank, polled_at=at("10:10"))], [])
    assert [(r["account_id"], r["region"], r["vpc_id"], r["valid_from"]) for r in found] == [
        ("unknown", "unknown", None, at("10:00"))
    ]


def story(case: str, rng: random.Random) -> tuple[list[Row], list[Row], dict[tuple[str, str], tuple[datetime, Any]]]:
    """A true story of some addresses that pass from interface to interface, and what AWS shows of it."""
    vpc = f"vpc {case}"
    truth: dict[tuple[str, str], tuple[datetime, Any]] = {}
    lives = []
    for address in ("10.0.0.1", "10.0.0.2"):
        clock = rng.randrange(-4_000, 2_000)
        while clock < 7_000:
            birth, death = clock, clock + rng.randrange(30, 5_000)
            eni = f"{case}/{address}/{birth}"
            gone = None if death > 7_200 else MONDAY + timedelta(seconds=death + 0.5)
            truth[eni, address] = (MONDAY + timedelta(seconds=birth + 0.5), gone)
            lives.append((eni, address))
            clock = death + rng.randrange(1, 1_500)
    polls = [MONDAY + timedelta(seconds=s) for s in range(0, 7_201, 600) if rng.random() < 0.8]
    snapshots = [interface_snapshot(account_id=case, interface_id=f"{case}/always", polled_at=p,
                                    private_ip_addresses=["10.9.9.9"], vpc_id=vpc) for p in polls]  # fmt: skip
    events = []
    for eni, address in lives:
        birth, gone = truth[eni, address]
        for poll in polls:
            if birth <= poll and (gone is None or poll < gone):
                snapshots.append(
                    interface_snapshot(
                        account_id=case, interface_id=eni, polled_at=poll, private_ip_addresses=[address], vpc_id=vpc
                    )
                )
        # CloudTrail knows whole seconds, and does not know everything.
        if rng.random() < 0.6:
            moment = birth.replace(microsecond=0)
            events.append(interface_created(moment, eni, (address,), vpc_id=vpc, account_id=case))
        if gone and rng.random() < 0.6:
            events.append(interface_deleted(gone.replace(microsecond=0), eni, account_id=case))
    return snapshots, events, truth


def test_the_truth_lies_within_what_is_stated(spark: SparkSession) -> None:
    """Each true birth and death is within the uncertainty; no address has two holders; nothing known is lost."""
    rng = random.Random(2)
    snapshots: list[Row] = []
    events: list[Row] = []
    truth: dict[tuple[str, str], tuple[datetime, Any]] = {}
    for case in range(300):
        shown, told, true = story(f"case {case}", rng)
        snapshots, events, truth = snapshots + shown, events + told, truth | true
    rng.shuffle(snapshots)
    rng.shuffle(events)
    found = [r for r in built(spark, snapshots + snapshots[:200], events) if not r["interface_id"].endswith("always")]
    second = timedelta(seconds=1)
    for row in found:
        birth, gone = truth[row["interface_id"], row["address"]]
        low, unsure = oracles.earliest(row), row["from_uncertainty_seconds"]
        # CloudTrail cuts the fraction of a second off.
        assert (low is None or low <= birth) and birth <= row["valid_from"] + (unsure or 0) * second + second, row
        if row["valid_to"] is not None:
            around = row["to_uncertainty_seconds"] * second
            assert gone is not None and row["valid_to"] - around <= gone <= row["valid_to"] + around + second, row
    assert_one_holder(found)
    hinted = {(s["interface_id"], s["private_ip_addresses"][0]) for s in snapshots} & set(truth)
    assert hinted <= {(r["interface_id"], r["address"]) for r in found}
    assert len(found) > 1_000 and {r["to_evidence"] for r in found} >= {"snapshot", "cloudtrail", None}


def assert_one_holder(found: list[Row]) -> None:
    lines = defaultdict(list)
    for row in found:
        lines[row["vpc_id"], row["address"]].append(row)
    for line in lines.values():
        line.sort(key=lambda r: r["valid_from"])
        for one, other in itertools.pairwise(line):
            assert one["valid_to"] is not None and one["valid_to"] <= other["valid_from"], (one, other)


def test_nonsense_against_the_oracle(spark: SparkSession) -> None:
    """Contradictions of every sort: the invariants hold, and the rows are the oracle's."""
    rng = random.Random(3)
    snapshots, events, wanted = [], [], []
    for number in range(600):
        case, vpc = f"case {number}", f"vpc {number}"
        times = [MONDAY + timedelta(seconds=300 * t) for t in range(8)]
        polls = sorted(rng.sample(times, rng.randrange(1, 7)))
        seen: dict[tuple[str, str], dict[datetime, str]] = defaultdict(dict)
        created: dict[str, tuple[datetime, list[str], str]] = {}
        deleted: dict[str, datetime] = {}
        for poll in polls:
            always = {"account_id": case, "polled_at": poll, "interface_id": "always", "vpc_id": f"{vpc} too"}
            snapshots.append(interface_snapshot(**always))
        for eni in (f"{case}/1", f"{case}/2", f"{case}/3"):
            addresses = rng.sample(("10.0.0.1", "10.0.0.2", "10.0.0.3"), rng.choice((1, 1, 2)))
            for poll in polls if rng.random() < 0.8 else []:
                if rng.random() < 0.6:
                    group, shown = rng.choice(("sg-1", "sg-1", "sg-2")), rng.sample(addresses, len(addresses))
                    row = {"account_id": case, "vpc_id": vpc, "interface_id": eni, "polled_at": poll}
                    snapshots.append(interface_snapshot(**row, security_group_ids=[group], private_ip_addresses=shown))
                    for address in shown:
                        seen[eni, address][poll] = group
            if rng.random() < 0.5:
                moment = rng.choice(times) + timedelta(seconds=rng.choice((0, 1, 100)))
                given = addresses[: rng.choice((0, 1, 2))]
                created[eni] = (moment, given, "sg-1")
                events.append(interface_created(moment, eni, tuple(given), vpc_id=vpc, account_id=case))
            if rng.random() < 0.5:
                deleted[eni] = rng.choice(times) + timedelta(seconds=rng.choice((0, 1, 100)))
                events.append(interface_deleted(deleted[eni], eni, account_id=case))
        wanted += oracles.interface_lives(polls, seen, created, deleted)
    rng.shuffle(snapshots)
    found = [r for r in built(spark, snapshots, events) if r["interface_id"] != "always"]
    assert_one_holder(found)
    got = [(r["interface_id"], r["address"], r["security_group_ids"], *[r[b] for b in BOUNDARIES]) for r in found]
    expected = [(r["interface_id"], r["address"], r["state"], *[r[b] for b in BOUNDARIES]) for r in wanted]
    assert sorted(got, key=str) == sorted(expected, key=str)
