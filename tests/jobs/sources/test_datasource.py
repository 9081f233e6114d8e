"""The readers through an engine: the same rows, the receipts, and the files dealt out to partitions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.sources import read_receipts
from jobs.sources.datasource import PARTITION_BYTES, PARTITION_FILES, VpcFlowLogs
from jobs.sources.snapshot_json import TABLES
from tests.jobs.sources.reading import GOOD, HEADER, lines
from tests.jobs.sources.test_fixtures import RAW, READ, SKIPPED_BY_READER, read
from transforms.schemas.sources import CLOUDTRAIL_EVENTS, FLOW_LOGS

KINDS = {"vpc_flow_logs": FLOW_LOGS, "cloudtrail": CLOUDTRAIL_EVENTS, **TABLES}


def _frame(
    spark: SparkSession, kind: str, files: list[tuple[Path, str]], receipts: Path, partitions: int = 3
) -> DataFrame:
    listed = [(str(path), name, path.stat().st_size if path.exists() else 0) for path, name in files]
    return (
        spark.read.format(kind if kind in ("vpc_flow_logs", "cloudtrail") else "snapshots")
        .option("operation", kind)
        .option("files", json.dumps(listed))
        .option("receipts", str(receipts))
        .option("partitions", str(partitions))
        .load()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_as_without_an_engine(spark: SparkSession, kind: str, tmp_path: Path) -> None:
    names = [name for name in READ if READ[name][0] == kind]
    names = sorted([*names, *(SKIPPED_BY_READER if kind == "vpc_flow_logs" else [])])
    frame = _frame(spark, kind, [(RAW / name, name) for name in names], tmp_path)
    assert frame.schema.simpleString() == KINDS[kind].schema.simpleString()
    found = sorted(frame.toArrow().to_pylist(), key=lambda row: (row["source_file"], row["source_line"]))
    alone = {name: read(name) for name in names}
    assert found == [row for name in names for row in alone[name][0]]
    receipts = read_receipts(str(tmp_path)).to_pylist()
    assert [receipt["source_file"] for receipt in receipts] == names
    for receipt in receipts:
        expected = alone[receipt["source_file"]][1]
        for field in ("outcome", "reason", "records", "rejected_count", "min_time", "max_time"):
            assert receipt[field] == getattr(expected, field), (receipt["source_file"], field)
        assert receipt["rejected"] == [vars(bad) for bad in expected.rejected]


def test_a_file_that_vanished_leaves_a_receipt_and_costs_nothing_else(spark: SparkSession, tmp_path: Path) -> None:
    there = tmp_path / "there.log"
    there.write_bytes(lines(HEADER, GOOD))
    files = [(tmp_path / "gone.log", "gone.log"), (there, "there.log")]
    assert _frame(spark, "vpc_flow_logs", files, tmp_path / "receipts").count() == 1
    receipts = read_receipts(str(tmp_path / "receipts")).to_pylist()
    assert [(r["source_file"], r["outcome"], r["records"]) for r in receipts] == [
        ("gone.log", "unreadable", 0),
        ("there.log", "read", 1),
    ]


def test_reading_twice_leaves_the_same_receipts(spark: SparkSession, tmp_path: Path) -> None:
    names = [name for name in READ if READ[name][0] == "vpc_flow_logs"]
    frame = _frame(spark, "vpc_flow_logs", [(RAW / name, name) for name in names], tmp_path)
    frame.count()
    first = read_receipts(str(tmp_path))
    frame.count()
    assert read_receipts(str(tmp_path)).equals(first)


def test_no_files(spark: SparkSession, tmp_path: Path) -> None:
    assert _frame(spark, "vpc_flow_logs", [], tmp_path).count() == 0
    assert read_receipts(str(tmp_path)).num_rows == 0


def test_files_are_dealt_out_by_size() -> None:
    sizes = [100, 90, 30, 30, 30, 20, 0, 0]
    options = {
        "files": json.dumps([(f"/{n}", str(n), size) for n, size in enumerate(sizes)]),
        "receipts": "r",
        "partitions": "3",
    }
    source = VpcFlowLogs(options)
    partitions = source.reader(source.schema()).partitions()
    dealt = [[int(name) for _, name in partition.files] for partition in partitions]  # type: ignore[attr-defined]
    assert sorted(n for part in dealt for n in part) == list(range(8))
    assert sorted(sum(sizes[n] for n in part) for part in dealt) == [90, 100, 110]
    assert all(part == sorted(part) for part in dealt)


@pytest.mark.parametrize(
    ("folder", "count", "size", "partitions"),
    [
        ("/raw", 40, PARTITION_BYTES, 40),
        ("s3://raw", 10 * PARTITION_FILES, 10, 10),
        ("/raw", 10 * PARTITION_FILES, 10, 2),  # nothing to wait for
    ],
)
def test_a_cluster_finds_work_for_more_cores_than_its_driver_has(
    folder: str, count: int, size: int, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    files = json.dumps([(f"{folder}/{n}", str(n), size) for n in range(count)])
    source = VpcFlowLogs({"files": files, "receipts": "r"})
    assert len(source.reader(source.schema()).partitions()) == partitions
