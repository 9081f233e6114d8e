"""`coverage` follows its evidence, however late that comes, and no day is computed without need."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.collect.store import FAILED, Poll, store
from jobs.cover import cover
from jobs.coverage_answer import answer
from jobs.pipeline import run_job
from jobs.storage import Lake
from jobs.window import Window
from tests.jobs.sources.reading import GOOD, HEADER, lines
from tests.lakes import read
from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, config, frame, lease, record
from transforms.schemas import (
    COVERAGE,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    INVOCATION_EVIDENCE,
    IP_LEASES,
    POLLS,
)

DAYS = [MONDAY.date() + timedelta(days=n) for n in range(3)]


def lake_of(spark: SparkSession, root: Path, **rows: list[Row]) -> Lake:
    """A lake with these rows of polls, configs and logs, and one lease."""
    lake = Lake(spark, str(root))
    tables = {"polls": POLLS, "failed": FAILED_POLLS, "configs": FUNCTION_CONFIGS, "logs": FLOW_LOGS}
    lake.create([COVERAGE, FUNCTION_FLOWS, INVOCATION_EVIDENCE, IP_LEASES, *tables.values()])
    lake.append(IP_LEASES, frame(spark, IP_LEASES, [lease(date=DAYS[0])]))
    for name, table in tables.items():
        lake.append(table, frame(spark, table, rows.get(name, [])))
    return lake


def stored(lake: Lake) -> pa.Table:
    return read(Path(lake.root), COVERAGE)


def files_of(lake: Lake, day: date) -> set[str]:
    """The data files that hold the day now."""
    return {uri for uri in deltalake.DeltaTable(lake.path(COVERAGE)).file_uris() if f"/date={day}/" in uri}


@pytest.mark.sail_only
def test_late_evidence_changes_the_days_that_it_bears_on_and_no_others(spark: SparkSession, tmp_path: Path) -> None:
    """Polls every hour, none from Monday 22:00 to Tuesday 3:00; a function outside any VPC until Tuesday."""

    def poll(moment: Any) -> Row:
        return {
            "operation": "describe_network_interfaces", "account_id": ACCOUNT, "region": REGION, "polled_at": moment,
            "complete": True, "date": moment.date(),
        }  # fmt: skip

    polls = [poll(at("0:05") + timedelta(hours=n)) for n in range(72) if n not in range(22, 27)]
    logs = [record(log_status="NODATA", start_time=at(f"{day}T10:00")) for day in (5, 6, 7)]
    outside = config(function_name="w", vpc_id=None, date=DAYS[0])
    denied = {"operation": "assume_role", "error_code": "AccessDenied", "account_id": "210987654321", "region": REGION}
    failed = [denied | {"polled_at": at(t), "date": at(t).date()} for t in ("5T10:00", "6T10:00", "6T11:00")]
    gone = outside | {"valid_to": at("6T20:00"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    before = [p for p in polls if p["polled_at"] < at("6T00:00")]
    lake = lake_of(spark, tmp_path / "lake", polls=before, configs=[outside], logs=logs, failed=failed[1:2])
    cover(lake, DAYS)
    assert {r["interface_polls_missed"] for r in stored(lake).to_pylist() if not r["function_name"]} == {0}

    # What comes then: the polls after midnight, which show that some before it are missing, w's deletion, and word
    # of an account that was never entered.
    lake.append(POLLS, frame(spark, POLLS, [p for p in polls if p not in before]))
    lake.replace(FUNCTION_CONFIGS, "TRUE", frame(spark, FUNCTION_CONFIGS, [gone]))
    lake.append(FAILED_POLLS, frame(spark, FAILED_POLLS, [failed[2], failed[0]]))
    cover(lake, [])
    at_once = lake_of(spark, tmp_path / "at-once", polls=polls, configs=[gone], logs=logs, failed=failed)
    cover(at_once, DAYS)
    assert stored(lake).equals(stored(at_once))
    accounts = [r for r in stored(lake).to_pylist() if not r["function_name"]]
    assert [r["interface_polls_missed"] for r in accounts if r["account_id"] == ACCOUNT] == [2, 3, 0]
    denied_on = [r for r in accounts if r["account_id"] != ACCOUNT]
    never = {r["date"]: (r["metric_polls_failed"], r["last_poll_error"]) for r in denied_on}
    assert never == {DAYS[0]: (1, "AccessDenied"), DAYS[1]: (2, "AccessDenied")}

    # Nothing new: nothing is written. One late poll of Wednesday: only Wednesday is.
    kept = {day: files_of(lake, day) for day in DAYS}
    cover(lake, [])
    assert {day: files_of(lake, day) for day in DAYS} == kept
    lake.append(POLLS, frame(spark, POLLS, [poll(at("7T12:20"))]))
    cover(lake, [])
    changed = [day for day in DAYS if files_of(lake, day) != kept[day]]
    assert changed == DAYS[2:]
    kept = {day: files_of(lake, day) for day in DAYS}
    lake.append(FAILED_POLLS, frame(spark, FAILED_POLLS, [failed[2] | {"error_code": "SlowDown"}]))
    cover(lake, [])
    assert [day for day in DAYS if files_of(lake, day) != kept[day]] == DAYS[1:2]


@pytest.mark.sail_only
def test_one_account_s_denial_is_seen_however_late_its_file_comes(spark: SparkSession, tmp_path: Path) -> None:
    """Stored as the collectors store it, taken in like any other file; a changed file replaces what it said."""
    window = Window(at("10:00"), at("11:00"))

    def denied(raw: Path, minute: int, code: str = "AccessDenied") -> Path:
        said = {"error": {"code": code, "message": "no", "advice": "Allow it"}}
        moment = at(f"10:{minute}")
        return raw / store(str(raw), Poll("assume_role", "210987654321", REGION, moment, {}, [], said, FAILED))

    def ran(raw: Path, lake: Path) -> Lake:
        opened = Lake(spark, str(lake))
        for job in ("ingest", "attribute"):
            run_job(job, opened, Settings(raw=str(raw), lake=str(lake)), window)
        return opened

    raw = tmp_path / "raw"
    raw.mkdir()
    start = int(at("10:00").timestamp())
    (raw / "flow.log").write_bytes(lines(HEADER, GOOD.replace(b"1772445600 1772445660", b"%d %d" % (start, start))))
    lake = ran(raw, tmp_path / "lake")
    assert {r["account_id"] for r in stored(lake).to_pylist()} == {ACCOUNT}
    first = denied(raw, 15)
    denied(raw, 45, "Throttling")
    ran(raw, tmp_path / "lake")
    first.write_bytes(denied(tmp_path / "other", 50, "ExpiredToken").read_bytes())
    ran(raw, tmp_path / "lake")
    assert stored(lake).equals(stored(ran(raw, tmp_path / "at-once")))
    [row] = [r for r in stored(lake).to_pylist() if r["account_id"] != ACCOUNT]
    assert (row["interface_polls_failed"], row["interface_polls"], row["last_poll_error"]) == (2, 0, "ExpiredToken")
    said = str(answer(lake, None, {})["not_seen"])
    assert "1 poll failed at AssumeRole (ExpiredToken; 210987654321" in said
    assert "1 poll failed at AssumeRole (Throttling; 210987654321" in said and "AccessDenied" not in said
