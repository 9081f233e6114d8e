"""What a table of the lake promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

_TYPES: dict[str, DataType] = {
    "string": StringType(),
    "int": IntegerType(),
    "bigint": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamp": TimestampType(),
    "array<string>": ArrayType(StringType()),
}


def columns(*fields: tuple[str, str, str]) -> StructType:
    """A schema from (name, SQL type, comment) triples; every field is nullable.

    A NOT NULL field would refuse any expression that the engine merely thinks nullable, so
    presence is checked by tests instead.
    """
    return StructType([StructField(name, _TYPES[kind], True, {"comment": text}) for name, kind, text in fields])


@dataclass(frozen=True)
class Table:
    """One table's contract: its rows, its key, its partition column, and the job that writes it."""

    name: str
    schema: StructType
    key: tuple[str, ...]
    job: str
    doc: str
    partition_by: str | None = None

    def conform(self, frame: DataFrame) -> DataFrame:
        """The frame with exactly this table's columns, in order and type.

        The `select` refuses a missing column, which `to` alone would fill with NULL.
        """
        return frame.select(*self.schema.names).to(self.plain_schema)

    def filled(self, frame: DataFrame) -> DataFrame:
        """Like `conform`, but columns that the frame lacks are NULL; for rows that need only some of them."""
        lacking = {f.name: F.lit(None).cast(f.dataType) for f in self.schema.fields if f.name not in frame.columns}
        return self.conform(frame.withColumns(lacking) if lacking else frame)

    @property
    def plain_schema(self) -> StructType:
        """The columns without their comments, which engines compare with those of files and batches."""
        fields: list[Any] = [StructField(f.name, f.dataType, True) for f in self.schema.fields]
        return StructType(fields)
