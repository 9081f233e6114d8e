"""The whole pipeline over hand-written files of every real shape, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.pipeline import JOBS, run_job
from jobs.quality import Gate
from jobs.storage import Lake
from jobs.window import Window
from tests.lakes import leasehold, read
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FLOW_LOGS,
    FUNCTION_FLOWS,
    INGESTED_FILES,
    INTERFACE_SNAPSHOTS,
    IP_LEASES,
    REJECTED_RECORDS,
)

RAW = Path(__file__).parents[1] / "fixtures" / "raw"
HOURS = ("--start", "2026-03-02T09", "--end", "2026-03-02T12")


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pipeline makes of the fixtures."""
    folder = tmp_path_factory.mktemp("fixtures") / "lake"
    for job in JOBS:
        settings = Settings(raw=str(RAW), lake=str(folder))
        run_job(job, Lake(spark, str(folder)), settings, Window.parse(HOURS[1], HOURS[3]))
    return folder


@pytest.mark.sail_only
def test_every_file_is_read_or_passed_over_with_a_reason(lake: Path) -> None:
    files = {row["source_file"]: row for row in read(lake, INGESTED_FILES).to_pylist()}
    assert set(files) == {p.relative_to(RAW).as_posix() for p in RAW.rglob("*") if p.is_file()}
    assert all(row["state"] in ("done", "skipped") for row in files.values())
    assert all(row["reason"] for row in files.values() if row["state"] == "skipped")
    for table in (FLOW_LOGS, CLOUDTRAIL_EVENTS, INTERFACE_SNAPSHOTS, REJECTED_RECORDS):
        assert set(read(lake, table)["source_file"].to_pylist()) <= set(files)


@pytest.mark.sail_only
def test_what_was_counted_is_in_the_tables(lake: Path) -> None:
    files = read(lake, INGESTED_FILES).to_pylist()
    flows = sum(row["records"] or 0 for row in files if row["kind"] == "vpc_flow_logs")
    assert read(lake, FLOW_LOGS).num_rows == flows > 100
    assert read(lake, REJECTED_RECORDS).num_rows == sum(row["rejected"] or 0 for row in files) > 10


@pytest.mark.sail_only
def test_conversations_are_attributed_and_shared_ones_said_to_be(lake: Path) -> None:
    rows = read(lake, FUNCTION_FLOWS).to_pylist()
    assert ("orders-api", "unique", 1.0) in {(r["function_name"], r["attribution"], r["probability"]) for r in rows}
    shared = [r for r in rows if r["candidates"] == "invoice-mailer, report-builder"]
    assert {r["function_name"] for r in shared} == {"invoice-mailer", "report-builder"}
    assert {r["attribution"] for r in shared} <= {"weighted", "shared"}
    assert all(0 < r["probability"] < 1 for r in shared)
    assert sum(r["probability"] for r in shared) == pytest.approx(len({r["conversation_id"] for r in shared}))


@pytest.mark.sail_only
def test_an_old_interface_without_a_name_is_not_given_one(lake: Path) -> None:
    old = [row for row in read(lake, IP_LEASES).to_pylist() if row["address"] == "10.0.1.30"]
    assert [(row["owner_kind"], row["owner_name"], row["basis"]) for row in old] == [("lambda", None, "creator")]


@pytest.mark.sail_only
def test_the_command_answers_from_it(lake: Path) -> None:
    said = leasehold("leases", "--ip", "10.0.1.22", "--at", "2026-03-02T10:10Z", "--lake", lake).stdout
    assert "one of 2" in said and "invoice-mailer" in said and "report-builder" in said


@pytest.mark.sail_only
def test_no_log_can_stop_the_work(spark: SparkSession, lake: Path) -> None:
    """Whatever is in the files, critical checks hold; what the files lack is a warning."""
    with Gate(Lake(spark, str(lake)), "enforce") as gate:
        gate.check(JOBS, waiting=[])
    assert gate.checks > 200 and any("of the records were rejected" in warning for warning in gate.warnings)
