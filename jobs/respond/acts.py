"""What the commands `leasehold respond …` do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import typer
from rich.console import Console
from rich.text import Text

from conf.settings import Settings
from jobs.answers import find_alert
from jobs.errors import BusyError, LeaseholdError
from jobs.lock import writing
from jobs.options import opened
from jobs.respond import execute, words
from jobs.respond import journal as journals
from jobs.respond import verify as verifying
from jobs.respond.account import NotAskedError, door, protections, read
from jobs.respond.execute import Hand
from jobs.respond.guarded import guarded
from jobs.respond.history import history, own_addresses
from jobs.respond.journal import Action, Journal, LakeJournal
from jobs.respond.model import State
from jobs.respond.plan import case_of, destination_of, listed, ways
from jobs.show import safe, span
from jobs.storage import Lake
from transforms.schemas import RESPONSE_ACTIONS

_LOCK = "_respond"
"""Folder with the lock of response_actions: an answer to an attack does not wait for a run over the lake to end."""
_PATIENCE_SECONDS = 30.0
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


def plan(
    settings: Settings, console: Console, alert: str, destination: str | None, offline: bool, json: bool, options: str
) -> None:
    """Show the ways to contain an alert; those that can be applied are kept."""
    now = datetime.now(UTC)
    with opened(settings) as there:
        found = find_alert(there, alert)
        names = tuple(name for name in str(found["functions"] or "").split(", ") if name)
        network = destination_of(found, destination)
        past = history(there, found, names, network, settings.memory_days)
        case = case_of(found, names, network, past, settings)
        seen, ids = None, {}
        not_asked = "it was not wanted (--offline)" if offline else ""
        if not offline:
            try:
                aws, by = door(settings, found["account_id"], found["region"])
                seen = read(aws, names, case.places)
                case = replace(case, guarded=guarded(listed(settings), past.own_addresses, seen))
            except NotAskedError as error:
                not_asked = str(error)
        made = ways(case, seen)
        if seen is not None:
            with _writing(there, "leasehold respond plan") as writable:
                ids = journals.plan(LakeJournal(writable), case, made, now, by)
    if json:
        print(words.plan_document(case, made, ids, not_asked))
    else:
        words.show_plan(console, case, made, ids, not_asked, options)


def apply(settings: Settings, console: Console, prefix: str, lasts: timedelta | None, yes: bool, options: str) -> None:
    """Apply a plan, after asking."""
    with acting(settings, "leasehold respond apply") as there:
        journal = LakeJournal(there)
        action = journals.find(journal, prefix)
        words.show_action(console, action)
        if action.event == journals.APPLIED:
            console.print(Text(f"{action.id} is applied already."))
            return
        until = "until it is rolled back by hand" if lasts is None else f"for {span(int(lasts.total_seconds()))}"
        _ask(yes, f"These changes will be made, {until}", f"{action.id} was not applied")
        hand = _hand(settings, journal, action)
        own = own_addresses(there, action.row["account_id"], action.row["region"])
        guards = guarded(listed(settings), own, protections(hand.aws))
        action = execute.apply(hand, action, lasts, guards)
        console.print(Text(f"{action.id} is applied: {safe(action.row['note'])}.", style="bold"))
        console.print(Text(f"See whether it holds: leasehold respond verify {action.id}{options}"), soft_wrap=True)
        console.print(Text(f"Undo it: leasehold respond rollback {action.id}{options}"), soft_wrap=True)


def rollback(settings: Settings, console: Console, prefix: str, yes: bool) -> None:
    """Roll back an action, after asking."""
    with acting(settings, "leasehold respond rollback") as there:
        journal = LakeJournal(there)
        action = journals.find(journal, prefix)
        if action.event not in journals.IN_FORCE:
            console.print(Text(f"{action.id} is {action.event}: there is nothing to roll back."))
            return
        words.show_action(console, action)
        _ask(yes, "These changes will be undone", f"{action.id} was not rolled back")
        action = execute.rollback(_hand(settings, journal, action), action, "rolled back by hand")
        console.print(Text(f"{action.id} is {action.event}: {safe(action.row['note'])}.", style="bold"))


def expire(settings: Settings, console: Console) -> None:
    """Roll back every action whose time is over. LeaseholdError, after the others, if one failed."""
    failed = []
    with acting(settings, "leasehold respond expire") as there:
        journal = LakeJournal(there)
        over = execute.due(journals.actions(journal.rows()), datetime.now(UTC))
        for action in over:
            try:
                done = execute.rollback(_hand(settings, journal, action), action, "its time was over")
                console.print(Text(f"{action.id}: {safe(done.row['note'])}"))
            except LeaseholdError as error:
                failed.append(f"{action.id}: {error}")
    if failed:
        raise LeaseholdError("\n".join(failed))
    console.print(Text(f"{len(over)} actions rolled back"))


def verify(settings: Settings, console: Console, prefix: str, offline: bool) -> int:
    """Say whether an action holds; returns what the command ends with."""
    with acting(settings, "leasehold respond verify") as there:
        journal = LakeJournal(there)
        action = journals.find(journal, prefix)
        if action.event != journals.APPLIED:
            raise LeaseholdError(f"{action.id} is {action.event}, not applied: there is nothing to verify")
        by, lacking = journals.somebody(), ""
        if not offline:
            hand = _hand(settings, journal, action)
            by, found = hand.by, execute.standing(hand, action)
            words.show_standing(console, found)
            gone = [change.says for change, state in found if state is not State.ours]
            lacking = f"{len(gone)} of {len(found)} changes are not in force any more. " if gone else ""
        verdict = verifying.from_data(there, action)
        word = verifying.LEAKS if lacking else verdict.word
        journals.note(journal, action, journals.VERIFIED, datetime.now(UTC), by, f"{word}: {lacking}{verdict.said}")
        console.print(Text(f"{word}: {safe(lacking + verdict.said)}", style="bold"))
    return {verifying.LEAKS: 1, verifying.TOO_EARLY: BusyError.exit_code}.get(word, 0)


def list_actions(settings: Settings, console: Console, json: bool) -> None:
    """Show all actions."""
    with opened(settings) as there:
        there.create([RESPONSE_ACTIONS])
        words.list_actions(console, journals.actions(LakeJournal(there).rows()), json)


@contextmanager
def acting(settings: Settings, command: str) -> Iterator[Lake]:
    """The lake, of which response_actions may be written."""
    with opened(settings) as there, _writing(there, command) as writable:
        yield writable


@contextmanager
def _writing(lake: Lake, command: str) -> Iterator[Lake]:
    """Only one process at a time acts."""
    with writing(lake.beside(_LOCK), command, wait=_PATIENCE_SECONDS) as lock:
        writable = replace(lake, lock=lock)
        writable.create([RESPONSE_ACTIONS])
        yield writable


def _hand(settings: Settings, journal: Journal, action: Action) -> Hand:
    """Who acts in the action's account."""
    aws, by = door(settings, action.row["account_id"], action.row["region"])
    return Hand(aws, journal, lambda: datetime.now(UTC), by)


def _ask(yes: bool, what: str, otherwise: str) -> None:
    if not yes and typer.prompt(f"{what}. Type `yes` to go on") != "yes":
        raise LeaseholdError(f"{otherwise}: nothing was changed")


def duration(text: str) -> timedelta:
    """`30m`, `24h`, `7d`; raises LeaseholdError for anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text.strip())
    if not found:
        raise LeaseholdError(f"--ttl takes a duration as 30m, 24h or 7d, not {text!r}; --forever is without one")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
