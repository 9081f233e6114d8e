"""What the company's scenarios are made with: whom they hit, when, and how they hang on to what runs anyway."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from simulator.account import Call, Function, vpc_of
from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.traffic import ApiCalls, Conversations, Floats, Invocations, connect, perform

HOUR = 3_600
_LEARNED = 36
"""days before anything begins, in a simulation that is long enough"""
_LAST = 4
"""days at the end that are kept for what blinds the whole account"""


def chosen(history: History, rng: np.random.Generator, effects: Effects, fit: Callable[[Function], bool]) -> Function:
    """A function that fits, and to which nothing else happens if there is such a one; it is taken then."""
    whole = [f for f in history.functions if f.life == (0.0, 1.0) and not f.moves]
    fitting = [f for f in whole if fit(f) and len(effects.background[f.name])]
    fitting = fitting or [f for f in whole if len(effects.background[f.name])]
    busy = effects.taken | {q.function for q in history.quiet}
    best = next(
        some
        for some in (
            [f for f in fitting if f.name not in busy],
            [f for f in fitting if f.name not in effects.taken],
            fitting,
        )
        if some
    )
    function = best[int(rng.integers(len(best)))]
    effects.taken.add(function.name)
    return function


def moment(history: History, rng: np.random.Generator, lasting: float) -> float:
    """When something begins that lasts so many seconds: after all is learned and before the last days."""
    days = history.days
    first = (_LEARNED if days >= 45 else 0.6 * days) * DAY
    last = (days - (_LAST if days >= 45 else 0.1 * days)) * DAY - lasting
    return float(rng.uniform(first, max(last, first + 0.01 * DAY)))


def judged_end(history: History) -> float:
    """Where what lasts for days ends at the latest."""
    return (history.days - (_LAST if history.days >= 45 else 0.1 * history.days)) * DAY


def static(function: Function) -> bool:
    """In a VPC, runs some times a day at least, and talks to a handful of addresses only."""
    addresses = {address for call in function.calls for address in call.addresses}
    return function.in_vpc and runs(function) and len(addresses) < 40


def runs(function: Function) -> bool:
    """Some times a day at least."""
    kind, value = function.schedule
    return value <= 7_200 if kind == "every" else value >= 15 if kind == "diurnal" else False


def stranger(rng: np.random.Generator) -> str:
    """An address that nobody has ever talked to: the company's own peers are in other blocks."""
    return f"198.19.{int(rng.integers(248, 256))}.{int(rng.integers(1, 255))}"


def vpc_number(function: Function) -> int:
    """0 for the first VPC, 1 for the second."""
    return 0 if vpc_of(function.subnets[0]).endswith("8") else 1


def ride(
    history: History,
    effects: Effects,
    rng: np.random.Generator,
    name: str,
    function: Function,
    span: tuple[float, float],
    calls: Sequence[Call],
    most: int | None = None,
) -> tuple[float, float, set[str]]:
    """The calls are made in the function's own invocations over the span, at most in so many of them.

    Code that was smuggled in runs when the function runs: no invocation is added unless there is none at all.
    Returns when it began and ended, and the addresses.
    """
    own = effects.background[function.name]
    there = np.flatnonzero((own.start >= span[0]) & (own.start < span[1]))
    if function.in_vpc:
        there = there[own.interface[there] >= 0]
    if not len(there):
        return act(history, effects, rng, name, function, np.array([span[0]]), calls)
    if most is not None and len(there) > most:
        there = np.sort(rng.choice(there, most, False))
    return hang_on(history, effects, rng, name, function, own.where(there), calls)


def hang_on(
    history: History,
    effects: Effects,
    rng: np.random.Generator,
    name: str,
    function: Function,
    those: Invocations,
    calls: Sequence[Call],
    over: float = 0.0,
) -> tuple[float, float, set[str]]:
    """The calls in these invocations (one may be there several times), begun over so many seconds."""
    those = replace(those, scenario=np.full(len(those), name))
    parts = [connect(history, function, those, call, rng) for call in calls]
    talks = Conversations.joined([part[0] for part in parts])
    delay = rng.uniform(0, over, len(talks)) if over else np.zeros(len(talks))
    talks.start, talks.end = talks.start + delay, talks.end + delay
    asked = ApiCalls.joined([part[1] for part in parts])
    if not function.in_vpc:
        talks = talks.where(np.zeros(len(talks), dtype=bool))
    nothing = those.where(np.zeros(len(those), dtype=bool))
    effects.activities.append((nothing, talks, asked))
    times = _some(np.concatenate([talks.start, talks.end, asked.time]), name)
    return float(times.min()), float(times.max()), set(talks.peer_addr.tolist())


def act(
    history: History,
    effects: Effects,
    rng: np.random.Generator,
    name: str,
    function: Function,
    times: Floats,
    calls: Sequence[Call],
    pace: float | None = None,
) -> tuple[float, float, set[str]]:
    """Invocations that nobody else would have made, with these calls only."""
    times = _some(times[(times >= 0) & (times < history.seconds - 3)], name)
    body = function if pace is None else replace(function, pace=pace)
    invocations, talks, asked = perform(history, body, times, calls, rng, name)
    effects.activities.append((invocations, talks, asked))
    if not len(invocations):
        return float(times[0]), float(times[-1]), set()
    return float(invocations.start.min()), float(invocations.end.max()), set(talks.peer_addr.tolist())


def _some(times: Floats, name: str) -> Floats:
    """The times; ValueError where there is none, since the truth would tell of what never happened."""
    if not len(times):
        raise ValueError(f"too little happens in this account for scenario {name}: raise rate or days, or leave it out")
    return times


def short(address: str | Iterable[str], port: int = 443, **more: object) -> Call:
    """A few hundred bytes to and fro."""
    addresses = (address,) if isinstance(address, str) else tuple(address)
    fields = {"bytes_out": 400, "bytes_in": 300, "seconds": 0.4, "spread": 0.3} | more
    return Call(addresses, port, str(fields.pop("peer", addresses[0])), **fields)  # type: ignore[arg-type]


def working_time(rng: np.random.Generator, moment: float) -> float:
    """Some time between 8 and 17 h, of that day or of the next: never before that moment."""
    time = math.floor(moment / DAY) * DAY + float(rng.uniform(8, 17)) * HOUR
    return time if time >= moment else time + DAY
