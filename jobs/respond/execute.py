"""Making changes and unmaking them. Whatever fails or is killed in between, the rows and the account tell the rest.

Before the first call a row says what is about to be made, with what was there before; after the last one, what came of
it. In between every change is first looked at, so that what is done already is not done twice, and what somebody else
has changed is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from botocore.exceptions import BotoCoreError, ClientError

from jobs.errors import LeaseholdError
from jobs.respond import journal as journals
from jobs.respond.guarded import refusal
from jobs.respond.journal import APPLIED, APPLYING, PLANNED, ROLLED_BACK, ROLLING_BACK, Action, Journal
from jobs.respond.model import Aws, Change, Guarded, State
from jobs.respond.ways.kinds import KINDS, dated
from jobs.show import safe

FAILURES = (ClientError, BotoCoreError)
_LOOKS = 4
_PAUSE_SECONDS = 2.0
"""EC2 may take some seconds until it shows what it has done."""
_FRESH, _FRESH_PAUSE_SECONDS = timedelta(seconds=60), 5.0
"""What was stopped so recently may have made a last call that does not show yet."""


@dataclass(frozen=True)
class Hand:
    """Whoever acts: the clients, the rows, the clock, the name."""

    aws: Aws
    journal: Journal
    now: Callable[[], datetime]
    by: str


class ConflictError(LeaseholdError):
    """The account is not any more as it was when the plan was made."""


def apply(hand: Hand, action: Action, ttl: timedelta | None, guards: tuple[Guarded, ...]) -> Action:
    """Make the changes of a plan. Applied already: nothing is done. Stopped half way: the rest is.

    If a call fails, what was made is unmade, and the error raised. Raises ConflictError, before anything is called
    that changes something, if a resource is not any more as it was planned.
    """
    if action.event == APPLIED:
        return action
    if action.event not in (PLANNED, APPLYING):
        again = "plan it again" if action.event == ROLLED_BACK else f"`leasehold respond rollback {action.id}` first"
        raise LeaseholdError(f"{action.id} is {action.event}: {again}")
    _refuse_guarded(action, guards)
    if due([action], hand.now()):
        raise LeaseholdError(f"{action.id}: its time is over: `leasehold respond rollback {action.id}`, and plan again")
    if action.event == PLANNED:
        expires = hand.now() + ttl if ttl else None
        changes = tuple(dated(change, expires) for change in action.changes)
        _all_as_planned(hand, action, changes)
        action = journals.note(
            hand.journal, action, APPLYING, hand.now(), hand.by, "its calls are about to be made",
            expires_at=expires, changes=journals.stored(changes),
        )  # fmt: skip
    try:
        for change in action.changes:
            _make(hand, action, change)
    except (*FAILURES, ConflictError) as error:
        why = f"applying it failed: {_said(error)}"
        try:
            rollback(hand, action, why)
        except LeaseholdError as also:
            raise LeaseholdError(f"{why}. {also}") from None
        raise LeaseholdError(f"{why}. What had been made was rolled back; mend the cause and plan again") from None
    return journals.note(
        hand.journal, action, APPLIED, hand.now(), hand.by, f"{len(action.changes)} changes are in force"
    )


def rollback(hand: Hand, action: Action, why: str) -> Action:
    """Unmake what is there of an action, the last change first. Rolled back already, or never begun: nothing is done.

    What somebody else has changed since is left as it is, and said. Raises LeaseholdError if a call fails; the other
    changes are unmade nevertheless, and it can be tried again.
    """
    if action.event in (PLANNED, ROLLED_BACK):
        return action
    begun_at = action.event
    if begun_at == APPLYING and hand.now() - action.row["event_time"] < _FRESH:
        time.sleep(_FRESH_PAUSE_SECONDS)
    action = journals.note(hand.journal, action, ROLLING_BACK, hand.now(), hand.by, why)
    failed, left = [], []
    for change in reversed(action.changes):
        try:
            # What is known to have been made may only not be shown yet.
            state = _settled(hand, action, change, State.before) if begun_at == APPLIED else _look(hand, action, change)
            if state is State.ours:
                state = _unmake(hand, action, change)
                if state is State.ours:
                    failed.append(f"{change.says}: AWS took the call that ends it, but still shows it")
            if state is State.other:
                left.append(change.says)
        except FAILURES as error:
            failed.append(f"{change.says}: {_said(error)}")
    if failed:
        said = f"{len(failed)} of {len(action.changes)} changes could not be rolled back: {'; '.join(failed)}"
        journals.note(hand.journal, action, ROLLING_BACK, hand.now(), hand.by, said)
        raise LeaseholdError(f"{said}. Then again: `leasehold respond rollback {action.id}`")
    said = f"{why}; all is as it was before"
    if left:
        said = f"{why}; left as they are, because somebody else has changed them since: {'; '.join(left)}"
    return journals.note(hand.journal, action, ROLLED_BACK, hand.now(), hand.by, said)


def due(rows: list[Action], now: datetime) -> list[Action]:
    """The actions in force whose time is over; those stopped half way count from when they would have ended, too."""
    return [
        one
        for one in rows
        if one.event in journals.IN_FORCE and one.row["expires_at"] is not None and one.row["expires_at"] <= now
    ]


def standing(hand: Hand, action: Action, changes: tuple[Change, ...] = ()) -> list[tuple[Change, State]]:
    """How each change of an action (or these) stands in the account. Raises LeaseholdError if it does not answer."""
    try:
        return [(change, _look(hand, action, change)) for change in changes or action.changes]
    except FAILURES as error:
        raise LeaseholdError(
            f"{action.id}: nothing was changed, for the account could not be read: {_said(error)}"
        ) from None


def _refuse_guarded(action: Action, guards: tuple[Guarded, ...]) -> None:
    """Once more, with what is protected now."""
    if action.row["destination"]:
        refused = refusal(ip_network(action.row["destination"]), guards)
        if refused:
            raise LeaseholdError(f"{action.id} is not applied: {refused}")


def _all_as_planned(hand: Hand, action: Action, changes: tuple[Change, ...]) -> None:
    for change, state in standing(hand, action, changes):
        if state is not State.before:
            raise ConflictError(
                f"{action.id} is not applied: somebody has changed {change.resource} since it was planned, "
                f"so that this cannot be made: {change.says}. Plan again: `leasehold respond plan "
                f"{action.row['alert_id']}`"
            )


def _make(hand: Hand, action: Action, change: Change) -> None:
    state = _look(hand, action, change)
    if state is State.ours:  # before it was stopped
        return
    if state is State.other:
        raise ConflictError(f"somebody has just changed {change.resource}, so that this cannot be made: {change.says}")
    try:
        KINDS[change.kind].do(hand.aws, change, action.id)
    except FAILURES:
        # The answer may have been lost, and the call made again: then it is refused, because it is done.
        if _look(hand, action, change) is not State.ours:
            raise


def _unmake(hand: Hand, action: Action, change: Change) -> State:
    try:
        KINDS[change.kind].undo(hand.aws, change, action.id)
    except FAILURES:
        if _look(hand, action, change) is State.ours:  # else only the answer was lost
            raise
    return _settled(hand, action, change, State.ours)


def _look(hand: Hand, action: Action, change: Change) -> State:
    return KINDS[change.kind].look(hand.aws, change, action.id)


def _settled(hand: Hand, action: Action, change: Change, unlikely: State) -> State:
    """How a change stands, looked at again for some seconds while it is as it should not be."""
    for _ in range(_LOOKS - 1):
        state = _look(hand, action, change)
        if state is not unlikely:
            return state
        time.sleep(_PAUSE_SECONDS)
    return _look(hand, action, change)


def _said(error: Exception) -> str:
    if isinstance(error, ClientError):
        about = error.response.get("Error", {})
        message = str(about.get("Message", "")).partition("Encoded authorization failure message")[0].strip()
        return safe(f"{error.operation_name}: {about.get('Code', 'Unknown')}: {message}"[:300])
    return safe(str(error)[:300])
