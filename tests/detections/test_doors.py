"""Knocking at many doors, listed addresses, and the stranger that several functions meet."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from detections import common_destination, new_internal_connection, scan, threat_list
from detections.connections import FEW_DOORS
from detections.scan import HISTORY_DAYS
from tests.detections.test_detections import INSIDE, found_by, novelties_of
from tests.rows import ACCOUNT, Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, hour, known
from transforms.schemas import (
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_CHANGES,
    FUNCTION_FLOWS,
    NOVELTIES,
    OBSERVATIONS,
    THREATS,
)

DAY = timedelta(days=1)


def habit(days: int = 10, **overrides: Any) -> list[Row]:
    """Talks to orders-db at 10:00 on each of the days before today."""
    hours = [at("10:00") - n * DAY for n in range(1, days + 1)]
    return [hour(hour=h, first_time=h, last_time=h, **overrides) for h in hours]


def doors(count: int, answered: int = 0, **overrides: Any) -> list[Row]:
    return [
        hour(
            peer_kind="address", peer_name=f"10.0.1.{n}", peer_port=22, first_peer_addr=f"10.0.1.{n}", bytes_out=60,
            bytes_in=900 if n < answered else 0, first_evidence=f"c{n:02}", **overrides,
        )
        for n in range(count)
    ]  # fmt: skip


def none(spark: SparkSession) -> DataFrame:
    return frame(spark, FUNCTION_CHANGES, [])


def test_many_doors(spark: SparkSession) -> None:
    """The docstring's, and who is not told of: too few doors, doors that open, no history, who always knocks."""
    daily = [
        d | {"hour": d["hour"] - n * DAY, "date": d["date"] - n * DAY, "thing": f"{d['thing']}-{n}"}
        for n in range(1, 10)
        for d in doors(6, account_id="always")
    ]
    shared = {"candidates": "f, g", "account_id": "shared"}
    cases = [
        *habit(), *doors(20, answered=1),
        *habit(account_id="few"), *doors(7, account_id="few"),
        *habit(account_id="open"), *doors(20, answered=15, account_id="open"),
        *habit(5, account_id="young"), *doors(20, account_id="young"),
        *habit(account_id="always"), *doors(20, account_id="always"), *daily,
        *habit(**shared), *habit(**shared, function_name="g"),
        *doors(9, **shared), *doors(9, function_name="g", **shared),
        # Never inside before; and at other times it shares its interface.
        *habit(account_id="outside", peer_internal=False, candidates="f, h"), *doors(9, account_id="outside"),
        *habit(account_id="known"), *doors(20, account_id="known"),
        *[r | {"hour": r["hour"] - DAY, "date": TODAY - DAY} for r in doors(20, account_id="known")],
    ]  # fmt: skip
    found = scan.detect(
        [TODAY], frame(spark, FUNCTION_ACTIVITY_HOURLY, cases), none(spark), **scan.DETECTION.parameters
    )
    rows = {r["account_id"]: r for r in rows_of(OBSERVATIONS.filled(found)) if r["date"] == TODAY}
    assert set(rows) == {ACCOUNT, "shared", "outside"}
    row = rows[ACCOUNT]
    assert (row["observed"], row["usual"], row["severity"], row["subject"]) == (19, 0, "high", "internal scan")
    assert row["summary"] == (
        "f knocked at 19 internal doors that it had never tried before, and nobody answered: 19 addresses, 1 ports "
        "(10.0.1.10:22, 10.0.1.11:22, 10.0.1.12:22, 10.0.1.13:22, 10.0.1.14:22, …). On its median day it tries 0."
    )
    assert (row["events"], row["bytes_out"], row["evidence"]) == (19, 19 * 60, "c01")
    assert rows["shared"]["functions"] == "f, g" and rows["shared"]["observed"] == 9


def test_each_judged_day_looks_back_as_if_alone(spark: SparkSession) -> None:
    """A scan is repeated after so long that it is forgotten; a back-fill judges both days at once."""
    days = [TODAY - (HISTORY_DAYS + 4) * DAY, TODAY]
    hours = [*habit(HISTORY_DAYS + 15), *doors(20)]
    hours += [r | {k: r[k] + (days[0] - TODAY) for k in ("hour", "first_time", "last_time", "date")} for r in doors(20)]
    activity, changes = frame(spark, FUNCTION_ACTIVITY_HOURLY, hours), none(spark)

    def judged(wanted: list[date]) -> list[Row]:
        since = min(wanted) - HISTORY_DAYS * DAY
        seen = activity.where(F.col("date") >= F.lit(since))
        found = scan.detect(wanted, seen, changes, **scan.DETECTION.parameters)
        return [r for r in rows_of(OBSERVATIONS.filled(found)) if r["date"] in wanted]

    together = sorted(judged(days), key=lambda r: str(r["date"]))
    assert together == [row for day in days for row in judged([day])] and len(together) == 2


