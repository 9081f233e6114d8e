"""Typed flow-log fields as the contract's columns: times, what the file's name knows, where each record stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.arrow import arrow_schema
from jobs.sources.files import FileName, Receipt
from jobs.sources.times import LATEST
from transforms.conversations import REACH_SECONDS
from transforms.schemas.sources import FLOW_LOGS

SCHEMA = arrow_schema(FLOW_LOGS.schema)
KNOWN_FIELDS = set(SCHEMA.names) - {"flow_log_id", "delivered_at", "source_file", "source_line", "date"}
_NULLS: dict[pa.DataType, pa.Array] = {}
_TIMESTAMP = pa.timestamp("us", "UTC")
_HOUR = 3_600_000_000
_REACH = REACH_SECONDS * 1_000_000


@dataclass
class Run:
    """Consecutive records of one file, by their line numbers."""

    receipt: Receipt
    lines: npt.NDArray[np.int64]


def batch_of(table: pa.Table, runs: list[Run]) -> pa.RecordBatch:
    """The records as a batch of FLOW_LOGS's schema, NULL where the log has nothing; counts them in the receipts."""
    names = [FileName.parse(run.receipt.source_file) for run in runs]
    lengths = np.array([len(run.lines) for run in runs])
    arrays: dict[str, pa.Array] = {c: _one(table[c]) for c in table.column_names}
    start = arrays["start_time"] = _timestamps(arrays["start_time"])
    arrays["end_time"] = _timestamps(arrays["end_time"])
    for field in ("account_id", "region"):
        if field not in arrays or arrays[field].null_count:
            of_path = _spread([getattr(name, field) for name in names], lengths, pa.string())
            arrays[field] = pc.coalesce(arrays[field], of_path) if field in arrays else of_path
    if "log_status" not in arrays:
        # A format without log-status: rows with addresses are traffic.
        arrays["log_status"] = pc.if_else(pc.is_valid(arrays["src_addr"]), "OK", pa.scalar(None, pa.string()))
    if "flow_log_id" not in arrays:
        arrays["flow_log_id"] = _spread([name.flow_log_id for name in names], lengths, pa.string())
    arrays["delivered_at"] = _spread([name.time for name in names], lengths, _TIMESTAMP)
    arrays["source_file"] = _spread([run.receipt.source_file for run in runs], lengths, pa.string())
    arrays["source_line"] = pa.array(np.concatenate([run.lines for run in runs]))
    first, last = _count(start, runs, lengths)
    rows = table.num_rows
    one_day = first.date() == last.date()
    arrays["date"] = pa.repeat(pa.scalar(first.date()), rows) if one_day else start.cast(pa.date32())
    columns = [arrays[f.name] if f.name in arrays else _nulls(rows, f.type) for f in SCHEMA]
    return pa.record_batch(columns, schema=SCHEMA)


def _nulls(rows: int, kind: pa.DataType) -> pa.Array:
    """Most columns of most formats; slices of one array, because making them took a tenth of all time."""
    made = _NULLS.get(kind)
    if made is None or len(made) < rows:
        made = _NULLS[kind] = pa.nulls(max(rows, 1 << 17), kind)
    return made.slice(0, rows)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _count(start: pa.Array, runs: list[Run], lengths: npt.NDArray[np.int64]) -> tuple[datetime, datetime]:
    """Enter the records in the receipts; returns the first and the last of all times."""
    micros = start.cast(pa.int64()).to_numpy()
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    lows, highs = np.minimum.reduceat(micros, begins), np.maximum.reduceat(micros, begins)
    for run, begin, low, high in zip(runs, begins, lows, highs, strict=True):
        rows = len(run.lines)
        run.receipt.records += rows
        run.receipt.saw(_moment(int(low)), _moment(int(high)), _hours(micros[begin : begin + rows], low, high))
    return _moment(int(lows.min())), _moment(int(highs.max()))


def _hours(micros: npt.NDArray[np.int64], low: int, high: int) -> Iterable[int]:
    """The hours whose conversations the records can change: their own, and a neighbour that is near."""
    first, last = (low - _REACH) // _HOUR, (high + _REACH) // _HOUR
    if last - first <= 1:  # as of nearly every file
        return (int(first), int(last))
    return [int(hour) for hour in np.unique(np.concatenate([(micros - _REACH) // _HOUR, (micros + _REACH) // _HOUR]))]


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)


def _spread(values: list[Any], lengths: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """Each value as often as its run is long."""
    if all(value == values[0] for value in values):
        return pa.repeat(pa.scalar(values[0], kind), int(lengths.sum()))
    return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), lengths)))


def _timestamps(given: pa.Array) -> pa.Array:
    milliseconds = pc.greater_equal(given, LATEST)
    factor = pc.if_else(milliseconds, 1_000, 1_000_000) if pc.any(milliseconds).as_py() else 1_000_000
    return pc.multiply(given, factor).view(_TIMESTAMP)
