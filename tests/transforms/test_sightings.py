"""Runs of equal polls: what they are, and that leases built from them are those built from every single poll."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.rows import (
    Row,
    at,
    event,
    frame,
    function_event,
    function_snapshot,
    interface_created,
    interface_snapshot,
    rows_of,
)
from transforms.function_configs import function_configs
from transforms.interfaces import interfaces
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FUNCTION_CONFIGS,
    FUNCTION_SIGHTINGS,
    FUNCTION_SNAPSHOTS,
    INTERFACE_SIGHTINGS,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
    LEASE_EVENTS,
    POLLS,
)
from transforms.sightings import (
    FUNCTION_POLL,
    INTERFACE_POLL,
    function_sightings,
    interface_sightings,
    lease_events,
    polls,
)

# Across midnight, because a day's runs know nothing of another day's.
TIMES = [at("22:45") + timedelta(minutes=15 * n) for n in range(10)]


def test_a_run_ends_where_something_happens(spark: SparkSession) -> None:
    """Polls at 10:00, 10:10, 10:20 and 10:30; one function a case: in which polls it is, with which group, events."""
    moments = [at(f"10:{m}0") for m in range(4)]
    cases: dict[str, tuple[str, list[Row], list[tuple[int, int]]]] = {
        "always": ("aaaa", [], [(0, 3)]),
        "another-group": ("aabb", [], [(0, 1), (2, 3)]),
        "not-in-one-poll": ("a-aa", [], [(0, 0), (2, 3)]),
        "an-event-between": ("aaaa", [function_event("DeleteFunction", at("10:15"))], [(0, 1), (2, 3)]),
        "an-event-at-a-poll": ("aaaa", [function_event("UpdateFunctionCode", at("10:20"))], [(0, 2), (3, 3)]),
        "a-failed-call": ("aaaa", [function_event("DeleteFunction", at("10:15"), error_code="no")], [(0, 3)]),
        "another-call": ("aaaa", [function_event("DeleteFunctionConcurrency20171031", at("10:15"))], [(0, 3)]),
        "in-progress": ("aAaa", [], [(0, 0), (1, 1), (2, 3)]),
    }
    snapshots, events = [], []
    for name, (shown, told, _) in cases.items():
        for moment, group in zip(moments, shown, strict=True):
            status = "InProgress" if group.isupper() else "Successful"
            if group != "-":
                snapshots.append(
                    function_snapshot(
                        function_name=name, polled_at=moment, security_group_ids=[group.lower()],
                        last_update_status=status,
                    )
                )  # fmt: skip
        events += [row | {"request_parameters": f'{{"functionName":"{name}"}}'} for row in told]
    told = lease_events(frame(spark, CLOUDTRAIL_EVENTS, events))
    made = FUNCTION_SIGHTINGS.conform(function_sightings(frame(spark, FUNCTION_SNAPSHOTS, snapshots), told))
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for row in rows_of(made):
        found.setdefault(row["function_name"], []).append((row["first_at"], row["last_at"]))
    for name, (_, _, expected) in cases.items():
        assert sorted(found[name]) == [(moments[a], moments[b]) for a, b in expected], name


def some_interfaces(rng: random.Random, case: str) -> tuple[list[Row], list[Row]]:
    snapshots, events = [], []
    for moment in TIMES:
        if rng.random() < 0.15:
            continue
        complete = rng.choice((True, True, True, False, None))
        for eni in ("eni-1", "eni-2", "eni-3"):
            if rng.random() < 0.7:
                snapshots.append(
                    interface_snapshot(
                        account_id=case, interface_id=f"{case}/{eni}", polled_at=moment, complete=complete,
                        vpc_id=case, private_ip_addresses=rng.choice((["10.0.0.1"], ["10.0.0.1", "10.0.0.2"])),
                        security_group_ids=rng.choice((["a"], ["a"], ["b"])),
                    )
                )  # fmt: skip
    if rng.random() < 0.5:
        moment = rng.choice(TIMES) + timedelta(minutes=rng.choice((0, 5)))
        events.append(interface_created(moment, f"{case}/eni-2", vpc_id=case, account_id=case))
    return snapshots, events


def some_functions(rng: random.Random, case: str) -> tuple[list[Row], list[Row]]:
    snapshots, events = [], []
    for moment in TIMES:
        if rng.random() < 0.15:
            continue
        complete = rng.choice((True, True, True, False, None))
        for version in ("$LATEST", "1"):
            if rng.random() < 0.8:
                snapshots.append(
                    function_snapshot(
                        account_id=case, version=version, polled_at=moment, complete=complete,
                        security_group_ids=rng.choice((["a"], ["a"], ["b"])),
                        last_update_status=rng.choice(("Successful", "Successful", "InProgress")),
                    )
                )  # fmt: skip
    for _ in range(rng.randrange(3)):
        moment = rng.choice(TIMES) + timedelta(minutes=rng.choice((0, 5)))
        if rng.random() < 0.5:
            events.append(event("DeleteFunction", moment, {"functionName": "f"}, account_id=case))
        else:
            groups = (rng.choice("ab"),)
            events.append(function_event("UpdateFunctionConfiguration", moment, groups=groups, account_id=case))
    return snapshots, events


def history(rng: random.Random, make: Any, count: int) -> tuple[list[Row], list[Row]]:
    parts = [make(rng, f"case {number}") for number in range(count)]
    return [row for rows, _ in parts for row in rows], [row for _, rows in parts for row in rows]


def parted(frames: list[DataFrame]) -> DataFrame:
    """Their rows in one frame, computed: a plan of all of them would hold the data many times."""
    return frames[0].sparkSession.createDataFrame(pa.concat_tables([part.toArrow() for part in frames]))


def sorted_rows(data: DataFrame) -> list[str]:
    return sorted(repr(row) for row in rows_of(data))


@pytest.mark.sail_only
def test_interfaces_of_runs_are_those_of_polls(spark: SparkSession) -> None:
    """At once, a day at a time, and each poll a run of its own."""
    snapshots, events = history(random.Random(3), some_interfaces, 300)
    shown, told = frame(spark, INTERFACE_SNAPSHOTS, snapshots), lease_events(frame(spark, CLOUDTRAIL_EVENTS, events))
    answers = POLLS.conform(polls(shown, INTERFACE_POLL))
    one_by_one = [interface_sightings(shown.where(F.col("polled_at") == F.lit(t))) for t in TIMES]
    by_day = [
        interface_sightings(shown.where(condition(F.col("polled_at")))) for condition in before_and_after(at("6T0:00"))
    ]
    made = [
        sorted_rows(INTERFACES.conform(interfaces(INTERFACE_SIGHTINGS.conform(seen), answers, told)))
        for seen in (interface_sightings(shown), parted(by_day), parted(one_by_one))
    ]
    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 1_000
    assert interface_sightings(shown).count() < 0.8 * parted(one_by_one).count()


@pytest.mark.sail_only
def test_configurations_of_runs_are_those_of_polls(spark: SparkSession) -> None:
    snapshots, events = history(random.Random(4), some_functions, 300)
    listed, told = frame(spark, FUNCTION_SNAPSHOTS, snapshots), lease_events(frame(spark, CLOUDTRAIL_EVENTS, events))
    told = LEASE_EVENTS.conform(told)
    answers = POLLS.conform(polls(listed, FUNCTION_POLL))
    one_by_one = [function_sightings(listed.where(F.col("polled_at") == F.lit(t)), told) for t in TIMES]
    by_day = [
        function_sightings(listed.where(condition(F.col("polled_at"))), told.where(condition(F.col("event_time"))))
        for condition in before_and_after(at("6T0:00"))
    ]
    made = [
        sorted_rows(FUNCTION_CONFIGS.conform(function_configs(FUNCTION_SIGHTINGS.conform(seen), answers, told)))
        for seen in (function_sightings(listed, told), parted(by_day), parted(one_by_one))
    ]
    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 1_000


def before_and_after(moment: datetime) -> tuple[Any, Any]:
    return (lambda column: column < F.lit(moment)), (lambda column: column >= F.lit(moment))
