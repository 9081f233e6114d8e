"""The command `send`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from jobs.options import AsJson, Config, LakeFolder, opened, settings_of
from jobs.show import as_json, table


def send(
    to: Annotated[str | None, typer.Option(help="Only to this sink of the settings. [default: to all]")] = None,
    config: Config = None,
    lake: LakeFolder = None,
    json: AsJson = False,
) -> None:
    """Hand alerts over to the sinks of the settings: folders and buckets, Security Hub, webhooks, SNS.

    Each sink gets what is new or has changed since it got it last; run it after each run. What a sink did not take is
    tried again the next time, and the command ends with 1. 75: it is being sent just now.
    """
    from jobs.hand_over import run  # boto3 is slow to import

    settings = settings_of(config, lake)
    sinks = run.chosen(settings.sinks, to)
    with opened(settings) as there:
        told = run.send(there, sinks)
    if json:
        print(as_json([run.as_row(one) for one in told]))
    else:
        cells = [[one.sink.name, one.sink.kind, one.sent, one.failed, one.waiting, one.error or "—"] for one in told]
        Console().print(table("Handed over", ("sink", "kind", "sent", "failed", "not tried", "why"), cells))
    if any(one.error for one in told):
        raise typer.Exit(1)
