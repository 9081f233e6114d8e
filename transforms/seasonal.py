"""How much is usual at this hour of the week, and what is far beyond it? Arrays of hours only.

A series is a table of days × 24 hours. What is usual at an hour is the median of the same hour on the same weekday in
the weeks before (36 days hold five), or of the same hour in the last seven days if that is more: so that a new level is
usual after four days. Where fewer than three such hours are known it is the median of that hour of the day, else of all
hours. An excess is the logarithm of observed ÷ usual, over an hour, six hours, a day or two days.

How likely an excess is by chance is asked of the function itself: of the excesses that its own history had, each hour
held against the other weeks. Their largest ones give a tail that falls as fast as theirs do (exponential in the
logarithm: a power law of the ratio), however bursty the function is. And it must be a record: no more than what was
there before at that time of day is never news, so that a job that comes an hour late, or once a week, is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import erfc, log10, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HISTORY_DAYS = 36
LEVEL_DAYS = 4
"""After so many days a new level is usual: most of the last seven."""
HOURS = 24
_WEEK = 7
_FEWEST = 3
"""Hours, that a median is taken of."""
_RECORD = 1.2
"""A record is more than so many times the highest before."""
_RAMP_DAYS, _FEWEST_RAMP_DAYS = 28, 10
_FEW_LARGEST = 5
_TAIL_PRIOR, _PRIOR_WEIGHT, _TAIL_FLOOR = 0.25, 2.0, 0.1
"""How fast the tail falls where the history says little: by e for each 25 % more; and never faster than each 10 %."""
MOST_SURPRISE = 12.0


@dataclass(frozen=True)
class Limits:
    """What counts as an excess at all."""

    grain: float
    """differences of so much say nothing; added to what was seen and to what is usual"""
    min_rise: float
    """at least so much more than usual, over the span"""
    min_ratio: float = 2.5
    """and so many times the usual"""
    min_surprise: float = 3.0
    """and -log10 of the probability that a day has such an excess by chance"""
    min_history_days: float = 7
    min_mean_rise: float = 0.0
    """and so much more per weight (of an invocation, where the mean is judged)"""
    spans: tuple[int, ...] = (1, 6, 24, 48)
    """hours that are judged together"""
    around: int = 3
    """a record is one against so many hours of the day before and after, too; 12: the whole day"""
    ramp: float = 0.0
    """also told: days that grow until they are so many times the first ones; 0: not looked for"""


@dataclass(frozen=True)
class Excess:
    """The most surprising one of a day."""

    day: int
    """row of the table"""
    span: int
    """hours; of a ramp, those from its first known day to this one"""
    first: int
    """its first hour, counted from the table's first"""
    observed: float
    weight: float
    """of the span: invocations, where the series is one per invocation; else its known hours"""
    usual: float
    highest: float
    """over as many hours, the most in the history"""
    surprise: float
    peak: int
    """the hour with the most"""
    since: int
    """hour from which the history is known"""
    days: int
    """days in it that are known"""
    begin: int
    end: int
    """from the first to after the last hour of the day in an excess of the same span"""
    hours: int
    """so many hours are in one"""


def excesses(
    values: Floats, weights: Floats, exists: npt.NDArray[np.bool_], judged: Sequence[int], limits: Limits
) -> list[Excess]:
    """At most one excess for each judged day (a row of the table); it looks at the HISTORY_DAYS rows before, no other.

    `values` (days × 24) are NaN where nothing is known. `weights` are 1, or that which the values grow with
    (invocations: then the mean is judged). `exists`: something was seen of it in this hour; before the first such hour
    of a history nothing is known.

    100 an hour for 36 days and then 1,000 in one → span 1, observed 1,000, usual 100.
    """
    found = []
    for day in judged:
        first_day = max(0, day - HISTORY_DAYS)
        seen = np.flatnonzero(exists[first_day:day].ravel())
        if not len(seen):
            continue
        since = first_day * HOURS + int(seen[0])
        if day * HOURS - since < limits.min_history_days * HOURS:
            continue
        history = _History.of(values, weights, first_day, since, day)
        if history.days < limits.min_history_days:
            continue
        best: Excess | None = None
        tried = [_of_span(history, span, limits) for span in limits.spans]
        for one in [*tried, _ramp(history, limits) if limits.ramp else None]:
            if one and (best is None or one.surprise > best.surprise):
                best = one
        if best is not None:
            found.append(best)
    return found


