"""The commands by which people decide about alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conf.settings import Settings
from jobs import triage
from jobs.errors import LeaseholdError
from jobs.options import AlertId, AsJson, Config, LakeFolder, opened, settings_of
from jobs.storage import Lake
from jobs.window import parse_time
from transforms.schemas import DECISIONS

By = Annotated[str, typer.Option(help="Who decides.")]
Why = Annotated[str, typer.Option(help="Why, for those who come after.")]
Until = Annotated[str, typer.Option(help="Until when (UTC): 2026-02-01 or 2026-02-01T10.")]


def verdict(
    alert: AlertId,
    word: Annotated[str, typer.Argument(metavar="VERDICT", help="true, attempt, benign or false.")],
    by: By,
    why: Why,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Say what an alert was: it feeds its detection's precision (`leasehold detections`).

    true: an attack; attempt: one that did not succeed; benign: seen rightly, and nothing is wrong; false: seen wrongly.
    What was benign or false becomes normal from the next day on.
    """
    with _deciding(config, lake, "leasehold verdict") as (there, settings):
        triage.verdict(there, settings, Console(), alert, word, by, why)


def snooze(alert: AlertId, until: Until, by: By, why: Why, config: Config = None, lake: LakeFolder = None) -> None:
    """Do not count an alert among the open ones until a time."""
    with _deciding(config, lake, "leasehold snooze") as (there, settings):
        triage.snooze(there, settings, Console(), alert, parse_time(until, "--until"), by, why)


def suppress(
    by: By,
    why: Why,
    until: Annotated[str | None, typer.Option(help="It expires then (UTC): 2026-02-01.")] = None,
    detection: Annotated[str | None, typer.Option(help="Only alerts of this detection.")] = None,
    function: Annotated[str | None, typer.Option(help="Only of this function.")] = None,
    peer: Annotated[str | None, typer.Option(help="Only with this peer (its name).")] = None,
    lift: Annotated[str | None, typer.Option(help="End the suppression with this id instead.")] = None,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Suppress the alerts that match, until a date: a rule with an owner, a reason and an end."""
    with _deciding(config, lake, "leasehold suppress") as (there, settings):
        if lift:
            triage.lift(there, settings, Console(), lift, by, why)
            return
        if until is None:
            raise LeaseholdError("a suppression ends: give --until")
        rule = {"detection_id": detection, "function_name": function, "peer_name": peer}
        triage.suppress(there, settings, Console(), parse_time(until, "--until"), by, why, rule)


def list_detections(config: Config = None, lake: LakeFolder = None, json: AsJson = False) -> None:
    """Each detection with what it raised and how precise it was, by people's verdicts; and the suppressions."""
    with _deciding(config, lake, "") as (there, settings):
        triage.overview(there, settings, Console(), json)


@contextmanager
def _deciding(config: Path | None, folder: str | None, to_write: str) -> Iterator[tuple[Lake, Settings]]:
    """The lake and its settings, for commands that write decisions, or read them."""
    settings = settings_of(config, folder)
    with opened(settings, to_write) as lake:
        lake.create([DECISIONS])
        yield lake, settings
