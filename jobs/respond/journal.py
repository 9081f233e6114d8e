"""The rows of `response_actions`: written before the first call and after the last, and all that `rollback` needs."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pyspark.sql import functions as F

from jobs.errors import LeaseholdError
from jobs.respond.model import Case, Change, Row, Way, action_id
from jobs.storage import Lake
from transforms.schemas import RESPONSE_ACTIONS

PLANNED, APPLYING, APPLIED, VERIFIED = "planned", "applying", "applied", "verified"
ROLLING_BACK, ROLLED_BACK = "rolling back", "rolled back"
IN_FORCE = (APPLYING, APPLIED, ROLLING_BACK)
"""What may be in the account."""


class Journal(Protocol):
    """Where the rows are kept."""

    def rows(self, prefix: str = "") -> list[Row]:
        """Those of the actions whose id begins so, in the order of their steps."""
        ...

    def add(self, row: Row) -> None:
        """Keep one more; when this returns it survives a crash."""
        ...


@dataclass(frozen=True)
class LakeJournal:
    """The table in a lake."""

    lake: Lake

    def rows(self, prefix: str = "") -> list[Row]:
        frame = self.lake.read(RESPONSE_ACTIONS)
        if prefix:
            frame = frame.where(F.col("action_id").startswith(F.lit(prefix)))
        found: list[Row] = frame.orderBy("event_time", "action_id", "step").toArrow().to_pylist()
        return found

    def add(self, row: Row) -> None:
        self.lake.append(RESPONSE_ACTIONS, self.lake.frame(RESPONSE_ACTIONS, [row]))


@dataclass(frozen=True)
class Action:
    """An action as its rows leave it."""

    row: Row
    """its last"""
    event: str
    """its last but `verified`: where it stands"""
    applied_at: datetime | None = None
    """when it was applied for the last time"""

    @property
    def id(self) -> str:
        return str(self.row["action_id"])

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(Change(**change) for change in json.loads(self.row["changes"]))


def stored(changes: Iterable[Change]) -> str:
    """Changes as the table has them."""
    return json.dumps([change.row() for change in changes])


def actions(rows: Iterable[Row]) -> list[Action]:
    """The actions of some rows, in the order of their last events."""
    by_id: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["action_id"], row["step"])):
        by_id.setdefault(row["action_id"], []).append(row)
    found = []
    for steps in by_id.values():
        stands = [row["event"] for row in steps if row["event"] != VERIFIED][-1]
        applied = [row["event_time"] for row in steps if row["event"] == APPLIED]
        found.append(Action(steps[-1], stands, applied[-1] if applied else None))
    return sorted(found, key=lambda action: (action.row["event_time"], action.id))


def find(journal: Journal, prefix: str) -> Action:
    """The one action whose id begins so; raises LeaseholdError for none and for several."""
    found = actions(journal.rows(prefix)) if prefix else []
    if not found:
        raise LeaseholdError(
            f"there is no plan {prefix!r}: `leasehold respond plan ALERT` makes plans, `leasehold respond list` lists"
        )
    if len(found) > 1:
        raise LeaseholdError(f"several plans begin with {prefix!r}: give more of the id")
    return found[0]


def plan(journal: Journal, case: Case, ways: Sequence[Way], now: datetime, by: str) -> dict[str, str]:
    """Keep the ways that can be applied; those that are kept, or in force, already are not kept twice.

    Returns action ids by the way's name.
    """
    ids = {}
    for way in ways:
        if not way.changes or way.obstacle:
            continue
        ids[way.name] = made = action_id(case, way)
        kept = actions(row for row in journal.rows(made))
        if kept and kept[0].event != ROLLED_BACK:
            continue
        journal.add(
            {
                "action_id": made,
                "step": kept[0].row["step"] + 1 if kept else 1,
                "event": PLANNED,
                "event_time": now,
                "principal": by,
                "alert_id": case.alert_id,
                "way": way.name,
                "account_id": case.account_id,
                "region": case.region,
                "functions": ", ".join(case.functions),
                "destination": str(way.destination) if way.destination else None,
                "changes": stored(way.changes),
                "blast_radius": json.dumps(list(way.radius), default=str),
                "note": way.title,
            }
        )
    return ids


def note(journal: Journal, action: Action, event: str, now: datetime, by: str, said: str, **more: object) -> Action:
    """Add an event to an action; returns the action as it is then."""
    row = {**action.row, "step": action.row["step"] + 1, "event": event, "event_time": now, "principal": by}
    row |= {"note": said, **more}
    journal.add(row)
    stands = action.event if event == VERIFIED else event
    return Action(row, stands, now if event == APPLIED else action.applied_at)


def somebody() -> str:
    """Who is at this machine, where AWS has not been asked who it is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
