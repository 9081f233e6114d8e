"""Alerts: their life, their ids, and the sentences that somebody reads at 3 a.m."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

import detections
from detections.alerts import alerts
from tests import flow_oracles
from tests.rows import MONDAY, Row, at, frame, rows_of
from transforms.schemas import ALERTS, OBSERVATIONS
from transforms.schemas.table import columns

TODAY = MONDAY.date()
DAY = timedelta(days=1)


def observation(**overrides: Any) -> Row:
    """RDSQueryLogger meets payroll-01 on Monday."""
    day: date = overrides.get("date", TODAY)
    morning = datetime(day.year, day.month, day.day, 6, tzinfo=MONDAY.tzinfo)
    row: Row = {
        "detection_id": "new_internal_connection",
        "account_id": "123456789012",
        "region": "eu-west-1",
        "functions": "RDSQueryLogger",
        "peer_kind": "ec2",
        "peer_name": "payroll-01",
        "peer_internal": True,
        "peer_port": 22,
        "protocol": 6,
        "first_time": morning,
        "last_time": morning + timedelta(minutes=5),
        "events": 4,
        "bytes_out": 100,
        "bytes_in": 900,
        "peer_addr": "10.0.1.60",
        "local_addr": "10.0.1.101",
        "evidence": "c1",
        "expected": "orders-db (rds, port 5432); secrets-endpoint (vpc endpoint, port 443)",
        "baseline_from": date(2026, 2, 1),
        "baseline_to": day,
        "baseline_days": 39,
        "subject": "6|22|ec2|payroll-01",
        "severity": "high",
        "surprise": 2.1,
        "summary": "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time.",
        "evidence_table": "function_flows",
        "date": day,
    }
    return row | overrides


def made(spark: SparkSession, rows: list[Row], until: datetime | None, close_after: int = 7) -> list[Row]:
    seen = frame(spark, columns(("seen_until", "timestamp", "")), [{"seen_until": until}])
    return rows_of(ALERTS.filled(alerts(frame(spark, OBSERVATIONS, rows), seen, detections.ALL, close_after, 36)))


def test_the_life_of_an_alert(spark: SparkSession) -> None:
    """The docstring's: seen on the 3rd and 5th; closed at the end of the 12th; again on the 13th, another."""
    spike: Row = {"detection_id": "invocation_spike"}
    days = [date(2026, 1, d) for d in (3, 5, 13)]
    found = {r["opened_at"].day: r for r in made(spark, [observation(date=d, **spike) for d in days], at("20T0:00"))}
    assert set(found) == {3, 13}
    first = found[3]
    assert (first["days"], first["events"], first["bytes_in"]) == (2, 8, 1800)
    assert (first["updated_at"], first["status"], first["closed_at"]) == (at("5T6:05"), "closed", at("13T0:00"))
    assert (found[13]["status"], found[13]["closed_at"]) == ("open", None)
    assert first["alert_id"] != found[13]["alert_id"] and len(first["alert_id"]) == 16
    assert (first["title"], first["severity"]) == ("Invoked far more often than usual", "high")
    assert first["technique"].startswith("T")


def test_what_is_new_is_so_once(spark: SparkSession) -> None:
    """A new connection on the 3rd, and again on the 13th: the same alert, open again. Forgotten, it is new again."""
    days = [date(2026, 1, 3), date(2026, 1, 13)]
    closed = made(spark, [observation(date=days[0])], at("13T0:00"))[0]
    again = made(spark, [observation(date=d) for d in days], at("14T0:00"))
    assert [(r["alert_id"], r["status"], r["closed_at"], r["days"]) for r in again] == [
        (closed["alert_id"], "open", None, 2)
    ]
    assert closed["status"] == "closed"
    later = days[1] + 36 * DAY
    assert len(made(spark, [observation(date=d) for d in (*days, later)], None)) == 1
    assert len(made(spark, [observation(date=d) for d in (*days, later + DAY)], None)) == 2


def test_until_when_it_is_open(spark: SparkSession) -> None:
    cases = {at("12T23:00"): "open", at("13T0:00"): "closed", None: "open"}
    for until, status in cases.items():
        assert [r["status"] for r in made(spark, [observation()], until)] == [status], until
    assert made(spark, [], at("20T0:00")) == []


def test_ids_do_not_move(spark: SparkSession) -> None:
    """The id of what was opened stays, whatever comes later or beside it, in whatever order; it is known here."""
    one = observation()
    beside = [observation(**{key: value}) for key, value in (
        ("functions", "g"), ("subject", "x"), ("account_id", "2"), ("region", "us-east-1"),
        ("detection_id", "no_longer_there"), ("functions", None),
    )]  # fmt: skip
    alone = made(spark, [one], at("6T0:00"))[0]
    later = {r["alert_id"]: r for r in made(spark, [*beside, observation(date=TODAY + DAY), one], at("20T0:00"))}
    assert alone["alert_id"] in later and len(later) == 7
    assert alone["alert_id"] == "e1b522f917061a8c"
    unknown = next(r for r in later.values() if r["detection_id"] == "no_longer_there")
    assert (unknown["title"], unknown["technique"]) == (None, None) and unknown["summary"]


def test_thousands_of_histories(spark: SparkSession) -> None:
    """Which days are one alert, against the oracle; some under one id only."""
    rng = random.Random(10)
    days: dict[str, list[date]] = defaultdict(list)
    for number in range(1_000):
        for day in rng.sample(range(40), rng.randrange(1, 10)):
            days[f"f{number}"].append(TODAY + day * DAY)
    rows = [
        observation(functions=name, date=day, detection_id="invocation_spike")
        for name, of_name in days.items()
        for day in of_name
    ]
    rng.shuffle(rows)
    found = made(spark, rows, MONDAY + 30 * DAY, close_after=4)
    wanted = set()
    for name, of_name in days.items():
        for alert in flow_oracles.alert_days(of_name, 4):
            closed = alert[-1] + 5 * DAY <= TODAY + 30 * DAY
            wanted.add((name, alert[0], alert[-1], len(alert), closed))
    got = {
        (r["functions"], r["opened_at"].date(), r["updated_at"].date(), r["days"], r["status"] == "closed")
        for r in found
    }
    assert got == wanted and len({r["alert_id"] for r in found}) == len(found) == len(wanted)
