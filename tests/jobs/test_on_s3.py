"""Raw files and lake on S3, as a user has them, while a share of all calls fails."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobs.object_store import put
from jobs.pipeline import JOBS
from simulator.simulate import Options, simulate
from tests.faulty_s3 import FaultyS3, faults
from tests.jobs.conftest import days
from tests.lakes import assert_equal, leasehold, read
from transforms.schemas import FLOW_LOGS, RUNS

HOUR = 1 / 24


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A quiet morning of the simulated account."""
    simulate(tmp_path / "account", Options(days=1, rate=0.05, poll_minutes=120, seed=5, data_events=True))
    return tmp_path / "account" / "raw"


def upload(raw: Path) -> None:
    files = [path for path in raw.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: put(f"s3://here/raw/{path.relative_to(raw)}", path.read_bytes()), files))


def test_all_jobs_make_the_same_tables_on_s3_while_calls_fail(
    s3: FaultyS3, engine: str, raw: Path, tmp_path: Path
) -> None:
    upload(raw)
    window = days(2 * HOUR, 3 * HOUR)
    s3.fail(0.05, seed=7)
    s3.calls()
    leasehold("run", "hourly", *window, "--raw", "s3://here/raw", "--lake", "s3://here/lake", "--engine", engine)
    calls = s3.calls()
    s3.fail(0)
    leasehold("run", "hourly", *window, "--raw", raw, "--lake", tmp_path / "lake")
    os.environ["AWS_ALLOW_HTTP"] = "true"
    assert_equal(tmp_path / "lake", "s3://here/lake")
    assert read("s3://here/lake", FLOW_LOGS).num_rows > 500
    assert set(read("s3://here/lake", RUNS)["job"].to_pylist()) == set(JOBS)
    by_client = faults(calls)
    assert by_client["boto3"] and by_client["s3a" if engine == "spark" else "object_store"] > 50
    # Below the raw root nothing is written.
    assert {call.method for call in calls if "/here/raw" in call.path} == {"GET"}
