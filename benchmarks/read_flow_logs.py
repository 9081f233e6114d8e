"""How fast are flow logs read? The `vpc_flow_logs` source against DuckDB's `read_csv` and flowlogs-reader.

    python benchmarks/read_flow_logs.py [--records 4000000] [--files 32] [--repeats 5] [--engine sail]

All contenders read the same gz text files, in one run, in turn; medians, with the lowest and highest rate. Two jobs:

- to Parquet (zstd): the format's fields, numbers typed, start and end as UTC timestamps, `-` as NULL, and beside each
  record its date and source file. (The source checks every value, too. Once more with all columns of `flow_logs`:
  line numbers, what the file's name says, NULL for what the format lacks.)
- read only: the engine counts the records and sums their bytes; flowlogs-reader makes its objects.

DuckDB and the engine use all cores; flowlogs-reader is one thread of Python, and reads only some of the files.
CPU seconds are those of this process, so they hold for `sail`, DuckDB and flowlogs-reader, but not for `spark`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from benchmarks.generated import CUSTOM, V2, generate
from benchmarks.local_s3 import LocalS3
from jobs.session import ENGINES, session
from jobs.sources import read_receipts, register
from jobs.sources.flow_log_text import header_fields
from transforms.schemas import FLOW_LOGS

FORMATS = {"default format (v2)": V2, "custom format (v5)": CUSTOM}
_INTEGERS = {"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path"}
_BIGINTS = {"packets", "bytes", "start", "end"}
_CHECK = (
    "count(*), sum(bytes), sum(packets), epoch(min(start_time)), epoch(max(end_time)), count(source_file), max(date)"
)


@dataclass
class Contender:
    """One way to do a job, and how it went."""

    name: str
    work: Callable[[], int]
    """returns the number of records"""
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """seconds per million records"""

    def run(self) -> int:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        records = self.work()
        self.rates.append(records / (time.perf_counter() - wall))
        self.cpu.append((_cpu_seconds() - cpu) / records * 1e6)
        return records

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def source(spark: SparkSession, paths: list[Path], receipts: Path) -> DataFrame:
    """The files through our data source."""
    reader = spark.read.format("vpc_flow_logs").option("receipts", str(receipts))
    return reader.option("files", json.dumps([[str(p), p.name, p.stat().st_size] for p in paths])).load()


def source_to_parquet(spark: SparkSession, paths: list[Path], columns: list[str], out: Path) -> int:
    with tempfile.TemporaryDirectory() as receipts:
        frame = source(spark, paths, Path(receipts)).select(*columns)
        frame.write.mode("overwrite").option("compression", "zstd").parquet(str(out))
        return sum(read_receipts(receipts)["records"].to_pylist())


def source_only(spark: SparkSession, paths: list[Path]) -> int:
    with tempfile.TemporaryDirectory() as receipts:
        row = source(spark, paths, Path(receipts)).selectExpr("count(*) AS records", "sum(bytes)").collect()[0]
        return int(row.records)


def _read_csv(paths: list[Path], fields: tuple[str, ...]) -> str:
    kinds = {f: "INTEGER" if f in _INTEGERS else "BIGINT" if f in _BIGINTS else "VARCHAR" for f in fields}
    columns = ", ".join(f"'{f}': '{kind}'" for f, kind in kinds.items())
    return (
        f"read_csv({[str(p) for p in paths]!r}, delim=' ', header=true, quote='', escape='', nullstr='-', "
        f"auto_detect=false, columns={{{columns}}}, filename=true)"
    )


def _duckdb(query: str) -> int:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads={len(os.sched_getaffinity(0))}; SET preserve_insertion_order=false")
        connection.execute("SET TimeZone='UTC'")
        return int(connection.execute(query).fetchall()[0][0])


def duckdb_to_parquet(paths: list[Path], fields: tuple[str, ...], out: Path) -> int:
    plain = ", ".join(f'"{f}"' for f in fields if f not in ("start", "end"))
    shutil.rmtree(out, ignore_errors=True)
    return _duckdb(
        f"""COPY (SELECT {plain}, make_timestamptz("start" * 1000000) AS start_time,
                         make_timestamptz("end" * 1000000) AS end_time,
                         make_timestamp("start" * 1000000)::DATE AS date, filename AS source_file
                  FROM {_read_csv(paths, fields)})
            TO '{out}' (FORMAT parquet, COMPRESSION zstd, PER_THREAD_OUTPUT)"""
    )


def duckdb_only(paths: list[Path], fields: tuple[str, ...]) -> int:
    # Every column is asked for, or DuckDB would not convert it.
    used = ", ".join(f'count("{f}")' for f in fields)
    return _duckdb(f"SELECT count(*), sum(bytes), {used} FROM {_read_csv(paths, fields)}")


def flowlogs_reader_only(paths: list[Path]) -> int:
    return sum(1 for _ in LocalS3(paths).records())


def flowlogs_reader_to_parquet(paths: list[Path], out: Path) -> int:
    table = pa.Table.from_pylist([record.to_dict() for record in LocalS3(paths).records()])
    pq.write_table(table, out, compression="zstd")
    return table.num_rows


def contest(contenders: list[Contender], repeats: int) -> None:
    """Every contender in turn, after one unmeasured round; each must find the same records."""
    expected = {contender.run() for contender in contenders}
    assert len(expected) == 1, expected
    for contender in contenders:
        contender.rates.clear()
        contender.cpu.clear()
    for turn in range(repeats):
        for contender in contenders[:: -1 if turn % 2 else 1]:
            assert contender.run() in expected


def same_content(one: Path, other: Path) -> None:
    """Both outputs hold the same records, as far as sums can tell."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        found = [connection.execute(f"SELECT {_CHECK} FROM '{f}/**/*.parquet'").fetchall() for f in (one, other)]
    assert found[0] == found[1], found


