"""`leasehold status`, on lakes with rows written by hand."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs import status
from jobs.errors import LeaseholdError
from jobs.lock import writing
from jobs.storage import Lake
from tests.faulty_s3 import FaultyS3
from tests.lakes import leasehold
from transforms.schemas import (
    ALERTS,
    ALL,
    FAILED_POLLS,
    FLOW_LOGS,
    INGESTED_FILES,
    QUALITY_GATES,
    REOPENED_HOURS,
    RUNS,
)

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RED = "\x1b[31m"


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(spark, str(tmp_path / "lake"))
    made.create(ALL)
    return made


def ran(job: str, hours_ago: float, outcome: str = "done") -> dict[str, object]:
    start = NOW - hours_ago * HOUR
    return {
        "run_id": f"{job}-{hours_ago}", "job": job, "started_at": start, "seconds": 75.2, "outcome": outcome,
        "window_start": start - 2 * HOUR, "window_end": start - HOUR, "note": "1 file",
    }  # fmt: skip


@pytest.mark.sail_only
def test_an_empty_lake_and_none(lake: Lake, tmp_path: Path) -> None:
    found = status.look(lake.root, NOW)
    assert (found.judged_until, found.age, found.open_alerts, found.runs) == (None, None, {}, [])
    assert found.tables.keys() == {table.name for table in ALL}
    assert status.too_old(found, 1e6) == "nothing has been judged yet"
    said = shown(found)
    assert "Nothing has been judged yet" in said and "Nobody is writing" in said and "Empty: flow_logs," in said
    with pytest.raises(LeaseholdError, match="no tables"):
        status.look(str(tmp_path / "none"), NOW)
    (tmp_path / "lake" / "alerts" / "_delta_log" / "00000000000000000000.json").write_text("{")
    with pytest.raises(LeaseholdError, match="cannot be read"):
        status.look(lake.root, NOW)


@pytest.mark.sail_only
def test_what_a_lake_says_of_itself(lake: Lake) -> None:
    today, last = NOW.date(), NOW - 5 * HOUR
    flows = [
        {"source_file": "a", "source_line": 1, "date": today, "start_time": last},
        # A record may say anything of its time.
        {"source_file": "a", "source_line": 2, "date": date(2031, 1, 1), "start_time": NOW.replace(year=2031)},
    ]
    rows = {
        FLOW_LOGS: flows,
        RUNS: [ran("detect", 2), ran("ingest", 3), ran("ingest", 0.5, f"OSError: {RED}"), ran("detect", 0.4, "Error:")],
        REOPENED_HOURS: [
            {"job": "detect", "hour": NOW},
            {"job": "leases", "hour": NOW},
            {"job": "detect", "hour": last},
        ],
        INGESTED_FILES: [
            {"source_file": n, "state": s} for n, s in (("a", "done"), ("b", "started"), ("c", "skipped"))
        ],
        FAILED_POLLS: [
            {"source_file": "x", "source_line": n, "date": today - timedelta(days=n), "polled_at": NOW}
            for n in (1, 6, 30)
        ],
        QUALITY_GATES: [{"table_name": "alerts", "failure": "x"}, {"table_name": "polls"}],
        ALERTS: [
            {"alert_id": str(n), "status": "open" if n else "closed", "severity": "high" if n > 2 else "low"}
            for n in range(5)
        ],
    }
    for table, of in rows.items():
        lake.append(table, lake.frame(table, of))
    found = status.look(lake.root, NOW)
    # The last detect that went well had its window's end three hours ago, the last record was seen five hours ago.
    assert found.judged_until == last and found.age == 5 * HOUR
    assert not status.too_old(found, 5) and "5 h ago: more than 4.9 h" in status.too_old(found, 4.9)
    assert [(run["job"], run["outcome"][:5]) for run in found.runs] == [("ingest", "OSErr"), ("detect", "Error")]
    assert found.reopened == {"detect": 2, "leases": 1} and found.unfinished_files == 1
    assert (found.failed_checks, found.failed_polls, found.open_alerts) == (["alerts"], 2, {"high": 2, "low": 2})
    flow_logs = found.tables["flow_logs"]
    assert (flow_logs.rows, flow_logs.version, flow_logs.newest) == (2, 1, last) and flow_logs.bytes > 100
    said = shown(found)
    for part in ("Open alerts: 4 (2 high, 2 low)", "detect 2, leases 1", "not finished: 1", "of alerts failed"):
        assert part in said, part
    assert RED not in said and max(map(len, said.splitlines())) <= 80
    machine = json.loads(status.as_document(found))
    assert machine["age_seconds"] == 18_000 and machine["tables"]["flow_logs"]["newest"] == "2026-03-11T07:00:00Z"
    assert machine["holder"] is None and machine["runs"][0]["job"] == "ingest"


def shown(found: status.Status) -> str:
    out = io.StringIO()
    status.show(Console(file=out, width=80), found)
    return out.getvalue()


def test_a_probe_ends_with_1_and_needs_no_engine(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    Lake(None, str(lake)).create(ALL)  # type: ignore[arg-type]
    with writing(str(lake), "a test"):
        done = leasehold("status", "--lake", lake, "--json", "--max-age", "3", check=False)
    assert done.returncode == 1 and "nothing has been judged yet" in done.stderr
    assert json.loads(done.stdout)["holder"]["command"] == "a test"
    assert leasehold("status", "--lake", lake).returncode == 0


def test_a_lake_on_s3_while_calls_fail(s3: FaultyS3) -> None:
    Lake(None, "s3://here/lake").create([ALERTS, RUNS])  # type: ignore[arg-type]
    s3.fail(0.05, 3)
    found = status.look("s3://here/lake", NOW)
    assert found.tables.keys() == {"alerts", "runs"} and "Not there yet" in shown(found)
