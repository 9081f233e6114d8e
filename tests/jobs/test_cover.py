"""`coverage` follows its evidence, however late that comes, and no day is computed without need."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.cover import cover
from jobs.storage import Lake
from tests.lakes import read
from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, config, frame, lease, record
from transforms.schemas import (
    COVERAGE,
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
    tables = {"polls": POLLS, "configs": FUNCTION_CONFIGS, "logs": FLOW_LOGS}
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
    gone = outside | {"valid_to": at("6T20:00"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    before = [p for p in polls if p["polled_at"] < at("6T00:00")]
    lake = lake_of(spark, tmp_path / "lake", polls=before, configs=[outside], logs=logs)
    cover(lake, DAYS)
    assert [r["interface_polls_missed"] for r in stored(lake).to_pylist() if not r["function_name"]] == [0, 0, 0]

    # What comes then: the polls after midnight, which show that some before it are missing, and w's deletion.
    lake.append(POLLS, frame(spark, POLLS, [p for p in polls if p not in before]))
    lake.replace(FUNCTION_CONFIGS, "TRUE", frame(spark, FUNCTION_CONFIGS, [gone]))
    cover(lake, [])
    at_once = lake_of(spark, tmp_path / "at-once", polls=polls, configs=[gone], logs=logs)
    cover(at_once, DAYS)
    assert stored(lake).equals(stored(at_once))
    missed = [r["interface_polls_missed"] for r in stored(lake).to_pylist() if not r["function_name"]]
    assert missed == [2, 3, 0]

    # Nothing new: nothing is written. One late poll of Wednesday: only Wednesday is.
    kept = {day: files_of(lake, day) for day in DAYS}
    cover(lake, [])
    assert {day: files_of(lake, day) for day in DAYS} == kept
    lake.append(POLLS, frame(spark, POLLS, [poll(at("7T12:20"))]))
    cover(lake, [])
    changed = [day for day in DAYS if files_of(lake, day) != kept[day]]
    assert changed == DAYS[2:]
