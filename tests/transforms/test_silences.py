"""How long a function was silent, in hours in which somebody looked."""

from __future__ import annotations

import numpy as np

from transforms.seasonal import HOURS
from transforms.silences import Silence, silences


def found_in(ran: np.ndarray, known: np.ndarray | None = None, judged: tuple[int, ...] = (36,)) -> list[Silence]:
    return silences(ran, np.ones_like(ran) if known is None else known, judged, 24, 2.5, 3, 7)


def test_the_docstrings() -> None:
    ran = np.ones((31, HOURS), dtype=bool)
    ran[-2, 18:] = ran[-1] = False
    (one,) = found_in(ran, judged=(30,))
    assert (one.hours, one.longest, one.typical, one.last, one.since, one.days) == (31, 1, 1, 29 * HOURS + 17, 0, 30)
    assert (one.begin, one.end) == (30 * HOURS, 31 * HOURS)
    # The day before, it had been six hours only.
    assert not found_in(ran, judged=(29,))


def test_every_night() -> None:
    """At three: a night left out says nothing, two do."""
    ran = np.zeros((40, HOURS), dtype=bool)
    ran[:37, 3] = True
    assert [one.day for one in found_in(ran, judged=(37, 38, 39))] == [38, 39]


def test_working_days() -> None:
    """Friday evening to Monday morning is usual."""
    ran = np.zeros((50, HOURS), dtype=bool)
    for day in range(40):
        ran[day, 8:18] = day % 7 < 5
    assert [one.day for one in found_in(ran, judged=tuple(range(50)))] == [46, 47, 48, 49]


def test_hours_in_which_nobody_looked() -> None:
    ran = np.ones((37, HOURS), dtype=bool)
    ran[-2:] = False
    known = np.ones_like(ran)
    known[-1] = False
    assert not found_in(ran, known)
    known[-1, :12] = True
    (one,) = found_in(ran, known)
    assert (one.hours, one.begin, one.end) == (37, 36 * HOURS, 36 * HOURS + 12)
    # Nor is it a silence that nobody looked before.
    known[10:14] = ran[10:14] = False
    assert found_in(ran, known)[0].longest == 1


def test_too_little_is_known() -> None:
    ran = np.zeros((37, HOURS), dtype=bool)
    ran[29:34] = True
    assert not found_in(ran)
    ran[:] = False
    ran[:30:5, 3] = True
    assert not found_in(ran)
