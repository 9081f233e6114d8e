"""What `spark-submit jobs/<job>.py` and `python -m jobs.<job>` run."""

from __future__ import annotations

import argparse
import sys

from conf.settings import SettingsError, load
from jobs.errors import BusyError, LeaseholdError
from jobs.lock import writing
from jobs.pipeline import JOBS, run_job
from jobs.quality import Gate
from jobs.session import ENGINES, session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window
from transforms.schemas import ALL


def main(job: str) -> None:
    """Run one job over one window, with the session that spark-submit configured unless told otherwise."""
    busy = f"Ends with {BusyError.exit_code} if the lake is being written: try again later."
    parser = argparse.ArgumentParser(prog=job, description=f"Leasehold's job `{job}` over one window. {busy}")
    parser.add_argument("--config", help="settings file (YAML)")
    parser.add_argument("--start", required=True, help="from, UTC: 2026-01-05 or 2026-01-05T10")
    parser.add_argument("--end", required=True, help="until, exclusive")
    parser.add_argument("--raw", help="folder of the raw files (else as the settings say)")
    parser.add_argument("--lake", help="folder of the tables (else as the settings say)")
    parser.add_argument("--engine", choices=ENGINES, default="spark", help="default: spark")
    parser.add_argument("--master", default="", help="Spark master; default: what spark-submit says")
    given = parser.parse_args()
    try:
        window = Window.parse(given.start, given.end)
        settings = load(given.config, raw=given.raw, lake=given.lake, engine=given.engine, master=given.master)
        with (
            writing(settings.lake, f"jobs/{job}.py {given.start} {given.end}") as lock,
            session(settings.engine, settings.master, settings.lake) as spark,
        ):
            register(spark)
            lake, names = Lake(spark, settings.lake, lock), list(JOBS)
            lake.create(ALL)
            at = names.index(job)
            with Gate(lake, settings.quality) as gate:
                # What the jobs before it wrote has been checked, unless one was killed, or failed and was not heeded.
                gate.check(names[:at], waiting=names[at:])
                print(f"{job}: {run_job(job, lake, settings, window)}")
                gate.check([job], waiting=names[at + 1 :])
                print(f"quality: {gate.note}")
    except (LeaseholdError, SettingsError) as error:
        print(f"{job}: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
