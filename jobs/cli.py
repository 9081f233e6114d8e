"""The command `leasehold`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conf.settings import QUALITY_MODES, SettingsError, load
from jobs import (
    answers,
    catalog_commands,
    coverage_answer,
    decision_commands,
    demo,
    export_tables,
    lease_answers,
    logs,
    quality_answer,
    sql_commands,
)
from jobs import export as exports
from jobs import maintain as maintenance
from jobs import report as reports
from jobs import status as statuses
from jobs.errors import LeaseholdError
from jobs.hand_over import command as hand_over_command
from jobs.lease_answers import Question
from jobs.ocsf_findings import VERSIONS as OCSF_VERSIONS
from jobs.options import (
    AlertId,
    AsJson,
    Config,
    Engine,
    EngineName,
    LakeFolder,
    LogFormatName,
    Master,
    RawFolder,
    opened,
    options_said,
    settings_of,
)
from jobs.pipeline import check_schedule
from jobs.respond import commands as respond_commands
from jobs.runner import run_all, running
from jobs.show import safe
from jobs.window import Window, parse_time

app = typer.Typer(
    name="leasehold",
    help="Behaviour analytics for serverless functions, on your own data lake.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


STATUSES = ("open", "snoozed", "suppressed", "closed")


class Schedule(StrEnum):
    """How a run is scheduled."""

    hourly = "hourly"
    nightly = "nightly"


class ExportFormat(StrEnum):
    """For whom is written."""

    ocsf = "ocsf"
    duckdb = "duckdb"


class Quality(StrEnum):
    """What a failed critical check does."""

    enforce, warn, off = QUALITY_MODES


@app.command()
def run(
    schedule: Annotated[Schedule, typer.Argument(help="hourly: any whole hours; nightly: whole days.")],
    start: Annotated[str, typer.Option(help="From (event time, UTC): 2026-01-05 or 2026-01-05T10.")],
    end: Annotated[str, typer.Option(help="Until, exclusive.")],
    config: Config = None,
    raw: RawFolder = None,
    lake: LakeFolder = None,
    engine: EngineName = None,
    master: Master = None,
    quality: Annotated[
        Quality | None,
        typer.Option(
            help="When what a job wrote fails a critical check: enforce (later jobs do not run) or warn; off: no "
            "checks. [default: the settings', else enforce]"
        ),
    ] = None,
    log_format: LogFormatName = None,
) -> None:
    """Run the jobs over a window: ingest, leases, evidence, attribute, behave, baseline, detect.

    Running a window again gives the same tables; so does running it after a crash. What each job wrote is checked
    before the next one runs: see `leasehold quality`. Ends with 75 if the lake is being written: try again later.
    """
    logs.configure(log_format.value if log_format else "")
    window = Window.parse(start, end)
    given = {"raw": raw, "lake": lake, "master": master, "log_format": log_format and log_format.value}
    settings = load(
        str(config) if config else None, **given, engine=engine and engine.value, quality=quality and quality.value
    )
    logs.configure(settings.log_format)
    check_schedule(schedule.value, window)
    with running(settings, Console(stderr=True), f"leasehold run {schedule.value} {start} {end}") as (there, shown):
        run_all(there, settings, window, shown)


@app.command()
def maintain(
    config: Config = None,
    lake: LakeFolder = None,
    engine: EngineName = None,
    master: Master = None,
    log_format: LogFormatName = None,
) -> None:
    """Care for the tables: small files into large ones, old versions away, old rows away where the settings say so.

    Run it every week. Nobody else may write meanwhile (else it ends with 75: try again later); who reads goes on.
    Versions stay for `keep_versions_days`, rows for the `keep_days` of their table, by default for ever.
    """
    logs.configure(log_format.value if log_format else "")
    given = {"lake": lake, "master": master, "log_format": log_format and log_format.value}
    settings = load(str(config) if config else None, **given, engine=engine and engine.value)
    logs.configure(settings.log_format)
    with running(settings, Console(stderr=True), "leasehold maintain") as (there, shown):
        task = shown.add_task("maintain", total=None, note="")

        def progress(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        note = maintenance.maintain(there, settings, datetime.now(UTC), progress)
        shown.update(task, completed=1, total=1, note=safe(note))


@app.command()
def collect(
    config: Config = None,
    raw: RawFolder = None,
    only: Annotated[
        str | None, typer.Option(help="Only some of interfaces,functions,metrics,flow-logs. [default: all]")
    ] = None,
    regions: Annotated[
        str | None, typer.Option(help="These regions (eu-west-1,…) instead of the settings' or AWS_REGION.")
    ] = None,
) -> None:
    """Poll EC2, Lambda and CloudWatch, and store the answers below the raw folder. Run it every half hour.

    Polls the accounts of the settings, each by its role; without any the account that the AWS credentials are of.
    If a poll fails, the others go on, and the command ends with 1.
    """
    from jobs.collect import command  # boto3 is slow to import, and no other command needs it

    command.run(load(str(config) if config else None, raw=raw), only, regions, Console(), Console(stderr=True))


@app.command("demo")
def run_demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo"),
    days: Annotated[int, typer.Option(min=10, max=400, help="Days to simulate.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 1,
    engine: Annotated[Engine, typer.Option(help="sail (embedded) or spark.")] = Engine.sail,
    master: Master = None,
) -> None:
    """Simulate a small AWS account, run the pipeline over it, and show what it finds."""
    demo.run(out, days, seed, engine.value, master, Console(), Console(stderr=True))


@app.command()
def alerts(
    config: Config = None,
    lake: LakeFolder = None,
    status: Annotated[str | None, typer.Option(help="Only open, snoozed, suppressed or closed ones.")] = None,
    function: Annotated[str | None, typer.Option(help="Only those of this function.")] = None,
    json: AsJson = False,
) -> None:
    """List the alerts, the latest first."""
    if status not in (None, *STATUSES):
        raise LeaseholdError(f"--status is one of {', '.join(STATUSES)}, not {status!r}")
    with opened(settings_of(config, lake)) as there:
        answers.alerts(there, Console(), status, function, json, options_said(config, lake))


@app.command()
def export(
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="ocsf: alerts as Detection Findings, one JSON object a line. duckdb: the tables that dashboards read."
        ),
    ] = ExportFormat.ocsf,
    output: Annotated[str, typer.Option("--output", "-o", help="A file; - is standard output.")] = "-",
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what was seen, closed or decided about since then (UTC): 2026-02-01 or 2026-02-01T10. Of tables "
            "by day: from that day on."
        ),
    ] = None,
    schema_version: Annotated[str, typer.Option(help=f"Of OCSF: {' or '.join(OCSF_VERSIONS)}.")] = OCSF_VERSIONS[0],
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Write the alerts for other tools, the oldest first. An alert that did not change is written the same again.

    With --format duckdb: tables for dashboards, into one DuckDB file (docs/dashboards.md).
    """
    moment = parse_time(since, "--since") if since else None
    if format is ExportFormat.duckdb:
        with opened(settings_of(config, lake)) as there:
            count = export_tables.duckdb(there, output, moment)
        print(f"{count:,} rows into {output}", file=sys.stderr)
        return
    with opened(settings_of(config, lake)) as there:
        count = exports.ocsf(there, output, schema_version, moment)
    print(f"{count:,} findings of {format.value.upper()} {schema_version}", file=sys.stderr)


