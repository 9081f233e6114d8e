"""Are events more regular than chance? A test that needs no rate, no calendar and no random numbers. Arrays only.

Events (check-ins) lie on *places* (windows, or a function's own invocations). By chance, at a rate that changes slowly,
the events between two others may lie on any of the places between them, all choices being equally likely: so much is
known without knowing the rate, and so the test is blind to day and night, to busy hours and to saturated windows
(where every place is taken there is but one choice, and nothing is learned).

The events are cut into blocks of BLOCK gaps. Within a block, event by event, each alternative (a period with some
jitter; one with missed check-ins; intervals that grow) says where the next event is to be expected, given where the
block ends. The ratio of its probability to chance's is multiplied up. Over any stretch such a product has
expectation 1 if chance is true, so that it reaches 1/p with a probability of at most p (Ville's inequality); dividing
by the number of stretches and of alternatives tried keeps that true for the best of them. The p-value is therefore an
upper bound, for few events as for many, and a beacon that lived for hours within a week is found where it lived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 8
"""Gaps in a block: seven eighths of what the gaps tell are used, and the rate need be steady for so long only."""
GROWING_BLOCK = 3
"""Where intervals grow a block must be short: a burst before a silence looks like growth, too."""
_ROUNDING = 0.25
"""Variance of a gap, in places: both its ends are cut to a window, and the recorder's clock is not exact."""
_EITHER_WAY = 0.1
"""How often an alternative lets chance speak for one event: what an interruption costs it is bounded."""
_MISSED = 0.2
_MOST_MISSED = 2
"""Missed check-ins in a block that an alternative reckons with, and how likely each is to be missed."""


@dataclass(frozen=True)
class _Alternative:
    weight: float
    """of all that is tried, this part of the allowance for error; all weights add up to 1"""
    scatter: float
    """standard deviation of an interval as a part of it"""
    growth: float = 1.0
    """how much longer the next interval is"""
    missed: float = 0.0


_STEADY = tuple(
    _Alternative(0.1, s, 1.0, m) for s, m in ((0.05, 0), (0.15, 0), (0.3, 0), (0.1, _MISSED), (0.3, _MISSED))
)
_GROWING = tuple(_Alternative(0.25 / 3, 0.1, g) for g in (1.3, 1.6, 2.0))
_OF_PAUSES = 0.5
"""What the steady alternatives weigh where pauses are looked at instead of events."""


@dataclass(frozen=True)
class Regularity:
    p_value: float
    """at most so likely by chance"""
    first: int
    last: int
    """the events, by number, between which it is most regular"""
    growing: bool
    """intervals that grow explain it best"""
    of_pauses: bool
    """the pauses between runs of events are regular; first and last count runs"""


def regularity(events: Ints, clock: Floats, longest: float) -> Regularity:
    """How regular the events are, at best, in any stretch of time.

    `events` are places, as indices into `clock`, ascending, each once; `clock` is every place's time, ascending, in
    windows; intervals longer than `longest` windows are not looked for. Events may also come in runs (a check-in
    that lies across a window's end, a burst of tasks): then the pauses between runs are judged as well.

    Every sixth of 1,000 places → p below 1e-9, first 0, last the last. 200 of 1,000 places drawn by lot: p > 0.01 in
    99 draws of 100.
    """
    best = Regularity(1.0, 0, len(events) - 1, False, False)
    for place, time, weight, of_pauses in _views(events, clock):
        for growing, block, alternatives in ((False, BLOCK, _STEADY), (True, GROWING_BLOCK, _GROWING)):
            if growing and of_pauses:
                continue
            terms = _Terms.of(place, time, block)
            if terms is None:
                continue
            for alternative in alternatives:
                evidence, first, last = _best_stretch(terms.log_ratio(alternative, longest))
                p = float(np.exp(min(0.0, -evidence - np.log(alternative.weight * weight))))
                if p < best.p_value:
                    best = Regularity(p, int(terms.event[first]), terms.end_of(last), growing, of_pauses)
    return best


def runs(places: Ints) -> tuple[Ints, Ints]:
    """First and last place of each run of adjacent ones. 3 4 5 9 → (3, 9), (5, 9)"""
    new = np.diff(places) > 1
    return places[np.concatenate([[True], new])], places[np.concatenate([new, [True]])]


def _views(events: Ints, clock: Floats) -> Iterator[tuple[Ints, Floats, float, bool]]:
    """What is judged: the events on the clock; and, where there are runs, the pauses, laid end to end."""
    yield events, clock, 1.0, False
    starts, ends = runs(events)
    if len(starts) < len(events):
        # How long a pause lasts is chance's business alone; where the runs lie would tell where they end.
        place = np.concatenate([[0], np.cumsum(starts[1:] - ends[:-1] - 1)]).astype(np.int64)
        yield place, np.arange(place[-1] + 1, dtype=np.float64), _OF_PAUSES, True


