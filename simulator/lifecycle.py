"""What happens to the account over time: deployments, configurations, and the interfaces that follow from them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.account import SUBNET_A, SUBNETS, Function, Resource, functions, group, resources
from simulator.randomness import stable_id

DAY = 86_400
LATEST = "$LATEST"
ALIAS = "live"

_RECREATED, _HEIR = group("rds-query-logger"), group("search")


@dataclass(frozen=True)
class Change:
    """A call that changes a function; times in seconds from the simulation's start."""

    time: float
    done: float
    """when it has taken effect: until then what was before goes on serving"""
    function: str
    kind: str
    """create, code, publish, configuration or delete"""
    groups: tuple[str, ...] = ()
    """of a configuration: the security groups asked for"""
    version: str = LATEST
    error: tuple[str, str] | None = None
    """(code, message) of a call that failed and changed nothing"""


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
        return SUBNETS[self.subnet]


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


@dataclass(frozen=True)
class History:
    """The account and all that happens to it in so many days."""

    days: float
    functions: tuple[Function, ...]
    resources: tuple[Resource, ...]
    changes: tuple[Change, ...]
    configurations: tuple[Configuration, ...]
    interfaces: tuple[Interface, ...]

    @property
    def seconds(self) -> float:
        return self.days * DAY

    def function(self, name: str) -> Function:
        """The function of that name."""
        return next(f for f in self.functions if f.name == name)

    def serving(self, function: Function, subnet: str) -> list[tuple[float, float, int]]:
        """(from, to, index of the interface) that carries the function's new connections there, in order."""
        spans: list[tuple[float, float, int]] = []
        for index, interface in enumerate(self.interfaces):
            if interface.subnet != subnet:
                continue
            for configuration in self.configurations:
                if configuration.function != function.name or configuration.groups != interface.groups:
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
        for change in self.changes:
            if change.function != function.name or change.time > moment or change.error:
                continue
            busy = moment < change.done
            if change.kind == "delete":
                return ()
            if change.kind == "create":
                latest = State(LATEST, change.groups, 0, change.time, "Pending" if busy else "Active")
            elif latest is None:
                continue
            elif change.kind == "publish":
                versions.append(State(change.version, latest.groups, latest.release, change.time))
            else:
                groups = change.groups if change.kind == "configuration" and not busy else latest.groups
                release = latest.release + (change.kind == "code" and not busy)
                status = "InProgress" if busy else "Successful"
                latest = State(LATEST, groups, release, change.time, "Active", status)
        return (latest, *versions) if latest else ()

    def version_at(self, function: Function, moment: float) -> str:
        """The version that an invocation runs: the newest published one, else $LATEST."""
        published = [c for c in self.changes if c.function == function.name and c.kind == "publish"]
        earlier = [c.version for c in published if c.done <= moment]
        return earlier[-1] if earlier else "1" if function.deploys else LATEST


def history(days: float) -> History:
    """All that happens in so many days. It depends on no seed: only traffic does."""
    everything = functions()
    changes = tuple(sorted(_changes(everything, days), key=lambda c: (c.time, c.function)))
    configurations = tuple(c for f in everything for c in _configurations(f, changes))
    made = _interfaces(configurations, everything, days)
    return History(days, everything, resources(), changes, configurations, made)


def _office_hour(fraction: float, days: float, hour: float) -> float:
    """That share of the days, at that hour."""
    return math.floor(fraction * days) * DAY + hour * 3_600


def _changes(everything: Sequence[Function], days: float) -> Iterator[Change]:
    for function in everything:
        name = function.name
        born, dead = function.life
        made: list[Change] = []
        if born > 0:
            moment = _office_hour(born, days, 9.31)
            made.append(Change(moment, moment + 60, name, "create", function.groups))
        if function.moves:
            # 10:29:24: the poll of 10:30 finds it in progress.
            moment = _office_hour(function.moves[0], days, 10.49)
            made.append(Change(moment, moment + 70, name, "configuration", function.moves[1]))
            text = (
                f"The operation cannot be performed at this time. An update is in progress for resource: {function.arn}"
            )
            error = ("ResourceConflictException", text)
            asked = group("default")
            made.append(Change(moment + 21, moment + 21, name, "configuration", asked, error=error))
        for n, fraction in enumerate(function.deploys):
            moment = _office_hour(fraction, days, 11.2 + 1.7 * n)
            made.append(Change(moment, moment + 6, name, "code"))
            made.append(Change(moment + 9, moment + 11, name, "publish", version=str(n + 2)))
        if dead < 1:
            moment = _office_hour(dead, days, 16.73)
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
        elif change.kind == "configuration":
            yield Configuration(function.name, groups, asked, start, change.done)
            groups, asked, start = change.groups, change.time, change.done
        elif change.kind == "delete":
            yield Configuration(function.name, groups, asked, start, change.time)
            return
    if exists:
        yield Configuration(function.name, groups, asked, start, math.inf)


def _interfaces(
    configurations: Sequence[Configuration], everything: Sequence[Function], days: float
) -> tuple[Interface, ...]:
    """One per (subnet, groups) in use, kept for 20 minutes after the last user has gone.

    After a third of the time Lambda re-creates one with another address; two minutes after the old one
    is gone, its address goes to the interface of other functions, which is re-created too.
    """
    subnets = {f.name: f.subnets for f in everything}
    uses: dict[tuple[str, tuple[str, ...]], list[Configuration]] = {}
    for configuration in configurations:
        for subnet in subnets[configuration.function]:
            uses.setdefault((subnet, configuration.groups), []).append(configuration)
    gone = days * DAY / 3 + 433
    made: list[Interface] = []
    handed_over = ""
    for (subnet, groups), users in uses.items():
        first = min(users, key=lambda c: c.asked)
        start = first.asked + 4 if first.asked > 0 else 0.0
        end = max(c.end for c in users) + 1_200
        lives = [(start, end if end < days * DAY else math.inf)]
        if groups == _RECREATED and gone < days * DAY:
            lives = [(0.0, gone), (gone - 60, math.inf)]
        elif groups == _HEIR and gone + 180 < days * DAY:
            lives = [(0.0, gone + 180), (gone + 120, math.inf)]
        for part, (begin, stop) in enumerate(lives):
            address = f"10.0.{1 if subnet == SUBNET_A else 2}.{101 + len(made)}"
            if groups == _RECREATED and part == 0:
                handed_over = address
            elif groups == _HEIR and part == 1:
                address = handed_over
            label = str(uuid.UUID(stable_id("", subnet, groups, part, length=32), version=4))
            made.append(
                Interface(
                    stable_id("eni-0", subnet, groups, part, length=16),
                    address, subnet, groups, first.function, begin, stop, label,
                )
            )  # fmt: skip
    return tuple(made)