@dataclass(frozen=True)
class _History:
    values: Floats
    """of the history and, last, the judged day"""
    weights: Floats
    rates: Floats
    """values ÷ weights"""
    first: int
    """row of the whole table that is the first here"""
    since: int
    days: int
    typical: float
    """the median of all"""

    @classmethod
    def of(cls, values: Floats, weights: Floats, first: int, since: int, day: int) -> _History:
        part = values[first : day + 1].copy()
        heavy = weights[first : day + 1].copy()
        part.ravel()[: since - first * HOURS] = np.nan
        heavy[np.isnan(part)] = np.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.where(heavy > 0, part / heavy, np.nan)
        known = int((~np.isnan(part[:-1])).any(axis=1).sum())
        before = rates[:-1][~np.isnan(rates[:-1])]
        typical = float(np.median(before)) if len(before) else 0.0
        return cls(part, heavy, rates, first, since, known, typical)

    @property
    def day(self) -> int:
        """The judged row."""
        return len(self.values) - 1

    def usual_of(self, row: int) -> Floats:
        """The rate that is usual at each hour of the row, from the rows before it."""
        before = self.rates[:row]
        weekly = median(before[row % _WEEK :: _WEEK], 0)
        daily = median(before, 0)
        lately = median(before[max(0, row - _WEEK) :], 0)
        return self._merged(weekly, daily, lately)

    def usual(self) -> Floats:
        """The same for each row of the history, of the other weeks: what it would have been, had it not been there."""
        before = self.rates[: self.day]
        padded = np.concatenate([before, np.full((1, HOURS), np.nan)])
        others, lately = _neighbours(self.day)
        daily = np.broadcast_to(median(before, 0), before.shape)
        return self._merged(median(padded[others], 1), daily, median(padded[lately], 1))

    def _merged(self, weekly: Floats, daily: Floats, lately: Floats) -> Floats:
        best = np.where(np.isnan(weekly), daily, weekly)
        best = np.fmax(best, lately)
        return np.where(np.isnan(best), self.typical, best)


