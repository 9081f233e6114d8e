"""What is usual at an hour and what is far beyond it, against a slow and obvious way to say the same."""

from __future__ import annotations

import math
from statistics import median as median_of

import numpy as np
import pytest

from transforms.seasonal import HISTORY_DAYS, HOURS, Excess, Floats, Limits, blocks, excesses, median, surprise_of

LIMITS = Limits(grain=3, min_rise=30)


def judged(values: Floats, weights: Floats | None = None, day: int = -1, limits: Limits = LIMITS) -> list[Excess]:
    heavy = np.ones_like(values) if weights is None else weights
    return excesses(values, heavy, ~np.isnan(values), [day % len(values)], limits)


def steady(days: int = HISTORY_DAYS + 1, each: float = 100) -> Floats:
    return np.full((days, HOURS), float(each))


class Oracle:
    """Hour by hour, in lists; None is not known."""

    def __init__(self, values: Floats, weights: Floats, day: int, limits: Limits) -> None:
        self.first, self.day, self.limits = max(0, day - HISTORY_DAYS), day, limits
        seen = [(d, h) for d in range(self.first, day) for h in range(HOURS) if not math.isnan(values[d, h])]
        self.since = min(seen)
        self.value = {
            (d, h): float(values[d, h])
            for d in range(self.first, day + 1)
            for h in range(HOURS)
            if not math.isnan(values[d, h]) and (d, h) >= self.since
        }
        self.weight = {place: float(weights[place]) for place in self.value}
        self.rate = {place: self.value[place] / w for place, w in self.weight.items() if w > 0}
        self.typical = median_of([r for (d, _), r in self.rate.items() if d < day])

    def usual(self, day: int, hour: int, until: int) -> float:
        """Of a day of the history the other weeks, of a later one those before it."""
        days = [d for d in range(self.first, until) if (d, hour) in self.rate]
        weekly = [self.rate[d, hour] for d in days if (d - day) % 7 == 0 and d != day]
        daily = [self.rate[d, hour] for d in days]
        lately = [self.rate[d, hour] for d in days if day - 7 <= d < day]
        best = [median_of(x) for x in (weekly if len(weekly) >= 3 else daily, lately) if len(x) >= 3]
        return max(best) if best else self.typical

    def total(self, day: int, begin: int, span: int, what: str, until: int) -> float | None:
        """Over the hours of a block; a block of two days ends with its day."""
        places = [(day, h) for h in range(begin, begin + min(span, HOURS))]
        if span > HOURS:
            before = [(day - 1, h) for h in range(HOURS)]
            if not any(p in self.value for p in before):
                return None
            places = before + places if any(p in self.value for p in places) else []
        known = [p for p in places if p in self.value]
        if not known:
            return None
        if what == "expected":
            return sum(self.usual(*p, until) * self.weight[p] if self.weight[p] else 0.0 for p in known)
        return sum((self.value if what == "value" else self.weight)[p] for p in known)

    def best(self) -> tuple[int, int, float] | None:
        """Span, first hour of the day and surprise."""
        found = []
        for span in self.limits.spans:
            length, grain = min(span, HOURS), self.limits.grain
            begins = list(range(0, HOURS, length))
            until = self.day - (1 if span > HOURS else 0)

            def level(day: int, begin: int, span: int = span) -> float | None:
                value = self.total(day, begin, span, "value", 0)
                weight = self.total(day, begin, span, "weight", 0)
                if value is None or weight is None:
                    return None
                return (value + self.limits.grain) / (self.typical * weight + self.limits.grain)

            past = []
            for day in range(self.first + (1 if span > HOURS else 0), until):
                for begin in begins:
                    value = self.total(day, begin, span, "value", 0)
                    expected = self.total(day, begin, span, "expected", self.day)
                    if value is not None and expected is not None:
                        past.append(math.log((value + grain) / (expected + grain)))
            for begin in begins:
                value = self.total(self.day, begin, span, "value", 0)
                if value is None:
                    continue
                if span > HOURS:
                    expected = sum(
                        self.usual(d, h, d) * self.weight[d, h]
                        for d in (self.day - 1, self.day)
                        for h in range(HOURS)
                        if (d, h) in self.value
                    )
                else:
                    expected = self.total(self.day, begin, span, "expected", self.day) or 0.0
                away = math.ceil(self.limits.around / span) * length
                near = [b for b in begins if min((b - begin) % HOURS, (begin - b) % HOURS) <= away]
                levels = [level(d, b) for d in range(self.first, until) for b in near]
                own = level(self.day, begin)
                excess = math.log((value + grain) / (expected + grain))
                if own is None or own <= 1.2 * max((x for x in levels if x is not None), default=0.0):
                    continue
                if value - expected < self.limits.min_rise or excess < math.log(self.limits.min_ratio):
                    continue
                surprise = surprise_of(excess, np.array(past), len(begins) * len(self.limits.spans))
                if surprise >= self.limits.min_surprise:
                    found.append((span, begin, surprise))
        return max(found, key=lambda f: f[2]) if found else None


