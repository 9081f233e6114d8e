"""All jobs over one window, with progress for the eye."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from conf.settings import Settings
from jobs.pipeline import JOBS, check_schedule, run_job
from jobs.session import session
from jobs.sources import register
from jobs.storage import Lake
from jobs.window import Window


def bars(console: Console) -> Progress:
    """Progress bars: a line a step."""
    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def run_all(settings: Settings, window: Window, schedule: str, console: Console) -> None:
    """Run the five jobs in order on one session."""
    check_schedule(schedule, window)
    with bars(console) as shown:
        starting = shown.add_task("engine", total=1, note=f"starting {settings.engine}")
        with session(settings.engine, settings.master) as spark:
            shown.update(starting, completed=1, note=settings.engine)
            register(spark)
            lake = Lake(spark, settings.lake)
            for name in JOBS:
                task = shown.add_task(name, total=None, note="")

                def progress(done: int, total: int, task=task) -> None:  # type: ignore[no-untyped-def]
                    shown.update(task, completed=done, total=max(total, 1))

                note = run_job(name, lake, settings, window, progress)
                shown.update(task, completed=1, total=1, note=note)