def _of_span(history: _History, span: int, limits: Limits) -> Excess | None:
    """The most surprising excess of so many hours on the judged day."""
    day, grain = history.day, limits.grain
    if span > HOURS and day < 2:
        return None
    rows = [day - 1, day] if span > HOURS else [day]
    values, weights = history.values[rows], history.weights[rows]
    observed, weight = blocks(values, span)[-1], blocks(weights, span)[-1]
    # The judged span is no part of its own history.
    until = day - len(rows) + 1
    before, heavy = blocks(history.values[:until], span), blocks(history.weights[:until], span)
    level = (observed + grain) / (history.typical * weight + grain)
    levels = (before + grain) / (history.typical * heavy + grain)
    # Each place of the day with those around it.
    highest = (
        np.where(np.isnan(levels), 0.0, levels)
        .max(axis=0)[_places(len(observed), -(-limits.around // span))]
        .max(axis=1)
    )
    with np.errstate(invalid="ignore"):
        told = (observed >= limits.min_rise) & (level > _RECORD * highest)
    # Nearly all days end here.
    if not told.any():
        return None
    usual = blocks(np.stack([history.usual_of(row) for row in rows]) * weights, span)[-1]
    excess = np.log((observed + grain) / (usual + grain))
    least = np.maximum(limits.min_rise, limits.min_mean_rise * weight)
    told &= (observed - usual >= least) & (excess >= np.log(limits.min_ratio))
    if not told.any():
        return None
    own = blocks(history.usual()[:until] * history.weights[:until], span)
    past = np.log((before + grain) / (own + grain))
    tries = len(observed) * len(limits.spans)
    surprise = np.array(
        [surprise_of(x, past, tries) if one else 0.0 for x, one in zip(excess.tolist(), told.tolist(), strict=True)]
    )
    told &= surprise >= limits.min_surprise
    if not told.any():
        return None
    place = int(np.argmax(np.where(told, surprise, -1)))
    hours = values.ravel()[place * min(span, HOURS) :][:span]
    # Counted from the first row of the table; of two days the first is the day before.
    start = (history.first + rows[0]) * HOURS + place * min(span, HOURS)
    within = np.flatnonzero(told) * min(span, HOURS) + (history.first + day) * HOURS
    return Excess(
        day=history.first + day,
        span=span,
        first=start,
        observed=float(observed[place]),
        weight=float(weight[place]),
        usual=float(usual[place]),
        highest=_most(before),
        surprise=float(surprise[place]),
        peak=start + int(np.nanargmax(hours)),
        since=history.since,
        days=history.days,
        begin=int(within[0]),
        end=int(within[-1]) + min(span, HOURS),
        hours=len(within) * min(span, HOURS),
    )


def _ramp(history: _History, limits: Limits) -> Excess | None:
    """The days have grown and grown: Mann and Kendall's test of the last four weeks, where the day is a record."""
    daily = blocks(history.values, HOURS)[:, 0]
    day = history.day
    places = np.flatnonzero(~np.isnan(daily))
    places = places[places > day - _RAMP_DAYS]
    if len(places) < _FEWEST_RAMP_DAYS or places[-1] != day:
        return None
    sums = daily[places]
    begun, now = float(np.median(sums[:_FEWEST])), float(np.median(sums[-_FEWEST:]))
    grown = (now + limits.grain) / (begun + limits.grain)
    if grown < limits.ramp or sums[-1] - begun < limits.min_rise or sums[-1] < np.nanmax(daily[:day]):
        return None
    pairs = np.sign(sums[None] - sums[:, None])[np.triu_indices(len(sums), 1)].sum()
    count = len(sums)
    z = (pairs - 1) / sqrt(count * (count - 1) * (2 * count + 5) / 18)
    chance = erfc(z / sqrt(2)) / 2
    # It is looked for on every day, and neighbouring days are alike: half of what the test says.
    surprise = round(min(MOST_SURPRISE, -log10(max(chance, 1e-300)) / 2), 3)
    if surprise < limits.min_surprise:
        return None
    start = (history.first + day) * HOURS
    known = history.values[day]
    last = int(np.flatnonzero(~np.isnan(known))[-1])
    return Excess(
        day=history.first + day,
        span=int(day - places[0]) * HOURS,
        first=start,
        observed=float(sums[-1]),
        weight=float(np.nansum(history.weights[day])),
        usual=begun,
        highest=float(np.nanmax(daily[:day])),
        surprise=surprise,
        peak=start + int(np.nanargmax(known)),
        since=history.since,
        days=history.days,
        begin=start,
        end=start + last + 1,
        hours=int((~np.isnan(known)).sum()),
    )


def surprise_of(excess: float, past: Floats, tries: int) -> float:
    """-log10 of the probability that one of `tries` excesses is as large, judged by the largest of the past ones.

    864 past ones that are evenly spread from 0 to 0.2, 96 tries, and now ln 4 → 4.659.
    """
    known = np.sort(past[~np.isnan(past)])
    worst = -np.inf
    # The few largest alone may fall more slowly than the many: the more cautious of both holds.
    for count in {_FEW_LARGEST, max(_FEW_LARGEST, round(np.sqrt(len(known))))}:
        if len(known) <= count:
            return 0.0
        threshold = max(0.0, float(known[-count - 1]))
        above = np.maximum(known[-count:] - threshold, 0.0)
        fall = max(_TAIL_FLOOR, (float(above.sum()) + _PRIOR_WEIGHT * _TAIL_PRIOR) / (count + _PRIOR_WEIGHT))
        share = (count + 1) / (len(known) + 1)
        worst = max(worst, float(np.log(share * tries)) - max(0.0, excess - threshold) / fall)
    return round(min(MOST_SURPRISE, max(0.0, -worst / float(np.log(10)))), 3)


def blocks(table: Floats, span: int) -> Floats:
    """Sums over blocks of `span` hours, of what is known; NaN where nothing is. A row's block of two days ends in it.

    (3, 24) and span 6 → (3, 4).
    """
    if span > HOURS:
        daily = blocks(table, HOURS)
        before = np.concatenate([np.full((1, 1), np.nan), daily[:-1]])
        return np.asarray(daily + before)
    if span == 1:
        return table
    cut = table.reshape(len(table), HOURS // span, span)
    unknown = np.isnan(cut)
    return np.where(unknown.all(axis=2), np.nan, np.where(unknown, 0.0, cut).sum(axis=2))


def median(table: Floats, axis: int) -> Floats:
    """Medians of what is known; NaN where that is less than three values. Much faster than numpy's, which loops."""
    ordered = np.sort(table, axis=axis)
    if not ordered.shape[axis]:
        return np.full(np.delete(ordered.shape, axis), np.nan)
    count = (~np.isnan(ordered)).sum(axis=axis)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, ordered.shape[axis] - 1)
    middle = [np.take_along_axis(ordered, np.expand_dims(at, axis), axis).squeeze(axis) for at in (low, high)]
    return np.where(count >= _FEWEST, (middle[0] + middle[1]) / 2, np.nan)


@lru_cache(maxsize=64)
def _neighbours(days: int) -> tuple[Ints, Ints]:
    """For each of so many rows, the others of its weekday, and the seven before it; `days` stands for none."""
    row = np.arange(days)[:, None]
    weeks = row % _WEEK + _WEEK * np.arange(-(-days // _WEEK))[None]
    others = np.where((weeks >= days) | (weeks == row), days, weeks)
    lately = row - np.arange(1, _WEEK + 1)[None]
    return others, np.where(lately < 0, days, lately)


@lru_cache(maxsize=64)
def _places(count: int, around: int) -> Ints:
    """For each of so many blocks of a day those around it, as many each; the day is round."""
    offsets = np.arange(-around, around + 1) if 2 * around + 1 < count else np.arange(count)
    return (np.arange(count)[:, None] + offsets) % count


def _most(levels: Floats) -> float:
    """The largest that is known; 0 where nothing is."""
    return float(np.where(np.isnan(levels), 0.0, levels).max(initial=0.0))
