"""The company's scenarios in which something calls home, more or less regularly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.stage import HOUR, act, chosen, hang_on, judged_end, moment, runs, short, static, stranger
from simulator.traffic import Floats

_FAMILIES = ("beaconing", "new_external_connection")


def _beacon(
    history: History,
    rng: np.random.Generator,
    effects: Effects,
    name: str,
    gaps: npt.NDArray[Any],
    lasting: float,
    text: str,
    kept: float = 1.0,
    rotating: bool = False,
    service: str | None = None,
) -> None:
    """A foreign rule wakes a static function after each of these gaps, and it calls home."""
    function, there = chosen(history, rng, effects, static), stranger(rng)
    start = moment(history, rng, lasting)
    times: Floats = start + np.concatenate([[0.0], np.cumsum(gaps)])
    times = times[times < min(start + lasting, judged_end(history))]
    times = times[rng.random(len(times)) < kept]
    block = there.rpartition(".")[0]
    addresses = tuple(f"{block}.{n}" for n in rng.choice(254, 12, False) + 1) if rotating else (there,)
    call = short(addresses, peer=there, service=service, spread=float(rng.uniform(0.05, 0.6)))
    begin, end, seen = act(history, effects, rng, name, function, times, [call])
    said = f"{function.name} calls {block + '.0/24' if rotating else there} {text}"
    effects.tell(name, [function.name], begin, end, _FAMILIES, said, there, seen)


def _period(rng: np.random.Generator) -> float:
    """Between 5 and 50 minutes: what 10-minute records cannot show is among them."""
    return float(np.exp(rng.uniform(np.log(300), np.log(3_000))))


def beacon_regular(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home with a fixed period."""
    period = _period(rng)
    gaps = np.full(2_000, period) + rng.normal(0, 2, 2_000)
    _beacon(history, rng, effects, "beacon_regular", gaps, 3 * DAY, f"every {period / 60:.0f} minutes")


def beacon_jitter(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home with a jitter of 50 %."""
    period = _period(rng)
    gaps = period * rng.uniform(0.5, 1.5, 2_000)
    _beacon(history, rng, effects, "beacon_jitter", gaps, 4 * DAY, f"every {period / 60:.0f} minutes ± 50 %")


def beacon_missing(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home regularly, but 20 % of the calls are missing."""
    period = _period(rng)
    gaps = period * rng.uniform(0.9, 1.1, 2_000)
    text = f"every {period / 60:.0f} minutes, one in five missing"
    _beacon(history, rng, effects, "beacon_missing", gaps, 4 * DAY, text, kept=0.8)


def beacon_growing(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home after ever longer times, each 1.618 times the last."""
    first = float(rng.uniform(30, 120))
    _beacon(
        history, rng, effects, "beacon_growing", first * 1.618 ** np.arange(24), 12 * DAY, "ever more rarely, × 1.618"
    )


def beacon_rotating(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home with a fixed period, each time to one of twelve addresses of a /24."""
    period = _period(rng)
    gaps = period * rng.uniform(0.9, 1.1, 2_000)
    _beacon(history, rng, effects, "beacon_rotating", gaps, 4 * DAY, f"every {period / 60:.0f} minutes", rotating=True)


def beacon_long_period(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home every four hours for ten days."""
    gaps = 4 * HOUR * rng.uniform(0.9, 1.1, 100)
    _beacon(history, rng, effects, "beacon_long_period", gaps, 10 * DAY, "every four hours")


def beacon_in_cloud(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home to a machine at a cloud provider, as partners' are: packets carry AWS's tag EC2."""
    period = _period(rng)
    gaps = period * rng.uniform(0.8, 1.2, 2_000)
    _beacon(history, rng, effects, "beacon_in_cloud", gaps, 4 * DAY, f"every {period / 60:.0f} minutes", service="EC2")


def beacon_in_invocations(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Calls home when the function runs anyway, at least 20 minutes after the last time."""
    function = chosen(history, rng, effects, lambda f: f.in_vpc and runs(f) and f.schedule[0] == "diurnal")
    there, name = stranger(rng), "beacon_in_invocations"
    start = moment(history, rng, 5 * DAY)
    own = effects.background[function.name]
    kept, last = [], -np.inf
    for n in np.flatnonzero((own.start >= start) & (own.start < start + 5 * DAY) & (own.interface >= 0)).tolist():
        if own.start[n] - last >= 1_200:
            kept.append(n)
            last = own.start[n]
    those = own.where(np.array(kept, dtype=np.int64))
    begin, end, seen = hang_on(history, effects, rng, name, function, those, [short(there)])
    text = f"{function.name} calls {there} when it runs, at most every 20 minutes"
    effects.tell(name, [function.name], begin, end, _FAMILIES, text, there, seen)
