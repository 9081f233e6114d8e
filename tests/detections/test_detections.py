"""The policy that every detection meets, and a firing and a silent case of each."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import detections
from conf.settings import Settings
from detections import new_external_connection, new_internal_connection
from detections.connections import new_connections
from detections.detection import Detection
from tests.rows import Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, hour, known
from transforms.baselines import Learning, daily_sightings, judge
from transforms.novelties import SHOWN, novelties
from transforms.schemas import (
    ALERTS,
    ALL,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    FUNCTION_CHANGES,
    NOVELTIES,
    OBSERVATIONS,
)

OUTSIDE = {"peer_kind": "address", "peer_name": "192.0.2.66", "peer_internal": False, "peer_port": 443}
INSIDE = {"peer_kind": "ec2", "peer_name": "payroll-01", "peer_internal": True, "peer_port": 22}

KNOWN_PEER = {"peer_port": 22}

NEW_PEERS: dict[str, tuple[Row, Row]] = {
    # detection: an hour that it fires on, one that it does not
    "new_internal_connection": (hour(**INSIDE), hour(**OUTSIDE)),
    "new_external_connection": (hour(**OUTSIDE), hour(**INSIDE)),
    "new_port": (hour(**KNOWN_PEER), hour(**INSIDE)),
}


def found_by(spark: SparkSession, detection: Detection, hours: list[Row], baseline: list[Row]) -> list[Row]:
    news, changes = novelties_of(spark, hours, baseline), frame(spark, FUNCTION_CHANGES, [])
    found = detection.detect([TODAY], novelties=news, function_changes=changes, **detection.parameters)
    return rows_of(OBSERVATIONS.filled(found))


def novelties_of(spark: SparkSession, hours: list[Row], baseline: list[Row]) -> DataFrame:
    before = frame(spark, FUNCTION_BASELINES, baseline)
    sightings = daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, hours))
    return NOVELTIES.conform(novelties(judge(sightings, before, Learning()), before))


def test_every_module_is_listed_once() -> None:
    helpers = {"detection", "alerts", "connections", "deployments", "triage", "words"}
    modules = {m.name for m in pkgutil.iter_modules(detections.__path__)} - helpers
    ids = [d.id for d in detections.ALL]
    assert len(ids) == len(set(ids)) and set(ids) == modules
    for name in modules:
        assert importlib.import_module(f"detections.{name}").DETECTION.id == name


@pytest.mark.parametrize("detection", detections.ALL, ids=lambda d: d.id)
def test_what_a_detection_says_of_itself(detection: Detection) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", detection.id)
    assert detection.title and detection.title[0].isupper() and not detection.title.endswith(".")
    assert detection.severity in ("low", "medium", "high")
    assert re.fullmatch(r"T\d{4}(\.\d{3})? [A-Z][A-Za-z/ -]+", detection.technique)
    assert detection.attack_version == "19"
    tables = {table.name: table for table in ALL}
    assert detection.tables and set(detection.tables) <= set(tables)
    assert detection.history_days >= 0
    assert detection.false_positives and detection.blind_spots and len(detection.runbook) >= 2
    assert all(isinstance(v, (int, float)) for v in detection.parameters.values())
    texts = (*detection.false_positives, *detection.blind_spots, *detection.runbook)
    assert all(t.endswith((".", "?")) and len(t) > 30 for t in texts)
    # What looks like a name is one: a column of the alert, a table, a column of a table, or a setting.
    columns = {name for table in tables.values() for name in table.schema.names} | {f.name for f in fields(Settings)}
    columns |= set(detection.parameters)
    for text in texts:
        named = set(re.findall(r"`([a-z_]+)`|\b([a-z]+(?:_[a-z]+)+)\b", text))
        assert {quoted or bare for quoted, bare in named} <= columns | set(tables), text
    for step in detection.runbook:
        assert set(re.findall(r"[a-z_]+", step)) & set(ALERTS.schema.names), f"names no column of the alert: {step}"


@pytest.mark.parametrize("detection", [d for d in detections.ALL if d.id in NEW_PEERS], ids=lambda d: d.id)
def test_fires_and_stays_silent(spark: SparkSession, detection: Detection) -> None:
    """On what it is for, when the function is known well; not on the rest, not while learning, not on habits."""
    firing, silent = NEW_PEERS[detection.id]
    rows = [
        firing,
        silent | {"account_id": "silent"},
        firing | {"account_id": "no history"},
        firing | {"account_id": "habit"},
        firing | {"account_id": "young"},
    ]
    baseline = [
        known(),
        known(account_id="silent"),
        known(account_id="habit"),
        known(account_id="habit", **{k: firing[k] for k in ("peer_kind", "peer_name", "peer_internal", "peer_port")}),
        known(account_id="young", learned_from=TODAY, days_learned=1),
    ]
    found = found_by(spark, detection, rows, baseline)
    assert [(r["account_id"], r["functions"], r["peer_name"]) for r in found] == [
        ("123456789012", "f", firing["peer_name"])
    ]
    row = found[0]
    assert row["date"] == TODAY and row["surprise"] > 0.5
    whole = "6|443|network|192.0.2.0/24" if firing == hour(**OUTSIDE) else firing["thing"]
    assert row["subject"] == whole
    assert (row["peer_addr"], row["local_addr"], row["evidence"]) == ("10.0.9.9", "10.0.0.1", "c1")
    assert (row["baseline_from"], row["baseline_to"], row["baseline_days"]) == (known()["learned_from"], TODAY, 10)
    assert (row["events"], row["bytes_out"], row["first_time"]) == (1, 300, at("10:05"))


def test_what_others_know_is_no_news(spark: SparkSession) -> None:
    """Outside and for calls two others are enough; inside, and behind what anybody may rent, a third of all."""
    names = [f"g{n}" for n in range(9)]
    rented = OUTSIDE | {"peer_kind": "aws_service", "peer_name": "EC2"}
    cases: dict[str, tuple[Row, Row, int, bool]] = {
        # what is new, what others know, how many of the other nine, whether it is told
        "one other": (OUTSIDE, OUTSIDE, 1, True),
        "two others": (OUTSIDE, OUTSIDE, 2, False),
        "two others know its /24": (OUTSIDE, OUTSIDE | {"peer_name": "192.0.2.1"}, 2, False),
        "on another port": (OUTSIDE, OUTSIDE | {"peer_port": 22}, 9, True),
        "rented": (rented, rented, 3, True),
        "rented by a third": (rented, rented, 4, False),
        "inside": (INSIDE, INSIDE, 3, True),
        "inside, by a third": (INSIDE, INSIDE, 4, False),
    }
    hours = [hour(**new, account_id=case) for case, (new, _, _, _) in cases.items()]
    baseline = [known(account_id=case, function_name=name) for case in cases for name in ("f", *names)]
    baseline += [
        known(account_id=case, function_name=name, **there)
        for case, (_, there, count, _) in cases.items()
        for name in names[:count]
    ]
    both = (new_external_connection.DETECTION, new_internal_connection.DETECTION)
    found = {r["account_id"] for detection in both for r in found_by(spark, detection, hours, baseline)}
    assert found == {case for case, (_, _, _, told) in cases.items() if told}


def test_strangers_of_one_network_are_one(spark: SparkSession) -> None:
    """By port, function and day; the first of them is shown, the others are counted."""
    hours = [
        hour(**OUTSIDE | {"peer_name": "192.0.2.99"}, first_time=at("11:00"), last_time=at("11:00")),
        hour(**OUTSIDE),
        hour(**OUTSIDE | {"peer_port": 22}),
        hour(**OUTSIDE | {"peer_name": "198.51.100.1"}),
        hour(**OUTSIDE | {"peer_name": "2001:db8:1::7"}),
        hour(**OUTSIDE | {"peer_name": "2001:db8:1:2::8"}),
        hour(**OUTSIDE | {"peer_kind": "network", "peer_name": "partner"}),
    ]
    found = {r["subject"]: r for r in found_by(spark, new_external_connection.DETECTION, hours, [known()])}
    assert {subject: r["events"] for subject, r in found.items()} == {
        "6|443|network|192.0.2.0/24": 2, "6|22|network|192.0.2.0/24": 1, "6|443|network|198.51.100.0/24": 1,
        "6|443|network|2001:db8:1::/48": 2, "6|443|network|partner": 1,
    }  # fmt: skip
    both = found["6|443|network|192.0.2.0/24"]
    assert (both["peer_name"], both["bytes_out"], both["last_time"]) == ("192.0.2.66", 600, at("11:00"))
    assert both["summary"].endswith(" So were 1 more addresses of 192.0.2.0/24.")


def test_candidates_are_one_observation(spark: SparkSession) -> None:
    """Functions that share an interface: their conversations once, the normal peers of all, of several days."""
    both: dict[str, Any] = {"candidates": "f, g"}
    hours = [hour(**INSIDE, **both), hour(**INSIDE, **both, function_name="g")]
    hours += [r | {"hour": at("11:00"), "first_time": at("11:00"), "first_evidence": "c0"} for r in hours]
    many = [known(function_name="g", peer_name=f"db-{n:02}") for n in range(10)]
    baseline = [known(), known(function_name="g"), *many]
    found = rows_of(novelties_of(spark, hours, baseline))
    assert len(found) == 1
    row = found[0]
    assert (row["functions"], row["events"], row["bytes_in"], row["evidence"]) == ("f, g", 2, 1800, "c1")
    names = [f"db-{n:02} (rds, port 5432)" for n in range(SHOWN)]
    assert (row["expected_things"], row["expected"]) == (11, "; ".join(names) + "; and 3 more")
    assert len(found_by(spark, detections.ALL[0], hours, baseline)) == 1


def test_who_surely_did_it_is_told_alone(spark: SparkSession) -> None:
    both: dict[str, Any] = {"candidates": "f, g"}
    hours = [hour(**INSIDE, **both), hour(**INSIDE, **both, function_name="g"), hour(**INSIDE, hour=at("12:00"))]
    found = rows_of(novelties_of(spark, hours, [known(), known(function_name="g")]))
    assert [(r["functions"], r["events"]) for r in found] == [("f", 1)]


def test_a_flagged_peer_is_found_again(spark: SparkSession) -> None:
    flagged = known(**INSIDE, status="flagged", first_seen=TODAY, days_seen=1)
    assert len(found_by(spark, detections.ALL[0], [hour(**INSIDE)], [known(), flagged])) == 1


SHARED = "CartService, PriceSync, StockCheck"
QUERIED = {"functions": "RDSQueryLogger", "peer_kind": "ec2", "peer_name": "payroll-01", "peer_addr": "10.0.1.60"}
OUT = {"peer_internal": False, "expected": "S3 (aws service, port 443)", "expected_things": 1}
SINCE = "In 39 active days since 2026-02-01"
DATABASES = "internal peers were: orders-db (rds, port 5432); secrets-endpoint (vpc endpoint, port 443)."
SERVICES = f"{SINCE} its external peers were: S3 (aws service, port 443)."
SENTENCES: dict[str, tuple[Row, str]] = {
    "a resource": (
        {}, "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time. "
        f"{SINCE} its {DATABASES}",
    ),
    "a shared interface": (
        {"functions": SHARED},
        f"One of {SHARED} (they share an interface) talked to payroll-01 (ec2, 10.0.1.60) on port 22 "
        f"for the first time. {SINCE} their {DATABASES}",
    ),
    "no answer": (
        {"bytes_in": 0}, "RDSQueryLogger tried to reach payroll-01 (ec2, 10.0.1.60) on port 22 "
        f"for the first time, without an answer. {SINCE} its {DATABASES}",
    ),
    "a resource without a name": (
        {"peer_kind": "rds", "peer_name": "eni-0abc", "peer_port": 5432},
        "RDSQueryLogger talked to eni-0abc (rds, 10.0.1.60) on port 5432 for the first time. "
        f"{SINCE} its {DATABASES}",
    ),
    "a bare address": (
        OUT | {"peer_kind": "address", "peer_name": "192.0.2.66", "peer_addr": "192.0.2.66", "peer_port": 443},
        f"RDSQueryLogger talked to 192.0.2.66 on port 443 for the first time. {SERVICES}",
    ),
    "an AWS service": (
        OUT | {"peer_kind": "aws_service", "peer_name": "EC2", "peer_addr": "192.0.2.9", "peer_port": 443},
        f"RDSQueryLogger talked to the AWS service EC2 (192.0.2.9) on port 443 for the first time. {SERVICES}",
    ),
    "a known network": (
        OUT | {"peer_kind": "network", "peer_name": "mail", "peer_addr": "198.51.100.9", "protocol": 17},
        f"RDSQueryLogger talked to mail (network, 198.51.100.9) on port 22/udp for the first time. {SERVICES}",
    ),
    "ICMP": (
        {"protocol": 1, "peer_port": 0, "peer_kind": "load_balancer"},
        "RDSQueryLogger talked to payroll-01 (load balancer, 10.0.1.60) by icmp for the first time. "
        f"{SINCE} its {DATABASES}",
    ),
    "no peers of the sort so far": (
        {"expected": "none", "expected_things": 0},
        "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time. "
        f"{SINCE} its internal peers were: none at all.",
    ),
    "the first hours": (
        {"baseline_days": None, "baseline_from": None},
        "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time. "
        "Nothing is known of it from before.",
    ),
}  # fmt: skip


def test_sentences(spark: SparkSession) -> None:
    """What each sort of connection says."""
    base = QUERIED | {
        "region": "eu-west-1", "behaviour": "peer", "peer_internal": True, "peer_port": 22, "protocol": 6,
        "bytes_in": 900, "bytes_out": 100, "events": 4, "thing": "x", "other_port": False, "baseline_days": 39,
        "expected": "orders-db (rds, port 5432); secrets-endpoint (vpc endpoint, port 443)", "expected_things": 2,
        "baseline_from": date(2026, 2, 1), "date": TODAY, "known_to": 0, "account_functions": 9,
    }  # fmt: skip
    rows = [base | {"account_id": name} | overrides for name, (overrides, _) in SENTENCES.items()]
    made = new_connections(frame(spark, NOVELTIES, rows), F.lit(True), "for the first time", 2)
    assert {r["account_id"]: r["summary"] for r in rows_of(OBSERVATIONS.filled(made.withColumn(
        "detection_id", F.lit("x"))))} == {name: sentence for name, (_, sentence) in SENTENCES.items()}  # fmt: skip
