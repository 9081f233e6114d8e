"""How fast are conversations joined with leases? `transforms.candidates` against DuckDB and a plain Spark join.

    python -m benchmarks.join_leases [--flows 1000000] [--leases 10000] [--repeats 3] [--without-spark]

A year of leases: 400 addresses, handed from one network interface to the next (an interface's id never comes twice),
1 to 10 functions on each, joining and leaving while it lives; and flows in the order of time. Twice: `uniform`, and
`hot`, where one interface lives all year, carries half of all flows and has had 260 leases, ten at a time. All from
Parquet files; the same at every call. One flow gives one row for each function that may have held its address while
it lasted (± 60 s and the lease's own uncertainty). Every contender makes these rows and adds them up: count,
sum(flow_id), sum(length(function_name)); that all made the same rows is checked by counts and sums per function.

- scaling: 1, 4 and 16 times --flows with 1, 4 and 16 times --leases; linear is an exponent of 1.
- DuckDB: flows JOIN leases ON interface and address AND overlap in time, at 4 times, in two ways. As what `candidates`
  makes: each flow once, with the sorted names of its functions, each once, or none. And as pairs of flow and function,
  where SQL takes a DISTINCT to name a function once if two of its leases cover a flow, as happens around uncertain
  boundaries; these leases have no such case, so that the plain join gives the same rows, and both are shown; so is the
  plain join on Sail, for what is the engine's part.
- Spark: `candidates` against the plain range join as one would write it first, on vpc and address with overlap in time,
  at 4 times --flows and 16 times --leases. The interface's id is in both tables too, and whoever thinks of it
  has a far better join; that one is shown as well.

Contenders take turns, after one unmeasured round. CPU seconds are this process's, so not known for Spark.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.session import session
from transforms.candidates import LONGEST_SECONDS, candidates
from transforms.intervals import earliest, latest

ADDRESSES, FUNCTIONS, TOLERANCE = 400, 3_000, 60
FIRST, YEAR, DAY = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()), 365 * 86_400, 86_400
PAUSE = 1_800  # seconds until an address is used again
SEATS, TENURE = 10, 14 * DAY  # of the hot interface
BY_INTERFACE = "f.interface_id = l.interface_id"
Ints = np.ndarray[Any, np.dtype[np.int64]]


class Interfaces:
    """Who has which address when: life by life, address by address, in the order of time."""

    def __init__(self, rng: np.random.Generator, count: int, hot: bool) -> None:
        lives = max(1, round(count / ADDRESSES))
        steps = np.arange(1, lives) + rng.uniform(-0.3, 0.3, (ADDRESSES, lives - 1))
        edges = np.hstack([np.zeros((ADDRESSES, 1)), steps / lives * YEAR, np.full((ADDRESSES, 1), YEAR)]).astype(int)
        if hot:  # the first address is never handed on
            edges[0, 1:] = YEAR
        self.address = np.repeat(np.arange(ADDRESSES), lives)
        self.begin = edges[:, :-1].ravel()
        self.end = np.maximum(self.begin, edges[:, 1:].ravel() - PAUSE)
        self.ids = pa.array([f"eni-{n:017x}" for n in rng.integers(1 << 60, 1 << 62, lives * ADDRESSES)])
        self.addresses = pa.array([f"10.0.{a // 250}.{a % 250 + 1}" for a in self.address])

    def holding(self, address: Ints, moment: Ints) -> Ints:
        """Which interface has the address then, or had it last."""
        order = self.address * 2 * YEAR + self.begin
        order[np.flatnonzero(self.begin == YEAR)] += YEAR - 1  # never lived
        return np.searchsorted(order, address * 2 * YEAR + moment, side="right") - 1


def stamps(seconds: Ints) -> pa.Array:
    return pa.array((FIRST + seconds) * 1_000_000).cast(pa.timestamp("us", tz="UTC"))


def generate(folder: Path, flows: int, leases: int, hot: bool) -> Path:
    """leases.parquet, with the columns of `ip_leases` that matter, and flows.parquet."""
    rng = np.random.default_rng(7)
    interfaces = Interfaces(rng, round(leases / 5.5), hot)
    folder.mkdir(parents=True)
    pq.write_table(lease_table(rng, interfaces, hot), folder / "leases.parquet")
    kind = pa.timestamp("us", tz="UTC")
    types = {"flow_id": pa.int64(), "vpc_id": pa.string(), "interface_id": pa.string(), "local_addr": pa.string()}
    schema = pa.schema([*types.items(), ("start_time", kind), ("end_time", kind)])
    with pq.ParquetWriter(folder / "flows.parquet", schema) as writer:
        for first in range(0, flows, 1_000_000):
            rows = min(1_000_000, flows - first)
            start = np.sort(rng.uniform(first / flows, (first + rows) / flows, rows) * YEAR).astype(int)
            address = rng.integers(0, ADDRESSES, rows)
            if hot:
                address[rng.random(rows) < 0.5] = 0
            holder = interfaces.holding(address, start)
            start = np.minimum(start, interfaces.end[holder])  # nobody speaks in the pauses
            which = pa.array(holder)
            columns = {
                "flow_id": np.arange(first, first + rows),
                "vpc_id": pa.repeat("vpc-0123456789abcdef0", rows),
                "interface_id": interfaces.ids.take(which),
                "local_addr": interfaces.addresses.take(which),
                "start_time": stamps(start),
                "end_time": stamps(start + rng.integers(0, 600, rows)),
            }
            writer.write_table(pa.table(columns, schema), row_group_size=250_000)
    return folder


def lease_table(rng: np.random.Generator, interfaces: Interfaces, hot: bool) -> pa.Table:
    """1 to 10 functions an interface: half of them from its creation on, half of them until its end."""
    functions = np.where(interfaces.begin < interfaces.end, rng.integers(1, 11, len(interfaces.begin)), 0)
    if hot:
        functions[0] = 0
    owner = np.repeat(np.arange(len(functions)), functions)
    life = (interfaces.end - interfaces.begin)[owner]
    number = np.repeat(rng.integers(0, FUNCTIONS, len(functions)), functions) + np.arange(len(owner))
    late, early = (np.where(rng.random(len(owner)) < 0.5, 0, rng.random(len(owner)) * most) for most in (0.5, 0.4))
    begin = interfaces.begin[owner] + (late * life).astype(int)
    end = interfaces.end[owner] - (early * life).astype(int)
    if hot:
        seats = np.arange(SEATS * (YEAR // TENURE))
        owner, number = np.append(owner, np.zeros_like(seats)), np.append(number, seats)
        taken = (seats // SEATS) * TENURE + (seats % SEATS) * DAY
        begin, end = np.append(begin, taken), np.append(end, np.minimum(taken + TENURE - PAUSE, YEAR))
    rows, unsure = len(owner), np.array([0, 0, 150, 300])
    return pa.table(
        {
            "vpc_id": pa.repeat("vpc-0123456789abcdef0", rows),
            "interface_id": interfaces.ids.take(pa.array(owner)),
            "address": interfaces.addresses.take(pa.array(owner)),
            "owner_kind": pa.repeat("lambda", rows),
            "owner_name": pa.array([f"orders-worker-{n:04d}" for n in range(FUNCTIONS)]).take(number % FUNCTIONS),
            "basis": pa.repeat("configuration", rows),
            "valid_from": stamps(begin),
            "valid_to": stamps(end),
            "from_evidence": pa.repeat("snapshot", rows),
            "from_uncertainty_seconds": unsure[rng.integers(0, 4, rows)],
            "to_uncertainty_seconds": unsure[rng.integers(0, 4, rows)],
        }
    )


def told(folder: Path) -> str:
    flows, leases = (pq.read_metadata(folder / f"{name}.parquet").num_rows for name in ("flows", "leases"))
    return f"{flows:,} flows, {leases:,} leases"


def tables(spark: SparkSession, folder: Path) -> tuple[DataFrame, DataFrame]:
    return spark.read.parquet(str(folder / "flows.parquet")), spark.read.parquet(str(folder / "leases.parquet"))


def ours(spark: SparkSession, folder: Path) -> DataFrame:
    """flow_id, function_name by `candidates`."""
    found = candidates(*tables(spark, folder), TOLERANCE)
    # `explode` alone would have Spark work out the names once more, to see whether there are any.
    rows = found.select("flow_id", F.explode_outer("names").alias("function_name"))
    return rows.where(F.col("function_name").isNotNull())


def plain(spark: SparkSession, folder: Path, *more: str) -> DataFrame:
    """The same rows, as one would write it first."""
    flows, leases = tables(spark, folder)
    dated = leases.select("*", earliest().alias("earliest"), latest().alias("latest")).alias("l")
    overlap = (
        "f.vpc_id = l.vpc_id",
        "f.local_addr = l.address",
        f"f.start_time - INTERVAL {TOLERANCE} SECONDS < l.latest",
        f"least(f.end_time, f.start_time + INTERVAL {LONGEST_SECONDS} SECONDS) + INTERVAL {TOLERANCE} SECONDS"
        " >= l.earliest",
    )
    joined = flows.alias("f").join(dated, F.expr(" AND ".join([*overlap, *more])))
    return joined.select("flow_id", F.col("owner_name").alias("function_name"))


def named(spark: SparkSession, folder: Path) -> tuple[int, ...]:
    """By `candidates`: flows, those with a function, names, and flow_ids times names."""
    found = candidates(*tables(spark, folder), TOLERANCE).select("flow_id", F.size("names").alias("n"))
    sums = F.count("*"), F.count_if(F.col("n") > 0), F.sum("n"), F.sum(F.col("flow_id") * F.col("n"))
    return tuple(found.agg(*sums).collect()[0])


def added_up(rows: DataFrame) -> tuple[int, ...]:
    return tuple(rows.agg(F.count("*"), F.sum("flow_id"), F.sum(F.length("function_name"))).collect()[0])


def by_function(rows: DataFrame) -> list[tuple[Any, ...]]:
    found = rows.groupBy("function_name").agg(F.count("*"), F.sum("flow_id")).collect()
    return sorted(tuple(row) for row in found)


PAIRS = "SELECT flow_id, owner_name AS function_name FROM {f} JOIN {l} ON {overlap}"
EACH_ONCE = PAIRS.replace("SELECT", "SELECT DISTINCT")
NAMED = """SELECT flow_id, coalesce(list_sort(list(DISTINCT owner_name) FILTER (owner_name IS NOT NULL)), []) AS names
  FROM {f} LEFT JOIN {l} ON {overlap} GROUP BY flow_id"""


def in_duckdb(folder: Path, query: str, rows: str = PAIRS) -> list[tuple[Any, ...]]:
    overlap = f"""f.interface_id = l.interface_id AND f.local_addr = l.address
       AND f.start_time - INTERVAL {TOLERANCE} SECONDS < l.valid_to + to_seconds(l.to_uncertainty_seconds)
       AND least(f.end_time, f.start_time + INTERVAL {LONGEST_SECONDS} SECONDS) + INTERVAL {TOLERANCE} SECONDS
           >= l.valid_from - to_seconds(l.from_uncertainty_seconds)"""
    made = rows.format(f=f"'{folder / 'flows.parquet'}' f", l=f"'{folder / 'leases.parquet'}' l", overlap=overlap)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads={len(os.sched_getaffinity(0))}; SET TimeZone='UTC'")
        return connection.execute(query.format(rows=f"({made})")).fetchall()


SUMS = "SELECT count(*), sum(flow_id), sum(length(function_name)) FROM {rows}"
NAMES = "SELECT count(*), count_if(len(names) > 0), sum(len(names)), sum(flow_id * len(names)) FROM {rows}"
GROUPS = "SELECT function_name, count(*), sum(flow_id) FROM {rows} GROUP BY ALL ORDER BY 1"


def in_turns(contenders: dict[str, Callable[[], Any]], repeats: int) -> Iterator[tuple[float, str]]:
    """Each contender's median of wall seconds, and its line of the table."""
    assert len({contender() for contender in contenders.values()}) == 1, "the contenders made different rows"
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            wall, cpu = time.perf_counter(), time.process_time()
            contender()
            took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    for name, times in took.items():
        walls, cpus = zip(*times, strict=True)
        median = statistics.median(walls)
        numbers = f"{median:9.2f} {min(walls):8.2f} {max(walls):8.2f} {statistics.median(cpus):8.2f}"
        yield median, f"{name:58} {numbers}"


