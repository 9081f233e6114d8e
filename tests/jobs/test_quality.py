"""The gate between jobs: bad rows stop what would read them, and go on stopping it until they are mended."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import time
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from conf.settings import Settings
from jobs.entry import main
from jobs.errors import LeaseholdError
from jobs.pipeline import JOBS
from jobs.quality import Gate, accept
from jobs.quality_answer import quality
from jobs.runner import bars, run_all
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from tests.jobs.conftest import START, days
from tests.lakes import command, leasehold, read
from tests.rows import frame
from transforms.schemas import (
    ALL,
    FLOW_LOGS,
    FUNCTION_FLOWS,
    INGESTED_FILES,
    INTERFACE_SNAPSHOTS,
    IP_LEASES,
    LEASE_EVENTS,
    QUALITY_GATES,
    QUALITY_RESULTS,
)
from transforms.schemas.suites import CHECKS
from transforms.schemas.table import Table

WINDOW = Window(START, START + timedelta(days=1))
AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\x1b[31m.log.gz"


def test_every_table_that_a_job_computes_has_checks_and_each_says_what_it_is() -> None:
    about_the_work = {table.name for table in ALL if table.job in ("every job", "maintain", "(people)", "(send)")}
    assert {table.name for table in ALL} - about_the_work == set(CHECKS)
    for table in ALL:
        checks = CHECKS.get(table.name, ())
        assert len({check.says for check in checks}) == len(checks), table.name
        assert {column for check in checks for column in check.columns} <= set(table.schema.names), table.name
        assert all(check.remedy and check.says for check in checks)
        assert all(check.severity == "warning" or not check.share for check in checks), table.name


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw files of a day of little traffic."""
    folder = tmp_path_factory.mktemp("small")
    simulate(folder, Options(days=1, rate=0.05, poll_minutes=240, seed=3, scenarios=()))
    return folder / "raw"


