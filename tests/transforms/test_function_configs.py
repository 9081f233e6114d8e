"""Function configurations over time: which events count, and a true story that must lie within what is stated."""

from __future__ import annotations

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests import oracles
from tests.rows import MONDAY, Row, at, event, frame, function_event, function_snapshot, rows_of
from transforms.function_configs import function_configs
from transforms.schemas import CLOUDTRAIL_EVENTS, FUNCTION_CONFIGS, FUNCTION_SNAPSHOTS
from transforms.sightings import FUNCTION_POLL, function_sightings, lease_events, polls


def built(spark: SparkSession, snapshots: list[Row], events: list[Row]) -> list[Row]:
    seen = frame(spark, FUNCTION_SNAPSHOTS, snapshots)
    told = lease_events(frame(spark, CLOUDTRAIL_EVENTS, events))
    made = function_configs(function_sightings(seen, told), polls(seen, FUNCTION_POLL), told)
    return rows_of(FUNCTION_CONFIGS.conform(made))


def test_which_events_count(spark: SparkSession) -> None:
    """One function a case, each event at 10:20; polled at 10:00 (version 1 and $LATEST) and 10:30 (not any more)."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:function"
    gone, kept = "10:20", "10:15"

    def call(name: str, function: str, **more: str) -> Row:
        return event(name, at("10:20"), {"functionName": function}, **more)

    cases = {
        "by-name": (call("DeleteFunction20150331", "by-name"), (gone, gone)),
        "by-arn": (call("DeleteFunction20150331", f"{arn}:by-arn"), (gone, gone)),
        "by-part": (call("DeleteFunction", "123456789012:function:by-part"), (gone, gone)),
        "function": (call("DeleteFunction", f"{arn}:function:1"), (gone, kept)),
        "by-qualifier": (
            event("DeleteFunction", at("10:20"), {"functionName": "by-qualifier", "qualifier": "1"}),
            (gone, kept),
        ),
        "concurrency": (call("DeleteFunctionConcurrency20171031", "concurrency"), (kept, kept)),
        "url": (call("DeleteFunctionUrlConfig", "url"), (kept, kept)),
        "denied": (call("DeleteFunction", "denied", error_code="AccessDenied"), (kept, kept)),
        "hostile": (call("DeleteFunction", "x', DROP \\ \"TABLE"), (kept, kept)),
        "nameless": (event("DeleteFunction", at("10:20")), (kept, kept)),
    }
    snapshots = [
        function_snapshot(function_name=name, version=version, polled_at=at("10:00"))
        for name in cases
        for version in ("1", "$LATEST")
    ]
    snapshots += [function_snapshot(function_name="always", polled_at=at(t)) for t in ("10:00", "10:30")]
    found = {(r["function_name"], r["version"]): r for r in built(spark, snapshots, [e for e, _ in cases.values()])}
    for name, (_, (of_version, of_latest)) in cases.items():
        assert found[name, "1"]["valid_to"] == at(of_version), name
        assert found[name, "$LATEST"]["valid_to"] == at(of_latest), name


def test_events_alone(spark: SparkSession) -> None:
    """A function that no poll saw: created, published, moved to another group, a version deleted."""
    events = [
        function_event("CreateFunction20150331", at("10:00")),
        function_event("PublishVersion20150331", at("10:10"), version="1"),
        function_event("UpdateFunctionConfiguration20150331v2", at("10:30"), groups=("sg-2", "sg-1")),
        function_event("UpdateFunctionCode20150331v2", at("10:40"), version="2", groups=("sg-1", "sg-2"), code="new"),
        function_event("UpdateFunctionCode20150331v2", at("10:50"), code="bad", error_code="ResourceConflictException"),
        event(
            "UpdateFunctionCode20150331v2",
            at("10:52"),
            {"functionName": "f", "dryRun": True},
            {"functionName": "f", "role": "role-f", "codeSha256": "tried"},
        ),
        event("CreateFunctionUrlConfig", at("10:55"), {"functionName": "f"}, {"functionName": "f", "role": "no"}),
        event("DeleteFunction20150331", at("11:00"), {"functionName": "f", "qualifier": "1"}),
    ]
    found = [
        (r["version"], r["security_group_ids"], r["code_sha256"], r["valid_from"], r["valid_to"], r["role"])
        for r in built(spark, [], events)
    ]
    assert sorted(found, key=str) == sorted(
        [
            ("$LATEST", "sg-1", "code-1", at("10:00"), at("10:30"), "role-f"),
            ("$LATEST", "sg-1,sg-2", "code-1", at("10:30"), at("10:40"), "role-f"),
            ("$LATEST", "sg-1,sg-2", "new", at("10:40"), None, "role-f"),
            ("1", "sg-1", "code-1", at("10:10"), at("11:00"), "role-f"),
            ("2", "sg-1,sg-2", "new", at("10:40"), None, "role-f"),
        ],
        key=str,
    )


def test_a_call_from_another_account(spark: SparkSession) -> None:
    """It is in both accounts' trails; the function is the one account's."""
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:f"
    made = {"functionName": "f", "functionArn": arn, "role": "r", "version": "$LATEST"}
    events = []
    for account in ("111111111111", "222222222222"):
        told = {"account_id": account, "region": "us-east-1"}
        events.append(event("CreateFunction20150331", at("10:00"), {"functionName": arn}, made, **told))
        events.append(event("DeleteFunction20150331", at("11:00"), {"functionName": arn}, **told))
    found = [(r["account_id"], r["region"], r["valid_from"], r["valid_to"]) for r in built(spark, [], events)]
    assert found == [("111111111111", "eu-west-1", at("10:00"), at("11:00"))]


def test_outside_a_vpc_and_undated(spark: SparkSession) -> None:
    outside = function_snapshot(function_name="out", vpc_id="", subnet_ids=[], security_group_ids=None, role=None)
    undated = [
        function_snapshot(function_name="undated", polled_at=None, code_sha256=code, account_id=None) for code in "ab"
    ]
    found = {r["function_name"]: r for r in built(spark, [outside, *undated], [])}
    assert (found["out"]["vpc_id"], found["out"]["subnet_ids"], found["out"]["security_group_ids"]) == (None, "", "")
    assert (found["undated"]["valid_from"], found["undated"]["from_evidence"]) == (None, "undated snapshot")
    assert found["undated"]["account_id"] == "unknown" and len(found) == 2


def story(case: str, rng: random.Random) -> tuple[list[Row], list[Row], list[tuple[str, datetime, datetime | None]]]:
    """A function's true life: what served from when to when, and what polls and CloudTrail show of it."""
    truth: list[tuple[str, datetime, datetime | None]] = []
    changes = []  # (called, in force, group)
    clock = rng.randrange(-3_000, 1_500)
    for number in range(rng.randrange(1, 5)):
        called = MONDAY + timedelta(seconds=clock)
        in_force = called + timedelta(seconds=rng.randrange(1, 290) if number else 0)
        changes.append((called, in_force, f"sg-{number}"))
        clock += rng.randrange(300, 2_500)
    deleted = MONDAY + timedelta(seconds=clock) if rng.random() < 0.5 else None
    for (_, begin, group), following in zip(changes, [*changes[1:], None], strict=True):
        truth.append((group, begin, following[1] if following else deleted))
    polls = [MONDAY + timedelta(seconds=s + 0.5) for s in range(0, 9_000, 600) if rng.random() < 0.8]
    snapshots = [function_snapshot(account_id=case, function_name="always", polled_at=p) for p in polls]
    for poll in polls:
        made = [c for c in changes if c[0] <= poll]
        if made and (deleted is None or poll < deleted):
            # The poll shows the new configuration at once, and says that it is not in force yet.
            busy = made[-1][1] > poll and len(made) > 1
            snapshots.append(
                function_snapshot(account_id=case, polled_at=poll, security_group_ids=[made[-1][2]],
                                  last_update_status="InProgress" if busy else "Successful")
            )  # fmt: skip
    events = []
    told = rng.random() < 0.6
    for number, (called, _, group) in enumerate(changes):
        name = "UpdateFunctionConfiguration20150331v2" if number else "CreateFunction20150331"
        if told:
            events.append(function_event(name, called, groups=(group,), account_id=case))
    if deleted and told:
        events.append(event("DeleteFunction20150331", deleted, {"functionName": "f"}, account_id=case))
    return snapshots, events, truth