@dataclass(frozen=True)
class _Terms:
    """The steps: from one event to the next, with all places where the next might have been."""

    event: Ints
    """number of the event that a step starts from"""
    left: Ints
    """gaps left in its block, this one included"""
    whole: Floats
    """time from the event to the block's end"""
    log_chance: Floats
    """of the place where the next event was, by chance"""
    first: Ints
    """index of each step's first candidate"""
    taken: Ints
    """index of the candidate where the next event was"""
    of_step: Ints
    """candidate → step"""
    after: Floats
    """candidate: time since the event"""

    @classmethod
    def of(cls, place: Ints, clock: Floats, block: int) -> _Terms | None:
        if len(place) < 3:
            return None
        event: Ints = np.arange(len(place) - 1, dtype=np.int64)
        end: Ints = np.minimum((event // block + 1) * block, len(place) - 1)
        free: Ints = place[end] - place[event] - (end - event) + 1
        # Where there is but one candidate nothing is learned.
        steps = np.flatnonzero((end - event > 1) & (free > 1))
        if not len(steps):
            return None
        event, end, free = event[steps], end[steps], free[steps]
        left, between = end - event, place[end] - place[event]
        first: Ints = np.cumsum(free, dtype=np.int64) - free
        of_step = np.repeat(np.arange(len(steps)), free)
        step = np.arange(len(of_step)) - first[of_step] + 1
        here, gap = clock[place[event]], place[event + 1] - place[event]
        logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, between.max() + 1)))])

        def log_choose(n: Ints, k: Ints) -> Floats:
            chosen: Floats = logs[n] - logs[k] - logs[n - k]
            return chosen

        chance = log_choose(between - gap - 1, left - 2) - log_choose(between - 1, left - 1)
        after = clock[place[event][of_step] + step] - here[of_step]
        return cls(event, left, clock[place[end]] - here, chance, first, first + gap - 1, of_step, after)

    def end_of(self, step: int) -> int:
        """The last event that a stretch up to this step says something of: the block's own end comes after its last."""
        return int(self.event[step]) + (2 if self.left[step] == 2 else 1)

    def log_ratio(self, alternative: _Alternative, longest: float) -> Floats:
        """Per step: by how much the alternative expected the event more than chance did."""
        density = np.full(len(self.after), 1e-300)
        gaps_left = self.left[self.of_step]
        for left in np.unique(self.left):
            here = np.flatnonzero(gaps_left == left)
            whole, after = self.whole[self.of_step[here]], self.after[here]
            for weight, part, variance in _expected(int(left), alternative):
                spread = np.sqrt(variance * whole**2 + _ROUNDING)
                density[here] += weight * np.exp(-0.5 * ((after - part * whole) / spread) ** 2) / spread
        ratio = np.log(density[self.taken] / np.add.reduceat(density, self.first)) - self.log_chance
        mixed: Floats = np.log((1 - _EITHER_WAY) * np.exp(ratio) + _EITHER_WAY)
        return np.where(self.whole / self.left <= longest, mixed, 0.0)


@lru_cache(maxsize=256)
def _expected(left: int, alternative: _Alternative) -> tuple[tuple[float, float, float], ...]:
    """Where the next event is, as a part of what is left of the block: weights, means and variances.

    With missed ones the rest of the block holds `left` intervals or a few more, and the next event comes after one of
    them or a few.
    """
    if alternative.growth != 1.0:
        part = (alternative.growth - 1) / (alternative.growth**left - 1)
        return ((1.0, part, (alternative.scatter * part) ** 2),)
    rows = []
    for extra in range(_MOST_MISSED + 1 if alternative.missed else 1):
        units = left + extra
        weight = _choose(units - 1, left - 1) * alternative.missed**extra
        for passed in range(1, extra + 2):
            share = _choose(units - passed - 1, left - 2) / _choose(units - 1, left - 1)
            variance = alternative.scatter**2 * passed * (units - passed) / units**3
            rows.append((weight * share, passed / units, variance))
    return tuple(rows)


def _choose(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)]))


def _best_stretch(log_ratios: Floats) -> tuple[float, int, int]:
    """The evidence of the best stretch, less what choosing it costs; its first and last step.

    Half of the allowance goes to stretches from the very beginning, half is divided among all other beginnings.
    """
    sums = np.concatenate([[0.0], np.cumsum(log_ratios)])
    lowest = np.minimum.accumulate(sums)
    whole, part = int(np.argmax(sums)), int(np.argmax(sums - lowest))
    from_start = float(sums[whole]) - np.log(2)
    anywhere = float(sums[part] - lowest[part]) - np.log(2 * len(log_ratios))
    if from_start >= anywhere:
        return from_start, 0, max(whole - 1, 0)
    return anywhere, int(np.argmin(sums[: part + 1])), part - 1
