"""The lake: Delta tables under one root. The only module that knows Delta, with `delta_tables.py`.

Both engines write through plain DataFrame writes and SQL `MERGE`. Array columns are for tables that
are only appended to: Sail 0.7 cannot rewrite part of a table that has one (the element's field name
differs between its own plan and the file).
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.connect.session import SparkSession as ConnectSession
from pyspark.sql.types import ArrayType, StructType

from jobs import delta_tables
from jobs.conditions import on_dates
from jobs.delta_tables import PROMISES, copied_log
from jobs.lock import Lock
from jobs.object_store import ATTEMPTS, below, is_broken_listing, is_remote, patiently, wait
from jobs.sources.arrow import arrow_schema
from transforms.schemas.table import Table

# Athena reads Delta reader version 1; platforms override these defaults, so they are said.
_PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.checkpointPolicy": "classic",
    # So long what an alert was made of can be read again; `leasehold maintain` sets what the settings say.
    **dict.fromkeys(PROMISES, "interval 30 days"),
}
_COMMIT = re.compile(r"/(\d{20})\.json$")
_AT_ONCE = 8
_FRAMES_AT_ONCE = 2
"""one is planned while the other is computed"""


@dataclass(frozen=True)
class Written:
    """What a table has at `version` that it did not have at an earlier one."""

    version: int
    files: dict[str, date | None]
    """by path below the table, with their partition"""
    whole: frozenset[date]
    """the partitions all of whose files these are"""
    rows: int


@dataclass(frozen=True)
class Lake:
    """The tables below `root`, as one engine sees them."""

    spark: SparkSession
    root: str
    lock: Lock | None = None
    """what makes this process its only writer; None: it only reads, or nobody else can"""

    def check(self) -> None:
        """Raise BusyError if another process has taken over writing; every commit looks by itself."""
        if self.lock:
            self.lock.check()

    def path(self, table: Table) -> str:
        """Where the table is, as a URI or an absolute path."""
        return f"{self._base}/{table.name}"

    def beside(self, name: str) -> str:
        """A folder beside the tables, for what is none; not made."""
        return f"{self._base}/{name}"

    @property
    def _base(self) -> str:
        return self.root.rstrip("/") if is_remote(self.root) else str(Path(self.root).resolve())

    def create(self, tables: Iterable[Table]) -> None:
        """Make the tables that do not exist, empty, with their comments, at reader 1 / writer 2."""
        # By `deltalake` also where Spark writes: no writer knows a table before its first commit is there.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._create, tables))

    def _create(self, table: Table) -> None:
        if exists(self.root, table):  # at the cost of one call to S3 instead of ten
            return
        patiently(
            deltalake.DeltaTable.create,
            self.path(table),
            schema=deltalake.Schema.from_json(_schema_json(table.schema)),
            mode="ignore",
            partition_by=[table.partition_by] if table.partition_by else None,
            name=table.name,
            description=table.doc,
            configuration=dict(_PROPERTIES),
        )

    def read(self, table: Table) -> DataFrame:
        """The whole table; filter on its partition column to read less."""
        return self.spark.read.format("delta").load(self.path(table))

    def days(self, table: Table) -> list[date]:
        """The days of which a table that is partitioned by them has files, in order; only its log is looked at."""
        return delta_tables.days(self.path(table), str(table.partition_by))

    def read_day(self, table: Table, day: date) -> DataFrame:
        """The rows of one day, without array columns.

        The table's log is looked at here, once: an engine looks at it for every use of a frame that was read as Delta.
        """
        there = _files(patiently(deltalake.DeltaTable, self.path(table)), table.partition_by)
        files: dict[str, date | None] = {path: day for path, (of, _) in there.items() if of == day}
        return self._read_files(table, files) if files else self.read(table).limit(0).select(_plain_names(table))

    def read_days(self, table: Table, first: date, last: date) -> DataFrame:
        """The rows of these days; all of a table without days. Not for what goes straight into a table by days.

        Of a single day Sail 0.7 takes the rows for sorted by it while it plans such a write, and then refuses the plan
        because they are not.
        """
        day = table.partition_by
        if not day:
            return self.read(table)
        within = f"{day} >= DATE '{first}' AND {day} <= DATE '{last}'"
        if not isinstance(self.spark, ConnectSession) or is_remote(self.root):
            return self.read(table).where(within)
        # Sail reads a table's whole log for every use of a frame, and for every question after its columns.
        short = copied_log(patiently(deltalake.DeltaTable, self.path(table)), day, first, last)
        return self.spark.read.format("delta").load(short)

    def read_at(self, table: Table, version: int, first: date, last: date) -> DataFrame:
        """The rows of these days (all of a table without days) as they were at a version; without array columns."""
        names, day = _plain_names(table), table.partition_by
        if not isinstance(self.spark, ConnectSession):
            then = self.spark.read.format("delta").option("versionAsOf", version).load(self.path(table))
            return then.where(f"{day} >= DATE '{first}' AND {day} <= DATE '{last}'" if day else "TRUE").select(names)
        # Sail 0.7 looks for a version only among the commits since the last checkpoint, which is made every 10 commits.
        opened = patiently(deltalake.DeltaTable, self.path(table), version=version)
        if not is_remote(self.root):
            return self.spark.read.format("delta").load(copied_log(opened, day, first, last)).select(names)
        # A log elsewhere cannot name files on S3: they are read by themselves, which takes longer to plan.
        there = _files(opened, day)
        files = {path: of for path, (of, _) in there.items() if not day or (of is not None and first <= of <= last)}
        return self._read_files(table, files) if files else self.read(table).limit(0).select(names)

    def version(self, table: Table) -> int:
        """The table's version: the number of its last commit."""
        path = self.path(table)
        return _version(path) if is_remote(path) else int(deltalake.DeltaTable(path).version())

    def has_version(self, table: Table, version: int, first: date, last: date) -> bool:
        """Can the rows of these days (all of a table without days) still be read as they were at a version?

        After VACUUM files are gone, after the log's retention (30 days by default) the commits.
        """
        path = self.path(table)
        try:
            then = _files(patiently(deltalake.DeltaTable, path, version=version), table.partition_by)
        except deltalake.exceptions.DeltaError:
            return False
        needed = {f"{path}/{name}" for name, (day, _) in then.items() if day is None or first <= day <= last}
        if is_remote(path):
            return needed <= {found.uri for found in below(f"{path}/")}
        return all(Path(name).exists() for name in needed)

    def frame(self, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
        """Rows of Python as a frame of the table's columns; a missing key is NULL."""
        return self.spark.createDataFrame(pa.Table.from_pylist(rows, schema=arrow_schema(table.schema)))

    def written(self, table: Table, since: int | None) -> Written:
        """The files that the table has and did not have at version `since` (None, or forgotten by now: all)."""
        now = patiently(deltalake.DeltaTable, self.path(table))
        if now.version() == since:
            return Written(now.version(), {}, frozenset(), 0)
        there = _files(now, table.partition_by)
        before: Iterable[str] = ()
        if since is not None:
            try:
                before = _files(patiently(deltalake.DeltaTable, self.path(table), version=since), None)
            except deltalake.exceptions.DeltaError:
                before = ()
        added = {path: there[path] for path in there.keys() - set(before)}
        old = {day for path, (day, _) in there.items() if path not in added}
        whole = frozenset(day for day, _ in added.values() if day and day not in old)
        rows = sum(number for _, number in added.values())
        return Written(now.version(), {path: day for path, (day, _) in added.items()}, whole, rows)

    def read_written(self, table: Table, written: Written) -> DataFrame:
        """The rows of these files, and no others; without array columns."""
        # All by one reader: Sail 0.7 cannot aggregate a union of rows read as Delta and of rows read as Parquet, as
        # the columns' comments come with the former only.
        if set(written.files.values()) != written.whole:
            return self._read_files(table, written.files)
        whole = self.read(table).where(on_dates(str(table.partition_by), written.whole))
        return whole.select(_plain_names(table))

    def _read_files(self, table: Table, files: dict[str, date | None]) -> DataFrame:
        """The rows of some files, by path with their partition; without array columns.

        Sail cannot tell partitions from files' paths, so each partition is read by itself.
        """
        fields = [field for field in table.plain_schema.fields if not isinstance(field.dataType, ArrayType)]
        in_files = StructType([field for field in fields if field.name != table.partition_by])
        parts = []
        for day in sorted(set(files.values()), key=str):
            paths = [f"{self.path(table)}/{path}" for path, its in sorted(files.items()) if its == day]
            part = self.spark.read.schema(in_files).parquet(*paths)
            if table.partition_by:
                part = part.withColumn(table.partition_by, F.lit(day).cast("date"))
            parts.append(part.select(_plain_names(table)))
        return functools.reduce(DataFrame.unionByName, parts)

    def append(self, table: Table, frame: DataFrame) -> None:
        """Add rows in one commit."""
        rows = table.conform(frame).write.format("delta")
        self._commit(table, lambda: rows.mode("append").save(self.path(table)))

    def overwrite(self, table: Table, frame: DataFrame) -> None:
        """Replace the whole table in one commit."""
        rows = table.conform(frame).write.format("delta")
        self._commit(table, lambda: rows.mode("overwrite").save(self.path(table)))

    def replace(self, table: Table, condition: str, frame: DataFrame) -> None:
        """Replace the rows that meet `condition` (SQL) by those of `frame` that do, in one commit.

        The frame is filtered here because Sail, unlike Spark, would take rows outside the condition.
        """
        rows = table.conform(frame).where(condition).write.format("delta").option("replaceWhere", condition)
        self._commit(table, lambda: rows.mode("overwrite").save(self.path(table)))

    def staged(self, table: Table, *frames: DataFrame) -> DataFrame:
        """The rows of the frames with the table's columns, computed once and read back.

        Engines compute a frame for every use, and plan a union of many for longer than they compute each of them.
        """
        paths = [self.beside(f"_staged/{table.name}/{number}") for number in range(len(frames))]

        def write(path: str, frame: DataFrame) -> None:
            table.conform(frame).write.mode("overwrite").parquet(path)

        with ThreadPoolExecutor(_FRAMES_AT_ONCE) as pool:
            list(pool.map(write, paths, frames))
        return self.spark.read.schema(table.plain_schema).parquet(*paths)

    def replace_changed(self, table: Table, frame: DataFrame) -> None:
        """Make a table that is partitioned by date equal to the frame; only days that differ are written.

        Where none does there is no commit. `frame` is used twice: see `staged`.
        """
        day, columns = str(table.partition_by), table.schema.names
        before = self.read(table).select(*columns, F.lit(-1).alias("sign"))
        after = table.conform(frame).withColumn("sign", F.lit(1))
        differing = before.unionByName(after).groupBy(*columns).agg(F.sum("sign").alias("sign")).where("sign != 0")
        days = differing.select(day).distinct().toArrow().column(0).to_pylist()
        if days:
            self.replace(table, on_dates(day, days), frame)

    def upsert(self, table: Table, frame: DataFrame) -> None:
        """Insert the rows, or replace those with the same key, in one commit."""
        self._merge(table, frame, table.key, "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")

    def delete_matching(self, table: Table, keys: DataFrame, within: str = "TRUE") -> None:
        """Delete the rows whose values are in `keys`, by its columns, in one commit.

        They meet the SQL condition `within`, which saves looking elsewhere; its columns are the table's alone (`t.`).
        """
        self._merge(table, keys, keys.columns, "WHEN MATCHED THEN DELETE", within)

    def delete_where(self, table: Table, condition: str) -> None:
        """Delete the rows that meet the SQL condition, in one commit."""
        statement = f"DELETE FROM delta.`{self.path(table)}` WHERE {condition}"
        self._commit(table, lambda: self.spark.sql(statement).collect())

    def _merge(self, table: Table, frame: DataFrame, on: Iterable[str], clauses: str, within: str = "TRUE") -> None:
        view = f"merge_into_{table.name}"
        frame.createOrReplaceTempView(view)
        condition = " AND ".join([f"({within})", *(f"t.{column} = s.{column}" for column in on)])
        statement = f"MERGE INTO delta.`{self.path(table)}` t USING {view} s ON {condition} {clauses}"
        self._commit(table, lambda: self.spark.sql(statement).collect())
        self.spark.catalog.dropTempView(view)

    def _commit(self, table: Table, write: Callable[[], object]) -> None:
        """Write once, whatever S3 does.

        A commit whose answer was lost is there, but looks to the engine like another writer's; as one run at a time
        writes a lake, a new version is this one's. Sail gives up on a listing that breaks off: it is asked again.
        """
        self.check()
        if not is_remote(self.root):
            write()
            return
        from jobs.sail_on_s3 import asking_once

        before = _version(self.path(table))
        for attempt in range(ATTEMPTS):
            try:
                with asking_once(self.spark):
                    write()
                return
            except Exception as error:
                if _version(self.path(table)) > before:
                    return
                if not is_broken_listing(error) or attempt + 1 == ATTEMPTS:
                    raise
                time.sleep(wait(attempt))


def _files(table: deltalake.DeltaTable, partition_by: str | None) -> dict[str, tuple[date | None, int]]:
    """The table's files by path, with their partition and how many rows they have."""
    actions = pa.table(table.get_add_actions(flatten=True))
    days = actions[f"partition.{partition_by}"].to_pylist() if partition_by else [None] * actions.num_rows
    counts = (number or 0 for number in actions["num_records"].to_pylist())
    return dict(zip(actions["path"].to_pylist(), zip(days, counts, strict=True), strict=True))


def _plain_names(table: Table) -> list[str]:
    return [field.name for field in table.plain_schema.fields if not isinstance(field.dataType, ArrayType)]


def exists(root: str, table: Table) -> bool:
    """Is the table there?"""
    if is_remote(root):
        return _version(f"{root.rstrip('/')}/{table.name}") >= 0
    return deltalake.DeltaTable.is_deltatable(f"{Path(root).resolve()}/{table.name}")


def _version(path: str) -> int:
    """The latest version of a table on S3; -1 if there is none."""
    commits = (_COMMIT.search(found.uri) for found in below(f"{path}/_delta_log/0"))
    return max((int(commit[1]) for commit in commits if commit), default=-1)


def protocol(path: str) -> tuple[int, int]:
    """A table's (reader, writer) protocol versions."""
    versions = patiently(deltalake.DeltaTable, path).protocol()
    return versions.min_reader_version, versions.min_writer_version


def _schema_json(schema: StructType) -> str:
    # Spark's and Delta's JSON forms of a schema agree for the types used here.
    return json.dumps(json.loads(schema.json()))
