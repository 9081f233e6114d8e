"""A database that failed over, and an intruder who only looks like it."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import SparkSession

from tests.rows import Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, hour, known
from transforms.baselines import Learning, daily_sightings, judge
from transforms.replacements import replacements
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES

OLD, NEW = {"peer_name": "db-a"}, {"peer_name": "db-b"}
LATE = hour(function_name="other", candidates="other", peer_name="mail", peer_port=25, last_time=at("20:00"))


def seen(peer: Row, time: str, until: str | None = None, function: str = "f", **more: object) -> Row:
    times = {"first_time": at(time), "last_time": at(until or time)}
    return hour(function_name=function, candidates=function, **{**peer, **times, **more})


def users(*names: str, **more: object) -> list[Row]:
    return [known(function_name=name, **OLD, **more) for name in names]


CASES: dict[str, tuple[list[Row], list[Row], bool]] = {
    # what was normal, what is seen, whether the new one takes the old one's place
    "it failed over": (users("f", "g", "h"), [seen(OLD, "1:00", "9:00"), seen(NEW, "9:05"), LATE], True),
    "others go on for minutes": (
        users("f", "g", "h"), [seen(OLD, "1:00", "9:50", "g"), seen(NEW, "9:05"), LATE], True,
    ),
    "nobody talks to the old one today": (users("f", "g", "h"), [seen(NEW, "9:05"), LATE], True),
    "another goes on with the old one": (
        users("f", "g", "h"), [seen(OLD, "1:00", "10:10", "g"), seen(NEW, "9:05"), LATE], False,
    ),
    "two users only": (users("f", "g"), [seen(NEW, "9:05"), LATE], False),
    "the day is not over": (users("f", "g", "h"), [seen(NEW, "9:05", "10:00")], False),
    "not its own": (users("g", "h", "i"), [seen(NEW, "9:05"), LATE], False),
    "another kind": (users("f", "g", "h"), [seen(NEW, "9:05", peer_kind="ec2"), LATE], False),
    "another port": (users("f", "g", "h"), [seen(NEW, "9:05", peer_port=3306), LATE], False),
    "outside": (
        users("f", "g", "h", peer_internal=False), [seen(NEW, "9:05", peer_internal=False), LATE], False,
    ),
    "left long ago": (
        [*users("f", "g", "h", last_seen=TODAY - timedelta(days=9)), known(peer_name="mail")],
        [seen(NEW, "9:05"), LATE], False,
    ),
    "left long ago, where others went": (
        [*users("f", "g", "h", last_seen=TODAY - timedelta(days=9)), known(peer_name="mail"),
         known(**NEW, function_name="g"), known(**NEW, function_name="h")],
        [seen(NEW, "9:05"), LATE], True,
    ),
    "flagged": (users("f", "g", "h", status="flagged"), [seen(NEW, "9:05"), LATE], False),
}  # fmt: skip


def test_what_takes_whose_place(spark: SparkSession) -> None:
    """One account a case."""
    before = [row | {"account_id": case} for case, (rows, _, _) in CASES.items() for row in rows]
    hours = [row | {"account_id": case} for case, (_, rows, _) in CASES.items() for row in rows]
    baselines = frame(spark, FUNCTION_BASELINES, before)
    sightings = daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, hours))
    found = {r["account_id"] for r in rows_of(replacements(sightings, baselines)) if "db-b" in r["thing"]}
    assert found == {case for case, (_, _, replaced) in CASES.items() if replaced}
    judged = rows_of(judge(sightings, baselines, Learning()))
    assert {r["account_id"] for r in judged if r["peer_name"] == "db-b" and r["verdict"] == "explained"} == found
