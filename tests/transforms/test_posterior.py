"""Who of several sent it: what must always hold, what evidence decides, and that stated probabilities come true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.posterior import NEVER_SURE, Activity, Conversations, weigh

HOUR = 1_767_607_200.0


def talks(
    starts: list[float], peers: list[int] | None = None, candidates: int = 2, lasting: float = 0
) -> Conversations:
    start = np.array(starts) + HOUR
    numbers = np.array(peers if peers is not None else [0] * len(starts), np.int64)
    return Conversations(start, start + lasting, numbers, np.ones((len(starts), candidates), bool))


def ran(*runs: tuple[int, float, float]) -> Activity:
    function, begins, ends = (np.array(column) for column in zip(*runs, strict=True))
    return Activity(function.astype(np.int64), begins + HOUR, ends + HOUR, np.ones(len(runs)))


def all_known(count: int) -> np.ndarray:
    return np.ones(count, bool)


def test_the_docstrings_example() -> None:
    runs = ran((0, 0, 3), (1, 20, 23))
    punctual = weigh(talks([1, 21]), runs, all_known(2), 60)
    assert punctual[0, 0] > 0.9 and punctual[1, 1] > 0.9
    # Many runs, and each conversation is seen 20 seconds after one of f's: f's they are.
    each = [120.0 * n for n in range(20)]
    many = ran(*[(0, t, t + 3) for t in each], *[(1, t + 20, t + 23) for t in each])
    assert (weigh(talks([t + 1 for t in each]), many, all_known(2), 60)[:, 0] > 0.9).all()
    few = ran(*[(0, t, t + 3) for t in each], *[(1, t + 20, t + 23) for t in each[:2]])
    late = weigh(talks([t + 21 for t in each]), few, all_known(2), 60)
    assert (late[:, 0] > 0.5).all()


def test_nobody_is_certain_and_nobody_impossible() -> None:
    sure = weigh(talks([1.0] * 50), ran(*[(0, 0, 3)] * 50), all_known(2), 60)
    assert (sure[:, 0] < NEVER_SURE + 1e-9).all() and (sure[:, 1] > 0).all()


def test_who_did_not_run_is_less_likely_than_of_whom_nothing_is_known() -> None:
    runs = ran(*[(0, 300.0 * n, 300.0 * n + 2) for n in range(12)])
    idle = weigh(talks([150.0]), runs, np.array([True, True]), 60)
    unknown = weigh(talks([150.0]), runs, np.array([True, False]), 60)
    assert unknown[0, 1] > idle[0, 1]
    assert unknown[0, 1] > 0.9


def test_habits_tell_those_apart_who_ran_together() -> None:
    """f alone meets peer 0, g alone meets peer 1, again and again; once both run at the same time."""
    runs = [(0, 200.0 * n, 200.0 * n + 2) for n in range(15)]
    runs += [(1, 200.0 * n + 100, 200.0 * n + 102) for n in range(15)] + [(0, 3_150, 3_152), (1, 3_150, 3_152)]
    starts = [200.0 * n + 1 for n in range(15)] + [200.0 * n + 101 for n in range(15)] + [3_151, 3_151]
    found = weigh(talks(starts, [0] * 15 + [1] * 15 + [0, 1]), ran(*runs), all_known(2), 60)
    assert found[-2, 0] > 0.9 and found[-1, 1] > 0.9


def test_a_stranger_goes_to_who_ran() -> None:
    """A peer that g alone has met so far, while f alone runs: the evidence of time outweighs g's habit."""
    runs = [(1, 200.0 * n, 200.0 * n + 2) for n in range(15)] + [(0, 3_400, 3_402)]
    found = weigh(talks([200.0 * n + 1 for n in range(15)] + [3_401]), ran(*runs), all_known(2), 60)
    assert found[-1, 0] > 0.8


def test_a_candidate_without_a_lease_gets_nothing() -> None:
    some = talks([1.0, 1.0], candidates=3)
    some.may[1, 0] = False
    found = weigh(some, ran((0, 0, 3), (1, 0, 3), (2, 500, 503)), all_known(3), 60)
    assert found[1, 0] == 0 and found[1].sum() == pytest.approx(1)


def test_more_than_is_learned_from() -> None:
    """Of a very busy hour only some conversations are learned from; all are weighed, the same ones alike."""
    starts = [300.0 * (n % 10) + 1 for n in range(50_000)]
    found = weigh(talks(starts), ran(*[(0, 300.0 * n, 300.0 * n + 2) for n in range(10)]), all_known(2), 60)
    assert found.shape == (50_000, 2) and (found[:, 0] > 0.9).all()


runs_drawn = st.lists(
    st.tuples(st.integers(0, 2), st.floats(-900, 3_600), st.floats(0, 900)).map(lambda r: (r[0], r[1], r[1] + r[2])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=150)
@given(
    runs_drawn,
    st.lists(st.tuples(st.floats(0, 3_599), st.integers(0, 3), st.floats(0, 660)), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.sampled_from((0, 1, 60)),
)
def test_probabilities_are_probabilities(
    runs: list[tuple[int, float, float]], spoken: list[tuple[float, int, float]], known: list[bool], tolerance: int
) -> None:
    start = np.array([s for s, _, _ in spoken]) + HOUR
    end = start + np.array([d for _, _, d in spoken])
    some = Conversations(start, end, np.array([p for _, p, _ in spoken]), np.ones((len(spoken), 3), bool))
    found = weigh(some, ran(*runs), np.array(known), tolerance)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found > 0).all() and (found < NEVER_SURE + 1e-9).all()
    # In another order the same.
    turned = Conversations(start[::-1], end[::-1], some.peer[::-1], some.may)
    assert np.allclose(weigh(turned, ran(*runs[::-1]), np.array(known), tolerance)[::-1], found)


@pytest.mark.parametrize("skew", [0, 37, 60])
def test_what_is_stated_comes_true(skew: int) -> None:
    """Five functions at random times, with peers of their own and common ones, by clocks that are `skew` s apart."""
    rng = np.random.default_rng(5)
    chances, right = [], []
    for _ in range(20):
        runs, who, start, peer = [], [], [], []
        for function in range(5):
            for begin in rng.uniform(0, 3_500, rng.integers(2, 40)):
                length = rng.exponential(4) + 0.1
                runs.append((function, begin - 2, begin + length))
                for there in (0, 1 + function):
                    if rng.random() < 0.7:
                        who.append(function)
                        start.append(np.floor(begin + rng.uniform(0, length)) + skew)
                        peer.append(there)
        found = weigh(talks(start, peer, 5), ran(*runs), all_known(5), 60)
        chances.append(found)
        right.append(np.eye(5, dtype=bool)[who])
    chance, true = np.concatenate(chances), np.concatenate(right)
    bins = np.minimum((chance * 10).astype(int), 9)
    error = (
        sum(abs(chance[bins == b].sum() - true[bins == b].sum()) for b in range(10) if (bins == b).any()) / chance.size
    )
    assert error < 0.02
    assert true[np.arange(len(true)), chance.argmax(axis=1)].mean() > 0.9
