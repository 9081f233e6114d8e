"""Spark schemas as Arrow's, and rows as batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql.types import StructType

from jobs.sources.files import Receipt

Row = dict[str, Any]
SourceRow = tuple[Receipt, int, Row]
"""A row, the receipt of its file, and where it stood there."""

_BATCH_ROWS = 5_000
_BATCH_CHARACTERS = 32 << 20
_TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "array<string>": pa.list_(pa.field("element", pa.string())),
}
# What fits as it is, and is most of what there is: asking Arrow takes longer than reading the file.
_EXACT: dict[pa.DataType, tuple[type, int]] = {
    pa.int32(): (int, 31),
    pa.int64(): (int, 63),
    pa.float64(): (float, 0),
    pa.bool_(): (bool, 0),
    pa.date32(): (date, 0),
    pa.timestamp("us", "UTC"): (datetime, 0),
}
# A value of another type, out of range, or no Unicode.
_MISFITS = (TypeError, ValueError, OverflowError)


def arrow_schema(schema: StructType) -> pa.Schema:
    """The Arrow schema of the same columns."""
    return pa.schema([pa.field(f.name, _TYPES[f.dataType.simpleString()]) for f in schema.fields])


def batches(rows: Iterable[SourceRow], schema: pa.Schema, time: str) -> Iterator[pa.RecordBatch]:
    """Rows of many files in batches of bounded size; a missing key is NULL.

    Counts them in their receipts, with their times (the column `time`); rejects there what does not fit the schema.
    """
    waiting: list[SourceRow] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += len(row[2].get("raw", ""))  # the only column that can be long
        if len(waiting) >= _BATCH_ROWS or size >= _BATCH_CHARACTERS:
            yield from _batch(waiting, schema, time)
            waiting, size = [], 0
    yield from _batch(waiting, schema, time)


def _batch(rows: list[SourceRow], schema: pa.Schema, time: str) -> Iterator[pa.RecordBatch]:
    try:
        batch = pa.RecordBatch.from_pylist([row for _, _, row in rows], schema=schema)
    except _MISFITS:
        fault_of = misfits(schema)
        rows = [row for row in rows if _fits(row, fault_of)]
        batch = pa.RecordBatch.from_pylist([row for _, _, row in rows], schema=schema)
    for receipt, _, row in rows:
        receipt.records += 1
        if row.get(time):
            receipt.saw(row[time], row[time])
    if rows:
        yield batch


def _fits(source_row: SourceRow, fault_of: Callable[[Row], str | None]) -> bool:
    receipt, index, row = source_row
    fault = fault_of(row)
    if fault:
        receipt.reject(index, json.dumps(row, default=str), fault)
    return fault is None


def misfits(schema: pa.Schema) -> Callable[[Row], str | None]:
    """A function that says which column of a row holds a value of another type, or None."""
    columns: dict[str, tuple[pa.DataType, type | None, int]] = {
        field.name: (field.type, *_EXACT.get(field.type, (None, 0))) for field in schema
    }

    def misfit(row: Row) -> str | None:
        for name, value in row.items():
            if value is None or name not in columns:
                continue
            kind, exact, bits = columns[name]
            fits = type(value) is exact and (not bits or _has_room(bits, value))
            if not fits and not _is_of(value, kind):
                return f"{name} is no {kind}: {str(value)[:40]!r}"
        return None

    return misfit


def _has_room(bits: int, number: Any) -> bool:
    return bool(-1 << bits <= number < 1 << bits)


def _is_of(value: Any, kind: pa.DataType) -> bool:
    if kind == pa.string():
        return type(value) is str and (value.isascii() or _is_unicode(value))
    if pa.types.is_list(kind):
        return type(value) is list and all(_is_of(part, kind.value_type) for part in value)
    try:
        pa.scalar(value, kind)
    except _MISFITS:
        return False
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
