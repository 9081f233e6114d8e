"""The pipeline on a raw folder of Security Lake: what it concludes is what it concludes from AWS's own files."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.pipeline import run_job
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from tests.jobs.conftest import START
from tests.lakes import read
from tests.ocsf import security_lake
from transforms.schemas import (
    CLOUDTRAIL_EVENTS,
    FLOW_LOGS,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    INGESTED_FILES,
    INVOCATION_EVIDENCE,
    IP_LEASES,
)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of half a quiet day; CloudTrail has data events, and changes of interfaces and functions."""
    root = tmp_path_factory.mktemp("native")
    simulate(root, Options(days=0.5, rate=0.05, seed=5, scenarios=(), data_events=True, poll_minutes=120))
    return root / "raw"


@pytest.fixture(scope="module")
def from_native(spark: SparkSession, native: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake that they make."""
    return _run(spark, native, tmp_path_factory.mktemp("from_native"))


def _run(spark: SparkSession, raw: Path, lake: Path) -> Path:
    settings = Settings(raw=str(raw), lake=str(lake))
    for job in ("ingest", "leases", "evidence", "attribute"):
        run_job(job, Lake(spark, str(lake)), settings, Window(START, START + timedelta(days=1)))
    return lake


def _assert_same_conclusions(lake: Path, other: Path) -> None:
    for table in (IP_LEASES, FUNCTION_CONFIGS, INVOCATION_EVIDENCE, FUNCTION_FLOWS):
        ours, theirs = read(lake, table), read(other, table)
        assert ours.num_rows and ours.equals(theirs), table.name


@pytest.mark.sail_only
def test_security_lake_alone_and_then_beside_awss_own_files(
    spark: SparkSession, native: Path, from_native: Path, tmp_path: Path
) -> None:
    """Of source version 1, which keeps less; then what a compaction would make of it, and AWS's own, lie there, too.

    Each record and event counts once.
    """
    raw, lake = tmp_path / "raw", tmp_path / "lake"
    security_lake(native, raw, 1, per_file=500)
    shutil.copytree(native / "snapshots", raw / "snapshots")  # Security Lake has no polls
    _assert_same_conclusions(_run(spark, raw, lake), from_native)
    assert set(read(lake, INGESTED_FILES)["state"].to_pylist()) == {"done"}
    security_lake(native, raw, 1, per_file=100_000)
    shutil.copytree(native / "AWSLogs", raw / "AWSLogs")
    _assert_same_conclusions(_run(spark, raw, lake), from_native)
    # The copy that stays is the whole one, of the same file as without Security Lake.
    assert read(lake, CLOUDTRAIL_EVENTS).equals(read(from_native, CLOUDTRAIL_EVENTS))
    assert read(lake, FLOW_LOGS).num_rows == 3 * read(from_native, FLOW_LOGS).num_rows
