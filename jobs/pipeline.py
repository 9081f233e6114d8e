"""The five jobs in order, over one window, with a row in `runs` for each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from conf.settings import Settings
from jobs import attribute, baseline, detect, ingest, leases
from jobs.storage import Lake
from jobs.window import Window
from transforms.schemas import ALL, RUNS

Job = Callable[[Lake, Settings, Window], str]

JOBS: tuple[tuple[str, Job], ...] = (
    ("ingest", ingest.run),
    ("leases", leases.run),
    ("attribute", attribute.run),
    ("baseline", baseline.run),
    ("detect", detect.run),
)
"""Name and function, in the order in which data moves."""


def run_job(name: str, lake: Lake, settings: Settings, window: Window) -> str:
    """Run one job and note it; what it raises is noted and raised again. Returns what it did, in words."""
    job = dict(JOBS)[name]
    lake.create(ALL)
    started, clock = datetime.now(UTC), time.monotonic()
    outcome, note = "done", ""
    try:
        note = job(lake, settings, window)
    except Exception as error:
        outcome = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:500]
        raise
    finally:
        row = {
            "run_id": uuid.uuid4().hex,
            "job": name,
            "window_start": window.start,
            "window_end": window.end,
            "engine": settings.engine,
            "started_at": started,
            "seconds": round(time.monotonic() - clock, 3),
            "outcome": outcome,
            "note": note,
        }
        lake.append(RUNS, lake.spark.createDataFrame(pa.Table.from_pylist([row])))
    return note
