"""`leasehold export --format duckdb`: the tables that dashboards read, in one file, where there is no Trino or Athena.

DuckDB could read the lake itself, but only with an extension that it downloads when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import functions as F

from jobs.conditions import on_dates
from jobs.errors import LeaseholdError
from jobs.sources.arrow import arrow_schema
from jobs.storage import Lake
from jobs.whole_file import in_place_of
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
from transforms.schemas.table import Table

TABLES = (
    (ALERTS, "updated_at"),
    (COVERAGE, "date"),
    (FUNCTION_ACTIVITY_HOURLY, "date"),
    (FUNCTION_BASELINES, "as_of_date"),
    (FUNCTION_CHANGES, "date"),
    (FUNCTION_METRICS_HOURLY, "date"),
    (INGESTED_FILES, "max_time"),
    (RUNS, "window_end"),
)
"""What dashboards read, and the column that says whether a row is of the days asked for."""

_AT_ONCE = 7
"""Days of a table that are in memory together."""

_TYPES = {"string": "VARCHAR", "int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE"}
"""The rest are called alike. A timestamp is without a zone: it is UTC, and so says every column's comment."""


def duckdb(lake: Lake, output: str, since: datetime | None) -> int:
    """Write the tables of TABLES into a DuckDB file, whole or not at all; returns how many rows.

    `since`: only rows of that time or day and later. A file that is there is replaced; who reads it keeps what it had.
    Raises LeaseholdError if DuckDB is not installed, or the file cannot be written.
    """
    try:
        import duckdb as engine
    except ImportError as error:
        raise LeaseholdError("DuckDB is not installed: `make install`, or `pip install duckdb`, brings it") from error
    if output == "-":
        raise LeaseholdError("--format duckdb writes a file: name it with -o, as -o leasehold.duckdb")
    try:
        with in_place_of(Path(output)) as half:
            try:
                with engine.connect(str(half), config={"storage_compatibility_version": "v1.0.0"}) as file:
                    return sum(_fill(file, lake, table, column, since) for table, column in TABLES)
            finally:
                half.with_name(f"{half.name}.wal").unlink(missing_ok=True)
    except (OSError, engine.IOException) as error:
        raise LeaseholdError(f"cannot write {output!r}: {error}") from error


def _fill(file: Any, lake: Lake, table: Table, column: str, since: datetime | None) -> int:
    """Make one table, with its comments, and write its rows."""
    fields = [(f'"{f.name}"', f.dataType.simpleString(), f.metadata["comment"]) for f in table.schema.fields]
    columns = ", ".join(f"{name} {_TYPES.get(kind, kind)}" for name, kind, _ in fields)
    file.execute(f"CREATE TABLE {table.name} ({columns})")
    file.execute(f"COMMENT ON TABLE {table.name} IS {_quoted(table.doc)}")
    for name, _, comment in fields:
        file.execute(f"COMMENT ON COLUMN {table.name}.{name} IS {_quoted(comment)}")
    count = 0
    for rows in _parts(lake, table, column, since):
        file.register("rows_to_write", rows)
        file.execute(f"INSERT INTO {table.name} SELECT * FROM rows_to_write")
        file.unregister("rows_to_write")
        count += rows.num_rows
    return count


def _parts(lake: Lake, table: Table, column: str, since: datetime | None) -> Iterator[pa.Table]:
    """The rows in parts of some days each; a table without days at once."""
    rows = lake.read(table).select(*table.schema.names)
    if since is not None:
        rows = rows.where(F.col(column) >= F.lit(since.date() if table.partition_by else since))
    days = [day for day in lake.days(table) if not since or day >= since.date()] if table.partition_by else []
    conditions = [on_dates(column, days[n : n + _AT_ONCE]) for n in range(0, len(days), _AT_ONCE)]
    for condition in conditions if table.partition_by else ["TRUE"]:
        yield rows.where(condition).toArrow().cast(_without_zone(arrow_schema(table.schema)))


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _without_zone(schema: pa.Schema) -> pa.Schema:
    fields = [pa.field(f.name, pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in schema]
    return pa.schema(fields)
