"""One Parquet column of a flow log: whatever its writer made of it, as the contract's type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from jobs.sources.flow_log_lines import INT32, MAX_LINE_BYTES, NUMBERS, TIMES

_TEXT = pa.dictionary(pa.int32(), pa.binary())
_SPACE = 32


def is_usable(field: str, kind: pa.DataType) -> bool:
    """Can a column of this type hold the field?"""
    if types.is_dictionary(kind):
        kind = kind.value_type
    if is_text(kind) or types.is_integer(kind) or types.is_null(kind):
        return True
    if field in NUMBERS:
        return types.is_floating(kind) or types.is_decimal(kind) or (field in TIMES and types.is_timestamp(kind))
    return False


def is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def encoded(field: str, column: pa.Array) -> pa.Array:
    """The column as numbers, or as texts in a dictionary; no text is longer than what makes its record too long.

    Raises ValueError if it cannot be: then the page it came from is damaged.
    """
    if types.is_dictionary(column.type):
        span = pc.min_max(column.indices)
        if span["min"].is_valid and not 0 <= span["min"].as_py() <= span["max"].as_py() < len(column.dictionary):
            raise ValueError("a value that is not in its dictionary")
        if not is_text(column.type.value_type):
            column = column.dictionary_decode()
    kind = column.type
    if types.is_null(kind):
        return pa.nulls(len(column), pa.int64() if field in NUMBERS else _TEXT)
    if types.is_timestamp(kind):
        return column.cast(pa.timestamp("ms", kind.tz), safe=False).cast(pa.int64())
    if types.is_floating(kind):
        # Pandas has no other NULL for its numbers.
        return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
    if field in NUMBERS and not types.is_dictionary(kind) and not is_text(kind):
        return column
    if types.is_integer(kind):
        column = column.cast(pa.string())
        if field == "account_id":
            column = pc.utf8_lpad(column, 12, "0")
    column = column if types.is_dictionary(column.type) else column.dictionary_encode()
    values = column.dictionary.cast(pa.binary())
    if (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_LINE_BYTES:
        values = pc.binary_slice(values, 0, MAX_LINE_BYTES + 1)
    return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), values)


def typed(field: str, column: pa.Array) -> pa.Array | None:
    """What `encoded` made, as the contract's type with NULL for `-`; texts still in a dictionary, of what is used.

    None: a value among them is not of the type, or no plain text.
    """
    kind = pa.int32() if field in INT32 else pa.int64() if field in NUMBERS else pa.string()
    try:
        if not types.is_dictionary(column.type):
            return column.cast(kind)
        used = pc.unique(column.indices).drop_null()
        values, indices = column.dictionary.take(used), pc.index_in(column.indices, value_set=used)
        if _has_control_characters(values):
            return None
        values = pc.if_else(pc.equal(values, b"-"), pa.scalar(None, pa.binary()), values).cast(pa.string())
        if field not in NUMBERS:
            return pa.DictionaryArray.from_arrays(indices, values)
        # Arrow itself would take hexadecimal numbers, too.
        if not pc.all(pc.match_substring_regex(values, r"^[0-9]+$")).as_py() and len(values) > values.null_count:
            return None
        return values.cast(kind).take(indices)
    except pa.ArrowInvalid:
        return None


def _has_control_characters(values: pa.Array) -> bool:
    data = values.buffers()[2]
    return data is not None and bool(
        np.any(np.frombuffer(data, np.uint8)[: pc.sum(pc.binary_length(values)).as_py() or 0] < _SPACE)
    )


def longest(column: pa.Array) -> int:
    """Bytes of the longest text of a column that `typed` made."""
    return (pc.max(pc.binary_length(column.dictionary)).as_py() or 0) if types.is_dictionary(column.type) else 0


def decoded(column: pa.Array) -> pa.Array:
    """The same column with each text as often as it occurs."""
    return column.dictionary.take(column.indices) if types.is_dictionary(column.type) else column


def shown(column: pa.Array) -> list[bytes]:
    """What `encoded` made, as a text flow log would have it."""
    return [_shown(value) for value in column.to_pylist()]


def _shown(value: Any) -> bytes:
    if value is None:
        return b"-"
    if isinstance(value, bytes):
        return value
    return str(int(value) if value == value // 1 else value).encode()
