"""All jobs over one window, with progress for the eye."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from conf.settings import Settings
from jobs import logs
from jobs.lock import writing
from jobs.pipeline import JOBS, run_job
from jobs.quality import Gate
from jobs.session import session
from jobs.show import safe
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window


def bars(console: Console) -> Progress:
    """Progress bars: a line a step."""
    fixed = Column(no_wrap=True)
    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=9)),
        BarColumn(bar_width=12, table_column=fixed),
        TaskProgressColumn(table_column=fixed),
        TimeElapsedColumn(table_column=fixed),
        # Notes quote logs: they are shown, never obeyed.
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(overflow="fold")),
        console=console,
        disable=logs.in_json(),
    )


@contextmanager
def running(settings: Settings, console: Console, command: str) -> Iterator[tuple[Lake, Progress]]:
    """The lake, locked for writing, on a started engine, and bars that show it starting.

    Raises BusyError if another process writes it. `command` tells others what is run here.
    """
    with writing(settings.lake, command) as lock, bars(console) as shown:
        starting = shown.add_task("engine", total=1, note=f"starting {settings.engine}")
        clock = time.monotonic()
        logs.of_run(lock.run_id)
        with session(settings.engine, settings.master, settings.lake) as spark:
            register(spark)
            shown.update(starting, completed=1, note=settings.engine)
            seconds = round(time.monotonic() - clock, 3)
            logs.say("engine_started", f"{settings.engine} is up", engine=settings.engine, seconds=seconds)
            yield Lake(spark, settings.lake, lock), shown


def run_all(lake: Lake, settings: Settings, window: Window, shown: Progress) -> None:
    """Run the jobs in order, each behind the checks of what those before it wrote.

    Raises LeaseholdError where a critical check fails: later jobs do not run.
    """
    names, clock = list(JOBS), time.monotonic()
    doing, about = f"{', '.join(names)} on {lake.root}", {"window_start": window.start, "window_end": window.end}
    logs.say("run_started", doing, lake=lake.root, **about)
    with Gate(lake, settings.quality) as gate:
        for number, name in enumerate(names):
            task = shown.add_task(name, total=None, note="")

            def progress(done: int, total: int, task: TaskID = task) -> None:
                shown.update(task, completed=done, total=max(total, 1))

            note = run_job(name, lake, settings, window, progress)
            shown.update(task, completed=1, total=1, note=safe(note))
            gate.check([name], waiting=names[number + 1 :])
    shown.add_task("quality", total=1, completed=1, note=safe(gate.note))
    gate.tell(time.monotonic() - clock)
