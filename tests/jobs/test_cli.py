"""The command line, run as a user runs it; and what hostile text looks like on a terminal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from jobs.answers import alert_table
from jobs.pipeline import JOBS
from jobs.show import as_json, facts, safe, table
from tests.jobs.conftest import days
from tests.lakes import leasehold, read
from transforms.schemas import FUNCTION_FLOWS


def failed(*arguments: object) -> str:
    """What a command that must fail says; one line, no traceback."""
    done = leasehold(*arguments, check=False)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.mark.sail_only
def test_alerts_tell_of_the_third_resource_in_words(at_once: Path) -> None:
    said = leasehold("alerts", "--lake", at_once, COLUMNS="300").stdout
    assert "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time" in said
    found = json.loads(leasehold("alerts", "--lake", at_once, "--function", "RDSQueryLogger", "--json").stdout)
    assert [row["peer_name"] for row in found] == ["payroll-01"]
    assert json.loads(leasehold("alerts", "--lake", at_once, "--status", "closed", "--json").stdout) == []


@pytest.mark.sail_only
def test_explain_shows_baseline_evidence_and_runbook(at_once: Path) -> None:
    alert = json.loads(leasehold("alerts", "--lake", at_once, "--function", "RDSQueryLogger", "--json").stdout)[0]
    said = leasehold("explain", alert["alert_id"][:6], "--lake", at_once, COLUMNS="220").stdout
    for part in ("payroll-01", alert["evidence"], "10.0.1.60:22", ".log.gz", "What to do", "days seen", "ATT&CK"):
        assert part in said, part
    assert "there is no alert 'zzz'" in failed("explain", "zzz", "--lake", at_once)


@pytest.mark.sail_only
def test_leases_name_the_function_that_the_truth_names(account: Path, at_once: Path) -> None:
    at = datetime(2026, 2, 5, 12, tzinfo=UTC)
    truth = [
        row
        for row in pq.read_table(account / "truth" / "leases.parquet").to_pylist()
        if (row["valid_from"] is None or row["valid_from"] < at) and (row["valid_to"] is None or row["valid_to"] > at)
    ]
    assert len(truth) > 5
    for address in sorted({row["address"] for row in truth})[:3]:
        found = leased(at_once, "--ip", address, "--at", at.isoformat())
        held = {(row["interface_id"], row["owner_name"]) for row in found if row["answer"] == "held"}
        assert held == {(row["interface_id"], row["function_name"]) for row in truth if row["address"] == address}
    for name in sorted({row["function_name"] for row in truth})[:4]:
        mine = {(row["interface_id"], row["address"]) for row in truth if row["function_name"] == name}
        found = leased(at_once, "--function", f"123456789012:function:{name}:1", "--at", at.isoformat())
        assert {(row["interface_id"], row["address"]) for row in found if row["answer"] == "held"} == mine
    shared = next(row["interface_id"] for row in truth if row["function_name"] == "CartService")
    names = {row["function_name"] for row in truth if row["interface_id"] == shared}
    assert {row["owner_name"] for row in leased(at_once, "--interface", shared)} == names
    said = leasehold("leases", "--interface", shared, "--at", at.isoformat(), "--lake", at_once, COLUMNS="300").stdout
    assert f"one of {len(names)} functions, which share the interface" in said and "On what evidence:" in said
    nobody = leasehold("leases", "--ip", "10.9.9.9", "--at", at.isoformat(), "--lake", at_once).stdout
    assert "nobody that is known" in nobody


def leased(lake: Path, *options: str) -> list[dict[str, Any]]:
    """The leases of an answer about one network."""
    found = json.loads(leasehold("leases", *options, "--lake", lake, "--json").stdout)
    return [row for network in found["networks"] for row in network["leases"]]


@pytest.mark.sail_only
def test_coverage_says_what_is_not_seen_and_counts_every_conversation(at_once: Path) -> None:
    said = leasehold("coverage", "--lake", at_once, "--day", "2026-02-05", COLUMNS="300").stdout
    assert "1 function is outside any VPC, where flow logs do not reach (Webhook)" in said
    assert "Data events on " in said and "polls of" in said
    found = json.loads(leasehold("coverage", "--lake", at_once, "--json").stdout)
    assert found["days"] == 7 and found["accounts"][0]["gap_interfaces"] == 0
    flows = read(at_once, FUNCTION_FLOWS).to_pylist()
    recent = {row["conversation_id"] for row in flows if str(row["date"]) >= found["from"]}
    kinds = ("unique", "weighted", "shared", "presumed", "unknown")
    counted = sum(row[f"{kind}_conversations"] for row in found["functions"] for kind in kinds)
    nobodys = sum(row["unknown_conversations"] for row in found["accounts"])
    assert abs(counted + nobodys - len(recent)) < 0.01 and len(recent) > 1_000


def test_wrong_options_are_said_in_one_line(tmp_path: Path) -> None:
    run = ("run", "nightly", "--raw", tmp_path / "none", "--lake", tmp_path / "lake")
    assert "there is no raw folder" in failed(*run, *days(0, 1))
    assert "whole days" in failed(*run, "--start", "2026-01-05T10", "--end", "2026-01-06")
    assert "must be after" in failed(*run, "--start", "2026-01-06", "--end", "2026-01-05")
    assert "is not a time" in failed(*run, "--start", "yesterday", "--end", "2026-01-05")
    assert "whole hour" in failed(*run, "--start", "2026-01-05T10:30", "--end", "2026-01-06")
    assert "no tables" in failed("alerts", "--lake", tmp_path / "none")
    assert "not an IP address" in failed("leases", "--ip", "10.0.0", "--at", "2026-01-05", "--lake", tmp_path)
    assert "not a time" in failed("leases", "--ip", "10.0.0.1", "--at", "noon", "--lake", tmp_path)
    assert "write it like 2026-01-05" in failed("coverage", "--day", "noon", "--lake", tmp_path)
    assert "exactly one of --ip, --interface and --function" in failed("leases", "--lake", tmp_path)
    settings = tmp_path / "settings.yaml"
    settings.write_text("lookbck_days: 3\n")
    assert "unknown lookbck_days" in failed(*run, *days(0, 1), "--config", settings)


def test_a_demo_never_removes_what_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert "not empty" in failed("demo", "--out", tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("job", JOBS)
def test_each_job_is_a_script_with_help(job: str) -> None:
    done = subprocess.run([sys.executable, f"jobs/{job}.py", "--help"], capture_output=True, text=True, check=True)
    assert "--start" in done.stdout and "--config" in done.stdout


@pytest.mark.both
def test_spark_submit_starts_a_job(tmp_path: Path) -> None:
    raw = Path(__file__).parents[1] / "fixtures" / "raw" / "flat" / "flow-logs"
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "spark-submit"),
            *("--packages", "io.delta:delta-spark_4.1_2.13:4.4.0"),
            *("--conf", "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension"),
            *("--conf", "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"),
            *("--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"),
            *("--conf", "spark.sql.shuffle.partitions=2", "--conf", "spark.databricks.delta.snapshotPartitions=2"),
            *("--master", "local[2]", "jobs/ingest.py", "--raw", str(raw), "--lake", str(tmp_path / "lake")),
            *("--start", "2026-03-02T09", "--end", "2026-03-02T12"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ingest: " in done.stdout and " files, " in done.stdout


HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202egnp.exe"


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    shown = safe(HOSTILE)
    assert "\x1b" not in shown and "\n" not in shown and "\r" not in shown and "\u202e" not in shown
    assert "[bold red]x[/]" in shown and "\\u001b" in shown
    alert = {"alert_id": HOSTILE, "severity": HOSTILE, "status": "open", "opened_at": None}
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=200)
    console.print(alert_table([{**alert, "title": HOSTILE, "summary": HOSTILE}]))
    console.print(table(HOSTILE, ("a",), [[HOSTILE]]))
    facts(console, [("name", HOSTILE)])
    printed = out.getvalue()
    assert printed.count("[bold red]x[/]") >= 5
    assert "\x1b[31m" not in printed and "\u202e" not in printed


def test_json_output_is_json_of_plain_ascii() -> None:
    text = as_json([{"a": HOSTILE, "t": datetime(2026, 1, 5, 10, tzinfo=UTC)}])
    assert json.loads(text) == [{"a": HOSTILE, "t": "2026-01-05T10:00:00Z"}]
    assert text.isascii()


def test_no_module_of_jobs_hides_another_package() -> None:
    """`spark-submit jobs/ingest.py` and `python jobs/ingest.py` put the folder jobs first into the path."""
    mine = {path.stem for path in (Path(__file__).parents[2] / "jobs").iterdir() if not path.name.startswith("_")}
    theirs = set(packages_distributions()) | set(sys.stdlib_module_names)
    assert mine & theirs - {"jobs"} == set()
