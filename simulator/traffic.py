"""Invocations, conversations and API calls: who did what, when and how much. Columns, vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from simulator.account import Call, Function
from simulator.lifecycle import DAY, History
from simulator.randomness import Keys, chance, draw_keys, mixed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]

_HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 9, 7, 6, 5, 4, 3, 2], float)
_WEEKEND = 0.5
_HOLIDAY = 0.25
_PORTS = 32_256


@dataclass
class Columns:
    """A table as columns of one length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def where(self, chosen: npt.NDArray[np.bool_] | Ints) -> Self:
        """The rows chosen by a mask or by their indices."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All parts, in order of time (the first column), then of key."""
        columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)}
        order = np.lexsort((columns["key"], columns[fields(cls)[0].name]))
        return cls(**{name: column[order] for name, column in columns.items()})


@dataclass
class Invocations(Columns):
    """One invocation a row; times are seconds from the simulation's start."""

    start: Floats
    end: Floats
    key: Keys
    function: Texts
    version: Texts
    interface: Ints
    """index into the history's interfaces, -1 for functions outside the VPC"""
    failed: Bools
    scenario: Texts
    """empty: normal"""


@dataclass
class Conversations(Columns):
    """One connection a row; times are seconds from the simulation's start."""

    start: Floats
    end: Floats
    key: Keys
    invocation: Keys
    """the key of the invocation that it belongs to"""
    function: Texts
    interface: Ints
    local_port: Ints
    peer_addr: Texts
    peer_port: Ints
    bytes_out: Ints
    bytes_in: Ints
    peer: Texts
    service: Texts
    scenario: Texts
    refused: Ints
    """0: no; 1: on the function's own interface; 2: on the peer's"""


@dataclass
class ApiCalls(Columns):
    """One API call a row."""

    time: Floats
    key: Keys
    invocation: Keys
    function: Texts
    version: Texts
    interface: Ints
    source: Texts
    name: Texts
    via: Texts
    """endpoint (in the VPC), gateway (endpoint), nat or internet (from outside the VPC)"""
    scenario: Texts
    region: Texts
    """empty: where the service is"""
    denied: Bools


Activity = tuple[Invocations, Conversations, ApiCalls]


def invocation_times(
    function: Function,
    history: History,
    weekday: int,
    rng: np.random.Generator,
    rate: float = 1.0,
    schedule: tuple[str, float] | None = None,
) -> Floats:
    """When the function runs (by its own schedule or another), sorted. `weekday`: of the first day, Monday 0."""
    kind, value = schedule or function.schedule
    end = history.seconds
    if kind == "every":
        times = np.arange(rng.uniform(0, value), end, value / rate)
        times = times + rng.uniform(0, 2, len(times))
    elif kind in ("diurnal", "asked"):
        hours = np.arange(int(np.ceil(end / 3_600)))
        days, hour = hours // 24, (hours + (hours // 24 >= history.calendar.clock_change)) % 24
        off = (weekday + days) % 7 >= 5
        quiet = np.where(off, _WEEKEND, 1.0) * np.where(np.isin(days, history.calendar.holidays), _HOLIDAY, 1.0)
        weights = _HOURS[hour] / _HOURS.sum() * quiet
        if kind == "asked":
            weights = np.where(off | (hour < 7) | (hour > 17), 0.0, weights) / 5
        counts = rng.poisson(value * rate * weights * function.growth ** (hours * 3_600 / end))
        times = np.repeat(hours * 3_600.0, counts) + rng.uniform(0, 3_600, counts.sum())
    else:
        bursts = rng.uniform(0, end, max(1, round(value * rate * history.days / 7)))
        sizes = rng.integers(20, 80, len(bursts))
        times = np.repeat(bursts, sizes) + rng.uniform(0, 300, sizes.sum())
    times = np.sort(times)
    return times[times < end - 3]


def perform(
    history: History,
    function: Function,
    times: Floats,
    calls: Sequence[Call],
    rng: np.random.Generator,
    scenario: str = "",
) -> Activity:
    """Invocations at these times, each with its calls, on the interface that serves the function then.

    Where nothing serves it (before it is created, after it is deleted) nothing happens.
    """
    interface = _interfaces_at(history, function, times, rng)
    alive = interface >= 0 if function.in_vpc else np.ones(len(times), dtype=bool)
    times, interface = times[alive], interface[alive]
    count = len(times)
    invocations = Invocations(
        start=times,
        end=times + function.pace * rng.uniform(0.02, 0.4, count),
        key=draw_keys(rng, count),
        function=np.full(count, function.name),
        version=_versions_at(history, function, times),
        interface=interface,
        failed=rng.random(count) < 0.003,
        scenario=np.full(count, scenario),
    )
    conversations, api_calls = [], []
    for call in calls:
        made, asked = connect(history, function, invocations, call, rng)
        conversations.append(made)
        api_calls.append(asked)
    whole = Conversations.joined(conversations)
    # An invocation lasts as long as its longest connection, and a moment more.
    position = np.searchsorted(np.sort(invocations.key), whole.invocation)
    position = np.argsort(invocations.key)[position] if count else position
    np.maximum.at(invocations.end, position, whole.end + 0.05 * min(1, function.pace))
    if not function.in_vpc:
        whole = whole.where(np.zeros(len(whole), dtype=bool))
    return invocations, whole, ApiCalls.joined(api_calls)


