"""Raw files and lake on S3, as a user has them, while a share of all calls fails."""

from __future__ import annotations

import errno
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs import ingest
from jobs.object_store import allow_http, put
from jobs.pipeline import JOBS
from jobs.raw_files import RawFile
from jobs.sources import streams
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from tests.faulty_s3 import Call, FaultyS3, faults
from tests.jobs.conftest import START, days
from tests.lakes import assert_equal, leasehold, read
from transforms.schemas import ALL, FLOW_LOGS, INGESTED_FILES, QUALITY_GATES, QUALITY_RESULTS, REOPENED_HOURS, RUNS

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


def action(call: Call) -> str:
    """The permission that a call takes."""
    if call.method == "POST" and "delete" in call.path.partition("?")[2]:
        return "s3:DeleteObject"
    if call.method == "GET" and "prefix=" in call.path:
        return "s3:ListBucket"
    reads, writes = dict.fromkeys(("GET", "HEAD"), "s3:GetObject"), dict.fromkeys(("PUT", "POST"), "s3:PutObject")
    return {**reads, **writes, "DELETE": "s3:DeleteObject"}[call.method]


@pytest.mark.unsteady
@pytest.mark.slow
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
    allow_http()
    assert_equal(tmp_path / "lake", "s3://here/lake", without=(QUALITY_RESULTS, QUALITY_GATES))
    assert read("s3://here/lake", FLOW_LOGS).num_rows > 500
    assert set(read("s3://here/lake", RUNS)["job"].to_pylist()) == set(JOBS)
    by_client = faults(calls)
    assert by_client["boto3"] and by_client["s3a" if engine == "spark" else "object_store"] > 50
    # Below the raw root nothing is written, and nothing is done that the policy does not allow.
    assert {call.method for call in calls if call.path.startswith("/here/raw")} == {"GET"}
    policy = json.loads((Path(__file__).parents[2] / "conf" / "iam" / "pipeline-policy.json").read_text())
    granted = [statement["Action"] for statement in policy["Statement"]]
    allowed = {name for names in granted for name in ([names] if isinstance(names, str) else names)}
    assert {action(call) for call in calls} <= allowed


@pytest.mark.sail_only
def test_a_file_that_breaks_off_does_not_count_and_is_read_by_the_next_run(
    spark: SparkSession, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one the network fails half-way, one cannot be opened to learn what it is, one vanishes once it is listed."""
    (raw / "undated.log").write_bytes(b"no flow log\n")
    names = sorted(str(path.relative_to(raw)) for path in raw.rglob("*T03*.log.gz"))
    half, gone = names[:2]
    settings, window = Settings(raw=str(raw), lake=str(tmp_path / "lake")), Window(START, START + timedelta(hours=4))
    lake = Lake(spark, settings.lake)
    lake.create(ALL)
    whole_open, listing = streams._open, ingest.listing

    def breaking(path: str) -> IO[bytes]:
        if path.endswith(half):
            return Breaking(Path(path).read_bytes())
        if path.endswith("undated.log"):
            raise OSError(errno.EIO, "no network")
        return whole_open(path)

    def listed(*of: Any) -> list[RawFile]:
        found = listing(*of)
        (raw / gone).unlink()
        return found

    with monkeypatch.context() as broken:
        broken.setattr(streams, "_open", breaking)
        broken.setattr(ingest, "listing", listed)
        note = ingest.run(lake, settings, window)
    assert note.endswith("2 could not be read and are tried again by the next run")
    states = {
        row["source_file"]: (row["state"], row["reason"]) for row in read(tmp_path / "lake", INGESTED_FILES).to_pylist()
    }
    assert states[half] == ("started", "it cannot be read: the network failed")
    assert states["undated.log"] == ("started", "it cannot be opened: no network")
    assert gone not in states
    assert "could not" not in ingest.run(lake, settings, window)

    at_once = Lake(spark, str(tmp_path / "at_once"))
    at_once.create(ALL)
    ingest.run(at_once, Settings(raw=str(raw), lake=at_once.root), window)
    assert_equal(tmp_path / "lake", tmp_path / "at_once", without=(REOPENED_HOURS,))


class Breaking(io.BytesIO):
    """Gives the first half."""

    def read(self, _size: int | None = -1, /) -> bytes:
        half = len(self.getvalue()) // 2
        if self.tell() >= half:
            raise OSError(errno.EIO, "the network failed")
        return super().read(half - self.tell())


@pytest.mark.sail_only
def test_names_that_are_no_utf_8_are_taken_in(spark: SparkSession, raw: Path, tmp_path: Path) -> None:
    name = next(raw.rglob("*.log.gz"))
    os.link(name, os.fsencode(raw) + b"/flows-\xff.log.gz")
    name.unlink()
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create(ALL)
    ingest.run(lake, Settings(raw=str(raw), lake=lake.root), Window(START, START + timedelta(hours=4)))
    found = read(tmp_path / "lake", INGESTED_FILES).to_pylist()
    [file] = [row for row in found if row["source_file"].startswith("flows-")]
    assert (file["source_file"], file["state"]) == (r"flows-\xff.log.gz", "done") and file["records"] > 0
