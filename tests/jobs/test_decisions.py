"""Decisions of people, on a lake with an alert."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from conf.settings import Settings, Tuning
from jobs import detect, triage
from jobs.errors import LeaseholdError
from jobs.storage import Lake
from jobs.window import Window
from tests.jobs.conftest import DAYS, START
from tests.lakes import read
from tests.rows import at
from transforms.schemas import ALERTS, DECISIONS, OBSERVATIONS

pytestmark = pytest.mark.sail_only
NOBODY: dict[str, str | None] = {"detection_id": None, "function_name": None, "peer_name": None}


@pytest.fixture
def lake(spark: SparkSession, at_once: Path, tmp_path: Path) -> Lake:
    return Lake(spark, str(shutil.copytree(at_once, tmp_path / "lake")))


def the_alert(lake: Lake) -> dict[str, Any]:
    return next(r for r in read(Path(lake.root), ALERTS).to_pylist() if r["peer_name"] == "payroll-01")


def test_an_alert_is_judged_snoozed_and_suppressed(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    settings, console = Settings(lake=lake.root), Console(file=io.StringIO())
    before = the_alert(lake)
    assert (before["status"], before["verdict"]) == ("open", None)
    triage.verdict(lake, settings, console, before["alert_id"][:6], "benign", "ann", "a planned migration")
    triage.snooze(lake, settings, console, before["alert_id"], at("6T0:00").replace(year=2027), "ann", "on holiday")
    after = the_alert(lake)
    assert (after["status"], after["verdict"], after["verdict_by"]) == ("snoozed", "benign trigger", "ann")
    rule = NOBODY | {"detection_id": "new_internal_connection", "peer_name": "payroll-01"}
    triage.suppress(lake, settings, console, at("6T0:00").replace(year=2027), "bob", "known", rule)
    after = the_alert(lake)
    assert after["status"] == "suppressed" and after["alert_id"] == before["alert_id"]
    triage.overview(lake, settings, console, json=True)
    rows = {row["detection"]: row for row in json.loads(capsys.readouterr().out)}
    internal = rows["new_internal_connection"]
    assert (internal["benign"], internal["precision"], internal["open"]) == (1, 0.0, 0)
    assert rows["scan"]["precision"] is None
    triage.overview(lake, settings, console, json=False)
    triage.lift(lake, settings, console, after["suppressed_by"], "bob", "no longer")
    assert the_alert(lake)["status"] == "snoozed"
    assert len(read(Path(lake.root), DECISIONS).to_pylist()) == 4


def test_what_cannot_be_decided(lake: Lake) -> None:
    settings, console, alert = Settings(lake=lake.root), Console(file=io.StringIO()), the_alert(lake)["alert_id"]
    with pytest.raises(LeaseholdError, match="one of true, attempt, benign, false"):
        triage.verdict(lake, settings, console, alert, "maybe", "ann", "why")
    with pytest.raises(LeaseholdError, match="--by"):
        triage.verdict(lake, settings, console, alert, "true", " ", "why")
    with pytest.raises(LeaseholdError, match="there is no alert"):
        triage.snooze(lake, settings, console, "zzz", at("6T0:00"), "ann", "why")
    with pytest.raises(LeaseholdError, match="at least one of"):
        triage.suppress(lake, settings, console, at("6T0:00"), "ann", "why", NOBODY)
    with pytest.raises(LeaseholdError, match="no detection 'scam'"):
        triage.suppress(lake, settings, console, at("6T0:00"), "ann", "why", NOBODY | {"detection_id": "scam"})
    with pytest.raises(LeaseholdError, match="no suppression"):
        triage.lift(lake, settings, console, "d1", "ann", "why")
    assert not read(Path(lake.root), DECISIONS).num_rows


def test_dry_runs_and_parameters(lake: Lake) -> None:
    """A dry run keeps the observations and raises nothing; a wrong name is an error before anything is written."""
    window = Window(START, START.replace(day=START.day + DAYS))
    dry = Settings(lake=lake.root, detections=(Tuning("new_internal_connection", dry_run=True),))
    detect.run(lake, dry, window)
    alerts, observed = (
        [r["peer_name"] for r in read(Path(lake.root), table).to_pylist()] for table in (ALERTS, OBSERVATIONS)
    )
    assert "payroll-01" not in alerts and "payroll-01" in observed
    for tuning, said in (
        (Tuning("scam"), "no detection 'scam'"),
        (Tuning("scan", False, {"x": 1}), "has no x; it has"),
    ):
        with pytest.raises(LeaseholdError, match=said):
            detect.run(lake, Settings(lake=lake.root, detections=(tuning,)), window)
