"""Spark schemas as Arrow's."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql.types import StructType

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


def arrow_schema(schema: StructType) -> pa.Schema:
    """The Arrow schema of the same columns."""
    return pa.schema([pa.field(f.name, _TYPES[f.dataType.simpleString()]) for f in schema.fields])


def batch_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as one batch; a missing key is NULL."""
    return pa.RecordBatch.from_pylist(rows, schema=schema)
