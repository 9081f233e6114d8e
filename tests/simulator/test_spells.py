"""What functions go through for a while, on hand-written rows."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.account import Function, Spell
from simulator.spells import loaded, suffered, throttled
from simulator.traffic import Conversations, Invocations

_F = Function("f", (), (), ("every", 60), timeout=10)


def _rows(count: int) -> tuple[Invocations, Conversations]:
    """f runs each minute for 2 s and sends 1,000 bytes each time."""
    start = np.arange(count) * 60.0
    keys, empty = np.arange(count, dtype=np.uint64) + np.uint64(1), np.full(count, "")
    zeros, name = np.zeros(count, dtype=np.int64), np.full(count, "f")
    size = zeros + 1_000
    invocations = Invocations(start, start + 2, keys, name, empty, zeros, zeros.astype(bool), empty)
    conversations = Conversations(
        start,
        start + 1,
        keys,
        keys,
        name,
        zeros,
        zeros,
        empty,
        zeros,
        size.copy(),
        size.copy(),
        empty,
        empty,
        empty,
        zeros,
    )
    return invocations, conversations


@pytest.mark.parametrize("other", ["g", "f"])
def test_a_spell_changes_its_function_while_it_lasts(other: str) -> None:
    invocations, conversations = _rows(1_000)
    spell = Spell(other, 6_000, 36_000, slower=2.0, failing=0.5, volume=10)
    suffered(invocations, conversations, [spell], [_F, Function("g", (), (), ("every", 60))])
    inside = (invocations.start >= 6_000) & (invocations.start < 36_000)
    hit = inside & (other == "f")
    assert (invocations.end - invocations.start)[~hit].tolist() == [2.0] * int((~hit).sum())
    assert not invocations.failed[~hit].any()
    assert (conversations.bytes_out[~hit] == 1_000).all()
    if other == "f":
        lasting = (invocations.end - invocations.start)[hit]
        assert 2 <= lasting.min() < 3 < lasting.mean() < 5 < lasting.max() < 6
        assert 0.4 < invocations.failed[hit].mean() < 0.6
        assert 8_000 < conversations.bytes_out[hit].mean() < 12_500


def test_who_reaches_the_timeout_fails() -> None:
    invocations, conversations = _rows(100)
    suffered(invocations, conversations, [Spell("f", 0, 3_000, slower=50)], [_F])
    assert (invocations.end - invocations.start).max() == 10
    assert invocations.failed.tolist() == [True] * 50 + [False] * 50


def test_load_is_added_only_while_it_lasts() -> None:
    times = np.arange(0, 6_000.0, 10)
    more = loaded(times, [Spell("f", 1_000, 2_000, load=4.0)], np.random.default_rng(1))
    assert 350 < ((more >= 1_000) & (more <= 2_000)).sum() < 450
    assert ((more < 1_000).sum(), (more > 2_000).sum()) == (100, 399)
    assert (np.diff(more) >= 0).all()
    assert loaded(times, [], np.random.default_rng(1)).tolist() == times.tolist()


def test_throttled_attempts_are_spread_over_the_spell() -> None:
    spells = [Spell("f", 600, 1_200, throttled=30), Spell("f", 6_000, 6_060, throttled=60), Spell("g", 0, 60)]
    made = throttled(spells, np.random.default_rng(1))
    assert list(made) == ["f"]
    assert 250 < ((made["f"] >= 600) & (made["f"] < 1_200)).sum() < 350
    assert 30 < ((made["f"] >= 6_000) & (made["f"] < 6_060)).sum() < 90
    assert ((made["f"] > 1_200) & (made["f"] < 6_000)).sum() == 0
