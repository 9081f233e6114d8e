"""`leasehold doctor`: what keeps the whole from working, or from seeing, and what to do about it, in order.

Facts are gathered first (`doctor_places.py`, `doctor_aws.py`, `doctor_lake.py`), then judged by pure checks
(`doctor_checks.py`: what must stand before anything works; `doctor_log_checks.py`: what the logs hold).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conf.settings import Settings, SettingsError, load
from jobs import doctor_checks, doctor_log_checks
from jobs.doctor_aws import Aws, bucket, look
from jobs.doctor_finding import BLOCKS, COSTS, FINE, Finding, in_order
from jobs.doctor_lake import READ, LakeFacts, contents, lacking, sound
from jobs.doctor_places import Raw, local_raw, machine
from jobs.session import ENGINES, missing_for, session
from jobs.show import document, safe
from jobs.storage import Lake

_STYLES = {BLOCKS: "bold red", COSTS: "yellow"}


def run(
    config: str | None, console: Console, json: bool, offline: bool, now: Callable[[], datetime], **overrides: Any
) -> bool:
    """Check everything and say what is wrong; returns whether nothing blocks."""
    findings, unchecked = examine(config, offline, now, **overrides)
    if json:
        print(document({"findings": [asdict(finding) for finding in findings], "not_checked": unchecked}))
    else:
        show(console, findings, unchecked)
    return not any(finding.severity == BLOCKS for finding in findings)


def examine(
    config: str | None, offline: bool, now: Callable[[], datetime], **overrides: Any
) -> tuple[list[Finding], list[str]]:
    """(the findings, what blocks first; what was not checked, and why)."""
    try:
        settings = load(config, **overrides)
    except SettingsError as error:
        fix = "Correct it; conf/settings.py says what each setting means"
        return [Finding(BLOCKS, "settings", str(error), "No command can start", fix)], ["all else: it needs settings"]
    if settings.engine not in ENGINES:
        fix = f"Set `engine` to {' or '.join(ENGINES)}"
        return [Finding(BLOCKS, "engine", f"There is no engine {settings.engine!r}", "No job can run", fix)], []
    unchecked: list[str] = []
    aws = Aws(unchecked="--offline") if offline else look(settings, now)
    if aws.unchecked:
        unchecked.append(f"credentials, permissions, flow logs as AWS describes them, the clock: {aws.unchecked}")
    raw = _raw(settings, aws)
    lake = _lake(settings, aws, now())
    why = aws.unchecked or ("there are no valid credentials" if aws.refused else "S3 does not answer")
    if not raw.checked:
        unchecked.append(f"the raw folder {settings.raw}: {why}")
    if lake is None:
        unchecked.append(f"the lake {settings.lake}: {why}")
    elif lake.there and _unsound(lake):
        unchecked.append("what the tables hold: some are missing, or lack columns")
    elif missing_for("sail"):
        unchecked.append(f"what the tables hold: {missing_for('sail')}")
    needed = bool(settings.accounts) or _on_s3(settings.raw) or _on_s3(settings.lake)
    configured = [(a.account_id, region) for a in settings.accounts for region in a.regions or settings.regions]
    findings = [
        Finding(FINE, "settings", f"The settings {config or '(no file: the defaults)'} can be used"),
        *doctor_checks.engine(machine(settings)),
        *doctor_checks.credentials(aws, needed),
        *doctor_checks.clock(aws),
        *doctor_checks.raw(raw, lake.kinds if lake else ()),
        *doctor_checks.access(aws),
        *doctor_log_checks.watched(aws),
    ]
    if lake:
        findings += [*doctor_checks.lake(lake), *doctor_checks.runs(lake, now())]
        findings += doctor_log_checks.freshness(lake, now())
        # Of a lake that nobody has filled yet there is nothing to say of polls.
        findings += doctor_log_checks.polls(lake, configured) if lake.taken_in_until else []
        findings += doctor_log_checks.trails(lake)
    findings += doctor_log_checks.formats(doctor_log_checks.all_flow_logs(aws, lake.flow_logs if lake else ()))
    findings += doctor_log_checks.outside(lake) if lake else []
    return in_order(findings), unchecked


def _raw(settings: Settings, aws: Aws) -> Raw:
    if not _on_s3(settings.raw):
        return local_raw(settings.raw)
    return Raw(settings.raw, checked=False) if aws.unchecked or aws.refused else bucket(settings.raw, settings)


def _lake(settings: Settings, aws: Aws, now: datetime) -> LakeFacts | None:
    """What there is to know of the lake; None where it cannot be reached at all."""
    if _on_s3(settings.lake):
        # Without this the engines' own clients would try for minutes.
        found = Raw(settings.lake, checked=False) if aws.unchecked or aws.refused else bucket(settings.lake, settings)
        if not found.checked:
            return None
        if found.problem:
            return LakeFacts(settings.lake, unreadable=f"{found.problem}. {found.remedy}")
    facts = sound(settings.lake)
    if facts.unreadable or not facts.there or missing_for("sail"):
        return facts
    with session("sail", lake=settings.lake) as spark:
        lake = Lake(spark, settings.lake)
        try:
            facts = replace(facts, lacking=lacking(lake))
            return facts if _unsound(facts) else replace(facts, **contents(lake, settings.raw, now.date()))
        except Exception as error:  # whatever an engine says of files that are gone or damaged
            return replace(facts, unreadable=f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:300])


def _unsound(lake: LakeFacts) -> bool:
    """Is a table that is to be read not as it should be?"""
    return any(table.name in lake.missing or table.name in lake.lacking for table in READ)


def _on_s3(root: str) -> bool:
    return "://" in root


def show(console: Console, findings: list[Finding], unchecked: list[str]) -> None:
    """The findings for the eye: numbered, what to do below each; commands in one piece, so that they can be copied."""
    bad = [finding for finding in findings if finding.severity != FINE]
    blocks = sum(finding.severity == BLOCKS for finding in bad)
    title = f"{blocks or 'Nothing'} block{'' if blocks > 1 else 's'}, {len(bad) - blocks} cost something"
    console.print(Text(f"{title}." if bad else "Nothing is wrong.", style="bold"))
    for number, finding in enumerate(bad, 1):
        lines = Table.grid(padding=(0, 1))
        lines.add_column(justify="right", no_wrap=True, min_width=3)
        lines.add_column(overflow="fold")
        head = Text.assemble((finding.severity, _STYLES[finding.severity]), "  ", (safe(f"{finding.what}."), "bold"))
        lines.add_row(f"{number}.", head)
        lines.add_row("", Text(safe(f"{finding.cost}.")))
        lines.add_row("", Text.assemble(("Fix: ", "bold"), safe(f"{finding.fix}{':' if finding.command else '.'}")))
        console.print()
        console.print(lines)
        if finding.command:
            console.print(Text(f"    {safe(finding.command)}", style="cyan"), soft_wrap=True)
    if unchecked:
        console.print(Text("\nNot checked", style="bold"))
        for what in unchecked:
            console.print(Text(f"- {safe(what)}"))
    fine = [finding for finding in findings if finding.severity == FINE]
    if fine:
        console.print(Text("\nFine", style="bold"))
        for finding in fine:
            console.print(Text(f"- {safe(finding.what)}"))


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)