@pytest.mark.parametrize("seed", range(18))
def test_as_the_oracle_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = int(rng.integers(9, 45))
    day_and_night = 1 + np.sin(np.arange(HOURS) / HOURS * 2 * np.pi)
    means = rng.choice([2, 20, 200]) * day_and_night * np.where(np.arange(days) % 7 < 5, 1, 0.3)[:, None]
    values = rng.poisson(means).astype(float)
    values[-1, rng.integers(HOURS)] *= 20
    if seed % 3 == 0:
        values[-2:] *= 5
    weights = np.ones_like(values) if seed % 2 else rng.poisson(5, values.shape).astype(float)
    values[rng.random(values.shape) < 0.05] = np.nan
    limits = Limits(3.0, 20.0, 2.5, 1.0, 7, 0.0, (1, 6, 24, 48), int(rng.choice([3, 12])))
    found = judged(values, weights, limits=limits)
    expected = Oracle(values, weights, days - 1, limits).best()
    if expected is None:
        assert not found
        return
    first = (days - 1 - (expected[0] > HOURS)) * HOURS + expected[1]
    assert [(e.span, e.first) for e in found] == [(expected[0], first)]
    assert found[0].surprise == pytest.approx(expected[2], abs=0.0011)


def test_an_hour_far_above_the_usual() -> None:
    values = steady()
    values[-1, 5] = 1_000
    (found,) = judged(values)
    assert (found.span, found.observed, found.usual, found.highest, found.hours) == (1, 1_000, 100, 100, 1)
    assert (found.first, found.peak, found.begin, found.end) == (*[36 * HOURS + 5] * 3, 36 * HOURS + 6)
    assert (found.since, found.days) == (0, 36)


def test_only_the_history_counts() -> None:
    """What was more than 36 days ago, what comes later, and on how many days is judged, change nothing."""
    values = steady(80)
    values[40, 5] = 1_000
    values[2, 5] = values[45, 5] = 5_000
    alone = judged(values[4:41])
    (among,) = [e for e in excesses(values, np.ones_like(values), values > 0, range(80), LIMITS) if e.day == 40]
    assert alone[0].surprise == among.surprise and alone[0].usual == among.usual


def test_a_new_level_is_usual_after_four_days() -> None:
    values = steady(50)
    values[40:] = 400
    days = [e.day for e in excesses(values, np.ones_like(values), values > 0, range(50), LIMITS)]
    assert days == [40, 41, 42]


def test_too_young_or_unknown() -> None:
    values = steady(8)
    values[-1, 5] = 1_000
    assert judged(values) and not judged(values[1:])
    values[-3, :] = np.nan
    assert not judged(values)


def test_sums_of_blocks() -> None:
    table = np.arange(72, dtype=float).reshape(3, HOURS)
    table[1] = np.nan
    table[0, 1:3] = np.nan
    assert blocks(table, 6)[0].tolist() == [12, 51, 87, 123]
    assert np.isnan(blocks(table, HOURS)[1]).all() and np.isnan(blocks(table, 48)[:, 0]).all()


def test_medians_of_what_is_known() -> None:
    table = np.array([[5, 1, np.nan], [1, 2, np.nan], [9, np.nan, np.nan], [3, np.nan, 1]], dtype=float)
    assert median(table, 0).tolist()[0] == 4 and np.isnan(median(table, 0)[1:]).all()
    assert median(np.zeros((0, 3)), 0).shape == (3,)


def test_surprises() -> None:
    past = np.linspace(0, 0.2, 864)
    assert surprise_of(math.log(4), past, 96) == 4.659
    assert surprise_of(0.1, past, 96) == 0
    assert surprise_of(50.0, past, 96) == 12
    # It has been as high before: then it is not so surprising, and where nothing is known nothing is.
    assert surprise_of(math.log(4), np.concatenate([past, [1.2, 1.3, 1.3]]), 96) < 2
    assert surprise_of(9.0, past[:5], 96) == 0
