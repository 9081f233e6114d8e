"""Each sink gets what it has not got: one by one, whatever happens to the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from conf.sinks import KINDS, Sink, check_place
from jobs import logs
from jobs.errors import BusyError, LeaseholdError
from jobs.hand_over import folder, security_hub, sns, webhook
from jobs.hand_over.parcels import NOT_TRIED, Deliver, Outcome, Parcel, next_rows, packed, pending, record
from jobs.lock import writing
from jobs.ocsf_findings import VERSIONS
from jobs.show import Row, safe
from jobs.storage import Lake
from transforms.schemas import DELIVERIES

_AT_ONCE = 100
"""Parcels between two commits: so many at most are sent again after a crash, under the same ids."""
_LOCK = "_sending"
"""Folder with the lock of `deliveries`: to send takes as long as others take to answer, and no run waits for it."""


@dataclass(frozen=True)
class Told:
    """What came of one sink."""

    sink: Sink
    sent: int
    failed: int
    error: str
    """the first reason why not all was sent; empty: it was"""
    waiting: int = 0
    """not even tried"""


def send(lake: Lake, sinks: Sequence[Sink], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Told]:
    """Hand over to each sink what it has not got; raises BusyError if that is being done by somebody else."""
    with writing(lake.beside(_LOCK), "leasehold send") as lock:
        writable = replace(lake, lock=lock)
        writable.create([DELIVERIES])
        # Webhooks, which may keep one waiting the longest, come last.
        return [_one(writable, sink, now) for sink in sorted(sinks, key=lambda sink: KINDS.index(sink.kind))]


def chosen(sinks: Sequence[Sink], name: str | None) -> Sequence[Sink]:
    """Those of the settings, or the one of that name; raises LeaseholdError where there is none."""
    if not sinks:
        raise LeaseholdError("the settings name no sinks: add some, as conf/local.yaml and docs/hand_over.md show")
    found = [sink for sink in sinks if name in (None, sink.name)]
    if not found:
        raise LeaseholdError(f"there is no sink {name!r}; the settings have {', '.join(sink.name for sink in sinks)}")
    return found


def _one(lake: Lake, sink: Sink, now: Callable[[], datetime]) -> Told:
    sent = failed = 0
    reason, started = "", now()
    try:
        deliver = opened(sink)
        while rows := next_rows(lake, sink, started, _AT_ONCE):
            outcomes = _delivered(deliver, packed(lake, rows, VERSIONS[0]))
            tried = [(parcel, error) for parcel, error in outcomes if not error.startswith(NOT_TRIED)]
            record(lake, sink, tried, started, now())
            lost = [error for _, error in tried if error]
            sent, failed = sent + len(tried) - len(lost), failed + len(lost)
            reason = reason or (lost[0] if lost else "")
            if len(tried) < len(rows):  # it is down: the next run tries again
                break
    except BusyError:
        raise
    except Exception as error:
        # One sink stops no other, whatever is wrong with it; what an unknown error says may hold an address.
        reason = safe(error) if isinstance(error, LeaseholdError) else f"{type(error).__name__}, a mistake of ours"
    waiting = pending(lake, sink).count() - failed if reason else 0
    logs.say("sent", f"{sink.name}: {sent} sent, {failed} failed", sink=sink.name, sent=sent, failed=failed)
    return Told(sink, sent, failed, reason, max(waiting, 0))


def _delivered(deliver: Deliver, parcels: list[Parcel]) -> list[Outcome]:
    """An outcome for each parcel, also where it broke off half-way."""
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(deliver(parcels))
    except Exception as error:
        broken, *rest = parcels[len(outcomes) :]
        outcomes.append((broken, f"{type(error).__name__}, a mistake of ours"))
        outcomes += [(parcel, f"{NOT_TRIED}it broke off") for parcel in rest]
    return outcomes


def opened(sink: Sink) -> Deliver:
    """How to hand over to a sink; raises LeaseholdError where its environment variables are missing or wrong."""
    place = _variable(sink, sink.to_env) if sink.to_env else sink.to
    try:
        check_place(sink, place)
    except ValueError as error:
        raise LeaseholdError(str(error)) from None
    secret = _variable(sink, sink.secret_env) if sink.secret_env else ""

    def deliver(parcels: Sequence[Parcel]) -> Iterator[Outcome]:
        if sink.kind == "folder":
            return folder.deliver(place, parcels)
        if sink.kind == "security_hub":
            return security_hub.deliver(place, parcels)
        if sink.kind == "sns":
            return sns.deliver(place, parcels)
        return webhook.deliver(place, secret, parcels)

    return deliver


def _variable(sink: Sink, name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise LeaseholdError(f"sink {sink.name}: the environment variable {name} is not set")
    return value


def as_row(told: Told) -> Row:
    """For --json."""
    return {
        "sink": told.sink.name,
        "kind": told.sink.kind,
        "sent": told.sent,
        "failed": told.failed,
        "waiting": told.waiting,
        "error": told.error or None,
    }