def connect(
    history: History, function: Function, invocations: Invocations, call: Call, rng: np.random.Generator
) -> tuple[Conversations, ApiCalls]:
    """One connection in this share of the invocations, and the API calls made over it."""
    lasts = (invocations.start >= call.life[0]) & (invocations.start < call.life[1])
    those = invocations.where((rng.random(len(invocations)) < call.share) & lasts)
    count = len(those)
    start = those.start + min(1, function.pace) * rng.uniform(0.01, 0.15, count)
    longest = function.timeout - 2 * max(1, function.pace)
    seconds = np.minimum(rng.exponential(call.seconds, count) + 0.1 * function.pace, longest)
    # A deleted interface cuts what was open; the simulation's end does too.
    ends = np.array([min(i.end, history.seconds) for i in history.interfaces] + [history.seconds])
    end = np.maximum(start + 0.05 * min(1, function.pace), np.minimum(start + seconds, ends[those.interface] - 0.5))
    # At least 40 bytes in each window that it touches, whatever the windows are.
    least = (40 * (2 + (end - start) // 60)).astype(np.int64)
    sizes = rng.lognormal(0.0, call.spread, (2, count))
    made = Conversations(
        start=start,
        end=end,
        key=draw_keys(rng, count),
        invocation=those.key,
        function=those.function,
        interface=those.interface,
        local_port=np.zeros(count, dtype=np.int64),
        peer_addr=np.array(call.addresses)[rng.integers(0, len(call.addresses), count)],
        peer_port=np.full(count, call.port, dtype=np.int64),
        bytes_out=(call.bytes_out * sizes[0]).astype(np.int64) + least,
        bytes_in=(call.bytes_in * sizes[1]).astype(np.int64) + least,
        peer=np.full(count, call.peer),
        service=np.full(count, call.service or ""),
        scenario=those.scenario,
        refused=np.full(count, call.refused, dtype=np.int64),
    )
    asks = rng.random(count) < call.api_share
    parts = []
    for n, (source, name) in enumerate(call.api):
        # Spread over the connection, in the order given.
        moment = start + (end - start) * (n + 0.5) / len(call.api)
        key = mixed(made.key[asks], 101 + n)
        parts.append(
            ApiCalls(
                time=moment[asks],
                key=key,
                invocation=those.key[asks],
                function=those.function[asks],
                version=those.version[asks],
                interface=those.interface[asks],
                source=np.full(asks.sum(), source),
                name=np.full(asks.sum(), name),
                via=np.full(asks.sum(), _way(function, call)),
                scenario=those.scenario[asks],
                region=np.full(asks.sum(), call.api_region or ""),
                denied=chance(key, 9) < call.api_denied,
            )
        )
    return made, ApiCalls.joined(parts) if parts else _no_api_calls()


def _no_api_calls() -> ApiCalls:
    text, keys = np.array([], dtype="U1"), np.array([], dtype=np.uint64)
    none = np.array([], dtype=np.int64)
    return ApiCalls(np.array([]), keys, keys, text, text, none, text, text, text, text, text, none.astype(bool))


def _way(function: Function, call: Call) -> str:
    if not function.in_vpc:
        return "internet"
    if call.service in ("S3", "DYNAMODB"):
        return "gateway"
    return "endpoint" if call.addresses[0].startswith("10.") else "nat"


def assign_ports(conversations: Conversations, odd: bool) -> None:
    """Local ports in the order of time on each interface, so that none comes twice within a window.

    Even ones for the background and odd ones for scenarios: neither can take the other's.
    """
    order = np.lexsort((conversations.key, conversations.start, conversations.interface))
    interface = conversations.interface[order]
    first = np.searchsorted(interface, interface, side="left")
    turn = np.arange(len(order)) - first
    step = (turn + interface * 5_003) * 7_919 % _PORTS
    conversations.local_port[order] = 1_024 + 2 * step + odd


def _interfaces_at(history: History, function: Function, times: Floats, rng: np.random.Generator) -> Ints:
    """Index of the interface that carries each invocation: an execution environment lives in one subnet."""
    found = np.full(len(times), -1, dtype=np.int64)
    if not function.in_vpc:
        return found
    choice = rng.integers(0, len(function.subnets), len(times))
    for n, subnet in enumerate(function.subnets):
        for start, end, index in history.serving(function, subnet):
            found[(choice == n) & (times >= start) & (times < end)] = index
    return found


def _versions_at(history: History, function: Function, times: Floats) -> Texts:
    edges = [0.0, *(c.done for c in history.changes if c.function == function.name and c.kind == "publish")]
    versions = np.array([history.version_at(function, edge) for edge in edges])
    return versions[np.searchsorted(edges, times, side="right") - 1]


def weekday_of(start: int) -> int:
    """Monday 0; `start` in Unix seconds (1 January 1970 was a Thursday)."""
    return (start // DAY + 3) % 7
