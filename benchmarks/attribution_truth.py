"""How right is attribution? Against the simulator's truth, which no job ever sees.

    python -m benchmarks.attribution_truth [--days 2] [--interfaces 20] [--seed 1] [--engine sail]

A crowd of functions, one to ten behind each interface; the flow log's clock off by up to 60 seconds, differently in
every window; one poll in ten missing; one CloudTrail file in twenty delivered hours late; addresses re-used by another
interface within five minutes. The pipeline's own jobs run over the raw files, three times: with data events, with
CloudWatch's minutes but no data events, and with neither.

A conversation (the rows of `function_flows` with one id) is compared with the truth's connection of the same interface,
addresses and ports. Right: the likeliest candidate is the one who opened it; one that nobody is named for is not.
Calibration: in ten bins of stated probability, how far it is from how often it was true (expected calibration error),
over all candidates of shared conversations, and over the likeliest ones alone.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs.pipeline import run_job
from jobs.session import ENGINES, session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window
from simulator.simulate import Options, simulate
from transforms.schemas import FUNCTION_FLOWS

JOBS = ("ingest", "leases", "evidence", "attribute")
_LATEST_HOURS = 36
"""Late files are named up to 30 hours after the last event."""

# A connection cut into windows is found again by its ports; the recorder's clock may be 60 s early, plus its window.
_JUDGED = """
CREATE OR REPLACE TABLE judged AS
WITH flow AS (
  SELECT conversation_id, interface_id, local_addr, local_port, peer_addr, peer_port, start_time,
         max_by(function_name, probability) AS told, max(probability) AS probability,
         list({'name': function_name, 'probability': probability}) AS claims
  FROM flows GROUP BY ALL),
sharing AS (SELECT interface_id, count(DISTINCT function_name) AS functions FROM leases GROUP BY ALL)
SELECT flow.*, truth.function_name AS truly, truth.start AS opened, functions
FROM flow ASOF JOIN truth
  ON flow.interface_id = truth.interface_id AND flow.local_addr = truth.local_addr
 AND flow.local_port = truth.local_port AND flow.peer_addr = truth.peer_addr AND flow.peer_port = truth.peer_port
 AND flow.start_time + INTERVAL 121 SECONDS >= truth.start
JOIN sharing ON sharing.interface_id = flow.interface_id
"""
_SURE_OF_ONE_OF_TWO = """
SELECT count(*) FROM judged WHERE probability = 1 AND EXISTS (
  SELECT 1 FROM invocations i WHERE i.interface_id = judged.interface_id AND i.function_name <> judged.told
     AND i.start <= judged.opened AND i."end" >= judged.opened)
"""
_GROUPS = (("one function", 1, 1), ("2 to 4", 2, 4), ("5 to 7", 5, 7), ("8 to 10", 8, 99), ("all shared", 2, 99))


def attribute(spark: SparkSession, raw: Path, lake: Path, options: Options) -> None:
    """The pipeline over all of it."""
    start = datetime.combine(options.start, datetime.min.time(), UTC)
    window = Window(start, start + timedelta(days=-int(-options.days // 1)))
    settings = Settings(raw=str(raw), lake=str(lake), lateness_hours=_LATEST_HOURS)
    for job in JOBS:
        run_job(job, Lake(spark, str(lake)), settings, window)


@contextmanager
def judged(spark: SparkSession, lake: Path, truth: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the table `judged`: each conversation with who sent it."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone='UTC'")
        flows = Lake(spark, str(lake)).read(FUNCTION_FLOWS).toArrow()
        database.register("flows", flows)
        for view, file in (("truth", "conversations"), ("leases", "leases"), ("invocations", "invocations")):
            database.execute(f"CREATE VIEW {view} AS SELECT * FROM '{truth / file}.parquet'")
        database.execute(_JUDGED)
        yield database


def calibration_error(database: duckdb.DuckDBPyConnection, likeliest_only: bool) -> float:
    """How far stated probabilities are from what was true, on average over shared conversations."""
    every = "SELECT unnest(claims) AS claim, truly FROM judged WHERE len(claims) > 1"
    stated = (
        "SELECT probability, told = truly AS hit FROM judged WHERE len(claims) > 1"
        if likeliest_only
        else f"SELECT claim.probability, claim.name = truly AS hit FROM ({every})"
    )
    error = database.execute(
        f"""SELECT sum(abs(stated - came_true)) / sum(rows) FROM (
              SELECT least(floor(probability * 10), 9) AS bin, sum(probability) AS stated,
                     sum(hit::INT) AS came_true, count(*) AS rows FROM ({stated}) GROUP BY bin)"""
    ).fetchall()
    return float(error[0][0])


def show(title: str, database: duckdb.DuckDBPyConnection) -> None:
    print(f"\n{title}\n  {'functions on the interface':28}{'conversations':>14}{'right':>8}{'unknown':>9}")
    for name, low, high in _GROUPS:
        rows, right, unknown = database.execute(
            """SELECT count(*), avg(coalesce(told = truly, false)::INT), avg((told IS NULL)::INT) FROM judged
               WHERE functions BETWEEN ? AND ?""",
            [low, high],
        ).fetchall()[0]
        print(f"  {name:28}{rows:14,}{right or 0:8.4f}{unknown or 0:9.4f}")
    every, first = calibration_error(database, False), calibration_error(database, True)
    found = database.execute("SELECT count(*), (SELECT count(*) FROM truth WHERE logged) FROM judged").fetchall()[0]
    print(f"  calibration error: {every:.4f} over all candidates, {first:.4f} over the likeliest ones")
    sure = database.execute(_SURE_OF_ONE_OF_TWO).fetchall()[0][0]
    print(f"  probability 1 while another candidate was running: {sure:,} conversations")
    print(f"  (conversations judged: {found[0]:,}; connections in the truth that were logged: {found[1]:,})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=2)
    parser.add_argument("--interfaces", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skew", type=float, default=60, help="seconds (default: 60)")
    parser.add_argument("--engine", choices=ENGINES, default="sail")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, session(args.engine, "local[*]") as spark:
        register(spark)
        for title, data_events, metrics in (
            ("with data events", True, True),
            ("CloudWatch's minutes, no data events", False, True),
            ("neither data events nor CloudWatch", False, False),
        ):
            folder = Path(temporary) / f"{data_events}-{metrics}"
            options = Options(
                account="crowd", seed=args.seed, days=args.days, interfaces=args.interfaces, data_events=data_events,
                clock_skew_seconds=args.skew, missed_polls=0.1, late_cloudtrail=0.05, poll_minutes=15,
            )  # fmt: skip
            made = simulate(folder, options)
            if not metrics:
                shutil.rmtree(made.raw / "snapshots" / "get_metric_data")
            attribute(spark, made.raw, folder / "lake", options)
            with judged(spark, folder / "lake", made.truth) as database:
                show(title, database)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