def test_many_doors_are_not_told_one_by_one(spark: SparkSession) -> None:
    def alone(count: int) -> int:
        hours = [hour(**INSIDE), *doors(count)]
        return len(found_by(spark, new_internal_connection.DETECTION, hours, [known()]))

    assert alone(FEW_DOORS - 1) == FEW_DOORS
    # The one that answered is still told of.
    assert alone(FEW_DOORS) == 1


def flow(**overrides: Any) -> Row:
    row: Row = {
        "conversation_id": "c1", "window_start": at("10:05"), "account_id": ACCOUNT, "region": "eu-west-1",
        "local_addr": "10.0.0.1", "peer_addr": "192.0.2.66", "peer_port": 443, "protocol": 6, "peer_kind": "address",
        "peer_name": "192.0.2.66", "peer_internal": False, "bytes_out": 300, "bytes_in": 900, "function_name": "f",
        "candidates": "f", "plausible": "f", "probability": 1.0, "date": TODAY,
    }  # fmt: skip
    return row | overrides


def test_listed_addresses(spark: SparkSession) -> None:
    listed = [
        ("tor", "192.0.2.66", "c0000242"),
        ("bad", "192.0.2.0/24", "c00002"),
        ("six", "2001:db8::/32", "20010db8"),
    ]
    lists = frame(spark, THREATS, [dict(zip(THREATS.schema.names, row, strict=True)) for row in listed])
    flows = [
        flow(),
        flow(conversation_id="c2", window_start=at("11:05"), bytes_out=100),
        flow(conversation_id="c3", peer_addr="192.0.2.7", bytes_in=0, plausible="f, g", probability=0.5),
        flow(conversation_id="c3", peer_addr="192.0.2.7", bytes_in=0, plausible="f, g", function_name="g"),
        flow(conversation_id="c4", peer_addr="2001:db8:1::9"),
        flow(conversation_id="c5", peer_addr="192.0.3.66"),
        flow(conversation_id="c6", peer_addr="198.51.100.1"),
        # Its digits begin like those of 192.0.2.0/24.
        flow(conversation_id="c7", peer_addr="c000:2ff::1"),
        flow(conversation_id="c8", plausible=None, function_name=None),
    ]
    found = threat_list.detect([TODAY], frame(spark, FUNCTION_FLOWS, flows), lists)
    rows = {r["peer_addr"]: r for r in rows_of(OBSERVATIONS.filled(found))}
    assert set(rows) == {"192.0.2.66", "192.0.2.7", "2001:db8:1::9"} and found.count() == 3
    assert rows["192.0.2.66"]["summary"] == (
        "f talked to 192.0.2.66, which is on the threat list bad, tor (as part of 192.0.2.0/24): 400 bytes were sent, "
        "1800 received."
    )
    assert (rows["192.0.2.66"]["events"], rows["192.0.2.66"]["severity"]) == (2, "high")
    assert rows["192.0.2.7"]["severity"] == "low" and rows["192.0.2.7"]["bytes_out"] == 300
    assert rows["192.0.2.7"]["summary"].startswith("One of f, g (they share an interface) tried to reach 192.0.2.7")


def test_the_same_stranger(spark: SparkSession) -> None:
    outside = {"peer_kind": "address", "peer_name": "192.0.2.9", "peer_internal": False, "peer_port": 443}
    hours = [hour(function_name=name, candidates=name, **outside) for name in "fgh"]
    fresh = rows_of(novelties_of(spark, hours, [known(function_name=name) for name in "fgh"]))
    spread = [r | {"date": TODAY - n * DAY} for n, r in enumerate(sorted(fresh, key=lambda r: str(r["functions"])))]
    far = [r | {"account_id": "far", "date": TODAY - 2 * n * DAY} for n, r in enumerate(fresh)]
    two = [r | {"account_id": "two"} for r in fresh[:2]]
    inside = [r | {"account_id": "inside", "peer_internal": True} for r in fresh]
    news = frame(spark, NOVELTIES, [*spread, *far, *two, *inside])
    found = common_destination.detect([TODAY], news, **common_destination.DETECTION.parameters)
    rows = rows_of(OBSERVATIONS.filled(found))
    assert [(r["account_id"], r["functions"], r["date"]) for r in rows] == [(ACCOUNT, None, TODAY)]
    assert rows[0]["summary"] == (
        "3 unrelated functions began to talk to 192.0.2.9 (port 443) within 3 days, none of which ever had before: "
        "f; g; h."
    )
