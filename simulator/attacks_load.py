"""The company's scenarios that CloudWatch's minutes show: floods, failures, somebody else's computing, silence."""

from __future__ import annotations

import numpy as np

from simulator.account import Function, Spell
from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.stage import HOUR, act, chosen, moment, runs
from simulator.traffic import Floats


def invocation_flood(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody invokes a function dozens of times as often as usual for half an hour; it does what it always does."""
    function, name = chosen(history, rng, effects, _short_runs), "invocation_flood"
    start = moment(history, rng, HOUR)
    count = int(rng.integers(1_500, 4_000))
    times = np.sort(start + rng.uniform(0, 1_800, count))
    begin, end, _ = act(history, effects, rng, name, function, times, function.calls)
    text = f"{function.name} is invoked {count:,} times in half an hour"
    effects.tell(name, [function.name], begin, end, ["invocation_spike", "concurrency_outlier", "volume_outlier"], text)


def invocation_flood_slow(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """For two days a function is invoked about four times as often as usual, at its usual hours."""
    function, name = chosen(history, rng, effects, _short_runs), "invocation_flood_slow"
    start = moment(history, rng, 2 * DAY)
    own = effects.background[function.name].start
    usual = own[(own >= start) & (own < start + 2 * DAY)]
    more: Floats = np.sort(np.repeat(usual, 3) + rng.uniform(-900, 900, 3 * len(usual)))
    begin, end, _ = act(history, effects, rng, name, function, more, function.calls)
    text = f"{function.name} is invoked four times as often as usual for two days"
    effects.tell(name, [function.name], begin, end, ["invocation_spike", "volume_outlier"], text)


def error_burst(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Most of a function's invocations fail for some hours, though nobody it depends on is down."""
    function, name = chosen(history, rng, effects, _often), "error_burst"
    lasting = float(rng.uniform(2, 5)) * HOUR
    start = _busy(effects, function, moment(history, rng, lasting + DAY))
    effects.spells.append(Spell(function.name, start, start + lasting, failing=0.7))
    effects.tell(name, [function.name], start, start + lasting, ["error_outlier"], f"{function.name} fails mostly")


def throttling(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Something eats the account's concurrency: Lambda turns most of a function's invocations away."""
    function, name = chosen(history, rng, effects, _often), "throttling"
    start, lasting = moment(history, rng, 3 * HOUR), float(rng.uniform(0.5, 3)) * HOUR
    effects.spells.append(Spell(function.name, start, start + lasting, throttled=float(rng.uniform(5, 60))))
    effects.tell(name, [function.name], start, start + lasting, ["throttle_outlier"], f"{function.name} is throttled")


def mining(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Every invocation computes for somebody else until it is nearly out of time, and there are more at once."""
    function, name = chosen(history, rng, effects, _often), "mining"
    lasting = float(rng.uniform(0.5, 2)) * DAY
    start = moment(history, rng, lasting)
    longest = 0.9 * function.timeout
    each = float(np.median(np.diff(effects.background[function.name].start)))
    own = np.arange(start, start + lasting, max(60.0, min(each, 1_800)))
    times: Floats = np.repeat(own, int(rng.integers(2, 5)))
    times = np.sort(times + rng.uniform(0, 5, len(times)))
    # An invocation without calls takes 2 to 40 % of the pace.
    begin, end, _ = act(history, effects, rng, name, function, times, function.calls[:1], pace=longest / 0.4)
    effects.spells.append(Spell(function.name, start, start + lasting, slower=max(2.0, 0.5 * longest / function.pace)))
    families = ["duration_outlier", "concurrency_outlier", "invocation_spike", "error_outlier"]
    effects.tell(name, [function.name], begin, end, families, f"{function.name} computes for somebody else")


def gone_silent(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function that ran all day, every day, does not run any more; nobody has deleted it."""
    function, name = chosen(history, rng, effects, _often), "gone_silent"
    start = moment(history, rng, 2 * DAY)
    effects.silent[function.name] = start
    text = f"{function.name} has stopped to run"
    effects.tell(name, [function.name], start, history.seconds, ["function_silent"], text)


def _often(function: Function) -> bool:
    kind, value = function.schedule
    return value <= 3_600 if kind == "every" else kind == "diurnal" and value >= 30


def _short_runs(function: Function) -> bool:
    return runs(function) and function.pace < 4


def _busy(effects: Effects, function: Function, at: float) -> float:
    """The next moment, within the day after, at which the function runs."""
    own = effects.background[function.name].start
    return float(own[min(int(np.searchsorted(own, at)), len(own) - 1)]) - 1