@pytest.fixture(scope="module")
def checked(spark: SparkSession, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of that day, all of it checked. Do not write to it."""
    lake = tmp_path_factory.mktemp("checked") / "lake"
    run(spark, small, lake)
    return lake


@pytest.fixture
def lake(spark: SparkSession, checked: Path, tmp_path: Path) -> Lake:
    """A copy of it."""
    return Lake(spark, shutil.copytree(checked, tmp_path / "lake").as_posix())


def run(spark: SparkSession, raw: Path, lake: Path | str, quality: str = "enforce") -> None:
    """All jobs over the day, each behind its checks."""
    settings = Settings(raw=str(raw), lake=str(lake), quality=quality)
    run_all(Lake(spark, str(lake)), settings, WINDOW, bars(Console(quiet=True)))


def bad_record(spark: SparkSession) -> Any:
    """A flow-log record that ends before it starts, as no reader lets one through."""
    row = {"source_file": HOSTILE, "source_line": 1, "start_time": AT, "end_time": AT - timedelta(hours=1)}
    return frame(spark, FLOW_LOGS, [{**row, "log_status": "OK", "date": date(2026, 2, 1)}])


def results(lake: Path | str, table: Table) -> list[dict[str, Any]]:
    """What is kept of a table's checks, the latest validation last."""
    rows = [row for row in read(Path(lake), QUALITY_RESULTS).to_pylist() if row["table_name"] == table.name]
    return sorted(rows, key=lambda row: row["checked_at"])


def versions(lake: Path | str) -> dict[str, int]:
    """Every table's version, but for those that note runs."""
    return {
        table.name: deltalake.DeltaTable(str(Path(lake) / table.name)).version()
        for table in ALL
        if table.name in CHECKS
    }


@pytest.mark.sail_only
def test_all_that_the_pipeline_makes_is_good_and_the_results_are_kept(checked: Path) -> None:
    kept = read(checked, QUALITY_RESULTS).to_pylist()
    assert [row for row in kept if row["outcome"] != "passed"] == []
    for table in (FLOW_LOGS, INGESTED_FILES, IP_LEASES, FUNCTION_FLOWS):
        mine = [row for row in kept if row["table_name"] == table.name]
        assert {row["check_name"] for row in mine} == {check.says for check in CHECKS[table.name]}
        assert {row["checked_rows"] for row in mine} >= {read(checked, table).num_rows}
        assert all(row["from_version"] is None and row["message"] is None for row in mine if row["to_version"] == 1)
    gates = {row["table_name"]: row for row in read(checked, QUALITY_GATES).to_pylist()}
    assert {name: gates[name]["passed_version"] for name in versions(checked)} == versions(checked)


@pytest.mark.sail_only
def test_bad_rows_stop_later_jobs_until_they_are_mended(spark: SparkSession, small: Path, lake: Lake) -> None:
    before, good = versions(lake.root), read(Path(lake.root), FLOW_LOGS).num_rows
    lake.append(FLOW_LOGS, bad_record(spark))
    for _ in range(2):  # a run that is started again must not pass over it
        with pytest.raises(LeaseholdError) as stopped:
            run(spark, small, lake.root)
        said = str(stopped.value)
        assert '1 of 1 rows written break "start_time is not after end_time"' in said, said
        assert "source_file=<script>alert(1)</script>\\u001b[31m.log.gz, source_line=1" in said
        assert "leases, evidence, attribute, behave, baseline, detect did not run" in said
        assert f"flow_logs was good at version {before['flow_logs']}" in said
        after = versions(lake.root)
        assert {name for name, version in after.items() if version != before[name]} <= {"flow_logs"}
    assert lake.read(FUNCTION_FLOWS).count() == read(Path(lake.root), FUNCTION_FLOWS).num_rows > 0
    last = results(lake.root, FLOW_LOGS)[-len(CHECKS["flow_logs"]) :]
    assert {row["check_name"] for row in last if row["outcome"] == "failed"} >= {"start_time is not after end_time"}

    lake.delete_where(FLOW_LOGS, "source_line = 1 AND end_time < start_time")
    run(spark, small, lake.root)
    assert read(Path(lake.root), FLOW_LOGS).num_rows == good
    assert all(row["failure"] is None for row in read(Path(lake.root), QUALITY_GATES).to_pylist())


@pytest.mark.slow
def test_tables_of_every_kind_are_checked(spark: SparkSession, small: Path, tmp_path: Path) -> None:
    """Of a lake that Sail made, on either engine: tables of each kind of partition, and all kinds of checks."""
    made = tmp_path / "lake"
    leasehold("run", "nightly", *days(0, 1), "--raw", small, "--lake", made, "--quality", "off")
    lake = Lake(spark, str(made))
    with Gate(lake, "enforce") as gate:
        gate.check(["attribute"], waiting=[])
    assert gate.warnings == []
    with Gate(lake, "enforce") as gate:
        gate.check(["attribute"], waiting=[])
    assert gate.checks == 0
    flow = lake.read(FUNCTION_FLOWS).limit(1).withColumn("probability", F.lit(1.5))
    lake.append(FUNCTION_FLOWS, lake.staged(FUNCTION_FLOWS, flow.unionByName(flow)))
    with pytest.raises(LeaseholdError) as stopped, Gate(lake, "enforce") as gate:
        gate.check(["attribute"], waiting=["behave"])
    said = str(stopped.value)
    assert '2 of 2 rows written break "probability is in (0, 1]", as conversation_id=' in said
    assert '1 findings against "one row for each conversation_id, function_name", as conversation_id=' in said
    assert '1 findings against "the probabilities of a conversation add up to 1", as conversation_id=' in said
    assert results(lake.root, FUNCTION_FLOWS)[-1]["checked_rows"] == 2


@pytest.mark.sail_only
def test_what_has_been_looked_at_can_be_accepted_and_nothing_else(spark: SparkSession, lake: Lake) -> None:
    def check(mode: str) -> list[str]:
        with Gate(lake, mode) as gate:
            gate.check(["ingest"], waiting=["leases"])
        return gate.warnings

    with pytest.raises(LeaseholdError, match="with a failed critical check: none"):
        accept(lake, "flow_logs")
    lake.append(FLOW_LOGS, bad_record(spark))
    assert "start_time is not after end_time" in " ".join(check("warn"))  # said and noted, and the work goes on
    with pytest.raises(LeaseholdError, match="start_time is not after end_time"):
        check("enforce")
    assert "start_time is not after end_time" in accept(lake, "flow_logs")
    assert check("enforce") == [] and results(lake.root, FLOW_LOGS)[-1]["outcome"] == "accepted"
    lake.append(FLOW_LOGS, bad_record(spark))
    assert check("off") == []
    with pytest.raises(LeaseholdError, match="1 of 1 rows written break"):
        check("enforce")


@pytest.mark.sail_only
def test_a_warning_is_said_and_stops_nothing(spark: SparkSession, lake: Lake) -> None:
    row = {"source_file": "a", "start_time": AT, "end_time": AT, "log_status": "OK", "date": AT.date()}
    rows = [{**row, "source_line": n, "log_status": "SKIPDATA" if n < 2 else "OK"} for n in range(10)]
    lake.append(FLOW_LOGS, frame(spark, FLOW_LOGS, rows))
    with Gate(lake, "enforce") as gate:
        gate.check(["ingest"], waiting=["leases"])
    [said] = gate.warnings
    assert '2 of 10 rows written break "log_status is not SKIPDATA, but for 5% of the rows"' in said
    # One in twenty is let pass: of 40 rows these are two.
    lake.append(FLOW_LOGS, frame(spark, FLOW_LOGS, [{**row, "source_line": 99, "log_status": "SKIPDATA"}]))
    lake.append(FLOW_LOGS, frame(spark, FLOW_LOGS, [{**row, "source_line": n} for n in range(100, 139)]))
    with Gate(lake, "enforce") as gate:
        gate.check(["ingest"], waiting=["leases"])
    assert gate.warnings == [] and results(lake.root, FLOW_LOGS)[-1]["checked_rows"] == 40


@pytest.mark.sail_only
def test_only_what_was_written_is_checked_with_its_date(spark: SparkSession, lake: Lake) -> None:
    """A new file beside older ones of its day, and one of a day of its own."""
    row = {"interface_id": "eni-1", "account_id": "123456789012", "region": "eu-west-1", "complete": True}
    since = lake.written(INTERFACE_SNAPSHOTS, None).version
    polled = [AT + timedelta(hours=1), AT + timedelta(days=3)]
    for moment in polled:
        seen = {**row, "polled_at": moment, "date": moment.date()}
        lake.append(INTERFACE_SNAPSHOTS, frame(spark, INTERFACE_SNAPSHOTS, [seen]))
    written = lake.written(INTERFACE_SNAPSHOTS, since)
    assert (written.rows, set(written.whole)) == (2, {polled[1].date()})
    new = lake.read_written(INTERFACE_SNAPSHOTS, written)
    # As checks ask.
    assert new.agg(F.count("*"), F.count(F.when(F.col("region").isNull(), 1))).collect()[0][:] == (2, 0)
    found = new.toArrow().to_pylist()
    assert sorted((r["polled_at"].astimezone(UTC), r["date"]) for r in found) == [(m, m.date()) for m in polled]
    assert lake.written(INTERFACE_SNAPSHOTS, written.version).files == {}
    # A version that the log has forgotten says nothing of what was new since.
    assert lake.written(INTERFACE_SNAPSHOTS, 99).rows == lake.read(INTERFACE_SNAPSHOTS).count()


@pytest.mark.parametrize(
    ("table", "bad", "says"),
    [
        (LEASE_EVENTS, {"event_id": None}, "event_id is there"),
        (IP_LEASES, {"valid_to": AT - timedelta(days=1)}, "valid_from is before valid_to"),
        (IP_LEASES, {"basis": "a guess"}, "basis is one of configuration, creator, resource"),
        (FUNCTION_FLOWS, {"probability": 0.0}, "probability is in (0, 1]"),
        (FUNCTION_FLOWS, {"probability": 0.4}, "the probabilities of a conversation add up to 1"),
        (FUNCTION_FLOWS, {"peer_port": 70_000}, "peer_port is in [0, 65535]"),
    ],
)
@pytest.mark.sail_only
def test_each_kind_of_check_finds_what_it_is_for(
    spark: SparkSession, lake: Lake, table: Table, bad: dict[str, Any], says: str
) -> None:
    row = {
        "date": AT.date(), "event_id": "e", "event_time": AT, "event_name": "CreateFunction", "valid_from": AT,
        "from_evidence": "cloudtrail", "to_evidence": "cloudtrail", "basis": "resource", "probability": 1.0,
        "conversation_id": "c", "attribution": "unknown", "start_time": AT, "end_time": AT, "window_start": AT,
        "interface_id": "eni-1", "peer_addr": "192.0.2.1",
    }  # fmt: skip
    key = {name: "x" for name in table.key if name not in row and name != "function_name"}
    names = set(table.schema.names)
    lake.append(table, frame(spark, table, [{k: v for k, v in {**key, **row, **bad}.items() if k in names}]))
    with pytest.raises(LeaseholdError) as stopped, Gate(lake, "enforce") as gate:
        gate.check([table.job], waiting=[])
    failed = {row["check_name"] for row in results(lake.root, table) if row["outcome"] == "failed"}
    assert says in failed and says in str(stopped.value), failed


@pytest.mark.sail_only
def test_two_rows_of_one_key_are_found(lake: Lake) -> None:
    twice = lake.read(FUNCTION_FLOWS).limit(1)
    lake.append(FUNCTION_FLOWS, lake.staged(FUNCTION_FLOWS, twice.unionByName(twice)))
    with pytest.raises(LeaseholdError, match='1 findings against "one row for each conversation_id, function_name'):
        Gate(lake, "enforce").check(["attribute"], waiting=["behave"])


@pytest.mark.sail_only
def test_killed_between_a_commit_and_its_check_and_run_again(spark: SparkSession, small: Path, tmp_path: Path) -> None:
    """SIGKILL as soon as `ingest` is noted as done: the next run checks what the killed one wrote, before all else."""
    folder = tmp_path / "lake"
    process = subprocess.Popen(
        command("run", "nightly", "--raw", small, "--lake", folder, *days(0, 1)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not (folder / "runs/_delta_log/00000000000000000001.json").exists():
        time.sleep(0.005)
    assert process.poll() is None, "the run was done before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert versions(folder)["flow_logs"] == 1 and read(folder, QUALITY_GATES).num_rows == 0
    lake = Lake(spark, str(folder))
    lake.append(FLOW_LOGS, bad_record(spark))  # as if it had written that, too
    with pytest.raises(LeaseholdError, match=r"flow_logs: 1 of .* rows written break"):
        run(spark, small, folder)
    assert versions(folder)["ip_leases"] == 0


@pytest.mark.sail_only
def test_a_job_by_itself_does_not_run_on_what_failed(
    spark: SparkSession,
    small: Path,
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`spark-submit jobs/leases.py` after `jobs/ingest.py` failed, or was killed, and nobody looked."""
    lake.append(FLOW_LOGS, bad_record(spark))
    before = versions(lake.root)
    monkeypatch.setattr("jobs.entry.session", lambda *_: nullcontext(spark))
    monkeypatch.setattr("sys.argv", ["leases.py", "--raw", str(small), "--lake", lake.root, *days(0, 1)])
    with pytest.raises(SystemExit) as stopped:
        main("leases")
    said = " ".join(capsys.readouterr().err.split())
    assert stopped.value.code == 1 and "leases, evidence, " in said and " did not run" in said
    assert "start_time is not after end_time" in said
    assert versions(lake.root) == before


@pytest.mark.sail_only
def test_results_are_listed_and_rendered_and_hostile_text_is_neither_obeyed_nor_in_the_pages(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    lake.append(FLOW_LOGS, bad_record(spark))
    with Gate(lake, "warn") as gate:
        gate.check(JOBS, waiting=[])
    out = io.StringIO()
    console = Console(file=out, width=200)
    quality(lake, console, None, None, None, json=False)
    said = out.getvalue()
    assert "Later jobs wait until flow_logs is mended or accepted." in said
    assert "start_time is not after" in said and "\x1b" not in said and "conversation_id" not in said
    quality(lake, console, "function_flows", None, None, json=False)
    assert "one row for each conversation_id" in out.getvalue()
    with pytest.raises(LeaseholdError, match="there are no checks of 'runs'"):
        quality(lake, console, "runs", None, None, json=False)
    quality(lake, console, None, tmp_path / "docs", None, json=False)
    pages = {page: page.read_text() for page in (tmp_path / "docs" / "validations").rglob("*.html")}
    assert len(pages) == len({row["table_name"] for row in read(Path(lake.root), QUALITY_RESULTS).to_pylist()})
    page = next(text for path, text in pages.items() if path.stem == "flow_logs")
    assert "start_time is not after end_time" in page and "Failed" in page
    assert not any("alert(1)" in text for text in pages.values())
    assert "flow_logs" in (tmp_path / "docs" / "index.html").read_text()
