"""What runs say: lines of JSON that nothing breaks out of, or words that no terminal obeys."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobs import logs
from jobs.errors import BusyError
from jobs.pipeline import JOBS
from jobs.runner import bars
from simulator.simulate import Options, simulate
from tests.jobs.conftest import days
from tests.lakes import leasehold, read
from transforms.schemas import RUNS

HOSTILE = 'x"}\n{"event": "run_done"}\x1b[2J\x7f\u202e\u2028\ud800 [red] AKIAIOSFODNN7EXAMPLE'


def lines(text: str) -> list[dict[str, Any]]:
    """Each line as JSON; there is nothing else."""
    return [json.loads(line) for line in text.split("\n") if line]


def test_nothing_breaks_out_of_a_line() -> None:
    record = logging.LogRecord("leasehold", logging.INFO, "", 0, "%s", (HOSTILE,), None)
    record.event, record.more = "job_done", {"note": HOSTILE, "seconds": 1.5, "at": datetime(2026, 1, 5, tzinfo=UTC)}
    record.created = 1_767_571_200.25
    with logs.everywhere(run_id="r", job=HOSTILE):
        line = logs.JsonLines().format(record)
    assert line.isascii() and line.isprintable()
    [row] = lines(line)
    assert (row["time"], row["level"], row["event"]) == ("2026-01-05T00:00:00.250Z", "info", "job_done")
    assert (row["run_id"], row["seconds"], row["at"]) == ("r", 1.5, "2026-01-05T00:00:00+00:00")
    assert row["message"] == row["note"] == row["job"] == HOSTILE.replace("AKIAIOSFODNN7EXAMPLE", "REDACTED")


def test_text_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    assert logs.end_with(BusyError(HOSTILE)) == 75
    said = capsys.readouterr().err
    assert said.startswith('leasehold: x"}\n') and "\x1b" not in said and "\u202e" not in said and "\\u001b" in said
    out = io.StringIO()
    with bars(Console(file=out, width=200, force_terminal=True, color_system=None)) as shown:
        shown.add_task("job", total=1, completed=1, note="[red]a[/] [link=x]b[/]")
    assert "[red]a[/] [link=x]b[/]" in out.getvalue()


def test_what_nobody_caught_is_a_line_too() -> None:
    program = (
        "import sys, threading, warnings; from jobs import logs; logs.configure('json'); logs.configure('json');"
        "logs.of_run('r'); warnings.warn('old');"
        "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join(); raise ValueError('a\\nb')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    warned, thread, crash = lines(done.stderr)
    assert done.returncode == 1 and (warned["level"], warned["logger"]) == ("warning", "py.warnings")
    assert "ZeroDivisionError" in thread["message"] and crash["message"] == "ValueError: a\nb"
    assert crash["event"] == "crashed" and crash["traceback"].startswith("Traceback") and crash["run_id"] == "r"


def test_a_job_says_how_far_it_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_PROGRESS_SECONDS", 0)
    said, seen = [], []
    monkeypatch.setattr(logs, "say", lambda *of, **more: said.append((of, more)))
    logs.telling(lambda *of: seen.append(of))(3, 4_000)
    assert seen == [(3, 4_000)] and said == [(("progress", "3 of 4,000"), {"done": 3, "total": 4_000})]


@pytest.mark.sail_only
def test_a_run_in_lines(engine: str, tmp_path: Path) -> None:
    """Every line of standard error is one, also where the run is refused; `runs` has the same run."""
    simulate(tmp_path / "account", Options(days=1, rate=0.02, poll_minutes=240, seed=5))
    settings = tmp_path / "settings.yaml"
    settings.write_text("log_format: json\nquality: warn\n")
    places = ("--raw", tmp_path / "account" / "raw", "--lake", tmp_path / "lake", "--engine", engine)
    done = leasehold("run", "hourly", *days(2 / 24, 3 / 24), *places, "--config", settings)
    rows = lines(done.stderr)
    events = [row["event"] for row in rows]
    assert events[:2] == ["engine_started", "run_started"] and events[-1] == "run_done"
    assert [row["job"] for row in rows if row["event"] == "job_done"] == list(JOBS)
    assert {row["run_id"] for row in rows} == {rows[0]["run_id"]} and {row["level"] for row in rows} <= {
        "info",
        "warning",
    }
    kept = read(tmp_path / "lake", RUNS)  # without run_id: it differs between lakes
    notes = {row["job"]: row["note"] for row in rows if row["event"] == "job_done"}
    assert notes == {row["job"]: row["note"] for row in kept.to_pylist()}
    checked = {row["table"]: row["rows"] for row in rows if row["event"] == "table_checked"}
    assert checked["flow_logs"] > 10 and all(row["seconds"] > 0 for row in rows if row["event"] == "job_done")
    wrong = ("run", "hourly", "--start", "noon", "--end", "noon", "--log-format", "json")
    failed = leasehold(*wrong, "--lake", tmp_path / "lake", check=False)
    [row] = lines(failed.stderr)
    assert failed.returncode == row["exit_code"] == 1 and row["event"] == "failed" and "not a time" in row["message"]
