"""Twice, day by day, hour by hour, late, re-ordered, repeated, killed: always the same tables."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.sources.files import FileName
from simulator.simulate import Options, simulate
from tests.jobs.conftest import DAYS, START, days, linked, run_days
from tests.jobs.test_fixtures_run import RAW
from tests.lakes import assert_equal, command, commits, leasehold, read
from transforms.schemas import (
    ALERTS,
    ALL,
    COVERAGE,
    FUNCTION_CONFIGS,
    INGESTED_FILES,
    REJECTED_RECORDS,
    REOPENED_HOURS,
    RUNS,
)

LATE_FROM = START + timedelta(days=DAYS - 3)
"""Files delivered after this may come late: the last run looks back as far as that."""


def chance(path: Path | str, salt: str) -> float:
    """A number in [0, 1) that depends on the path alone."""
    return int(hashlib.sha256(f"{salt}{path}".encode()).hexdigest()[:8], 16) / 16**8


def late_files(raw: Path, late_from: datetime = LATE_FROM) -> list[Path]:
    """One file in eight of the last days, of every kind."""
    found = []
    for path in sorted(p for p in raw.rglob("*") if p.is_file()):
        moment = FileName.parse(path.relative_to(raw).as_posix()).time
        if moment and moment >= late_from and chance(path.name, "late") < 0.125:
            found.append(path)
    return found


def deliver_late(raw: Path, to: Path, late_from: datetime = LATE_FROM) -> None:
    """Bring what came late, and some files a second time under a later name."""
    for path in late_files(raw, late_from):
        os.link(path, to / path.relative_to(raw))
        if chance(path.name, "copy") < 0.3:
            head, _, tail = path.name.rpartition("_")
            twin = f"{head}_f{tail[1:]}" if "Z_" in path.name else None
            if twin and twin > path.name:
                shutil.copy2(path, to / path.parent.relative_to(raw) / twin)


def without_late(raw: Path, to: Path, late_from: datetime = LATE_FROM) -> Path:
    """The raw folder before the late files came."""
    made = linked(raw, to)
    for path in late_files(raw, late_from):
        (made / path.relative_to(raw)).unlink()
    return made


@pytest.mark.sail_only
def test_twice_gives_the_same(spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(at_once, tmp_path / "lake"))
    run_days(spark, raw, again, 0, DAYS)
    assert_equal(at_once, again, without=[RUNS])
    # And so does a part of it.
    run_days(spark, raw, again, 3, 5)
    assert_equal(at_once, again, without=[RUNS])


@pytest.mark.slow
@pytest.mark.sail_only
def test_day_by_day_gives_the_same(spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for day in range(DAYS):
        run_days(spark, raw, lake, day, day + 1)
    assert_equal(at_once, lake, without=[RUNS, REOPENED_HOURS])
    assert nothing_left(lake)


@pytest.mark.slow
@pytest.mark.sail_only
def test_hour_by_hour_gives_the_same(spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run_days(spark, raw, lake, 0, DAYS - 1)
    for hour, until in ((5, 6), (0, 1), (1, 5), (6, 7), (7, 8), (8, 24)):
        run_days(spark, raw, lake, DAYS - 1 + hour / 24, DAYS - 1 + until / 24)
    assert_equal(at_once, lake, without=[RUNS, REOPENED_HOURS])
    assert nothing_left(lake)


def nothing_left(lake: Path) -> bool:
    """No hour before the end waits for anything."""
    end = START + timedelta(days=DAYS)
    return all(hour >= end for hour in read(lake, REOPENED_HOURS)["hour"].to_pylist())


@pytest.mark.slow
@pytest.mark.sail_only
def test_days_in_reverse_give_the_same(spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for first, end in ((6, DAYS), (3, 6), (0, 3)):
        run_days(spark, raw, lake, first, end)
    # Days after a window that was run later wait for a run of their own.
    run_days(spark, raw, lake, DAYS - 1, DAYS)
    assert_equal(at_once, lake, without=[RUNS, REOPENED_HOURS])
    assert nothing_left(lake)


@pytest.mark.slow
@pytest.mark.sail_only
def test_late_and_repeated_files_give_the_same(spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path) -> None:
    some, lake = without_late(raw, tmp_path / "raw"), tmp_path / "lake"
    assert len(late_files(raw)) > 50
    run_days(spark, some, lake, 0, DAYS)
    deliver_late(raw, some)
    run_days(spark, some, lake, DAYS - 1, DAYS)
    assert_equal(at_once, lake, without=[RUNS, REOPENED_HOURS, INGESTED_FILES])
    assert nothing_left(lake)
    files = read(lake, INGESTED_FILES).to_pylist()
    assert sum(1 for file in files if file["copy_of"]) > 5
    assert len({f["source_file"] for f in files if not f["copy_of"]} ^ names(at_once)) == 0


def names(lake: Path) -> set[str]:
    """The files that are no copies."""
    return {file["source_file"] for file in read(lake, INGESTED_FILES).to_pylist() if not file["copy_of"]}


@pytest.mark.slow
@pytest.mark.sail_only
def test_killed_at_any_point_and_run_again_gives_the_same(spark: SparkSession, tmp_path: Path) -> None:
    """SIGKILL to the whole process group as soon as the tables have so many commits, for many numbers.

    Each lake is hit three times, then left to finish.
    """
    simulate(tmp_path, Options(days=2, rate=0.1, poll_minutes=240, seed=12, scenarios=()))
    raw, whole = tmp_path / "raw", tmp_path / "whole"
    run_days(spark, raw, whole, 0, 2)
    made, all_of_them = len(ALL), commits(whole)  # every table begins with one commit
    work = all_of_them - made
    assert work > 20
    hits = [made + work * share // 12 for share in range(12)]
    for number, targets in enumerate((hits[0::4], hits[1::4], hits[2::4], hits[3::4])):
        lake = tmp_path / f"lake-{number}"
        run = command("run", "nightly", "--raw", raw, "--lake", lake, *days(0, 2), "--quality", "off")
        for target in targets:
            assert killed_at(run, lake, target, delay=0.02 * number), f"the run was done before {target} commits"
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert_equal(whole, lake, without=[RUNS])


def killed_at(run: list[str], lake: Path, target: int, delay: float) -> bool:
    """Was the run killed once there were so many commits? False: it was done before."""
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and commits(lake) < target:
        time.sleep(0.005)
    time.sleep(delay)
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


@pytest.mark.slow
@pytest.mark.both
def test_both_engines_make_the_same_of_late_repeated_and_reordered_files(tmp_path: Path) -> None:
    """Late, repeated and bad files beside good ones, on lakes that one engine begins and the other goes on with.

    Each engine in a zone of its own: the machine's clock must not show in any table. Four days, judged after three.
    """
    simulate(tmp_path, Options(days=4, rate=0.12, poll_minutes=240, seed=11, scenarios=("third_resource", "beacon")))
    raw, settings = tmp_path / "raw", tmp_path / "settings.yaml"
    settings.write_text("min_history_days: 3\n")
    late_from = START + timedelta(days=1)
    zones = {"sail": "Asia/Kolkata", "spark": "America/New_York"}

    def run(engine: str, some: Path, lake: Path, *window: float) -> None:
        places = ("--config", settings, "--raw", some, "--lake", lake)
        options = ("--engine", engine, "--quality", "off")
        leasehold("run", "nightly", *places, *options, *days(*window), TZ=zones[engine])

    lakes = {}
    for begun_by in ("sail", "spark"):
        some = without_late(raw, tmp_path / f"raw-{begun_by}", late_from)
        shutil.copytree(RAW / "flat", some / "flat", copy_function=os.link)
        run(begun_by, some, tmp_path / begun_by, 0, 3)
        deliver_late(raw, some, late_from)
        for engine in ("sail", "spark") if begun_by == "sail" else ("sail",):
            lakes[begun_by, engine] = Path(shutil.copytree(tmp_path / begun_by, tmp_path / f"{begun_by}-{engine}"))
            run(engine, some, lakes[begun_by, engine], 3, 4)
    whole = lakes.pop(("sail", "sail"))
    assert all(read(whole, table).num_rows for table in (ALERTS, REJECTED_RECORDS, FUNCTION_CONFIGS, COVERAGE))
    for lake in lakes.values():
        assert_equal(whole, lake)
    # And nothing was lost or doubled by being late.
    at_once = tmp_path / "at-once"
    run("sail", tmp_path / "raw-sail", at_once, 0, 4)
    assert_equal(whole, at_once, without=[RUNS, REOPENED_HOURS])
