"""What is a beacon, what is not, what cannot be told: and that order, repetition and the calendar change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.periodicity import CHANCE, judge_rhythm
from transforms.regularity import regularity

DAY = 86_400
FIRST = 1_767_571_200  # Monday 5 January 2026


def beacon(rng: np.random.Generator, period: float, jitter: float, days: float = 7, missed: float = 0.0) -> np.ndarray:
    steps = period * (1 + jitter * rng.uniform(-1, 1, int(2 * days * DAY / period) + 9))
    times = rng.uniform(0, period) + np.cumsum(steps)
    times = times[times < days * DAY]
    return FIRST + times[rng.random(len(times)) >= missed]


def by_chance(rng: np.random.Generator, per_hour: float, days: float = 7) -> np.ndarray:
    return FIRST + np.sort(rng.uniform(0, days * DAY, rng.poisson(per_hour * 24 * days)))


def windows(times: np.ndarray, seconds: int) -> np.ndarray:
    return (times // seconds).astype(np.int64)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([7, *seed])


@pytest.mark.parametrize("seconds", [60, 600])
@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("missed", [0.0, 0.2])
def test_beacons_are_found_and_measured(seconds: int, jitter: float, missed: float) -> None:
    for periods in (2, 5, 17):
        found = judge_rhythm(windows(beacon(rng(periods), periods * seconds, jitter, 7, missed), seconds), seconds)
        assert found.verdict == "beacon" and found.p_value < 1e-4, (periods, found)
        assert found.period_seconds == pytest.approx(periods * seconds, rel=0.12)
        assert found.jitter == pytest.approx(jitter, abs=0.12)
    assert "check-ins, every" in found.words


@pytest.mark.parametrize("seconds", [60, 600])
def test_what_is_random_stays_quiet(seconds: int) -> None:
    """Poisson traffic of any rate, in office hours only, by day and night, in bursts, and more and more of it."""
    false = runs = 0
    for number in range(6):
        for rate in (0.5, 3, 12, 60, 600):
            random = by_chance(rng(number, int(rate)), rate)
            of_day, chance = (random % DAY) / DAY, rng(number).random(len(random))
            shapes = {
                "poisson": random,
                "office": random[(of_day > 0.37) & (of_day < 0.7)],
                "day and night": random[chance < 0.5 + 0.5 * np.sin(2 * np.pi * of_day)],
                "more and more": random[chance < (random - FIRST) / (7 * DAY)],
                "bursts": (random[:, None] + rng(number).exponential(40, (len(random), 6)).cumsum(axis=1)).ravel(),
            }
            for times in shapes.values():
                found = judge_rhythm(windows(times, seconds), seconds)
                false += found.verdict == "beacon"
                runs += 1
    assert runs == 150
    # The bound allows 1.5 on average; more than six would come by chance in one of 1,000 such tests.
    assert false <= 6


@given(st.integers(2, 9), st.integers(20, 300), st.integers(0, 2**32 - 1))
@settings(max_examples=25, derandomize=True)
def test_order_repetition_and_the_calendar_change_nothing(step: int, count: int, seed: int) -> None:
    lots = np.random.default_rng(seed)
    seen = 29_459_520 + step * np.arange(count) + lots.integers(0, 2, count)
    once = judge_rhythm(seen, 60)
    mixed = lots.permutation(np.concatenate([seen, seen[: count // 2]]))
    assert judge_rhythm(mixed, 60) == once
    later = judge_rhythm(seen + 12_345, 60)
    assert (later.p_value, later.period_seconds, later.words) == (once.p_value, once.period_seconds, once.words)
    assert later.first_window is not None and once.first_window is not None
    assert later.first_window == once.first_window + 12_345


def test_a_window_that_hides_the_answer_says_so() -> None:
    every_five_minutes = beacon(rng(), 300, 0.2)
    assert judge_rhythm(windows(every_five_minutes, 60), 60).verdict == "beacon"
    hidden = judge_rhythm(windows(every_five_minutes, 600), 600)
    assert hidden.verdict == "hidden_by_window" and hidden.period_seconds is None and hidden.p_value > CHANCE
    assert "1,200 s" in hidden.words
    assert judge_rhythm(windows(by_chance(rng(), 600), 60), 60).verdict == "hidden_by_window"


def test_five_are_too_few_and_none_is_no_error() -> None:
    assert judge_rhythm([10, 20, 30, 40, 50], 60).verdict == "too_few"
    nothing = judge_rhythm([], 60)
    assert (nothing.verdict, nothing.check_ins, nothing.first_window) == ("too_few", 0, None)


def test_a_beacon_is_found_in_the_hours_in_which_it_lived() -> None:
    noise = by_chance(rng(1), 0.5)
    there = beacon(rng(2), 300, 0.3, 0.5) + 3 * DAY
    found = judge_rhythm(windows(np.concatenate([noise, there]), 60), 60)
    assert found.verdict == "beacon"
    assert found.first_window is not None and found.last_window is not None
    assert abs(found.first_window * 60 - there[0]) < 7_200 and abs(found.last_window * 60 - there[-1]) < 7_200


def test_bursts_silences_and_straddled_windows_do_not_hide_it() -> None:
    times = beacon(rng(3), 900, 0.3)
    hour = (times - FIRST) // 3_600
    tasked = times[::9, None] + np.arange(5) * 25
    awake = times[(hour % 24 < 8) | (hour > 100)]
    long = np.concatenate([times, times + 45])
    for case in (np.concatenate([times, tasked.ravel()]), awake, long):
        assert judge_rhythm(windows(case, 60), 60).verdict == "beacon"


def test_intervals_that_grow() -> None:
    times = FIRST + np.cumsum(60 * 1.618 ** np.arange(18))
    found = judge_rhythm(windows(times, 60), 60)
    assert found.verdict == "beacon" and found.period_seconds is None
    assert found.growth == pytest.approx(1.618, rel=0.1)
    assert "grow" in found.words


def test_what_its_own_runs_explain() -> None:
    """A job every five minutes that talks each time; every third time; and an implant in a function that is busy."""
    job = FIRST + 300 * np.arange(2_016) + rng(4).uniform(0, 45, 2_016)
    ran = windows(job, 60)
    assert judge_rhythm(ran, 60).verdict == "beacon"
    assert judge_rhythm(ran, 60, own_windows=ran).verdict == "explained_by_schedule"
    late = windows(job + rng(5).uniform(0, 60, len(job)), 60)
    assert judge_rhythm(late, 60, own_windows=ran).verdict == "explained_by_schedule"
    sometimes = ran[rng(6).random(len(ran)) < 0.7]
    assert judge_rhythm(sometimes, 60, own_windows=ran).verdict != "beacon"
    assert judge_rhythm(ran[::3], 60, own_windows=ran).verdict == "beacon"
    busy = windows(by_chance(rng(7), 90), 60)
    implant = busy[np.unique(np.searchsorted(busy, windows(beacon(rng(8), 900, 0.3), 60)))[:-1]]
    found = judge_rhythm(implant, 60, own_windows=busy)
    assert found.verdict == "beacon" and "do not explain" in found.words
    elsewhere = judge_rhythm(ran, 60, own_windows=ran[:50] + 2)
    assert elsewhere.verdict == "beacon" and elsewhere.p_value_given_runs is None


def test_connections_kept_open() -> None:
    pings = windows(FIRST + 300.0 * np.arange(2_016), 60)
    assert judge_rhythm(pings, 60, opened=pings[::100]).verdict == "keep_alive"
    always = np.arange(pings[0], pings[-1])
    assert judge_rhythm(always, 60, opened=always[::30]).verdict == "keep_alive"
    session = np.concatenate([pings, pings + 1, pings + 2])
    assert judge_rhythm(session, 60, opened=pings).verdict == "beacon"


def test_the_bound_holds_where_choices_are_few() -> None:
    """Places drawn by lot: p ≤ 0.05 in at most 5 of 100, and everything taken tells nothing."""
    below = 0
    for number in range(200):
        lots = rng(9, number)
        places = np.flatnonzero(lots.random(lots.integers(60, 600)) < lots.uniform(0.1, 0.9)).astype(np.int64)
        below += regularity(places, np.arange(places[-1] + 1.0), 720).p_value <= 0.05
    # 10 on average at the worst; more than 20 once in a thousand tests.
    assert below <= 20
    assert regularity(np.arange(500), np.arange(500.0), 720).p_value == 1
    assert regularity(6 * np.arange(150), np.arange(1_000.0), 720).p_value < 1e-9
