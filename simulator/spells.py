"""What functions go through for a while: more to do, slow answers, failures, throttling, more to carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from simulator.account import Function, Spell
from simulator.randomness import chance
from simulator.traffic import Conversations, Floats, Invocations

_FAIL, _SIZE = 71, 72


def loaded(times: Floats, spells: Iterable[Spell], rng: np.random.Generator) -> Floats:
    """A function's times of invocation, with what its spells add: `load` times as many while they last."""
    parts = [times]
    for spell in spells:
        if spell.load > 1:
            there = times[(times >= spell.start) & (times < spell.end)]
            more = rng.choice(there, rng.poisson((spell.load - 1) * len(there))) if len(there) else there
            parts.append(np.minimum(more + rng.exponential(20, len(more)), spell.end))
    return np.sort(np.concatenate(parts))


def suffered(
    invocations: Invocations, conversations: Conversations, spells: Sequence[Spell], functions: Iterable[Function]
) -> None:
    """Make them longer, let them fail and carry more, in place; whom it concerns is up to each row alone.

    Who reaches the timeout fails. Connections stay as they are: a slow function waits, it does not talk.
    """
    timeouts = {f.name: f.timeout for f in functions}
    rows = _of_each(invocations.function)
    talks = _of_each(conversations.function)
    nothing = np.zeros(0, dtype=np.int64)
    lots, sizes = chance(invocations.key, _FAIL), chance(conversations.key, _SIZE)
    for spell in spells:
        mine = rows.get(spell.function, nothing)
        mine = mine[(invocations.start[mine] >= spell.start) & (invocations.start[mine] < spell.end)]
        invocations.failed[mine] |= lots[mine] < spell.failing
        if spell.slower > 1:
            start, limit = invocations.start[mine], float(timeouts[spell.function])
            lasting = (invocations.end[mine] - start) * spell.slower * (0.6 + 0.8 * lots[mine])
            invocations.failed[mine] |= lasting >= limit
            invocations.end[mine] = np.maximum(invocations.end[mine], start + np.minimum(lasting, limit))
        if spell.volume != 1:
            own = talks.get(spell.function, nothing)
            own = own[(conversations.start[own] >= spell.start) & (conversations.start[own] < spell.end)]
            factor = spell.volume * (0.5 + sizes[own])
            conversations.bytes_out[own] = (conversations.bytes_out[own] * factor).astype(np.int64) + 400
            conversations.bytes_in[own] = (conversations.bytes_in[own] * factor).astype(np.int64) + 400


def throttled(spells: Iterable[Spell], rng: np.random.Generator) -> dict[str, Floats]:
    """Per function the times of what Lambda did not let in."""
    made: dict[str, list[Floats]] = {}
    for spell in spells:
        if spell.throttled:
            count = rng.poisson(spell.throttled * (spell.end - spell.start) / 60)
            made.setdefault(spell.function, []).append(rng.uniform(spell.start, spell.end, count))
    return {name: np.sort(np.concatenate(parts)) for name, parts in made.items()}


def _of_each(names: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of each function."""
    values, place = np.unique(names, return_inverse=True)
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], np.arange(len(values) + 1))
    return {str(name): order[edges[n] : edges[n + 1]] for n, name in enumerate(values.tolist())}
