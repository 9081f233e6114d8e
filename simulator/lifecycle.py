"""What happens to the account over time: deployments, configurations, and the interfaces that follow from them."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from simulator.account import (
    NO_CALENDAR,
    ZONES,
    Account,
    Calendar,
    Change,
    Function,
    Handover,
    Quiet,
    Resource,
    Spell,
    group,
)
from simulator.randomness import stable_id

DAY = 86_400
LATEST = "$LATEST"
ALIAS = "live"


@dataclass(frozen=True)
class Interface:
    """One Hyperplane interface over its life [start, end), in seconds from the simulation's start."""

    interface_id: str
    address: str
    subnet: str
    groups: tuple[str, ...]
    creator: str
    start: float
    end: float
    """infinite when it outlives the simulation"""
    description_uuid: str

    @property
    def description(self) -> str:
        return f"AWS Lambda VPC ENI-{self.creator}-{self.description_uuid}"

    @property
    def zone(self) -> str:
        return ZONES[self.subnet]


@dataclass(frozen=True)
class Configuration:
    """The groups with which $LATEST serves over [start, end)."""

    function: str
    groups: tuple[str, ...]
    asked: float
    start: float
    end: float


@dataclass(frozen=True)
class State:
    """One function version as ListFunctions shows it."""

    version: str
    groups: tuple[str, ...]
    release: int
    """which code: 0 is the first"""
    modified: float
    state: str = "Active"
    update: str = "Successful"
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    """what ListFunctions shows otherwise than for others"""


@dataclass(frozen=True)
class History:
    """The account and all that happens to it in so many days."""

    days: float
    functions: tuple[Function, ...]
    resources: tuple[Resource, ...]
    changes: tuple[Change, ...]
    configurations: tuple[Configuration, ...]
    interfaces: tuple[Interface, ...]
    calendar: Calendar = NO_CALENDAR
    spells: tuple[Spell, ...] = ()
    quiet: tuple[Quiet, ...] = ()

    @property
    def seconds(self) -> float:
        return self.days * DAY

    def function(self, name: str) -> Function:
        """The function of that name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Function]:
        return {f.name: f for f in self.functions}

    @cached_property
    def _changes_of(self) -> dict[str, list[Change]]:
        made: dict[str, list[Change]] = {}
        for change in self.changes:
            made.setdefault(change.function, []).append(change)
        return made

    def serving(self, function: Function, subnet: str) -> list[tuple[float, float, int]]:
        """(from, to, index of the interface) that carries the function's new connections there, in order."""
        spans: list[tuple[float, float, int]] = []
        mine = [c for c in self.configurations if c.function == function.name]
        for index, interface in enumerate(self.interfaces):
            if interface.subnet != subnet:
                continue
            for configuration in mine:
                if configuration.groups != interface.groups:
                    continue
                start, end = max(configuration.start, interface.start), min(configuration.end, interface.end)
                if start < end:
                    spans.append((start, end, index))
        spans.sort()
        # A re-created interface takes over half a minute after it has come, while the old one still exists.
        for n in range(len(spans) - 1):
            begin = max(spans[n + 1][0], min(spans[n + 1][0] + 30, spans[n][1]))
            spans[n] = (spans[n][0], min(spans[n][1], begin), spans[n][2])
            spans[n + 1] = (begin, *spans[n + 1][1:])
        return spans

    def states(self, function: Function, moment: float) -> tuple[State, ...]:
        """The function's versions as a poll at that moment shows them; none before it exists and after."""
        born = function.life[0] == 0.0
        latest = State(LATEST, function.groups, 0, -9 * DAY + 40_000.0) if born else None
        versions = [State("1", function.groups, 0, -9 * DAY + 40_007.0)] if born and function.deploys else []
        for change in self._changes_of.get(function.name, ()):
            if change.time > moment or change.error:
                continue
            busy = moment < change.done
            if change.kind == "delete":
                return ()
            if change.kind == "create":
                latest = State(LATEST, change.groups, 0, change.time, "Pending" if busy else "Active")
            elif latest is None:
                continue
            elif change.kind == "publish":
                made = State(change.version, latest.groups, latest.release, change.time, settings=latest.settings)
                versions.append(made)
            else:
                configured = change.kind == "configuration" and not busy
                groups = change.groups if configured and change.groups else latest.groups
                settings = latest.settings | json.loads(change.settings or "{}") if configured else latest.settings
                release = latest.release + (change.kind == "code" and not busy)
                status = "InProgress" if busy else "Successful"
                latest = State(LATEST, groups, release, change.time, "Active", status, settings)
        return (latest, *versions) if latest else ()

    def version_at(self, function: Function, moment: float) -> str:
        """The version that an invocation runs: the newest published one, else $LATEST."""
        published = [c for c in self._changes_of.get(function.name, ()) if c.kind == "publish"]
        earlier = [c.version for c in published if c.done <= moment]
        return earlier[-1] if earlier else "1" if function.deploys else LATEST


def history(account: Account, days: float) -> History:
    """All that happens to the account in so many days. It depends on no seed but the account's own."""
    everything = account.functions
    later = (change for change in account.changes if change.done < days * DAY)
    changes = tuple(sorted((*_changes(everything, days), *later), key=lambda c: (c.time, c.function)))
    configurations = tuple(c for f in everything for c in _configurations(f, changes))
    made = _interfaces(configurations, account, days * DAY)
    return History(
        days, everything, account.resources, changes, configurations, made,
        account.calendar, account.spells, account.quiet,
    )  # fmt: skip


