"""A lake of a few rows in which every chart of the dashboards has something to show, and its names are hostile.

    python -m tests.dashboards.lake FILE

writes it as the DuckDB file that dashboards read.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import deltalake
import pyarrow as pa

from jobs.export_tables import TABLES, duckdb
from jobs.session import session
from jobs.sources.arrow import arrow_schema
from jobs.storage import Lake
from tests.rows import ACCOUNT, MONDAY, REGION, Row
from transforms.schemas import (
    ALERTS,
    COVERAGE,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    FUNCTION_CHANGES,
    FUNCTION_METRICS_HOURLY,
    INGESTED_FILES,
    RUNS,
)

HOSTILE = """<img src=x onerror="document.title='owned'"><b id=owned>o'brien</b>{{ 7 * 7 }}"""
"""A name as a log may have it: a browser would run it, SQL would end at it, a template would compute it."""
NAMES = ("A" + HOSTILE, "RDSQueryLogger")
"""Functions; the first one is what the dashboard of a function shows at first."""
DAYS = [MONDAY + timedelta(days=n) for n in range(20)]
_OF = {"account_id": ACCOUNT, "region": REGION}
_PEER = {"behaviour": "peer", "peer_kind": "rds", "peer_internal": True, "peer_port": 5432, "protocol": 6}


def _peer(name: str) -> Row:
    return _PEER | {"thing": f"6|5432|rds|{name}", "peer_name": name}


_CALL = {"behaviour": "api call", "thing": "ssm:GetParameter"}
_LAST = DAYS[-1].date()


def _activity() -> list[Row]:
    done = [(day, what) for day in DAYS for what in (_peer("orders-db"), _CALL)]
    done += [(day, _peer("reports-db")) for day in DAYS[:-1]] + [(DAYS[-1], _peer(HOSTILE))]
    rows = []
    for function in NAMES:
        for number, (hour, what) in enumerate(done):
            sent = {} if what is _CALL else {"bytes_out": 500 + number, "bytes_in": 900}
            rows.append(
                _OF | what | sent
                | {"function_name": function, "candidates": function, "hour": hour, "events": 3, "date": hour.date()}
            )  # fmt: skip
    return rows


def _baselines() -> list[Row]:
    known = {"first_seen": date(2026, 1, 5), "last_seen": _LAST, "days_seen": 19, "learned_from": date(2026, 1, 5),
             "days_learned": 19, "thing_days": 38, "unseen_mass": 0.0, "strangers_per_day": 0.1}  # fmt: skip
    things = [(_peer("orders-db"), "normal"), (_peer("reports-db"), "flagged"), (_CALL, "normal")]
    return [
        _OF | known | what | {"function_name": function, "as_of_date": day, "status": status}
        for function in NAMES for day in (_LAST, _LAST + timedelta(days=1)) for what, status in things
    ]  # fmt: skip


def _alerts() -> list[Row]:
    judged = [
        ("open", None),
        ("open", "true"),
        ("closed", "attempt"),
        ("closed", "benign trigger"),
        ("closed", "false"),
    ]
    return [
        _OF | {"alert_id": f"a{number}{status}{severity}", "detection_id": f"detection_{number % 3}", "title": HOSTILE,
               "technique": "T1046", "status": status, "verdict": verdict, "functions": NAMES[number % 2],
               "severity": severity, "surprise": 2.0 + number, "summary": f"talked to {HOSTILE}",
               "opened_at": DAYS[number], "updated_at": DAYS[number + 2], "days": 2, "events": 4}
        for number, (status, verdict) in enumerate(judged) for severity in ("high", "medium", "low")
    ]  # fmt: skip


def _coverage() -> list[Row]:
    sums = {"unique_conversations": 70, "weighted_conversations": 20.5, "shared_conversations": 5.5,
            "presumed_conversations": 1.0, "unknown_conversations": 0, "unique_bytes": 7_000, "weighted_bytes": 2_000,
            "shared_bytes": 500, "presumed_bytes": 100, "unknown_bytes": 0}  # fmt: skip
    account = dict.fromkeys(sums, 0) | {"unknown_conversations": 3, "skipdata_records": 2, "nodata_records": 90}
    account |= {"gap_interfaces": 1, "gap_seconds": 5_400, "unleased_interfaces": 1, "last_poll_error": "Throttling"}
    for poll in ("interface_polls", "function_polls"):
        account |= {poll: 48, f"{poll}_missed": 1, f"{poll}_failed": 2}
    rows = []
    for day in (moment.date() for moment in DAYS):
        rows += [_OF | sums | {"date": day, "function_name": name, "in_vpc": True, "data_events": False,
                               "gain_conversations": 3.5} for name in NAMES]  # fmt: skip
        rows.append(_OF | dict.fromkeys(sums, 0) | {"date": day, "function_name": "Webhook", "in_vpc": False})
        rows.append(_OF | account | {"date": day, "metric_polls_failed": 0})
    return rows


def _rest() -> dict[str, list[Row]]:
    end = DAYS[-1] + timedelta(days=1)
    return {
        FUNCTION_CHANGES.name: [
            _OF | {"event_id": f"e{n}", "event_time": DAYS[3], "function_name": name, "change": "code",
                   "event_name": "UpdateFunctionCode20150331v2", "principal": HOSTILE, "detail": HOSTILE,
                   "date": DAYS[3].date()} for n, name in enumerate(NAMES)
        ],
        FUNCTION_METRICS_HOURLY.name: [
            _OF | {"function_name": name, "hour": day, "minutes": 20, "invocations": 90.0, "errors": 2.0,
                   "throttles": 0.0, "concurrent_executions": 3.0, "longest_seconds": 2.5, "date": day.date()}
            for name in NAMES for day in DAYS
        ],
        INGESTED_FILES.name: [
            {"source_file": f"AWSLogs/{kind}", "kind": kind, "state": "done" if kind else "skipped", "file_time": end,
             "records": 900, "rejected": 1, "max_time": DAYS[-1]} for kind in ("vpc_flow_logs", "cloudtrail", None)
        ],
        RUNS.name: [
            {"run_id": f"r-{job}", "job": job, "window_start": DAYS[0], "window_end": end, "engine": "sail",
             "started_at": end, "seconds": 3.5, "outcome": "done"} for job in ("ingest", "detect")
        ],
    }  # fmt: skip


def write(lake: Path) -> dict[str, list[Row]]:
    """Write the tables that dashboards read as Delta tables; returns their rows."""
    rows = _rest() | {
        ALERTS.name: _alerts(),
        COVERAGE.name: _coverage(),
        FUNCTION_ACTIVITY_HOURLY.name: _activity(),
        FUNCTION_BASELINES.name: _baselines(),
    }
    for table, _ in TABLES:
        made = pa.Table.from_pylist(rows[table.name], schema=arrow_schema(table.schema))
        by = [table.partition_by] if table.partition_by else None
        deltalake.write_deltalake(f"{lake}/{table.name}", made, partition_by=by)
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, session("sail", lake=folder) as spark:
        write(Path(folder))
        print(duckdb(Lake(spark, folder), sys.argv[1], None), "rows")
