"""Parquet flow logs: the same records as in text, whatever types their writer chose.

AWS writes integers as INT_32 or INT_64 and texts as strings; others, who rewrite its files, write numbers as text,
texts as numbers, or times as timestamps; Security Lake makes OCSF of them. All of it becomes the columns that the
text reader makes, by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sources.files import Receipt
from jobs.sources.flow_log_columns import KNOWN_FIELDS, Run, batch_of
from jobs.sources.flow_log_fields import REQUIRED, TRANSIT_GATEWAY, fields_of
from jobs.sources.flow_log_lines import CONTROL, INT32, MAX_LINE_BYTES, NUMBERS, fault_of_values, plausible
from jobs.sources.parquet_columns import decoded, encoded, is_usable, longest, shown, typed
from jobs.sources.parquet_files import Plan, read_parts, refuse
from jobs.sources.security_lake import is_ocsf, kind_of
from jobs.sources.security_lake_flows import columns_of, leaves_of

_BATCH_ROWS = 16_384
_BATCH_BYTES = 32 << 20
_FEW_ROWS = 16
_PARTS = 8

_Columns = Mapping[str, pa.Array]
_Good = tuple[pa.Table, Run]


def read_parquet(files: Iterable[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
    """Parquet flow logs, (path to open, receipt) each, as batches of FLOW_LOGS's schema.

    What cannot be read goes to the receipts: a record by its row from 1, a file or a row group by the row at which
    it is damaged. Columns are known by name, with underscores or hyphens, in any order; `-` and NULL are nothing.
    Small files of one format share a batch.
    """
    waiting: list[_Good] = []
    rows = size = 0
    for path, receipt in files:
        for table, run in _records(path, receipt):
            other = waiting and table.schema != waiting[0][0].schema
            if other or rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
                yield _joined(waiting)
                waiting, rows, size = [], 0, 0
            waiting.append((table, run))
            rows, size = rows + table.num_rows, size + table.nbytes
    if waiting:
        yield _joined(waiting)


def _joined(goods: list[_Good]) -> pa.RecordBatch:
    return batch_of(pa.concat_tables([table for table, _ in goods]), [run for _, run in goods])


def _records(path: str, receipt: Receipt) -> Iterator[_Good]:
    """The good records of one file."""
    return read_parts(path, receipt, _plan, _BATCH_ROWS)


def _plan(file: pq.ParquetFile, receipt: Receipt) -> Plan[_Good] | None:
    """Which columns are read, as what; None, with the reason in the receipt: none is."""
    make: Callable[[pa.RecordBatch], _Columns]
    if is_ocsf(file.schema_arrow):
        kind, reason = kind_of(file)
        if kind != "vpc_flow_logs":
            receipt.skip(reason or "CloudTrail in OCSF, not flow logs")
            return None
        words, make = leaves_of(file.schema_arrow, receipt), columns_of
    else:
        chosen = _chosen(file.schema_arrow, receipt)
        words = list(chosen.values())
        make = lambda batch: {field: encoded(field, batch.column(word)) for field, word in chosen.items()}  # noqa: E731
    if not words:
        return None
    return words, lambda batch, first: _good(make(batch), batch.num_rows, first, receipt)


def _chosen(schema: pa.Schema, receipt: Receipt) -> dict[str, str]:
    """Our name of each column that is read → the file's; empty, with the reason in the receipt: none is."""
    fields, note = fields_of(schema.names)
    if not fields:
        if {"tgw_id", "tgw-id"} & set(schema.names):
            receipt.skip(TRANSIT_GATEWAY)
        else:
            refuse(receipt, note)
        return {}
    types = dict(zip(fields, schema.types, strict=True))
    unusable = {f: kind for f, kind in types.items() if f in KNOWN_FIELDS and not is_usable(f, kind)}
    for field, kind in unusable.items():
        if field in REQUIRED:
            refuse(receipt, f"{field} cannot be {kind}")
            return {}
    if note:
        receipt.note(note)
    if unusable:
        receipt.note("; ".join(f"{field} passed over: it is {kind}" for field, kind in unusable.items()))
    return {f: w for f, w in zip(fields, schema.names, strict=True) if f in KNOWN_FIELDS and f not in unusable}


def _good(columns: _Columns, rows: int, first: int, receipt: Receipt) -> Iterator[_Good]:
    """The good records of some rows: of all at once, else of ever smaller parts, in the end one by one."""
    table = _table(columns, rows)
    if table is not None:
        yield table, Run(receipt, np.arange(first, first + rows))
    elif rows > _FEW_ROWS:
        step = -(-rows // _PARTS)
        for start in range(0, rows, step):
            part = {field: column.slice(start, step) for field, column in columns.items()}
            yield from _good(part, min(step, rows - start), first + start, receipt)
    else:
        yield from _one_by_one(columns, first, receipt)


def _table(columns: _Columns, rows: int) -> pa.Table | None:
    """The rows as typed columns; None unless every one is a good record, and all together are not too large."""
    made: dict[str, pa.Array] = {}
    for field, column in columns.items():
        array = typed(field, column)
        if array is None:
            return None
        made[field] = array
    size = sum(map(longest, made.values()))
    # As with lines, half of what a record may be: the numbers and separators are not counted here.
    if size > MAX_LINE_BYTES // 2 or size * rows > _BATCH_BYTES:
        return None
    table = pa.table({field: decoded(array) for field, array in made.items()})
    return table if plausible(table) else None


def _one_by_one(columns: _Columns, first: int, receipt: Receipt) -> Iterator[_Good]:
    known = list(columns)
    numbers: list[int] = []
    good: list[dict[str, Any]] = []
    for number, values in enumerate(zip(*map(shown, columns.values()), strict=True), first):
        found = dict(zip(known, values, strict=True))
        line = b" ".join(values)
        fault: str | None
        if len(line) > MAX_LINE_BYTES:
            fault = f"a record of more than {MAX_LINE_BYTES >> 10} KiB"
        elif CONTROL.search(line):
            fault = "a control character"
        else:
            fault = fault_of_values(found, known)
        if fault:
            receipt.reject(number, line, fault)
        else:
            numbers.append(number)
            good.append({field: _value(field, value) for field, value in found.items()})
    if good:
        schema = pa.schema(
            [(f, pa.int32() if f in INT32 else pa.int64() if f in NUMBERS else pa.string()) for f in known]
        )
        yield pa.Table.from_pylist(good, schema=schema), Run(receipt, np.array(numbers))


def _value(field: str, text: bytes) -> int | str | None:
    if text == b"-":
        return None
    return int(text) if field in NUMBERS else text.decode()
