"""The policy that every detection meets, and a firing and a silent case of each."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

import detections
from detections.connections import SHOWN_PEERS
from detections.detection import Detection
from tests.rows import Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, hour, known
from transforms.baselines import Learning, daily_sightings, expected_peers, judge
from transforms.schemas import ALERTS, ALL, FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES, OBSERVATIONS

OUTSIDE = {"peer_kind": "address", "peer_name": "192.0.2.66", "peer_internal": False, "peer_port": 443}
INSIDE = {"peer_kind": "ec2", "peer_name": "payroll-01", "peer_internal": True, "peer_port": 22}

CASES: dict[str, tuple[Row, Row]] = {
    # detection: an hour that it fires on, one that it does not
    "new_internal_connection": (hour(**INSIDE), hour(**OUTSIDE)),
    "new_external_connection": (hour(**OUTSIDE), hour(**INSIDE)),
}


def found_by(spark: SparkSession, detection: Detection, hours: list[Row], baseline: list[Row]) -> list[Row]:
    judged, expected = inputs(spark, hours, baseline)
    return rows_of(OBSERVATIONS.conform(detection.detect(judged, expected)))


def inputs(spark: SparkSession, hours: list[Row], baseline: list[Row]) -> tuple[DataFrame, DataFrame]:
    before = frame(spark, FUNCTION_BASELINES, baseline)
    sightings = daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, hours))
    return judge(sightings, before, Learning()), expected_peers(before)


def test_every_module_is_listed_once() -> None:
    helpers = {"detection", "alerts", "connections"}
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
    assert re.fullmatch(r"T\d{4}(\.\d{3})? [A-Z][A-Za-z -]+", detection.technique)
    assert detection.attack_version == "19"
    tables = {table.name: table for table in ALL}
    assert detection.tables and set(detection.tables) <= set(tables)
    assert detection.history_days >= 0
    assert detection.false_positives and detection.blind_spots and len(detection.runbook) >= 2
    texts = (*detection.false_positives, *detection.blind_spots, *detection.runbook)
    assert all(t.endswith((".", "?")) and len(t) > 30 for t in texts)
    # What looks like a name is one: a column of the alert, a table, a column of a table, or a setting.
    columns = {name for table in tables.values() for name in table.schema.names} | {"networks"}
    for text in texts:
        named = set(re.findall(r"`([a-z_]+)`|\b([a-z]+(?:_[a-z]+)+)\b", text))
        assert {quoted or bare for quoted, bare in named} <= columns | set(tables), text
    for step in detection.runbook:
        assert set(re.findall(r"[a-z_]+", step)) & set(ALERTS.schema.names), f"names no column of the alert: {step}"


@pytest.mark.parametrize("detection", detections.ALL, ids=lambda d: d.id)
def test_fires_and_stays_silent(spark: SparkSession, detection: Detection) -> None:
    """On what it is for, when the function is known well; not on the rest, not while learning, not on habits."""
    firing, silent = CASES[detection.id]
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
    assert row["detection_id"] == detection.id and row["date"] == TODAY
    assert (row["peer_addr"], row["local_addr"], row["evidence"]) == ("10.0.9.9", "10.0.0.1", "c1")
    assert (row["baseline_from"], row["baseline_to"], row["baseline_days"]) == (known()["learned_from"], TODAY, 10)
    assert (row["conversations"], row["bytes_out"], row["first_time"]) == (1, 300, at("10:05"))


def test_candidates_are_one_observation(spark: SparkSession) -> None:
    """Functions that share an interface: their conversations once, the normal peers of all, of several days."""
    both: dict[str, Any] = {"candidates": "f, g"}
    hours = [hour(**INSIDE, **both), hour(**INSIDE, **both, function_name="g")]
    hours += [r | {"hour": at("11:00"), "first_time": at("11:00"), "first_conversation_id": "c0"} for r in hours]
    many = [known(function_name="g", peer_name=f"db-{n:02}") for n in range(10)]
    found = found_by(spark, detections.ALL[0], hours, [known(), known(function_name="g"), *many])
    assert len(found) == 1
    row = found[0]
    assert (row["functions"], row["conversations"], row["bytes_in"], row["evidence"]) == ("f, g", 2, 1800, "c1")
    names = [f"db-{n:02} (rds, port 5432)" for n in range(SHOWN_PEERS)]
    assert (row["expected_peers"], row["expected"]) == (11, "; ".join(names) + "; and 3 more")


def test_a_flagged_peer_is_found_again(spark: SparkSession) -> None:
    flagged = known(**INSIDE, status="flagged", first_seen=TODAY, days_seen=1)
    assert len(found_by(spark, detections.ALL[0], [hour(**INSIDE)], [known(), flagged])) == 1
