"""The care of tables changes files and no row; what is promised can be read; what was to go is gone."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs import delta_tables, hours, judgements
from jobs.doctor_checks import runs
from jobs.doctor_lake import contents, sound
from jobs.errors import LeaseholdError
from jobs.lock import writing
from jobs.maintain import maintain
from jobs.object_store import allow_http
from jobs.pipeline import JOBS
from jobs.quality import Gate
from jobs.recompute import EQUAL, recompute
from jobs.storage import Lake, protocol
from tests.faulty_s3 import FaultyS3
from tests.jobs.conftest import DAYS, START, run_days
from tests.jobs.test_storage import FIRST, PEOPLE, SECOND, people, rows
from tests.lakes import assert_equal, leasehold, read
from transforms.schemas import (
    ALERTS,
    ALL,
    CLOUDTRAIL_EVENTS,
    FLOW_LOGS,
    FUNCTION_FLOWS,
    FUNCTION_SNAPSHOTS,
    INGESTED_FILES,
    JUDGEMENTS,
    OBSERVATIONS,
    QUALITY_GATES,
    REJECTED_RECORDS,
    REOPENED_HOURS,
    RETENTION,
    RUNS,
)
from transforms.schemas.table import Table

NOW = START + timedelta(days=DAYS)
WORK = (RUNS, RETENTION)


@pytest.fixture
def lake(spark: SparkSession, at_once: Path, tmp_path: Path) -> Lake:
    return Lake(spark, str(shutil.copytree(at_once, tmp_path / "lake")))


def files(lake: Lake, table: Table) -> int:
    return len(deltalake.DeltaTable(lake.path(table)).file_uris())


@pytest.mark.sail_only
def test_files_change_and_no_row(spark: SparkSession, raw: Path, at_once: Path, lake: Lake) -> None:
    """What was checked stays checked; alerts are computed again; runs go on as if nothing had been."""
    with Gate(lake, "warn") as gate:
        gate.check(JOBS, waiting=())
        assert gate.checks > 50
    settings, root = Settings(lake=lake.root), Path(lake.root)
    before = {table: (files(lake, table), lake.version(table)) for table in ALL}
    days = {row["date"] for row in read(root, FLOW_LOGS).to_pylist()}
    note = maintain(lake, settings, NOW)
    assert "files made into" in note and "checked:" not in note and "promised" not in note
    assert_equal(at_once, lake.root, without=WORK)
    assert {table.name: protocol(lake.path(table)) for table in ALL} == dict.fromkeys((t.name for t in ALL), (1, 2))
    assert files(lake, FLOW_LOGS) == len(days) < before[FLOW_LOGS][0]
    assert sum(files(lake, table) for table in ALL) < 0.7 * sum(count for count, _ in before.values())
    # Who reads what was there before can go on with it.
    for table in (FLOW_LOGS, FUNCTION_FLOWS):
        then = deltalake.DeltaTable(lake.path(table), version=before[table][1]).to_pyarrow_table()
        assert pa.table(then).num_rows == read(root, table).num_rows
    assert all(recompute(lake, row) == [EQUAL] for row in read(root, ALERTS).to_pylist())
    # Rows that are alike lie together.
    day = spark.read.parquet(*deltalake.DeltaTable(lake.path(FUNCTION_FLOWS)).file_uris()[:1])
    names = [row["function_name"] for row in day.select("function_name").collect()]
    changes = sum(a != b for a, b in itertools.pairwise(names))
    assert len(set(names)) > 5 and changes < len(names) / 4
    again = Gate(lake, "enforce")
    again.check(JOBS, waiting=())
    assert again.checks == 0
    assert maintain(lake, settings, NOW).startswith(("0 tables: 0 files made into 0", "1 tables: 2 files made into 1"))
    run_days(spark, raw, root, DAYS - 2, DAYS)
    assert_equal(at_once, lake.root, without=WORK)
    assert [row["job"] for row in read(root, RUNS).to_pylist()].count("maintain") == 2


@pytest.mark.sail_only
def test_old_rows_go_where_the_settings_say_so(spark: SparkSession, raw: Path, at_once: Path, lake: Lake) -> None:
    """Days whose rows have gone are not computed again, by nobody; the others are, and give the same."""
    root, kept = Path(lake.root), {"flow_logs": 14, "cloudtrail_events": 15, "function_metrics": 14}
    settings = Settings(raw=str(raw), lake=lake.root, keep_days=kept)
    rejected = [{"source_file": name, "line": 1, "text": "x"} for name in ("old", "new")]
    lake.append(REJECTED_RECORDS, lake.frame(REJECTED_RECORDS, rejected))
    named = [{"source_file": "old", "file_time": START}, {"source_file": "new", "file_time": NOW}]
    lake.append(INGESTED_FILES, lake.frame(INGESTED_FILES, named))
    # What does not say when it was is on the first of January 1970.
    undated = read(root, FLOW_LOGS).slice(0, 1).to_pylist()[0] | {"date": date(1970, 1, 1), "source_line": 10**6}
    lake.append(FLOW_LOGS, lake.frame(FLOW_LOGS, [undated]))
    hours.reopen(lake, {"attribute": [START, START + timedelta(days=8)]})
    from_day = (START + timedelta(days=6)).date()
    note = maintain(lake, dataclasses.replace(settings, keep_days=kept | {"rejected_records": 14}),
                    START + timedelta(days=20, hours=5))  # fmt: skip
    assert f"rows of flow_logs before {from_day} deleted" in note and "rejected_records" in note
    left = {row["date"] for row in read(root, FLOW_LOGS).to_pylist()}
    assert min(left - {date(1970, 1, 1)}) == from_day and date(1970, 1, 1) in left
    assert [row["source_file"] for row in read(root, REJECTED_RECORDS).to_pylist()] == ["new"]
    closed = START + timedelta(days=7)
    assert hours.closed_before(lake) == closed
    hours.reopen(lake, {"attribute": [START, closed - timedelta(hours=1), closed]})
    waiting = sorted(row["hour"] for row in read(root, REOPENED_HOURS).to_pylist() if row["job"] == "attribute")
    assert [hour for hour in waiting if hour < NOW] == [closed, START + timedelta(days=8)]
    gone = (*WORK, FLOW_LOGS, CLOUDTRAIL_EVENTS, REJECTED_RECORDS, INGESTED_FILES, REOPENED_HOURS)
    with pytest.raises(LeaseholdError, match=r"hours before 2026-02-08 cannot be computed again.*--start 2026-02-08"):
        run_days(spark, raw, root, 6, DAYS)
    lake.delete_where(INGESTED_FILES, "source_file IN ('old', 'new')")
    two_days = [closed + timedelta(hours=n) for n in range(48)]
    hours.reopen(lake, {"leases": two_days, "evidence": two_days, "behave": two_days})
    run_days(spark, raw, root, 7, DAYS)
    for table in ALL:
        if table not in gone and table.name not in kept:
            assert_equal(at_once, lake.root, without=[*gone, *(t for t in ALL if t is not table)])
    # Twice says nothing new; and a longer time brings nothing back.
    assert "deleted" not in maintain(lake, settings, START + timedelta(days=20)).partition("versions deleted")[2]
    maintain(lake, dataclasses.replace(settings, keep_days={"flow_logs": 99}), START + timedelta(days=20))
    assert hours.closed_before(lake) == closed
    with pytest.raises(LeaseholdError, match="keep_days names alerts; it may name cloudtrail_events"):
        maintain(lake, dataclasses.replace(settings, keep_days={"alerts": 20}), NOW)


@pytest.mark.sail_only
def test_what_is_not_checked_yet_is_left_alone(spark: SparkSession, tmp_path: Path) -> None:
    """And a judgement that a killed run left for a version to come does not come into force by care."""
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create(ALL)
    settings = Settings(lake=lake.root)
    for name in "abc":
        lake.append(FLOW_LOGS, lake.frame(FLOW_LOGS, [{"source_file": name, "source_line": 1, "date": FIRST}]))
    gates = [
        {"table_name": "flow_logs", "passed_version": 2, "checked_version": 3, "failure": "x"},
        {"table_name": "observations", "passed_version": 0, "checked_version": 0},
    ]
    lake.append(QUALITY_GATES, lake.frame(QUALITY_GATES, gates))
    judgements.record(lake, [FIRST], {})
    note = maintain(lake, settings, NOW)
    assert "until they are checked: flow_logs" in note and files(lake, FLOW_LOGS) == 3
    assert not read(lake.root, JUDGEMENTS).num_rows
    after = {row["table_name"]: row for row in read(lake.root, QUALITY_GATES).to_pylist()}
    assert (after["flow_logs"]["passed_version"], after["flow_logs"]["failure"]) == (2, "x")
    assert after["observations"]["passed_version"] == lake.version(OBSERVATIONS)
    lake.overwrite(QUALITY_GATES, lake.frame(QUALITY_GATES, [gates[0] | {"passed_version": 3, "failure": None}]))
    assert "3 files made into 1" in maintain(lake, settings, NOW).replace("1 tables: ", "")
    # A run without a window does not trouble those who look at runs.
    broke = {"run_id": "x", "job": "maintain", "started_at": NOW.replace(year=2100), "outcome": "OSError: full"}
    lake.append(RUNS, lake.frame(RUNS, [broke | {"seconds": 1.0}]))
    facts = dataclasses.replace(sound(lake.root), **contents(lake, str(tmp_path), NOW.date()))
    [found] = [one for one in runs(facts, NOW) if "maintain" in one.what]
    assert found.command == "leasehold maintain" and "pile up" in found.cost


def test_each_engine_goes_on_with_what_was_cared_for(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create([PEOPLE, FUNCTION_SNAPSHOTS])
    for age, name in enumerate(("ann", "bob", "cid", "dot")):
        lake.append(PEOPLE, people(spark, (name, age, FIRST if age < 2 else SECOND)))
        listed = {"source_file": name, "source_line": 1, "subnet_ids": [name, "x"], "date": FIRST}
        lake.append(FUNCTION_SNAPSHOTS, lake.frame(FUNCTION_SNAPSHOTS, [listed]))
    path = lake.path(PEOPLE)
    assert delta_tables.compact(path, "day", ("name", "age")) == (4, 2)
    assert delta_tables.compact(lake.path(FUNCTION_SNAPSHOTS), "date", ()) == (4, 1)
    assert delta_tables.compact(path, "day", ()) == (0, 0)
    assert (
        delta_tables.promise(path, 30) is False
        and delta_tables.promise(path, 40) is True
        and delta_tables.promise(path, 8) is False
    )
    assert delta_tables.tidy(path, 8, vacuum=True) == 0 and protocol(path) == (1, 2)
    seen = [row["subnet_ids"] for row in lake.read(FUNCTION_SNAPSHOTS).orderBy("source_file").collect()]
    assert seen == [[name, "x"] for name in ("ann", "bob", "cid", "dot")]
    # Versions from before the checkpoint can be read.
    then = [len(lake.read_at(PEOPLE, version, FIRST, FIRST).collect()) for version in range(lake.version(PEOPLE) + 1)]
    assert then[:6] == [0, 1, 2, 2, 2, 2] and set(then[6:]) == {2}
    assert lake.read_at(PEOPLE, 4, FIRST, SECOND).columns == PEOPLE.schema.names
    lake.replace(PEOPLE, f"day = DATE '{FIRST}'", people(spark, ("eve", 5, FIRST)))
    lake.upsert(PEOPLE, people(spark, ("cid", 7, SECOND)))
    lake.delete_where(PEOPLE, "name = 'dot'")
    assert rows(lake) == [("cid", 7, SECOND), ("eve", 5, FIRST)]
    assert delta_tables.has_days(path, "day", FIRST, SECOND) and delta_tables.drop_days(path, "day", FIRST, SECOND) == 1
    assert rows(lake) == [("cid", 7, SECOND)] and not delta_tables.has_days(path, "day", FIRST, SECOND)
    assert protocol(path) == (1, 2)


def test_versions_stay_as_long_as_they_are_promised(tmp_path: Path) -> None:
    """A version that was replaced 25 days ago can be read, of one replaced 35 days ago the files are gone."""
    lake = Lake(None, str(tmp_path / "lake"))  # type: ignore[arg-type]
    lake.create([PEOPLE])
    path = lake.path(PEOPLE)
    for number, mode in enumerate(("overwrite", "overwrite", "overwrite", "append")):
        row = pa.table({"name": [f"v{number}"], "age": pa.array([1], pa.int32()), "day": [FIRST]})
        deltalake.write_deltalake(path, row, mode=mode)  # type: ignore[call-overload]
    orphan, fresh = (Path(path) / f"day={FIRST}" / f"{name}.parquet" for name in ("orphan", "fresh"))
    orphan.touch(), fresh.touch()
    for version, days in ((0, 60), (1, 50), (2, 35), (3, 25), (4, 5)):
        make_older(Path(path), version, days)
    os.utime(orphan, (0, 0))
    assert delta_tables.tidy(path, 30, vacuum=False) == 0 and lake.has_version(PEOPLE, 1, FIRST, FIRST)
    assert delta_tables.tidy(path, 30, vacuum=True) == 2
    assert [lake.has_version(PEOPLE, version, FIRST, FIRST) for version in (1, 2, 3, 4)] == [False, True, True, True]
    assert not orphan.exists() and fresh.exists()
    found = deltalake.DeltaTable(path, version=2).to_pyarrow_table()
    assert pa.table(found)["name"].to_pylist() == ["v1"]


def make_older(table: Path, version: int, days: int) -> None:
    """Let a commit, and what it added and took away, be of so many days ago."""
    log, then = table / "_delta_log" / f"{version:020}.json", time.time() - days * 86_400
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        for kind, name in (("commitInfo", "timestamp"), ("remove", "deletionTimestamp"), ("add", "modificationTime")):
            if kind in action:
                action[kind][name] = int(then * 1_000)
        if "add" in action:
            os.utime(table / action["add"]["path"], (then, then))
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    os.utime(log, (then, then))


def test_a_table_on_s3_while_calls_fail(s3: FaultyS3) -> None:
    allow_http()
    lake = Lake(None, "s3://here/lake")  # type: ignore[arg-type]
    lake.create([PEOPLE])
    path = lake.path(PEOPLE)
    for number in range(6):
        row = pa.table({"name": [str(number)], "age": pa.array([1], pa.int32()), "day": [(FIRST, SECOND)[number % 2]]})
        deltalake.write_deltalake(path, row, mode="append")
    s3.fail(0.1, 4)
    delta_tables.compact(path, "day", ("name",))
    delta_tables.promise(path, 60)
    delta_tables.tidy(path, 60, vacuum=True)
    delta_tables.drop_days(path, "day", FIRST, SECOND)
    s3.fail(0)
    table = deltalake.DeltaTable(path)
    assert len(table.file_uris()) == 1 and pa.table(table.to_pyarrow_table()).num_rows == 3
    assert table.metadata().configuration["delta.logRetentionDuration"] == "interval 60 days"


def test_the_command_notes_what_it_did_and_waits_for_nobody(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with writing(str(lake), "a test"):
        refused = leasehold("maintain", "--lake", lake, check=False)
    assert refused.returncode == 75 and "is being written by a test" in refused.stderr
    done = leasehold("maintain", "--lake", lake, "--log-format", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [row["event"] for row in events] == ["engine_started", "job_started", "job_done"]
    [row] = read(lake, RUNS).to_pylist()
    assert (row["job"], row["outcome"], row["window_start"], row["note"]) == (
        "maintain",
        "done",
        None,
        events[2]["note"],
    )
    assert "maintain" in leasehold("status", "--lake", lake).stdout
