"""The commands `leasehold respond …`. What they do is imported when they are called: boto3 is slow to import."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from jobs.options import AlertId, AsJson, Config, LakeFolder, options_said, settings_of

app = typer.Typer(
    help="Contain an alert, and undo it: plan, apply, verify, rollback, expire. Nothing is changed but by `apply`.",
    no_args_is_help=True,
)

PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's id, or its first characters.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def plan(
    alert: AlertId,
    destination: Annotated[
        str | None, typer.Option(help="Block this address or network instead of the alert's: 198.51.100.0/24.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of AWS: from history alone.")] = False,
    config: Config = None,
    lake: LakeFolder = None,
    json: AsJson = False,
) -> None:
    """The ways to contain an alert: who would notice, what each costs, what it cannot do. It changes nothing.

    With AWS credentials for the account each way that is possible gets an id, by which `apply` finds it.
    """
    from jobs.respond import acts

    said = options_said(config, lake)
    acts.plan(settings_of(config, lake), Console(), alert, destination, offline, json, said)


@app.command()
def apply(
    plan: PlanId,
    yes: Yes = False,
    ttl: Annotated[str, typer.Option(help="How long it stays in force: 30m, 24h, 7d.")] = "24h",
    forever: Annotated[bool, typer.Option("--forever", help="Until it is rolled back by hand.")] = False,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Make the changes of a plan, after asking. `leasehold respond expire` undoes them when their time is over.

    If a call fails, what was made is rolled back. If it is killed, `rollback` finds what was made, and `apply` goes on.
    """
    from jobs.respond import acts

    lasts = None if forever else acts.duration(ttl)
    acts.apply(settings_of(config, lake), Console(), plan, lasts, yes, options_said(config, lake))


@app.command()
def rollback(plan: PlanId, yes: Yes = False, config: Config = None, lake: LakeFolder = None) -> None:
    """Undo what was applied, also half of it. What somebody else has changed since stays, and is named."""
    from jobs.respond import acts

    acts.rollback(settings_of(config, lake), Console(), plan, yes)


@app.command()
def expire(config: Config = None, lake: LakeFolder = None) -> None:
    """Roll back every action whose time is over. Run it every few minutes, by cron or a scheduler.

    If one fails, the others go on, and the command ends with 1.
    """
    from jobs.respond import acts

    acts.expire(settings_of(config, lake), Console())


@app.command()
def verify(
    plan: PlanId,
    offline: Annotated[bool, typer.Option("--offline", help="Look into the tables only.")] = False,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Does it hold? What the account shows, and what flow logs, metrics and CloudTrail show since it was applied.

    Ends with 1 if it does not hold, with 75 if the data do not go far enough yet.
    """
    from jobs.respond import acts

    ends_with = acts.verify(settings_of(config, lake), Console(), plan, offline)
    if ends_with:
        raise typer.Exit(ends_with)


@app.command("list")
def list_actions(config: Config = None, lake: LakeFolder = None, json: AsJson = False) -> None:
    """What was planned and done, the latest first, and how it stands."""
    from jobs.respond import acts

    acts.list_actions(settings_of(config, lake), Console(), json)
