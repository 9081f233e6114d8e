"""What was seen and what was not: brings `coverage` up to date; part of the job `attribute`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame

from jobs.conditions import on_dates
from jobs.hours import closed_before
from jobs.storage import Lake
from transforms.coverage import coverage, stale_days
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


def cover(lake: Lake, days: Iterable[date]) -> None:
    """Compute these days anew, and those of which polls or configurations have come to say something else.

    Everything of a day counts that has been taken in, also what is later than the window of the run: else running
    an earlier hour of the day again would forget the later ones.
    """
    known = lake.days(COVERAGE)
    polls, failed, configs = (lake.read(table) for table in (POLLS, FAILED_POLLS, FUNCTION_CONFIGS))
    stale = []
    if known:
        # Staged: a file for each day is opened once.
        stored = lake.staged(COVERAGE, lake.read(COVERAGE))
        stale = stale_days(stored, polls, failed, configs, known).collect()
    closed = closed_before(lake)
    wanted = sorted(day for day in {*days, *(row["date"] for row in stale)} if not closed or day >= closed.date())
    if not wanted:
        return
    on_days = on_dates("date", wanted)
    flows, logs, evidence = (lake.read(t).where(on_days) for t in (FUNCTION_FLOWS, FLOW_LOGS, INVOCATION_EVIDENCE))
    rows: DataFrame = coverage(flows, logs, lake.read(IP_LEASES), configs, evidence, polls, failed, wanted)
    lake.replace(COVERAGE, on_days, rows)
