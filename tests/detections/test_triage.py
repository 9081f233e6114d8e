"""Which alerts a person hears of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

import detections
from detections import triage
from detections.alerts import alerts
from tests.detections.test_alerts import DAY, TODAY, observation
from tests.rows import Row, at, frame, rows_of
from transforms.schemas import ALERTS, DECISIONS, OBSERVATIONS
from transforms.schemas.table import columns

NOTHING: list[Row] = []


def raised(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return alerts(frame(spark, OBSERVATIONS, rows), until(spark, "6T0:00"), detections.ALL, 7, 36)


def until(spark: SparkSession, time: str) -> DataFrame:
    return frame(spark, columns(("seen_until", "timestamp", "")), [{"seen_until": at(time)}])


def told(spark: SparkSession, found: DataFrame, decisions: list[Row] = NOTHING, time: str = "6T0:00") -> list[Row]:
    return rows_of(ALERTS.conform(triage.decided(found, frame(spark, DECISIONS, decisions), until(spark, time))))


def decision(number: int, kind: str, **what: Any) -> Row:
    return {"decision_id": f"d{number}", "made_at": at("7:00") + timedelta(minutes=number), "made_by": "ann",
            "reason": "it is ours", "kind": kind} | what  # fmt: skip


def test_a_flood_becomes_one_alert(spark: SparkSession) -> None:
    many = [observation(functions=f"f{n}") for n in range(5)]
    rows = [*many, *[r | {"account_id": "quiet"} for r in many[:3]], observation(functions="f9", date=TODAY + DAY)]
    found = told(spark, triage.without_floods(raised(spark, rows), 3))
    by_subject = [(r["account_id"], r["functions"], r["subject"]) for r in found if r["subject"] == triage.FLOOD]
    assert by_subject == [("123456789012", None, "flood")] and len(found) == 1 + 3 + 1
    flood = next(r for r in found if r["subject"] == triage.FLOOD)
    assert flood["summary"].startswith("New internal connection: 5 findings on 2026-01-05, more than the 3 that are")
    assert (flood["status"], flood["observed"], flood["days"], flood["title"]) == (
        "open", 5.0, 1, "New internal connection",
    )  # fmt: skip
    assert len(told(spark, triage.without_floods(raised(spark, rows), 0))) == 9


def test_the_budget_of_a_day(spark: SparkSession) -> None:
    rows = [
        observation(functions="low", severity="low", surprise=9.0),
        observation(functions="plain", severity="high", surprise=2.0),
        observation(functions="striking", severity="high", surprise=3.0),
        observation(functions="no number", severity="medium", surprise=None),
        observation(functions="medium", severity="medium", surprise=1.0),
        observation(functions="tomorrow", severity="low", date=TODAY + DAY),
    ]
    for budget, wanted in (
        (1, {"striking", "tomorrow"}),
        (3, {"striking", "plain", "medium", "tomorrow"}),
        (0, {"striking", "plain", "medium", "no number", "low", "tomorrow"}),
    ):
        found = told(spark, triage.within_budget(raised(spark, rows), budget))
        assert {r["functions"] for r in found} == wanted, budget


def test_what_people_decided(spark: SparkSession) -> None:
    rows = [observation(functions=name) for name in ("f", "g, h", "i")]
    ids = {r["functions"]: r["alert_id"] for r in told(spark, raised(spark, rows))}
    rule = {"until": at("6T0:00"), "function_name": "h"}
    cases: dict[str, tuple[list[Row], str, dict[str, str]]] = {
        "nobody": ([], "6T0:00", {"f": "open", "g, h": "open", "i": "open"}),
        "snoozed": ([decision(1, "snooze", alert_id=ids["f"], until=at("8T0:00"))], "7T0:00",
                    {"f": "snoozed", "g, h": "open", "i": "open"}),
        "awake again": ([decision(1, "snooze", alert_id=ids["f"], until=at("8T0:00"))], "8T0:00",
                        {"f": "open", "g, h": "open", "i": "open"}),
        "the later snooze": ([decision(2, "snooze", alert_id=ids["f"], until=at("6T0:00")),
                              decision(1, "snooze", alert_id=ids["f"], until=at("9T0:00"))], "7T0:00",
                             {"f": "open", "g, h": "open", "i": "open"}),
        "suppressed": ([decision(1, "suppress", **rule)], "6T0:00", {"f": "open", "g, h": "suppressed", "i": "open"}),
        "all of a detection": (
            [decision(1, "suppress", until=at("6T0:00"), detection_id="new_internal_connection")], "6T0:00",
            {"f": "suppressed", "g, h": "suppressed", "i": "suppressed"}),
        "expired": ([decision(1, "suppress", **rule | {"until": at("5:00")})], "6T0:00",
                    {"f": "open", "g, h": "open", "i": "open"}),
        "another peer": ([decision(1, "suppress", **rule, peer_name="x")], "6T0:00",
                         {"f": "open", "g, h": "open", "i": "open"}),
        "lifted": ([decision(1, "suppress", **rule), decision(2, "lift", lifts="d1")], "6T0:00",
                   {"f": "open", "g, h": "open", "i": "open"}),
        "two rules": ([decision(1, "suppress", **rule), decision(2, "suppress", **rule)], "6T0:00",
                      {"f": "open", "g, h": "suppressed", "i": "open"}),
    }  # fmt: skip
    for case, (decisions, time, wanted) in cases.items():
        found = told(spark, raised(spark, rows), decisions, time)
        assert {r["functions"]: r["status"] for r in found} == wanted and len(found) == 3, case


def test_the_latest_verdict_counts(spark: SparkSession) -> None:
    one = told(spark, raised(spark, [observation()]))[0]
    decisions = [
        decision(2, "verdict", alert_id=one["alert_id"], verdict="false", made_by="bob"),
        decision(1, "verdict", alert_id=one["alert_id"], verdict="true"),
        decision(3, "snooze", alert_id=one["alert_id"], until=at("9T0:00")),
    ]
    row = told(spark, raised(spark, [observation()]), decisions)[0]
    assert (row["verdict"], row["verdict_by"], row["status"]) == ("false", "bob", "snoozed")
