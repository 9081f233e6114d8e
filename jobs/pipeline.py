"""The jobs in order, over one window, with a row in `runs` for each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from conf.settings import Settings
from jobs import attribute, baseline, behave, detect, evidence, hours, ingest, leases, logs
from jobs.errors import LeaseholdError
from jobs.progress import Progress, quiet
from jobs.storage import Lake
from jobs.window import Window
from transforms.schemas import ALL, RUNS


class Job(Protocol):
    """What a job module's `run` looks like; it returns what it did, in words."""

    def __call__(self, lake: Lake, settings: Settings, window: Window, progress: Progress = ...) -> str: ...


JOBS: dict[str, Job] = {
    "ingest": ingest.run,
    "leases": leases.run,
    "evidence": evidence.run,
    "attribute": attribute.run,
    "behave": behave.run,
    "baseline": baseline.run,
    "detect": detect.run,
}
"""By name, in the order in which data move."""


def check_schedule(schedule: str, window: Window) -> None:
    """A nightly run covers whole days, an hourly one any whole hours; raises LeaseholdError."""
    if schedule == "nightly" and (window.start.hour or window.end.hour):
        raise LeaseholdError("a nightly run covers whole days: give --start and --end as days, like 2026-01-05")


def run_job(name: str, lake: Lake, settings: Settings, window: Window, progress: Progress = quiet) -> str:
    """Run one job and note it; what it raises is noted and raised again. Returns what it did, in words."""
    lake.create(ALL)
    hours.refuse_closed(lake, window)
    return noted(lake, name, settings, window, lambda: JOBS[name](lake, settings, window, logs.telling(progress)))


def noted(lake: Lake, name: str, settings: Settings, window: Window | None, work: Callable[[], str]) -> str:
    """Do the work of a job, and note it in `runs` and in the log, however it ends."""
    started, clock = datetime.now(UTC), time.monotonic()
    outcome, note = "done", ""
    span = {"window_start": window.start, "window_end": window.end} if window else {}
    with logs.everywhere(job=name):
        logs.say("job_started", f"{name} begins", **span)
        try:
            note = work()
            logs.say("job_done", f"{name}: {note}", seconds=round(time.monotonic() - clock, 3), note=note)
        except BaseException as error:
            outcome = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:500]
            logs.warn("job_failed", f"{name}: {outcome}", seconds=round(time.monotonic() - clock, 3), outcome=outcome)
            raise
        finally:
            row = {
                "run_id": f"{lake.lock.run_id if lake.lock else uuid.uuid4().hex}-{name}",
                "job": name,
                **span,
                "engine": settings.engine,
                "started_at": started,
                "seconds": round(time.monotonic() - clock, 3),
                "outcome": outcome,
                "note": note,
            }
            lake.append(RUNS, lake.frame(RUNS, [row]))
    return note
