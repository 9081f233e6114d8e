"""A function that ran regularly, and does not run any more. Arrays of hours only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import numpy as np
import numpy.typing as npt

from transforms.seasonal import HISTORY_DAYS, HOURS, MOST_SURPRISE

_FEWEST_RUNS = 7


@dataclass(frozen=True)
class Silence:
    """What is known of a day at whose end a function has long been silent."""

    day: int
    """row of the table"""
    last: int
    """the hour in which it ran last, counted from the table's first, like the other hours"""
    begin: int
    end: int
    """from the first to after the last hour of the silence on this day that is known"""
    hours: int
    """known hours since the last run, until the next one at the earliest"""
    longest: int
    """as many between two runs, at most, before"""
    typical: float
    """and in the median"""
    since: int
    """its first run that is known"""
    days: int
    """days until the last one with a run"""
    surprise: float
    """-log10 of the probability of a gap as long, judged by those that were at least half as long as the longest"""


def silences(
    ran: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    judged: Sequence[int],
    min_hours: float,
    min_ratio: float,
    min_surprise: float,
    min_history_days: float,
) -> list[Silence]:
    """The judged days (rows of days × 24 hours) at whose end a function was silent for longer than ever.

    Only `known` hours count: in the others nobody looked. The silence must have lasted `min_hours`, and `min_ratio`
    times the longest one in the HISTORY_DAYS before that day.

    It ran every hour for 30 days, and has not for 30 hours → hours 31, longest 1.
    """  # fmt: skip
    found = []
    for day in judged:
        first = max(0, day - HISTORY_DAYS)
        looked = np.flatnonzero(known[first : day + 1].ravel())
        runs = np.flatnonzero(ran[first : day + 1].ravel()[looked])
        if len(runs) < _FEWEST_RUNS:
            continue
        silent = len(looked) - int(runs[-1])
        gaps = np.diff(runs)
        since, last = int(looked[runs[0]]), int(looked[runs[-1]])
        if silent < min_hours or silent < min_ratio * gaps.max() or last - since < min_history_days * HOURS:
            continue
        today = looked[looked >= max((day - first) * HOURS, last + 1)]
        # Had the long gaps no memory, so many of them would reach the longest, and one of them this far.
        long = int((gaps >= gaps.max() / 2).sum())
        surprise = round(min(MOST_SURPRISE, (2 * silent / gaps.max() - 1) * log10(long + 1)), 3)
        if len(today) and surprise >= min_surprise:
            found.append(
                Silence(
                    day=day,
                    last=first * HOURS + last,
                    begin=first * HOURS + int(today[0]),
                    end=first * HOURS + int(today[-1]) + 1,
                    hours=silent,
                    longest=int(gaps.max()),
                    typical=float(np.median(gaps)),
                    since=first * HOURS + since,
                    days=len(np.unique(looked[runs] // HOURS)),
                    surprise=surprise,
                )
            )
    return found
