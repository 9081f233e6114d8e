"""What does an hour of flow logs cost? Records and megabytes a CPU second, memory, and what of it each job takes.

    python -m benchmarks.sizing [--records 4000000] [--functions 60] [--rate 4] [--engine sail]

Two accounts in one raw folder: a simulated company, whose functions are attributed and judged, and beside it so many
records of interfaces that are no function's, as most of a VPC's are. One `leasehold run hourly` takes in the hour, in a
process of its own; a second one takes in the same hour without the other records. CPU seconds are those of the process
and its children, so that what else the machine does hardly matters; seconds do depend on it.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import pyarrow as pa

from benchmarks.generated import CUSTOM, generate
from jobs.session import ENGINES
from simulator.simulate import Options, simulate

DAY = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = 10
FILES_AN_HOUR = 12


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    seconds: float
    cpu: float
    memory_mb: float
    """the largest process's"""
    jobs: dict[str, float]
    """seconds of each"""
    records: int


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "account" / "raw"
        company = Options(
            account="company", functions=options.functions, days=HOUR / 24 + 0.1, start=DAY.date(), rate=options.rate,
            scenarios=(), period_seconds=60, seed=3,
        )  # fmt: skip
        simulate(Path(folder) / "account", company)
        alone = run(raw, Path(folder) / "alone", options.engine)
        others = beside(raw, options.records, options.files)
        whole = run(raw, Path(folder) / "whole", options.engine)
    print(f"{options.engine}, {os.cpu_count()} cores, one hour")
    show("functions only", alone)
    show("with the others", whole)
    cpu, records = whole.cpu - alone.cpu, whole.records - alone.records
    print(
        f"the others: {others[0] / 1e6:,.0f} MB of text, {others[1] / 1e6:,.0f} MB gz, {records:,} records: "
        f"{cpu:.1f} CPU s, {records / cpu:,.0f} records and {others[0] / 1e6 / cpu:.1f} MB of text a CPU second"
    )


def beside(raw: Path, records: int, files: int) -> tuple[int, int]:
    """Records of other interfaces in the hour; returns bytes of text and of gz."""
    folder = raw / "AWSLogs" / "123456789012" / "vpcflowlogs" / "eu-west-1" / f"{DAY:%Y/%m/%d}"
    scratch = raw.parent / "scratch"
    made = generate(scratch, CUSTOM, records, files)
    text = packed = 0
    for number, path in enumerate(made):
        content = gzip.decompress(path.read_bytes())
        # The generator begins at midnight, a file every five minutes: all of these are of our hour.
        moment = DAY + timedelta(hours=HOUR, minutes=5 * (number % FILES_AN_HOUR) + 5)
        name = path.name.replace(path.name.split("_")[4], f"{moment:%Y%m%dT%H%MZ}")
        (folder / name).write_bytes(_at(content, moment))
        text += len(content)
        packed += (folder / name).stat().st_size
    shutil.rmtree(scratch)
    return text, packed


def _at(content: bytes, moment: datetime) -> bytes:
    """The file with its records in the five minutes before the moment, gz."""
    header, _, lines = content.partition(b"\n")
    first, last = (header.split().index(name) for name in (b"start", b"end"))
    at = int(moment.timestamp())
    found = []
    for number, line in enumerate(lines.splitlines()):
        words = line.split(b" ")
        words[first], words[last] = str(at - 299 + number % 240).encode(), str(at - 240 + number % 240).encode()
        found.append(b" ".join(words))
    return gzip.compress(b"\n".join([header, *found, b""]), compresslevel=6, mtime=0)


def run(raw: Path, lake: Path, engine: str) -> Cost:
    """`leasehold run hourly` over the hour."""
    start, end = DAY + timedelta(hours=HOUR), DAY + timedelta(hours=HOUR + 1)
    window = ["--start", start.isoformat(), "--end", end.isoformat()]
    words = ["run", "hourly", *window, "--raw", str(raw), "--lake", str(lake), "--engine", engine]
    before = datetime.now(UTC)
    with subprocess.Popen([sys.executable, "-m", "jobs", *words], stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"leasehold {' '.join(words)} ended with {process.returncode}")
    table = pa.table(deltalake.DeltaTable(str(lake / "runs")).to_pyarrow_table())
    jobs = dict(zip(table["job"].to_pylist(), table["seconds"].to_pylist(), strict=True))
    logs = deltalake.DeltaTable(str(lake / "flow_logs")).to_pyarrow_dataset().count_rows()
    took = (datetime.now(UTC) - before).total_seconds()
    return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, jobs, logs)


def show(name: str, cost: Cost) -> None:
    jobs = ", ".join(f"{job} {seconds:.1f}" for job, seconds in cost.jobs.items())
    print(f"{name}: {cost.records:,} records, {cost.seconds:.1f} s, {cost.cpu:.1f} CPU s, {cost.memory_mb:,.0f} MB")
    print(f"  seconds: {jobs}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4_000_000, help="of other interfaces")
    parser.add_argument("--files", type=int, default=FILES_AN_HOUR, help="in which these come")
    parser.add_argument("--functions", type=int, default=60, help="of the company")
    parser.add_argument("--rate", type=float, default=4.0, help="multiplies how often functions run")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    return parser.parse_args()


if __name__ == "__main__":
    main()