HEAD = f"{'':58} {'seconds':>9} {'lowest':>8} {'highest':>8} {'CPU s':>8}"


def versus(title: str, contenders: dict[str, Callable[[], Any]], repeats: int) -> None:
    print(f"\n{title}\n{HEAD} {'ours is':>9}")
    results = list(in_turns(contenders, repeats))
    for median, line in results:
        print(f"{line} {median / results[0][0]:8.2f}x", flush=True)


def on_sail(folder: Path, args: argparse.Namespace) -> None:
    with session("sail") as spark:
        for kind in ("uniform", "hot"):
            print(f"\nscaling, {kind}\n{HEAD}")
            sizes, seconds = [], []
            for times in (1, 4, 16):
                place = generate(folder / f"{kind}-{times}", args.flows * times, args.leases * times, kind == "hot")
                contender = {told(place): lambda place=place: added_up(ours(spark, place))}
                [(median, line)] = in_turns(contender, args.repeats)
                print(line, flush=True)
                sizes.append(args.flows * times)
                seconds.append(median)
            print(f"{'exponent':58} {np.polyfit(np.log(sizes), np.log(seconds), 1)[0]:9.2f}")
        for kind in ("uniform", "hot"):
            place = folder / f"{kind}-4"
            assert by_function(ours(spark, place)) == in_duckdb(place, GROUPS), "not the same rows"
            contenders = {
                "candidates on sail": lambda place=place: added_up(ours(spark, place)),
                "the plain join on sail": lambda place=place: added_up(plain(spark, place, BY_INTERFACE)),
                f"DuckDB {duckdb.__version__}": lambda place=place: in_duckdb(place, SUMS)[0],
                f"DuckDB {duckdb.__version__}, DISTINCT": lambda place=place: in_duckdb(place, SUMS, EACH_ONCE)[0],
            }
            versus(f"pairs, against DuckDB, {kind}, {told(place)}", contenders, args.repeats)
            contenders = {
                "candidates on sail": lambda place=place: named(spark, place),
                f"DuckDB {duckdb.__version__}": lambda place=place: in_duckdb(place, NAMES, NAMED)[0],
            }
            versus(f"each flow with its functions, against DuckDB, {kind}, {told(place)}", contenders, args.repeats)


def on_spark(folder: Path, args: argparse.Namespace) -> None:
    with session("spark") as spark:
        contenders = {
            "candidates on spark": lambda: added_up(ours(spark, folder)),
            "plain: vpc and address equal, time overlaps": lambda: added_up(plain(spark, folder)),
            "  and the interface's id, too": lambda: added_up(plain(spark, folder, BY_INTERFACE)),
        }
        versus(f"against a plain range join on Spark, {told(folder)}", contenders, args.repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--leases", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without-spark", action="store_true")
    parser.add_argument("--on-spark", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.on_spark:
        on_spark(args.on_spark, args)
        return
    # Spark gets a process of its own, with nothing in its environment that tells it to speak to Sail.
    untouched = dict(os.environ)
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, {datetime.now():%Y-%m-%d %H:%M}")
    with tempfile.TemporaryDirectory() as temporary:
        on_sail(Path(temporary), args)
        if not args.without_spark:
            place = generate(Path(temporary) / "spark", args.flows * 4, args.leases * 16, hot=False)
            again = [sys.executable, "-m", "benchmarks.join_leases", *sys.argv[1:], "--on-spark", str(place)]
            subprocess.run(again, check=True, env=untouched)


if __name__ == "__main__":
    main()
