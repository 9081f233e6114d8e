"""What share of a run do its checks take? A nightly run over all days, then one hour more, each with its checks.

    python -m benchmarks.quality_cost [--days 40] [--engine sail]

The simulated account of the demo runs for so many days. For either run: the seconds of the jobs and of the checks
behind them, measured in the same run, so that what else the machine does weighs on both. The first check of a process
imports Great Expectations, which is counted, and said, as `import`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.pipeline import JOBS, run_job
from jobs.quality import Gate
from jobs.session import ENGINES, session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate


def work(spark: SparkSession, settings: Settings, window: Window, what: str, imported: float = 0) -> None:
    """All jobs over the window, each behind its checks; prints what either took."""
    lake = Lake(spark, settings.lake)
    jobs, checks = 0.0, imported
    with Gate(lake, "warn") as gate:
        for name in JOBS:
            begun = time.perf_counter()
            run_job(name, lake, settings, window)
            done = time.perf_counter()
            gate.check([name], waiting=[])
            jobs, checks = jobs + done - begun, checks + time.perf_counter() - done
        begun = time.perf_counter()
    checks += time.perf_counter() - begun  # what leaving the gate writes
    of_it = f", {imported:.1f} s of it import" if imported else ""
    print(
        f"{what}: jobs {jobs:.1f} s, {gate.note[:40]}… {checks:.1f} s{of_it}: {checks / (jobs + checks):.1%} of the run"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--engine", choices=ENGINES, default="sail")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, session(args.engine, "local[*]") as spark:
        register(spark)
        made = simulate(Path(temporary), Options(days=args.days))
        start = datetime(2026, 2, 1, tzinfo=UTC)
        last = start + timedelta(days=args.days) - timedelta(hours=1)
        settings = Settings(raw=str(made.raw), lake=str(Path(temporary) / "lake"))
        begun = time.perf_counter()
        import jobs.expectations  # noqa: F401

        imported = time.perf_counter() - begun
        work(spark, settings, Window(start, last), f"{args.days} days", imported)
        work(spark, settings, Window(last, last + timedelta(hours=1)), "one hour more (in the same process)")
        print(f"one hour in a process of its own pays the import of {imported:.1f} s besides")


if __name__ == "__main__":
    main()
