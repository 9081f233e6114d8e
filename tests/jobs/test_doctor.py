"""`leasehold doctor` on folders: what the lake's tables tell, and a setup in which nothing is wrong."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs import doctor
from jobs.doctor_checks import CREATE
from jobs.doctor_finding import BLOCKS, COSTS, FINE, Finding
from jobs.doctor_lake import LakeFacts, contents, lacking, sound
from jobs.doctor_places import local_raw
from jobs.storage import Lake
from tests.lakes import leasehold
from tests.rows import ACCOUNT, REGION, Row, at, frame, lease, record
from transforms.schemas import (
    ALL,
    COVERAGE,
    FAILED_POLLS,
    FLOW_LOGS,
    POLLS,
    RUNS,
)

DAY, UNTIL = date(2026, 1, 5), at("23:00")
NOW = at("23:30")
FORMAT = CREATE.partition("--log-format '")[2].removesuffix("'").replace("${", "").replace("}", "")
FLOWS = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/01/05/{ACCOUNT}_vpcflowlogs_{REGION}_fl-1_20260105T2255Z_a.log.gz"
HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202egnp.exe"


def ran(job: str, outcome: str = "done", **more: Any) -> Row:
    row = {"run_id": f"{job}{outcome}{more}", "job": job, "started_at": NOW, "outcome": outcome}
    return row | {"window_start": at("0:00"), "window_end": UNTIL} | more


def rows() -> dict[str, list[Row]]:
    """A day in which nothing is wrong, by table."""
    place = {"account_id": ACCOUNT, "region": REGION, "date": DAY}
    flow = {"source_file": FLOWS, "start_time": at("22:50"), "end_time": at("22:51"), "vpc_id": None}
    polls = [
        {**place, "operation": operation, "polled_at": at("0:00") + timedelta(minutes=30 * n), "complete": True}
        for operation in ("describe_network_interfaces", "list_functions")
        for n in range(46)
    ]
    events = [{**place, "event_id": c, "event_category": c, "event_time": at("22:00")} for c in ("Management", "Data")]
    return {
        "runs": [ran("ingest"), ran("leases", "OSError", started_at=at("1:00")), ran("leases"), ran("attribute")],
        "ingested_files": [{"source_file": k, "kind": k, "state": "done"} for k in ("vpc_flow_logs", "cloudtrail")],
        "flow_logs": [
            record(**flow, source_line=1), record(**flow, source_line=2, interface_id="eni-2", log_status="NODATA"),
            record(**(flow | {"start_time": at("4T22:50")}), flow_log_id="fl-0", source_line=3),
            record(**(flow | {"start_time": at("9T22:50")}), flow_log_id="fl-9", source_line=4),
        ],
        "cloudtrail_events": events,
        "polls": polls,
        "coverage": [
            {**place, "interface_polls_missed": 0, "function_polls_missed": 0},
            {**place, "function_name": "f", "in_vpc": True},
        ],
        "ip_leases": [lease(date=DAY), lease(date=DAY, region="eu-north-1", valid_to=at("12:00"))],
    }  # fmt: skip


TABLES = {t.name: t for t in ALL}


@pytest.fixture(scope="module")
def clean(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a raw folder, a lake and settings, all sound. Do not write to it."""
    folder = tmp_path_factory.mktemp("clean")
    raw = folder / "raw"
    names = [FLOWS, f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/05/x.json.gz"]
    names += [
        f"snapshots/{k}/2026/01/05/x" for k in ("describe_network_interfaces", "list_functions", "get_metric_data")
    ]
    for name in names:
        (raw / name).parent.mkdir(parents=True)
        (raw / name).write_bytes(gzip.compress(f"{FORMAT}\n".encode()))
    lake = Lake(spark, str(folder / "lake"))
    lake.create(ALL)
    for name, made in rows().items():
        lake.append(TABLES[name], frame(spark, TABLES[name], made))
    (folder / "settings.yaml").write_text(
        f"raw: {raw}\nlake: {folder}/lake\nregions: [{REGION}]\naccounts: [{{account_id: '{ACCOUNT}'}}]\n"
    )
    return folder


@pytest.mark.sail_only
def test_a_sound_setup_yields_no_finding(clean: Path) -> None:
    findings, unchecked = doctor.examine(str(clean / "settings.yaml"), True, lambda: NOW)
    assert [finding for finding in findings if finding.severity != FINE] == []
    assert {f.about for f in findings} >= {
        "settings",
        "engine",
        "raw",
        "lake",
        "runs",
        "freshness",
        "polls",
        "flow logs",
    }
    assert unchecked == ["credentials, permissions, flow logs as AWS describes them, the clock: --offline"]
    # The same as a command, years later: the tables have ended, and that is all.
    said = leasehold("doctor", "--offline", "--config", clean / "settings.yaml", COLUMNS="80").stdout
    assert "Nothing blocks, 1 cost something." in said and "leasehold run nightly --start 2026-01-05" in said


@pytest.mark.sail_only
def test_what_the_tables_tell(spark: SparkSession, clean: Path, tmp_path: Path) -> None:
    """The same lake with failures in it; the flow log's file has gone, so that its records must tell."""
    root = Path(shutil.copytree(clean / "lake", tmp_path / "lake"))
    lake = Lake(spark, str(root))
    place = {"account_id": ACCOUNT, "region": REGION, "date": DAY}
    denied = {"operation": "list_functions", "error_code": "AccessDenied", "error_message": HOSTILE}
    more: dict[Any, list[Row]] = {
        RUNS: [ran("detect", f"OSError: {HOSTILE}")],
        FAILED_POLLS: [place | denied | {"polled_at": at("10:00"), "source_file": "a"}],
        COVERAGE: [place | {"function_name": HOSTILE, "in_vpc": False}, place | {"interface_polls_missed": 3}],
        FLOW_LOGS: [
            record(
                flow_log_id=HOSTILE, action=None, start_time=at("20:00"), end_time=at("20:09"), source_file="gone",
                source_line=9, log_status="OK",
            )
        ],
    }  # fmt: skip
    for table, made in more.items():
        lake.append(table, frame(spark, table, made))
    found = LakeFacts(str(root), **contents(lake, str(clean / "raw"), DAY))
    assert [(r["job"], r["outcome"]) for r in found.runs if r["outcome"] != "done"] == [
        ("detect", f"OSError: {HOSTILE}")
    ]
    assert (found.taken_in_until, found.kinds) == (UNTIL, {"vpc_flow_logs", "cloudtrail"})
    by_id = {log.flow_log_id: log for log in found.flow_logs}
    assert set(by_id) == {"fl-1", HOSTILE}  # the last day's, and nothing of the future
    assert by_id["fl-1"].window_seconds == 60 and {"pkt_src_addr", "flow_direction"} <= (by_id["fl-1"].fields or set())
    assert by_id[HOSTILE].window_seconds == 600
    assert not {"action", "flow_direction"} & (by_id[HOSTILE].fields or {"action"})
    assert found.lambda_places == {(ACCOUNT, REGION)}
    assert {(r["operation"], r["polls"], r["usual"], r["last"]) for r in found.polls} == {
        (operation, 46, 1_800.0, at("22:30")) for operation in ("describe_network_interfaces", "list_functions")
    }
    assert {(r["event_category"], r["events"]) for r in found.trails} == {("Management", 1), ("Data", 1)}
    assert [(r["failed"], r["error_code"]) for r in found.failed] == [(1, "AccessDenied")]
    assert found.outside == (HOSTILE,) and found.missed[0]["interface_polls_missed"] == 3

    said = leasehold("doctor", "--offline", "--lake", root, "--raw", clean / "raw", check=False, COLUMNS="300")
    assert said.returncode == 1 and said.stderr == ""
    assert said.stdout.count("[bold red]x[/]") >= 3
    assert "\x1b[31m" not in said.stdout and "\u202e" not in said.stdout and "\r" not in said.stdout


@pytest.mark.sail_only
def test_lakes_that_are_not_sound(spark: SparkSession, clean: Path, tmp_path: Path) -> None:
    assert not sound(str(tmp_path / "none")).there
    root = Path(shutil.copytree(clean / "lake", tmp_path / "lake"))
    shutil.rmtree(root / "alerts")
    shutil.rmtree(root / "polls")
    (root / "polls").mkdir()
    fewer = POLLS.schema.names[:-1]
    deltalake.write_deltalake(str(root / "polls"), frame(spark, POLLS, []).select(*fewer).toArrow())
    found = sound(str(root))
    assert (found.there, found.missing, found.odd) == (True, ("alerts",), {})
    assert lacking(Lake(spark, str(root))) == {"polls": ("date",)}
    log = root / "runs" / "_delta_log"
    for path in log.iterdir():
        path.write_text("{")
    assert sound(str(root)).unreadable
    findings, _ = doctor.examine(None, True, lambda: NOW, lake=str(root), raw=str(clean / "raw"))
    assert [(f.severity, f.about) for f in findings if f.severity != FINE] == [(BLOCKS, "lake")]


def test_a_fresh_machine_is_told_what_to_do_first(tmp_path: Path) -> None:
    places = ("--raw", tmp_path / "raw", "--lake", tmp_path / "lake", "--offline")
    done = leasehold("doctor", "--json", *places, check=False, LEASEHOLD_CONFIG="")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [f["about"] for f in found["findings"] if f["severity"] == "blocks"] == ["raw", "lake"]
    assert found["findings"][1]["command"].startswith("leasehold run nightly")
    (tmp_path / "settings.yaml").write_text("lookbck_days: 3\n")
    done = leasehold("doctor", "--config", tmp_path / "settings.yaml", check=False)
    assert done.returncode == 1 and "unknown lookbck_days" in done.stdout and done.stderr == ""
    findings, _ = doctor.examine(None, True, lambda: NOW, engine="flink")
    assert [f.what for f in findings] == ["There is no engine 'flink'"]


def test_raw_folders(tmp_path: Path) -> None:
    assert local_raw(str(tmp_path / "none")).problem.startswith("there is no raw folder")
    (tmp_path / "AWSLogs" / ACCOUNT / "vpcflowlogs" / REGION).mkdir(parents=True)
    assert (local_raw(str(tmp_path)).kinds, local_raw(str(tmp_path)).whole) == (frozenset(), True)
    (tmp_path / "AWSLogs" / ACCOUNT / "vpcflowlogs" / REGION / "x.log").write_text("")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "snapshots").mkdir()
    (tmp_path / "deep" / "er" / "x.log").write_text("")
    (tmp_path / ".hidden").write_text("")
    found = local_raw(str(tmp_path))
    assert (found.kinds, found.unnamed) == ({"vpc_flow_logs"}, 1)


def test_a_screen_of_eighty_columns_numbers_what_is_wrong() -> None:
    findings = [
        Finding(BLOCKS, "raw", f"one {HOSTILE}", "cost", "do", f"aws {HOSTILE} {'x' * 100}"),
        Finding(COSTS, "lake", "two", "cost", "do that"), Finding(FINE, "engine", HOSTILE),
    ]  # fmt: skip
    out = io.StringIO()
    doctor.show(Console(file=out, force_terminal=True, color_system=None, width=80), findings, [HOSTILE])
    printed = out.getvalue()
    assert "1 blocks, 1 cost something." in printed and "x" * 100 in printed
    assert (
        printed.index(" 1. blocks") < printed.index(" 2. costs") < printed.index("Not checked") < printed.index("Fine")
    )
    assert printed.count("[bold red]x[/]") == 4
    assert "\x1b[31m" not in printed and "\u202e" not in printed and "\r" not in printed
