"""What `spark-submit jobs/<job>.py` and `python -m jobs.<job>` run."""

from __future__ import annotations

import argparse
import sys

from conf.settings import SettingsError, load
from jobs.errors import LeaseholdError
from jobs.pipeline import run_job
from jobs.session import ENGINES, session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window


def main(job: str) -> None:
    """Run one job over one window, with the session that spark-submit configured unless told otherwise."""
    parser = argparse.ArgumentParser(prog=job, description=f"Leasehold's job `{job}` over one window.")
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
        with session(settings.engine, settings.master) as spark:
            register(spark)
            print(f"{job}: {run_job(job, Lake(spark, settings.lake), settings, window)}")
    except (LeaseholdError, SettingsError) as error:
        sys.exit(f"{job}: {error}")
