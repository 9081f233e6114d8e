"""Conversations: who talked to whom, when and how much. Columns of one length, vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.account import DAY, Call, Function, Interface

Times = npt.NDArray[np.float64]

_SHAPE = np.array(
    [1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 9, 7, 6, 5, 4, 3, 2], dtype=float
)


@dataclass
class Conversations:
    """Columns; times are seconds from the simulation's start."""

    start: Times
    end: Times
    function: npt.NDArray[np.str_]
    interface: npt.NDArray[np.int64]
    """index into the account's interfaces"""
    local_port: npt.NDArray[np.int64]
    peer_addr: npt.NDArray[np.str_]
    peer_port: npt.NDArray[np.int64]
    bytes_out: npt.NDArray[np.int64]
    bytes_in: npt.NDArray[np.int64]
    peer: npt.NDArray[np.str_]
    service: npt.NDArray[np.str_]
    scenario: npt.NDArray[np.str_]

    @classmethod
    def joined(cls, parts: list[Conversations]) -> Conversations:
        """All parts, in order of time."""
        names = list(cls.__dataclass_fields__)
        whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        order = np.lexsort((whole["local_port"], whole["function"], whole["start"]))
        return cls(**{name: column[order] for name, column in whole.items()})

    def __len__(self) -> int:
        return len(self.start)


def invocations(function: Function, days: float, rng: np.random.Generator, rate: float = 1.0) -> Times:
    """When the function runs, in seconds from the start, sorted."""
    kind, value = function.schedule
    if kind == "every":
        times = np.arange(rng.uniform(0, value), days * DAY, value / rate)
        return times + rng.uniform(0, 2, len(times))
    if kind == "diurnal":
        hours = np.arange(int(days * 24))
        counts = rng.poisson(value * rate * _SHAPE[hours % 24] / _SHAPE.sum())
        return np.sort(np.repeat(hours * 3_600.0, counts) + rng.uniform(0, 3_600, counts.sum()))
    bursts = np.sort(rng.uniform(0, days * DAY, max(1, int(value * rate * days / 7))))
    sizes = rng.integers(20, 80, len(bursts))
    times = np.repeat(bursts, sizes) + rng.uniform(0, 300, sizes.sum())
    return np.sort(times[times < days * DAY])


def connect(
    times: Times,
    function: Function,
    call: Call,
    interfaces: tuple[Interface, ...],
    rng: np.random.Generator,
    scenario: str = "",
) -> Conversations:
    """One connection at each of the times, on the interface that serves the function then."""
    count = len(times)
    where = _interface_at(times, function, interfaces, rng)
    seconds = np.minimum(rng.exponential(4.0, count) + 0.2, 840)
    sizes = rng.lognormal(0.0, 0.25, (2, count))
    known = where >= 0
    columns = Conversations(
        start=times,
        end=times + seconds,
        function=np.full(count, function.name),
        interface=where,
        local_port=rng.integers(1_024, 65_536, count),
        peer_addr=np.array(call.addresses)[rng.integers(0, len(call.addresses), count)],
        peer_port=np.full(count, call.port, dtype=np.int64),
        bytes_out=(call.bytes_out * sizes[0]).astype(np.int64) + 40,
        bytes_in=(call.bytes_in * sizes[1]).astype(np.int64) + 40,
        peer=np.full(count, call.peer),
        service=np.full(count, call.service or ""),
        scenario=np.full(count, scenario),
    )
    return Conversations(
        **{name: getattr(columns, name)[known] for name in Conversations.__dataclass_fields__}
    )


def habitual(
    function: Function, times: Times, interfaces: tuple[Interface, ...], rng: np.random.Generator
) -> list[Conversations]:
    """What the function does in its invocations."""
    parts = []
    for call in function.calls:
        chosen = times[(rng.random(len(times)) < call.share) & (times >= call.from_day * DAY)]
        parts.append(connect(chosen + rng.uniform(0.05, 1.5, len(chosen)), function, call, interfaces, rng))
    return parts


def _interface_at(
    times: Times, function: Function, interfaces: tuple[Interface, ...], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Index of the interface in use, -1 while there is none (it is being made again)."""
    subnets = np.array(function.subnets)[rng.integers(0, len(function.subnets), len(times))]
    found = np.full(len(times), -1, dtype=np.int64)
    moved = function.moves[0] * DAY if function.moves else np.inf
    for index, interface in enumerate(interfaces):
        mine = (subnets == interface.subnet) & (times >= interface.start) & (times < interface.end - 30)
        groups_fit = np.where(
            times < moved, interface.groups == function.groups, interface.groups == function.groups_at(np.inf)
        )
        found[mine & groups_fit] = index
    return found
