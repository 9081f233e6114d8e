"""New files change the hours that they tell of, and no other: seen in the files written and in the rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.pipeline import JOBS, run_job
from jobs.storage import Lake
from jobs.window import Window
from tests.jobs.conftest import DAYS, START, linked, run_days
from tests.lakes import assert_equal, read
from transforms.schemas import ALL, FUNCTION_FLOWS, REOPENED_HOURS, RUNS

pytestmark = pytest.mark.sail_only
HOUR = timedelta(hours=1)


def test_one_more_hour_writes_files_of_its_day_alone(spark: SparkSession, raw: Path, tmp_path: Path) -> None:
    lake, noon = tmp_path / "lake", START + timedelta(days=6, hours=12)
    for window, late in ((Window(START, noon), 0), (Window(noon, noon + HOUR), 1)):
        before = {table.name: version(lake, table.name) for table in ALL}
        for job in JOBS:
            settings = Settings(raw=str(raw), lake=str(lake), lateness_hours=late)
            run_job(job, Lake(spark, str(lake)), settings, window)
    written = {table.name: set(days(lake / table.name, before[table.name])) for table in ALL if table.partition_by}
    # The baseline of a day is known when the day is over.
    assert {day for touched in written.values() for day in touched} == {noon.date().isoformat()}
    for table in ("flow_logs", "interface_snapshots", "invocation_evidence", "function_flows", "coverage"):
        assert written[table], table
    for table in ("polls", "interface_sightings"):  # not by days
        assert version(lake, table) == before[table] + 1, table
    # Nothing came or went in that hour.
    assert not written["interfaces"] and not written["ip_leases"] and not written["function_configs"]


def test_late_evidence_corrects_the_hours_that_it_touches(
    spark: SparkSession, raw: Path, at_once: Path, tmp_path: Path
) -> None:
    """A CloudTrail file with data events comes three days late."""
    copy, lake = linked(raw, tmp_path / "raw"), tmp_path / "lake"
    late = max((copy / "AWSLogs").glob("*/CloudTrail/*/2026/02/04/*.json.gz"), key=weight)
    told, kept = hours_of(late), tmp_path / late.name
    late.rename(kept)
    run_days(spark, copy, lake, 0, DAYS)
    before, seen = rows(read(lake, FUNCTION_FLOWS)), version(lake, "function_flows")
    kept.rename(late)
    run_days(spark, copy, lake, 3, DAYS)
    after = rows(read(lake, FUNCTION_FLOWS))
    changed = {key[0].replace(minute=0) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    # Invocations of these hours are told of; they, and what they may reach into, are an hour away at most.
    assert changed and changed <= {hour + shift for hour in told for shift in (-HOUR, timedelta(0), HOUR)}
    # The same as if it had come in time, and what was believed before can still be read.
    assert_equal(at_once, lake, without=[RUNS, REOPENED_HOURS])
    old = deltalake.DeltaTable(str(lake / "function_flows"), version=seen)
    assert rows(pa.table(old.to_pyarrow_table())) == before


def version(lake: Path, table: str) -> int:
    """-1 before there is one."""
    path = str(lake / table)
    return int(deltalake.DeltaTable(path).version()) if deltalake.DeltaTable.is_deltatable(path) else -1


def days(table: Path, since: int) -> Iterator[str]:
    """The partitions of the files that the commits after a version added or took away."""
    for log in (table / "_delta_log").glob("*.json"):
        for line in log.read_text().splitlines() if int(log.stem) > since else ():
            action: dict[str, Any] = json.loads(line)
            for kind in ("add", "remove"):
                if kind in action:
                    yield unquote(action[kind]["path"]).split("/")[0].partition("=")[2]


def events(trail: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gzip.decompress(trail.read_bytes()))["Records"]
    return found


def weight(trail: Path) -> int:
    """How many data events name an interface."""
    return sum("eni-" in str(e.get("additionalEventData")) for e in events(trail))


def hours_of(trail: Path) -> set[datetime]:
    times = (datetime.fromisoformat(e["eventTime"]) for e in events(trail))
    return {time.replace(minute=0, second=0) for time in times}


def rows(flows: pa.Table) -> dict[tuple[datetime, str, str | None], dict[str, Any]]:
    return {(r["window_start"], r["conversation_id"], r["function_name"]): r for r in flows.to_pylist()}
