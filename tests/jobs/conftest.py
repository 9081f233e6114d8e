"""One small simulated account for all tests of jobs, and what the pipeline makes of it at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs import object_store
from jobs.pipeline import JOBS, run_job
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from tests.faulty_s3 import FaultyS3, environment, serving

START = datetime(2026, 2, 1, tzinfo=UTC)
DAYS = 9


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine quiet days of the simulated account, with the third resource of RDSQueryLogger on the last."""
    folder = tmp_path_factory.mktemp("account")
    simulate(
        folder,
        Options(
            days=DAYS, rate=0.15, poll_minutes=120, seed=11, scenarios=("third_resource", "beacon"), data_events=True
        ),
    )
    return folder


@pytest.fixture(scope="session")
def raw(account: Path) -> Path:
    """Its raw files."""
    return account / "raw"


@pytest.fixture(scope="session")
def at_once(spark: SparkSession, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake that one run over all days makes, on the engine of this run. Do not write to it."""
    lake = tmp_path_factory.mktemp("at_once") / "lake"
    run_days(spark, raw, lake, 0, DAYS)
    return lake


def run_days(spark: SparkSession, raw: Path, lake: Path, first: float, end: float) -> None:
    """All jobs over [first, end), in days from the start, within this process."""
    settings = Settings(raw=str(raw), lake=str(lake))
    window = Window(START + timedelta(days=first), START + timedelta(days=end))
    for job in JOBS:
        run_job(job, Lake(spark, str(lake)), settings, window)


def days(first: float, end: float) -> tuple[str, ...]:
    """The command line's options for the same window."""
    start, until = START + timedelta(days=first), START + timedelta(days=end)
    return "--start", start.isoformat(), "--end", until.isoformat()


def linked(raw: Path, to: Path) -> Path:
    """The raw folder again, at no cost: hard links."""
    return Path(shutil.copytree(raw, to, copy_function=os.link))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[FaultyS3]:
    with serving() as started:
        yield started


@pytest.fixture
def s3(s3_server: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """S3 as the environment says, with an empty bucket `s3://<name>`; nothing fails until it is told to."""
    for name, value in environment(s3_server.url).items():
        monkeypatch.setenv(name, value)
    object_store._client.cache_clear()
    s3_server.empty()
    yield s3_server
    s3_server.fail(0)
    object_store._client.cache_clear()
