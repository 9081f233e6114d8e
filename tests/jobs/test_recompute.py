"""`explain --recompute`: every alert is what its tables make of it, and whatever was tampered with is seen."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import deltalake
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import detections
from conf.settings import Settings, Tuning
from jobs import alert_evidence, detect, judgements
from jobs.recompute import EQUAL, recompute
from jobs.storage import Lake
from jobs.window import Window
from tests.jobs.conftest import DAYS, START, days
from tests.lakes import leasehold
from tests.rows import Row
from transforms.schemas import ALERTS, ALL, JUDGEMENTS, NOVELTIES, OBSERVATIONS
from transforms.schemas.table import Table

WINDOW = Window(START, START + timedelta(days=DAYS))


@pytest.fixture
def lake(spark: SparkSession, engine: str, raw: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Lake:
    """Of all days, made by Sail, whichever engine computes again: equal to the bit across engines, too."""
    made = tmp_path / "lake"
    if engine == "sail":
        shutil.copytree(request.getfixturevalue("at_once"), made)
    else:
        leasehold("run", "nightly", *days(0, DAYS), "--raw", raw, "--lake", made, "--quality", "off")
    return Lake(spark, str(made))


def told(lake: Lake) -> list[Row]:
    return list(lake.read(ALERTS).orderBy("alert_id").toArrow().to_pylist())


def third(lake: Lake) -> Row:
    return next(row for row in told(lake) if row["peer_name"] == "payroll-01")


def kept(lake: Lake) -> list[Row]:
    return list(lake.read(JUDGEMENTS).orderBy("observations_version").toArrow().to_pylist())


def tamper(lake: Lake, table: Table, change: Callable[[Row], Any]) -> None:
    """Write the whole table again with each row changed."""
    rows = lake.read(table).toArrow().to_pylist()
    for row in rows:
        change(row)
    lake.overwrite(table, lake.frame(table, rows))


def test_every_alert_is_computed_again_to_the_bit(lake: Lake) -> None:
    """Also after other days were judged again, and after the tables went on to other versions."""
    rows = told(lake)
    assert len(rows) >= 2 and {row["detection_id"] for row in rows} >= {"new_internal_connection", "beaconing"}
    assert {row["alert_id"]: recompute(lake, row) for row in rows} == {row["alert_id"]: [EQUAL] for row in rows}
    made = kept(lake)
    assert len(made) == 1 and made[0]["observations_version"] == lake.version(OBSERVATIONS)
    assert set(json.loads(made[0]["table_versions"])) == {name for d in detections.ALL for name in d.tables}
    detect.run(lake, Settings(lake=lake.root), Window(WINDOW.end - timedelta(days=1), WINDOW.end))
    lake.overwrite(NOVELTIES, lake.read(NOVELTIES).limit(0))
    assert recompute(lake, third(lake)) == [EQUAL]
    assert lake.read(JUDGEMENTS).count() == 2


@pytest.mark.sail_only
def test_what_was_tampered_with_is_seen(lake: Lake) -> None:
    alert = third(lake)
    # Another column of a finding, by the least that is possible.
    tamper(lake, OBSERVATIONS, lambda row: row.update(surprise=math.nextafter(row["surprise"], 99)))
    assert any(line.split(": ")[1] == "surprise" for line in recompute(lake, alert))
    tamper(lake, OBSERVATIONS, lambda row: row.update(surprise=math.nextafter(row["surprise"], -99)))
    assert recompute(lake, alert) == [EQUAL]
    # The alert itself.
    said = recompute(lake, alert | {"severity": "low", "events": 1})
    assert [line.split(":")[1] for line in said] == [" severity", " events"]
    # A finding that was removed, and one that nobody made.
    lake.overwrite(OBSERVATIONS, lake.read(OBSERVATIONS).where(F.col("detection_id") != alert["detection_id"]))
    assert recompute(lake, alert) == ["the observations that it was made of are not there any more"]


@pytest.mark.sail_only
def test_changed_inputs_and_thresholds_are_seen(lake: Lake) -> None:
    alert = third(lake)
    tamper(lake, NOVELTIES, lambda row: row.update(bytes_in=(row["bytes_in"] or 0) + 1))
    assert recompute(lake, alert) == [EQUAL]

    def judged_with(**tables: int) -> None:
        def change(row: Row) -> None:
            row["table_versions"] = json.dumps(json.loads(row["table_versions"]) | tables)

        tamper(lake, JUDGEMENTS, change)

    before = json.loads(kept(lake)[0]["table_versions"])["novelties"]
    judged_with(novelties=lake.version(NOVELTIES))
    assert any(": bytes_in: " in line for line in recompute(lake, alert))
    lake.overwrite(NOVELTIES, lake.read(NOVELTIES).where("peer_name <> 'payroll-01'"))
    judged_with(novelties=lake.version(NOVELTIES))
    assert recompute(lake, alert) == [f"{alert['baseline_to']}: observations has it, but it is not found again"]
    judged_with(novelties=before)
    assert recompute(lake, alert) == [EQUAL]
    # With another threshold nothing would have been found.
    beacon = next(row for row in told(lake) if row["detection_id"] == "beaconing")
    assert recompute(lake, beacon) == [EQUAL]
    own = {"trusted_after_days": 0.0, "min_history_days": 99}
    tamper(lake, JUDGEMENTS, lambda row: row.update(
        parameters=json.dumps(json.loads(row["parameters"]) | {"beaconing": own}), code="0.0.1+older"))  # fmt: skip
    said = recompute(lake, beacon)
    assert "not found again" in said[0] and "by other code, 0.0.1+older" in said[-1]
    assert recompute(lake, alert) == [EQUAL]
    tamper(lake, JUDGEMENTS, lambda row: row.update(parameters=json.dumps({"beaconing": {"x": 1}})))
    assert "other parameters" in recompute(lake, beacon)[0] and "other parameters" in recompute(lake, alert)[0]


@pytest.mark.sail_only
def test_settings_are_kept_with_what_they_gave(lake: Lake) -> None:
    tuned = Tuning("beaconing", False, {"min_history_days": 6})
    detect.run(lake, Settings(lake=lake.root, detections=(tuned,)), WINDOW)
    assert json.loads(kept(lake)[-1]["parameters"])["beaconing"]["min_history_days"] == 6
    assert all(recompute(lake, row) == [EQUAL] for row in told(lake))


@pytest.mark.sail_only
def test_a_kill_before_the_commit_leaves_no_lie(lake: Lake) -> None:
    """What was kept for observations that were never written is not in force, and is replaced by the next run."""
    alert = third(lake)
    days = [WINDOW.start.date() + timedelta(days=n) for n in range(DAYS)]
    judgements.record(lake, days, {d.id: {"lost": 1.0} for d in detections.ALL})
    assert recompute(lake, alert) == [EQUAL]
    detect.run(lake, Settings(lake=lake.root), Window(WINDOW.start, WINDOW.start + timedelta(days=1)))
    assert recompute(lake, third(lake)) == [EQUAL]
    assert not any("lost" in row["parameters"] for row in kept(lake))


@pytest.mark.sail_only
def test_what_is_gone_is_said(lake: Lake) -> None:
    alert, root = third(lake), Path(lake.root)
    assert "is no" in recompute(lake, alert | {"detection_id": "no_longer_there"})[0]
    lake.overwrite(NOVELTIES, lake.read(NOVELTIES))
    deltalake.DeltaTable(str(root / "novelties")).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert "the versions are gone (vacuumed" in recompute(lake, alert)[0]
    detect.run(lake, Settings(lake=lake.root), WINDOW)
    assert recompute(lake, third(lake)) == [EQUAL]
    shutil.rmtree(root / "judgements")
    assert "it was not kept" in recompute(lake, alert)[0]


@pytest.mark.sail_only
def test_a_flood_is_all_of_its_findings(lake: Lake) -> None:
    settings = dataclasses.replace(Settings(lake=lake.root), flood_limit=1)
    rows = lake.read(OBSERVATIONS).where("detection_id = 'new_internal_connection'").toArrow().to_pylist()
    detect.raise_alerts(lake, settings)
    floods = [row for row in told(lake) if row["subject"] == "flood"]
    assert all(recompute(lake, row) == [EQUAL] for row in floods)
    more = [rows[0] | {"subject": f"made up {n}"} for n in range(3)]
    lake.append(OBSERVATIONS, lake.frame(OBSERVATIONS, more))
    detect.raise_alerts(lake, settings)
    flood = next(r for r in told(lake) if r["subject"] == "flood" and r["detection_id"] == rows[0]["detection_id"])
    assert sum("not found again" in line for line in recompute(lake, flood)) == 3


def test_the_command_says_equal_and_ends_with_1_where_it_is_not(lake: Lake) -> None:
    """It computes on Sail, whichever engine made the lake."""
    alert, others = third(lake)["alert_id"], {row["detection_id"]: row["alert_id"] for row in told(lake)}
    for one in {alert[:6], *others.values()}:
        assert "computed again  equal" in leasehold("explain", one, "--recompute", "--lake", lake.root).stdout
    shutil.rmtree(Path(lake.root) / "judgements")
    lost = leasehold("explain", alert, "--recompute", "--lake", lake.root, check=False)
    assert lost.returncode == 1 and "not kept" in lost.stdout and "Traceback" not in lost.stderr


@pytest.mark.sail_only
@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_every_kind_of_evidence_is_shown(spark: SparkSession, at_once: Path, table: Table) -> None:
    """An alert made up about a row of each table: its evidence is there, the row itself first where it has an id."""
    lake = Lake(spark, str(at_once))
    alert = third(lake)
    row = next(iter(lake.read(table).orderBy(*table.key).limit(1).toArrow().to_pylist()), None)
    about: Row = {"evidence_table": table.name, "functions": None}
    if row is not None:
        day = row.get("date") or START.date()
        noon = START.replace(month=day.month, day=day.day, hour=12)
        hour = row.get("hour")
        key = f"{hour:%Y-%m-%d %H:%M}" if hour else str(row[table.key[0]])
        noon += timedelta(days=1 if hour else 0)  # the hour may be of an earlier day
        about |= {"evidence": key, "opened_at": noon, "updated_at": noon, "peer_kind": None}
        about |= {name: row.get(name, alert[name]) for name in ("account_id", "region", "detection_id")}
        about["functions"] = row.get("plausible") or row.get("functions") or row.get("function_name")
    shown = alert_evidence.tables(lake, alert | about)
    assert shown and str(shown[0].title).partition(";")[0] == f"The evidence ({table.name})"
    if row is not None:
        assert shown[0].row_count >= 1
        if table.key[0] in ("event_id", "conversation_id"):
            assert str(next(iter(shown[0].columns[0].cells))) == key
        if row.get("hour"):
            hours = next(column for column in shown[0].columns if column.header == "hour")
            assert str(next(iter(hours.cells))).startswith(key)
    assert alert_evidence.tables(lake, alert | {"evidence_table": None}) == []