def show(title: str, contenders: list[Contender]) -> None:
    print(f"\n{title:44} {'records/s':>11} {'lowest':>11} {'highest':>11} {'CPU s/M':>8} {'ours is':>8}")
    for c in contenders:
        ratio = contenders[0].rate / c.rate
        cpu = statistics.median(c.cpu)
        print(f"  {c.name:42} {c.rate:11,.0f} {min(c.rates):11,.0f} {max(c.rates):11,.0f} {cpu:8.2f} {ratio:7.2f}x")


def compare(
    spark: SparkSession, engine: str, paths: list[Path], fields: tuple[str, ...], repeats: int, work: Path
) -> None:
    ours, theirs, few = work / "ours", work / "theirs", paths[: max(1, len(paths) // 32)]
    duck = f"DuckDB {duckdb.__version__} read_csv"
    same = [*header_fields(" ".join(fields).encode())[0], "date", "source_file"]
    to_parquet = [
        Contender(f"vpc_flow_logs on {engine}", lambda: source_to_parquet(spark, paths, same, ours)),
        Contender(
            f"  with all {len(FLOW_LOGS.schema)} columns", lambda: source_to_parquet(spark, paths, ["*"], work / "all")
        ),
        Contender(duck, lambda: duckdb_to_parquet(paths, fields, theirs)),
    ]
    contest(to_parquet, repeats)
    same_content(ours, theirs)
    read_only = [
        Contender(f"vpc_flow_logs on {engine}", lambda: source_only(spark, paths)),
        Contender(duck, lambda: duckdb_only(paths, fields)),
    ]
    contest(read_only, repeats)
    slow = f"flowlogs-reader ({len(few)} of {len(paths)} files)"
    to_parquet.append(Contender(slow, lambda: flowlogs_reader_to_parquet(few, work / "few.parquet")))
    read_only.append(Contender(slow, lambda: flowlogs_reader_only(few)))
    contest([to_parquet[-1], read_only[-1]], min(repeats, 3))
    show("  to Parquet", to_parquet)
    show("  read only", read_only)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4_000_000)
    parser.add_argument("--files", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=ENGINES, default="sail")
    args = parser.parse_args()
    # flowlogs-reader makes its times with a function that Python 3.12 deprecates.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, {datetime.now():%Y-%m-%d %H:%M}")
    with tempfile.TemporaryDirectory() as temporary, session(args.engine, "local[*]") as spark:
        register(spark)
        for label, fields in FORMATS.items():
            paths = generate(Path(temporary) / label, fields, args.records, args.files)
            size = sum(p.stat().st_size for p in paths) / 1e6
            print(f"\n{label}: {args.records:,} records in {args.files} gz files, {size:,.0f} MB")
            compare(spark, args.engine, paths, fields, args.repeats, Path(temporary))
        paths = generate(Path(temporary) / "small", CUSTOM, 288_000, 2_880)
        few = Contender(f"vpc_flow_logs on {args.engine}", lambda: source_only(spark, paths))
        contest([few], args.repeats)
        print(f"\n2,880 files of 100 records, as AWS writes them in ten days: {few.rate / 100:,.0f} files/s")


if __name__ == "__main__":
    main()
