"""What `spark-submit jobs/<job>.py` and `python -m jobs.<job>` run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from conf.settings import LOG_FORMATS, Settings, SettingsError, load
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
    parser = _parser(job, f"Leasehold's job `{job}` over one window.")
    parser.add_argument("--start", required=True, help="from, UTC: 2026-01-05 or 2026-01-05T10")
    parser.add_argument("--end", required=True, help="until, exclusive")
    parser.add_argument("--raw", help="folder of the raw files (else as the settings say)")
    given = parser.parse_args()
    clock = time.monotonic()

    def work(lake: Lake, settings: Settings) -> None:
        names = list(JOBS)
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

    with _said(job, given):
        window = Window.parse(given.start, given.end)
        _with_lake(given, f"jobs/{job}.py {given.start} {given.end}", work, raw=given.raw)


def care() -> None:
    """Care for the tables: `leasehold maintain` as a script."""
    from jobs.maintain import maintain

    given = _parser("maintain", "Leasehold's care of its tables.").parse_args()

    def work(lake: Lake, settings: Settings) -> None:
        print(f"maintain: {safe(maintain(lake, settings, datetime.now(UTC)))}")

    with _said("maintain", given):
        _with_lake(given, "jobs/maintain.py", work)


def _parser(name: str, doc: str) -> argparse.ArgumentParser:
    busy = f"Ends with {BusyError.exit_code} if the lake is being written: try again later."
    parser = argparse.ArgumentParser(prog=name, description=f"{doc} {busy}")
    parser.add_argument("--config", help="settings file (YAML)")
    parser.add_argument("--lake", help="folder of the tables (else as the settings say)")
    parser.add_argument("--engine", choices=ENGINES, default="spark", help="default: spark")
    parser.add_argument("--master", default="", help="Spark master, where spark-submit does not say it")
    parser.add_argument("--log-format", choices=LOG_FORMATS, help="text, or json: a JSON object a line, on stderr")
    return parser


@contextmanager
def _said(name: str, given: argparse.Namespace) -> Iterator[None]:
    """Errors that are the user's to mend are one line, not a traceback."""
    logs.configure(given.log_format or "")
    try:
        yield
    except (LeaseholdError, SettingsError) as error:
        sys.exit(logs.end_with(error, name))


def _with_lake(
    given: argparse.Namespace, command: str, work: Callable[[Lake, Settings], None], **more: str | None
) -> None:
    """Do the work on the lake, locked, on a started engine."""
    same = {option: getattr(given, option) for option in ("lake", "engine", "master", "log_format")}
    settings = load(given.config, **same, **more)
    logs.configure(settings.log_format)
    with (
        writing(settings.lake, command) as lock,
        session(settings.engine, settings.master, settings.lake) as spark,
    ):
        logs.of_run(lock.run_id)
        register(spark)
        work(Lake(spark, settings.lake, lock), settings)
