"""What does one more hour, or night, cost after a long time? The files that it writes, and the seconds it takes.

    python -m benchmarks.one_more_run [--days 365] [--against 36] [--hours 1 or 24] [--without-maintenance]

The simulated account runs for so many days, all of them but the last hours are worked through in one run, and the
tables cared for, as `leasehold maintain` does every week (`--without-maintenance`: they are not); then these hours
come, as an hourly or a nightly run meets them. Seconds are the clock's and, with Sail, which runs in this process, the
CPU's (measure on a quiet machine all the same). For every table: the rows it has, and of the files that the
run's commits added and took away how many there were, how large, and of which days. A second lake, of fewer days, shows
what depends on the length of the history.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.maintain import maintain
from jobs.pipeline import JOBS, run_job
from jobs.session import ENGINES, session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from transforms.schemas import ALL


@dataclass
class Touched:
    """What some commits of one table did."""

    added: int = 0
    added_bytes: int = 0
    removed: int = 0
    days: set[str] = field(default_factory=set)


def touched(table: Path, since: int) -> Touched:
    """What the commits after version `since` did to the table's files."""
    found = Touched()
    for action in _actions(table, since):
        for kind in ("add", "remove"):
            if kind in action:
                path = unquote(action[kind]["path"])
                found.days |= {path.split("/")[0].partition("=")[2] or "(not by day)"}
        if "add" in action:
            found.added += 1
            found.added_bytes += action["add"]["size"]
        found.removed += "remove" in action
    return found


def _actions(table: Path, since: int) -> Iterator[dict[str, Any]]:
    for log in sorted((table / "_delta_log").glob("*.json")):
        if int(log.stem) > since:
            yield from map(json.loads, log.read_text().splitlines())


def versions(lake: Path) -> dict[str, int]:
    """Every table's version now."""
    return {table.name: deltalake.DeltaTable(str(lake / table.name)).version() for table in ALL}


def work(spark: SparkSession, raw: Path, lake: Path, first: datetime, last: datetime, late: int) -> dict[str, float]:
    """All jobs over the window, with the files named up to `late` hours after it: seconds of each."""
    settings, seconds = Settings(raw=str(raw), lake=str(lake), lateness_hours=late), {}
    for job in JOBS:
        begun = time.perf_counter()
        run_job(job, Lake(spark, str(lake)), settings, Window(first, last))
        seconds[job] = time.perf_counter() - begun
    return seconds


def measure(spark: SparkSession, folder: Path, days: int, hours: int, care: bool) -> tuple[float, float]:
    """The seconds that the last hours took, and those of this process's CPU."""
    options = Options(days=days, rate=0.2, poll_minutes=60, scenarios=("third_resource",), data_events=True)
    made = simulate(folder, options)
    start = datetime.combine(options.start, datetime.min.time(), UTC)
    end, lake = start + timedelta(days=days), folder / "lake"
    before_last = end - timedelta(hours=hours)
    whole = work(spark, made.raw, lake, start, before_last, late=0)
    if care:
        maintain(Lake(spark, str(lake)), Settings(raw=str(made.raw), lake=str(lake)), datetime.now(UTC))
    since = versions(lake)
    cpu = time.process_time()
    seconds = work(spark, made.raw, lake, before_last, end, late=2)
    cpu = time.process_time() - cpu
    took = f"{sum(seconds.values()):.1f} s, {cpu:.1f} s of CPU"
    print(f"\n{days} days: {sum(whole.values()):,.0f} s; {hours} h more: {took}", end=" (")
    print(", ".join(f"{job} {took:.1f}" for job, took in seconds.items()), end=")\n")
    print(f"  {'table':26}{'rows':>11}{'bytes':>13}{'added':>7}{'bytes':>11}{'removed':>9}  days")
    for table in ALL:
        state, done = deltalake.DeltaTable(str(lake / table.name)), touched(lake / table.name, since[table.name])
        files = state.get_add_actions(flatten=True)
        total = sum(files["size_bytes"].to_pylist()) if files.num_rows else 0
        if done.added or done.removed:
            rows = state.to_pyarrow_dataset().count_rows()
            listed = ", ".join(sorted(done.days)[-3:]) + (", …" if len(done.days) > 3 else "")
            print(
                f"  {table.name:26}{rows:11,}{total:13,}{done.added:7}{done.added_bytes:11,}{done.removed:9}  {listed}"
            )
    return sum(seconds.values()), cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--against", type=int, default=36, help="days of the lake to compare with")
    parser.add_argument("--hours", type=int, default=1, help="1 for an hourly run, 24 for a nightly one")
    parser.add_argument("--without-maintenance", action="store_true")
    parser.add_argument("--engine", choices=ENGINES, default="sail")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, session(args.engine, "local[*]") as spark:
        register(spark)
        # Once before, so that the first one measured does not pay for what is only done once.
        care = not args.without_maintenance
        measure(spark, Path(temporary) / "before", 3, args.hours, care)
        short, long = (
            measure(spark, Path(temporary) / str(days), days, args.hours, care) for days in (args.against, args.days)
        )
    of_clock, of_cpu = (after / before for before, after in zip(short, long, strict=True))
    told = f"{of_clock:.2f} times as long" + (f" and {of_cpu:.2f} times the CPU" if args.engine == "sail" else "")
    print(f"\n{args.hours} h more took {told} after {args.days} days as after {args.against}")


if __name__ == "__main__":
    main()