def test_the_truth_lies_within_what_is_stated(spark: SparkSession) -> None:
    """Whatever polls and events are known, each true start and end is within the uncertainty that is stated."""
    rng = random.Random(4)
    snapshots: list[Row] = []
    events: list[Row] = []
    truth: dict[tuple[str, str], tuple[datetime, datetime | None]] = {}
    for number in range(400):
        shown, told, true = story(f"case {number}", rng)
        snapshots, events = snapshots + shown, events + told
        truth |= {(f"case {number}", group): (begin, end) for group, begin, end in true}
    rng.shuffle(snapshots)
    rng.shuffle(events)
    found = [r for r in built(spark, snapshots, events) if r["function_name"] == "f"]
    second = timedelta(seconds=1)
    for row in found:
        begin, end = truth[row["account_id"], row["security_group_ids"]]
        low, unsure = oracles.earliest(row), row["from_uncertainty_seconds"]
        assert (low is None or low <= begin) and begin <= row["valid_from"] + (unsure or 0) * second, row
        if row["valid_to"] is not None:
            around = row["to_uncertainty_seconds"] * second
            assert end is not None and row["valid_to"] - around <= end <= row["valid_to"] + around, (row, end)
    assert_no_overlap(found)
    told_of = {(e["account_id"], g) for e in events for g in _groups(e)}
    assert told_of <= {(r["account_id"], r["security_group_ids"]) for r in found}
    assert len(found) > 600 and len({(r["account_id"], r["security_group_ids"]) for r in found}) == len(found)


def _groups(told: Row) -> list[str]:
    return [g for g in ("sg-0", "sg-1", "sg-2", "sg-3", "sg-4") if f'"{g}"' in (told["response_elements"] or "")]


def assert_no_overlap(found: list[Any]) -> None:
    found = sorted(found, key=lambda r: (r["account_id"], r["version"], r["valid_from"]))
    for one, other in itertools.pairwise(found):
        if (one["account_id"], one["version"]) == (other["account_id"], other["version"]):
            assert one["valid_to"] is not None and one["valid_to"] <= other["valid_from"], (one, other)
