"""Parquet flow logs: the same records as in text, whatever types their writer chose.

AWS writes integers as INT_32 or INT_64 and texts as strings; others, who rewrite its files, write numbers as text,
texts as numbers, or times as timestamps. All of it becomes the columns that the text reader makes, by the same rules.

A file may be hostile: a few bytes of Parquet can stand for billions of values. So rows are decoded a batch at a
time, texts stay in their dictionaries until their sizes are known, and a file that claims too much is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sources.files import Receipt
from jobs.sources.flow_log_columns import KNOWN_FIELDS, Run, batch_of
from jobs.sources.flow_log_fields import REQUIRED, TRANSIT_GATEWAY, fields_of
from jobs.sources.flow_log_lines import CONTROL, INT32, MAX_LINE_BYTES, NUMBERS, fault_of_values, plausible
from jobs.sources.parquet_columns import decoded, encoded, is_usable, longest, shown, typed
from jobs.sources.streams import UnreadableError, open_seekable

ROW_GROUP_BYTES = 1 << 30
"""A row group's size when decompressed; AWS's are below 128 MiB."""
ROWS_A_BYTE = 4
"""A record has two times, two ports and two addresses: no compressor puts more than this into a byte."""
_BATCH_ROWS = 16_384
_BATCH_BYTES = 32 << 20
_FEW_ROWS = 16
_PARTS = 8
# What Arrow raises over damaged data; of the network and the disk an OSError has a number.
_FAULTS = (pa.ArrowException, OSError, ValueError, MemoryError)

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


def column_names(path: str) -> list[str]:
    """The columns of a Parquet file; raises UnreadableError, also if it is no such file."""
    with open_seekable(path) as stream:
        try:
            return list(pq.ParquetFile(stream, pre_buffer=False).schema_arrow.names)
        except _FAULTS as fault:
            raise UnreadableError(_no_parquet(fault)) from None


def _records(path: str, receipt: Receipt) -> Iterator[_Good]:
    """The good records of one file."""
    try:
        with open_seekable(path) as stream:
            size = stream.seek(0, 2)
            if not size:
                receipt.skip("empty file")
                return
            try:
                file = _opened(stream)
                chosen = _chosen(file, size, receipt)
            except _FAULTS as fault:
                _refuse(receipt, _no_parquet(fault))
                return
            first = 1
            for group in range(file.num_row_groups if chosen else 0):
                yield from _of_group(file, group, first, chosen, receipt)
                first += file.metadata.row_group(group).num_rows
            if chosen and first == 1:
                receipt.note("no records in it")
    except UnreadableError as error:
        receipt.unreadable(str(error))


def _opened(stream: Any) -> pq.ParquetFile:
    """With texts as dictionaries: what a text says a million times is held once."""
    # Without `pre_buffer`, whose threads go on reading, and crash, when a damaged file has been closed.
    file = pq.ParquetFile(stream, pre_buffer=False)
    names = [f.name for f in file.schema_arrow if not pa.types.is_nested(f.type)]
    return pq.ParquetFile(
        stream, metadata=file.metadata, read_dictionary=names, pre_buffer=False, page_checksum_verification=True
    )


def _chosen(file: pq.ParquetFile, size: int, receipt: Receipt) -> dict[str, str]:
    """Our name of each column that is read → the file's; empty, with the reason in the receipt: none is."""
    words = file.schema_arrow.names
    fields, note = fields_of(words)
    if not fields:
        if {"tgw_id", "tgw-id"} & set(words):
            receipt.skip(TRANSIT_GATEWAY)
        else:
            _refuse(receipt, note)
        return {}
    unusable = {f: file.schema_arrow.field(w).type for f, w in zip(fields, words, strict=True)}
    unusable = {f: kind for f, kind in unusable.items() if f in KNOWN_FIELDS and not is_usable(f, kind)}
    for field, kind in unusable.items():
        if field in REQUIRED:
            _refuse(receipt, f"{field} cannot be {kind}")
            return {}
    sizes = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    rows = sum(group.num_rows for group in sizes)
    if any(group.num_rows < 0 for group in sizes) or rows > ROWS_A_BYTE * size:
        _refuse(receipt, f"it claims {rows:,} records in {size:,} bytes")
        return {}
    largest = max((group.total_byte_size for group in sizes), default=0)
    if largest > ROW_GROUP_BYTES:
        _refuse(receipt, f"a row group of {largest:,} bytes: at most {ROW_GROUP_BYTES >> 20} MiB are read at once")
        return {}
    if note:
        receipt.note(note)
    if unusable:
        receipt.note("; ".join(f"{field} passed over: it is {kind}" for field, kind in unusable.items()))
    return {f: w for f, w in zip(fields, words, strict=True) if f in KNOWN_FIELDS and f not in unusable}


def _no_parquet(fault: BaseException) -> str:
    return f"no Parquet file, or a damaged one: {_said(fault)}"


def _refuse(receipt: Receipt, reason: str) -> None:
    receipt.reject(0, b"", reason)
    receipt.note(f"no record was read: {reason}")


def _of_group(
    file: pq.ParquetFile, group: int, first: int, chosen: dict[str, str], receipt: Receipt
) -> Iterator[_Good]:
    """The records of a row group up to where it is damaged; the first of them is record `first` of the file."""
    number, last = first, first + file.metadata.row_group(group).num_rows - 1
    damage = ""
    try:
        batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(chosen.values()), use_threads=False)
        for batch in batches:
            columns = {field: encoded(field, batch.column(word)) for field, word in chosen.items()}
            yield from _good(columns, batch.num_rows, number, receipt)
            number += batch.num_rows
    except _FAULTS as fault:
        damage = f": {_said(fault)}"
    if damage or number <= last:
        receipt.reject(
            number, b"", f"row group {group + 1} is damaged{damage}; records {number:,} to {last:,} are lost"
        )
        receipt.note(f"row group {group + 1} is damaged")


def _said(fault: BaseException) -> str:
    """Arrow's words for a damaged file; raises what is no fault of the file."""
    if isinstance(fault, OSError) and fault.errno:
        raise fault
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]


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
