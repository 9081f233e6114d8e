"""What `spark-submit jobs/<job>.py` and `python -m jobs.<job>` run."""

from __future__ import annotations

import argparse
import sys
import time

from conf.settings import LOG_FORMATS, SettingsError, load
from jobs import logs
from jobs.errors import BusyError, LeaseholdError
from jobs.lock import writing
from jobs.pipeline import JOBS, run_job
from jobs.quality import Gate
from jobs.session import ENGINES, session
from jobs.show import safe
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
    parser.add_argument("--log-format", choices=LOG_FORMATS, help="text, or json: a JSON object a line, on stderr")
    given = parser.parse_args()
    clock = time.monotonic()
    try:
        logs.configure(given.log_format or "")
        window = Window.parse(given.start, given.end)
        settings = load(
            given.config,
            raw=given.raw,
            lake=given.lake,
            engine=given.engine,
            master=given.master,
            log_format=given.log_format,
        )
        logs.configure(settings.log_format)
        with (
            writing(settings.lake, f"jobs/{job}.py {given.start} {given.end}") as lock,
            session(settings.engine, settings.master, settings.lake) as spark,
        ):
            logs.of_run(lock.run_id)
            register(spark)
            lake, names = Lake(spark, settings.lake, lock), list(JOBS)
            lake.create(ALL)
            at = names.index(job)
            with Gate(lake, settings.quality) as gate:
                # What the jobs before it wrote has been checked, unless one was killed, or failed and was not heeded.
                gate.check(names[:at], waiting=names[at:])
                note = run_job(job, lake, settings, window)
                print(f"{job}: {safe(note)}")
                gate.check([job], waiting=names[at + 1 :])
                print(f"quality: {safe(gate.note)}")
                gate.tell(time.monotonic() - clock)
    except (LeaseholdError, SettingsError) as error:
        sys.exit(logs.end_with(error, job))