def _office_hour(fraction: float, days: float, hour: float) -> float:
    """The day at that share of the days, at that hour."""
    return math.floor(fraction * days) * DAY + hour * 3_600


def _changes(everything: Sequence[Function], days: float) -> Iterator[Change]:
    for function in everything:
        name = function.name
        born, dead = function.life
        late = function.late_hours
        made: list[Change] = []
        if born > 0:
            moment = _office_hour(born, days, 9.31 + late)
            made.append(Change(moment, moment + 60, name, "create", function.groups))
        if function.moves:
            # At the shop 10:29:24: the poll of 10:30 finds it in progress.
            moment = _office_hour(function.moves[0], days, 10.49 + late)
            made.append(Change(moment, moment + 70, name, "configuration", function.moves[1]))
            text = (
                f"The operation cannot be performed at this time. An update is in progress for resource: {function.arn}"
            )
            error = ("ResourceConflictException", text)
            asked = group("default")
            made.append(Change(moment + 21, moment + 21, name, "configuration", asked, error=error))
        for n, fraction in enumerate(function.deploys):
            moment = _office_hour(fraction, days, 11.2 + 1.7 * n + late)
            made.append(Change(moment, moment + 6, name, "code"))
            made.append(Change(moment + 9, moment + 11, name, "publish", version=str(n + 2)))
        if dead < 1:
            moment = _office_hour(dead, days, 16.73 + late)
            made.append(Change(moment, moment, name, "delete"))
        yield from (change for change in made if change.done < days * DAY)


def _configurations(function: Function, changes: Sequence[Change]) -> Iterator[Configuration]:
    if not function.in_vpc:
        return
    mine = [c for c in changes if c.function == function.name and not c.error]
    groups, asked, start = function.groups, 0.0, 0.0
    exists = function.life[0] == 0.0
    for change in mine:
        if change.kind == "create":
            groups, asked, start, exists = change.groups, change.time, change.done, True
        elif change.kind == "configuration" and change.groups:
            yield Configuration(function.name, groups, asked, start, change.done)
            groups, asked, start = change.groups, change.time, change.done
        elif change.kind == "delete":
            yield Configuration(function.name, groups, asked, start, change.time)
            return
    if exists:
        yield Configuration(function.name, groups, asked, start, math.inf)


def _interfaces(configurations: Sequence[Configuration], account: Account, seconds: float) -> tuple[Interface, ...]:
    """One per (subnet, groups) in use, kept for 20 minutes after the last user has gone.

    Where Lambda re-creates one there are two for a minute, each with its address.
    """
    subnets = {f.name: f.subnets for f in account.functions}
    uses: dict[tuple[str, tuple[str, ...]], list[Configuration]] = {}
    for configuration in configurations:
        for subnet in subnets[configuration.function]:
            uses.setdefault((subnet, configuration.groups), []).append(configuration)
    renewals = _renewals(account.handovers, seconds)
    made: list[Interface] = []
    for (subnet, groups), users in uses.items():
        first = min(users, key=lambda c: c.asked)
        begin = first.asked + 4 if first.asked > 0 else 0.0
        end = max(c.end for c in users) + 1_200
        lives = []
        for new, old_end in renewals.get((subnet, groups), ()):
            lives.append((begin, old_end))
            begin = new
        lives.append((begin, end if end < seconds else math.inf))
        for part, (start, stop) in enumerate(lives):
            label = str(uuid.UUID(stable_id("", subnet, groups, part, length=32), version=4))
            made.append(
                Interface(
                    stable_id("eni-0", subnet, groups, part, length=16), account.address(subnet, len(made)),
                    subnet, groups, first.function, start, stop, label,
                )
            )  # fmt: skip
    return tuple(_handed_over(made, account.handovers))


def _renewals(
    handovers: Sequence[Handover], seconds: float
) -> dict[tuple[str, tuple[str, ...]], list[tuple[float, float]]]:
    """(begin of the new interface, end of the old one) for each (subnet, groups), as far as time reaches."""
    made: dict[tuple[str, tuple[str, ...]], list[tuple[float, float]]] = {}
    for handover in sorted(handovers, key=lambda h: h.gone):
        begin = handover.gone + handover.pause
        if handover.gone < seconds:
            made.setdefault((handover.subnet, handover.giver), []).append((handover.gone - 60, handover.gone))
        if begin + 60 < seconds:
            made.setdefault((handover.subnet, handover.heir), []).append((begin, begin + 60))
    return made


def _handed_over(interfaces: list[Interface], handovers: Sequence[Handover]) -> list[Interface]:
    """The interfaces, with what givers left to heirs: in order of time, for an heir can give in its turn."""
    made = list(interfaces)
    ends = {(i.subnet, i.groups, i.end): n for n, i in enumerate(made)}
    begins = {(i.subnet, i.groups, i.start): n for n, i in enumerate(made)}
    for handover in sorted(handovers, key=lambda h: h.gone):
        old = ends.get((handover.subnet, handover.giver, handover.gone))
        new = begins.get((handover.subnet, handover.heir, handover.gone + handover.pause))
        if old is not None and new is not None:
            made[new] = replace(made[new], address=made[old].address)
    return made
