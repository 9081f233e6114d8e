"""The Spark side of the readers: files go to partitions, batches to the engine, receipts to a folder.

Options of each format: `files` (JSON: [[path to open, path to record, bytes], …]), `receipts` (folder, or s3://…),
`partitions` (default: one for each core of the driver, and more where each would have much to do or to wait for: a
cluster has more cores than its driver); of `snapshots` also `operation`. The caller decides which files: a reader lists
nothing.

Every partition leaves one Parquet receipt that says what became of its files, so that nobody has to read
them again to learn what was bad. Its name depends on the partition alone: a retried task overwrites its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from jobs.object_store import CONNECTIONS, below, delete_below, get, is_remote, put
from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from jobs.sources.snapshot_json import TABLES, read_snapshots
from transforms.schemas.sources import CLOUDTRAIL_EVENTS, FLOW_LOGS

PARTITION_BYTES = 32 << 20
"""of files as they lie there: some seconds' work"""
PARTITION_FILES = 250
"""on S3: each waits for an answer, so that many take some seconds, however small"""

_RECEIPT = pa.schema(
    [
        ("source_file", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("records", pa.int64()),
        (
            "rejected",
            pa.list_(pa.struct([("line", pa.int64()), ("text", pa.string()), ("reason", pa.string())])),
        ),
        ("rejected_count", pa.int64()),
        ("min_time", pa.timestamp("us", "UTC")),
        ("max_time", pa.timestamp("us", "UTC")),
        ("hours", pa.list_(pa.int64())),
    ]
)


def register(spark: SparkSession) -> None:
    """Make the three formats known to the session."""
    for source in (VpcFlowLogs, CloudTrail, Snapshots):
        spark.dataSource.register(source)


def read_receipts(folder: str) -> pa.Table:
    """What the readers did: one row a file, sorted."""
    if is_remote(folder):
        names = [found.uri for found in below(f"{folder}/")]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            contents = [pa.BufferReader(content) for content in pool.map(get, names)]
    else:
        contents = sorted(Path(folder).glob("*.parquet"))
    parts = [pq.read_table(content, schema=_RECEIPT) for content in contents]
    return pa.concat_tables([_RECEIPT.empty_table(), *parts]).sort_by("source_file")


class _Files(InputPartition):
    def __init__(self, index: int, files: list[tuple[str, str]]) -> None:
        super().__init__(index)
        self.index = index
        self.files = files


class _Reader(DataSourceReader):
    def __init__(self, source: str, options: dict[str, str]) -> None:
        self.source = source
        self.operation = options.get("operation", "")
        self.receipts = options["receipts"]
        self.files: list[tuple[str, str, int]] = [tuple(f) for f in json.loads(options["files"])]
        size, remote = sum(size for *_, size in self.files), sum(is_remote(path) for path, *_ in self.files)
        # Files that lie here wait for nothing: more threads than cores would only contend for Python.
        enough = max(os.cpu_count() or 1, ceil(size / PARTITION_BYTES), ceil(remote / PARTITION_FILES))
        self.count = int(options.get("partitions", enough))

    def partitions(self) -> list[InputPartition]:
        """The files dealt out by size, so that no partition has all the large ones."""
        parts: list[list[tuple[str, str]]] = [[] for _ in range(max(1, min(self.count, len(self.files))))]
        weights = [0] * len(parts)
        for path, recorded, size in sorted(self.files, key=lambda f: (-f[2], f[1])):
            lightest = weights.index(min(weights))
            parts[lightest].append((path, recorded))
            weights[lightest] += size + 1
        return [_Files(i, sorted(part, key=lambda f: f[1])) for i, part in enumerate(parts)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        assert isinstance(partition, _Files)
        files = [(path, Receipt(recorded)) for path, recorded in partition.files]
        yield from self._batches(files)
        name = f"{self.source}{self.operation}-{partition.index}.parquet"
        _write([receipt for _, receipt in files], self.receipts, name)

    def _batches(self, files: list[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
        if self.source == "vpc_flow_logs":
            return read_flow_logs(files)
        if self.source == "cloudtrail":
            return read_cloudtrail(files)
        return read_snapshots(self.operation, files)


class VpcFlowLogs(DataSource):
    """VPC flow logs of any format, text and Parquet: `flow_logs`."""

    @classmethod
    def name(cls) -> str:
        return "vpc_flow_logs"

    def schema(self) -> StructType:
        return FLOW_LOGS.plain_schema

    def reader(self, schema: StructType) -> DataSourceReader:
        del schema
        return _Reader(self.name(), dict(self.options))


class CloudTrail(DataSource):
    """CloudTrail log files: `cloudtrail_events`, not yet de-duplicated."""

    @classmethod
    def name(cls) -> str:
        return "cloudtrail"

    def schema(self) -> StructType:
        return CLOUDTRAIL_EVENTS.plain_schema

    def reader(self, schema: StructType) -> DataSourceReader:
        del schema
        return _Reader(self.name(), dict(self.options))


class Snapshots(DataSource):
    """Stored answers of one AWS operation."""

    @classmethod
    def name(cls) -> str:
        return "snapshots"

    def schema(self) -> StructType:
        return TABLES[self.options["operation"]].plain_schema

    def reader(self, schema: StructType) -> DataSourceReader:
        del schema
        return _Reader(self.name(), dict(self.options))


def remove_receipts(folder: str) -> None:
    """Delete a folder of receipts, and all below it; what cannot be deleted stays, and harms nothing."""
    if is_remote(folder):
        with suppress(OSError):
            delete_below(f"{folder}/")
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _write(receipts: list[Receipt], folder: str, name: str) -> None:
    rows = [
        {
            **{name: getattr(r, name) for name in _RECEIPT.names if name not in ("rejected", "hours")},
            "hours": sorted(r.hours),
            "rejected": [{"line": b.line, "text": b.text, "reason": b.reason} for b in r.rejected],
        }
        for r in receipts
    ]
    content = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_RECEIPT), content)
    if is_remote(folder):
        put(f"{folder}/{name}", content.getvalue().to_pybytes())
        return
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_bytes(content.getvalue())
    half.replace(path)