@app.command()
def report(
    alert: Annotated[str | None, typer.Option(help="About this alert: its id, or its first characters.")] = None,
    function: Annotated[str | None, typer.Option(help="About this function: a name or an ARN.")] = None,
    day: Annotated[str | None, typer.Option(help="About this day (UTC): 2026-01-05.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file, HTML.")] = Path("report.html"),
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Write one page that stands alone: what happened, what was expected, the evidence, what was not seen, what to do.

    It needs neither network nor script, and prints. Ask for exactly one of --alert, --function and --day.
    """
    reports.asked_once(alert, function, day)
    chosen = coverage_answer.parse_day(day) if day else None
    with opened(settings_of(config, lake)) as there:
        size = reports.write(there, output, alert, function, chosen)
    print(f"{output}: {size / 1_000:,.0f} kB", file=sys.stderr)


@app.command()
def leases(
    ip: Annotated[str | None, typer.Option(help="Who had this address, IPv4 or IPv6? Needs --at.")] = None,
    interface: Annotated[str | None, typer.Option(help="Who used this interface (eni-…)?")] = None,
    function: Annotated[
        str | None, typer.Option(help="What addresses may this function have used? A name or an ARN.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="The instant (UTC): 2026-01-05T10:00Z. Else: ever.")] = None,
    vpc: Annotated[str | None, typer.Option(help="Only in this VPC: private addresses repeat.")] = None,
    account: Annotated[str | None, typer.Option(help="Only in this account.")] = None,
    region: Annotated[str | None, typer.Option(help="Only in this region.")] = None,
    config: Config = None,
    lake: LakeFolder = None,
    json: AsJson = False,
) -> None:
    """Who had an address, who used an interface, or what a function used: since when, until when, how sure.

    Ask for exactly one of --ip, --interface and --function.
    """
    question = Question.parse(
        at, ip=ip, interface=interface, function=function, vpc=vpc, account=account, region=region
    )
    with opened(settings_of(config, lake)) as there:
        lease_answers.leases(there, Console(), question, json)


@app.command()
def coverage(
    day: Annotated[str | None, typer.Option(help="Of this day (UTC): 2026-01-05. Else: of the last seven.")] = None,
    function: Annotated[str | None, typer.Option(help="Of this function, day by day. A name or an ARN.")] = None,
    config: Config = None,
    lake: LakeFolder = None,
    json: AsJson = False,
) -> None:
    """What was not seen, how sure the rest is, and what CloudTrail data events would settle."""
    chosen = coverage_answer.parse_day(day) if day else None
    with opened(settings_of(config, lake)) as there:
        coverage_answer.coverage(there, Console(), chosen, function, json)


@app.command("quality")
def show_quality(
    table: Annotated[str | None, typer.Option(help="All checks of this table, not only those that failed.")] = None,
    docs: Annotated[Path | None, typer.Option(help="Write Great Expectations' Data Docs into this folder.")] = None,
    accept: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Let pass what failed in this table, after having looked.")
    ] = None,
    config: Config = None,
    lake: LakeFolder = None,
    json: AsJson = False,
) -> None:
    """What was checked of the rows that jobs wrote, at each table's last check: failures first.

    A failed critical check keeps later jobs from running until the rows are mended or accepted.
    """
    with opened(settings_of(config, lake), to_write=f"leasehold quality --accept {accept}" if accept else "") as there:
        quality_answer.quality(there, Console(), table, docs, accept, json)


@app.command()
def doctor(
    config: Config = None,
    raw: RawFolder = None,
    lake: LakeFolder = None,
    engine: EngineName = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of AWS.")] = False,
    json: AsJson = False,
) -> None:
    """What is wrong with the setup, what that costs, and what to do: settings, engine, credentials, logs, polls, lake.

    What blocks comes first. It changes nothing. Ends with 1 if something blocks.
    """
    from jobs import doctor as checks  # it brings boto3, which is slow to import

    overrides = {"raw": raw, "lake": lake, "engine": engine and engine.value}
    if not checks.run(str(config) if config else None, Console(), json, offline, checks.utc_now, **overrides):
        raise typer.Exit(1)


@app.command()
def status(
    config: Config = None,
    lake: LakeFolder = None,
    max_age: Annotated[
        float | None,
        typer.Option(min=0, metavar="HOURS", help="End with 1 if the judged data end longer ago."),
    ] = None,
    json: AsJson = False,
) -> None:
    """How fresh each table is, what ran last, what waits, how many alerts are open, and whether a run is at work.

    Until when the data have been judged: the end of the last window that was run to its end, or the last flow-log
    record where that is earlier.
    """
    found = statuses.look(settings_of(config, lake).lake, datetime.now(UTC))
    if json:
        print(statuses.as_document(found))
    else:
        statuses.show(Console(), found)
    late = "" if max_age is None else statuses.too_old(found, max_age)
    if late:
        logs.failed(late, 1)
        raise typer.Exit(1)


@app.command()
def explain(
    alert: AlertId,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute it again from the tables as they were: is it the same, to the bit?"),
    ] = False,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Everything about one alert: what was expected, what was seen, the evidence, what to do."""
    with opened(settings_of(config, lake)) as there:
        same = answers.explain(there, Console(), alert, recompute, options_said(config, lake))
    if not same:
        raise typer.Exit(1)


app.command()(sql_commands.sql)
app.add_typer(catalog_commands.app, name="catalog")
app.add_typer(respond_commands.app, name="respond")
app.command()(hand_over_command.send)
app.command()(decision_commands.verdict)
app.command()(decision_commands.snooze)
app.command()(decision_commands.suppress)
app.command("detections")(decision_commands.list_detections)


def main() -> None:
    """Errors that are the user's to mend are one line, not a traceback."""
    try:
        app()
    except (LeaseholdError, SettingsError) as error:
        sys.exit(logs.end_with(error))
