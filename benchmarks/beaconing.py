"""How many beacons are found, and what else is taken for one? `transforms.periodicity` on made-up traffic, beside RITA.

    python -m benchmarks.beaconing [--runs 200] [--seed 1]

Each run makes the times of one function's contacts with one destination, cuts them to windows of 60 s or 600 s, and
has them judged. Nothing of the traffic's making is known to the judge. Tables: the share of runs called `beacon`, by
period (in windows) and jitter; what each kind of harmless traffic is called; evasions; and, for the same traffic, in
how many runs RITA's score is at least 0.9 (version 5, made anew from its description; over the last day, all sizes
equal, the best that sizes can be).

Harmless traffic and evasions are of other shapes than the alternatives that the judge reckons with (normal scatter
around a period): uniform jitter, one-sided jitter, gamma and log-normal gaps, modulated and self-exciting processes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from transforms.periodicity import BEACON, Rhythm, judge_rhythm

DAY, WEEK = 86_400, 7 * 86_400
PERIODS, JITTERS = (2, 3, 5, 10, 20, 40, 60), (0.0, 0.1, 0.2, 0.35, 0.5)
SHORT = {
    "beacon": "beacon", "irregular": "irreg.", "too_few": "few", "hidden_by_window": "hidden",
    "explained_by_schedule": "explained", "keep_alive": "kept",
}  # fmt: skip
Rng = np.random.Generator
Times = np.ndarray
Traffic = Callable[[Rng, int], dict[str, Times]]
"""From a generator and the window's length: `times` of contacts; where known `own`, when it ran, and `opened`."""


def beacon(
    rng: Rng, period: float, jitter: float, days: float = 7, missed: float = 0.0, one_sided: bool = False
) -> Times:
    """`one_sided`: a sleep that jitter only shortens, as Cobalt Strike's does."""
    low = -jitter
    high = 0.0 if one_sided else jitter
    steps = period * (1 + rng.uniform(low, high, int(2.5 * days * DAY / period) + 9))
    times = rng.uniform(0, period) + rng.uniform(0, WEEK - days * DAY) + np.cumsum(steps)
    times = times[times < times[0] + days * DAY]
    return times[rng.random(len(times)) >= missed]


def poisson(rng: Rng, per_hour: float) -> Times:
    return np.sort(rng.uniform(0, WEEK, rng.poisson(per_hour * WEEK / 3_600)))


def modulated(rng: Rng, per_hour: float, part: Callable[[Times], Times]) -> Times:
    times = poisson(rng, per_hour)
    return times[rng.random(len(times)) < part(times)]


def switched(rng: Rng, per_hour: float, mean: float) -> Times:
    """On and off, each for exponential times."""
    edges = np.cumsum(rng.exponential(mean, int(3 * WEEK / mean)))
    return modulated(rng, per_hour, lambda t: np.searchsorted(edges, t) % 2 == 0)


def self_exciting(rng: Rng, per_hour: float, children: float, delay: float) -> Times:
    wave, everything = poisson(rng, per_hour), []
    while len(wave):
        everything.append(wave)
        wave = np.repeat(wave, rng.poisson(children, len(wave)))
        wave = wave + rng.exponential(delay, len(wave))
    times = np.sort(np.concatenate(everything)) if everything else wave
    return times[times < WEEK]


def person(rng: Rng) -> Times:
    """Works on five days from about nine, in sessions of clicks a log-normal half minute apart."""
    sessions = [day * DAY + h * 3_600 + rng.normal(0, 1_200) for day in range(5) for h in (9, 11, 13.5, 15, 16.5)]
    return np.concatenate([s + np.cumsum(rng.lognormal(3, 1.2, rng.geometric(0.03))) for s in sessions])


def job(rng: Rng, every: float, late: float, share: float = 1.0, told: bool = True) -> dict[str, Times]:
    """A scheduled function that starts up to `late` seconds late and has contact in a share of its runs."""
    ran = np.arange(rng.uniform(0, every), WEEK, every)
    ran = ran + rng.uniform(0, late, len(ran))
    times = ran[rng.random(len(ran)) < share] + rng.uniform(0, 3)
    return {"times": times, "own": ran} if told else {"times": times}


def only(make: Callable[..., Times], *args: float, **more: float) -> Traffic:
    return lambda rng, _: {"times": make(rng, *args, **more)}


def _day(times: Times) -> Times:
    return 0.5 + 0.5 * np.sin(2 * np.pi * times / DAY)


def _office(times: Times) -> Times:
    return (times % DAY > 9 * 3_600) & (times % DAY < 17 * 3_600) & (times < 5 * DAY)


HARMLESS: dict[str, Traffic] = {
    **{f"Poisson {r:g}/h": only(poisson, r) for r in (0.2, 1, 6, 20, 60, 200, 600)},
    **{f"day and night {r:g}/h": only(modulated, 2 * r, part=_day) for r in (1, 10, 60, 300)},
    **{f"office hours {r:g}/h": only(modulated, r, part=_office) for r in (1, 10, 60, 300)},
    **{f"on and off {r:g}/h, {m // 60} min": only(switched, r, m) for r in (10, 60) for m in (600, 7_200)},
    **{f"self-exciting {r:g}/h": only(self_exciting, r, 0.8, 90) for r in (0.5, 3, 20)},
    "more and more, to 20/h": only(modulated, 20, part=lambda t: t / WEEK),
    "a person": only(person),
    "log-normal gaps, sigma 1": lambda rng, _: {"times": np.cumsum(rng.lognormal(6, 1, 700))},
    "job every 5 min": lambda rng, _: job(rng, 300, 30),
    "job every 15 min, 40 s late": lambda rng, _: job(rng, 900, 40),
    "job every hour": lambda rng, _: job(rng, 3_600, 30),
    "job every hour, 5 min late": lambda rng, _: job(rng, 3_600, 300),
    "job every 5 min, half of the runs": lambda rng, _: job(rng, 300, 30, 0.5),
    "job every hour, nine of ten runs": lambda rng, _: job(rng, 3_600, 30, 0.9),
    "job once a day": lambda rng, _: job(rng, DAY, 30),
    "kept alive, each minute": lambda rng, _: {"times": np.arange(rng.uniform(0, 50), WEEK, 50), "opened": np.zeros(1)},
    "kept alive, each 5 min": lambda rng, _: {
        "times": np.arange(rng.uniform(0, 300), WEEK, 300),
        "opened": np.arange(0, WEEK, 7_200.0),
    },
}
"""What must stay quiet."""
PERIODIC: dict[str, Traffic] = {
    "job every 5 min, runs unknown": lambda rng, _: job(rng, 300, 30, told=False),
    "job every hour, runs unknown": lambda rng, _: job(rng, 3_600, 30, told=False),
    "token renewed after 1 h, when asked for": lambda rng, _: {"times": np.cumsum(3_600 + rng.exponential(900, 160))},
    "gamma gaps, shape 4 (CV 0.5)": lambda rng, _: {"times": np.cumsum(rng.gamma(4, 450, 335))},
    "gamma gaps, shape 2 (CV 0.7)": lambda rng, _: {"times": np.cumsum(rng.gamma(2, 900, 335))},
}
"""Harmless, and by the clock or nearly: their times alone cannot tell them from a beacon."""


def _busy(rng: Rng, _: int) -> dict[str, Times]:
    ran = poisson(rng, 120)
    at = np.searchsorted(ran, beacon(rng, 900, 0.3))
    return {"times": ran[np.unique(at[at < len(ran)])], "own": ran}


EVASIONS: dict[str, Traffic] = {
    "jitter 50 %, a fifth missed, 10 windows": lambda rng, w: {"times": beacon(rng, 10 * w, 0.5, missed=0.2)},
    "jitter 50 %, one-sided, 5 windows": lambda rng, w: {"times": beacon(rng, 5 * w, 0.5, one_sided=True)},
    "growing x1.618 from a window": lambda rng, w: {"times": rng.uniform(0, w) + np.cumsum(w * 1.618 ** np.arange(16))},
    "growing x1.618, jitter 10 %": lambda rng, w: {
        "times": np.cumsum(w * 1.618 ** np.arange(16) * rng.uniform(0.9, 1.1, 16))
    },
    "slower and slower, 5 to 20 windows": lambda rng, w: {
        "times": np.cumsum(w * np.linspace(5, 20, WEEK // (13 * w)) * rng.uniform(0.7, 1.3, WEEK // (13 * w)))
    },
    "alive for 12 h, 5 windows": lambda rng, w: {"times": beacon(rng, 5 * w, 0.3, 0.5)},
    "alive for 12 h, amid Poisson 1/h": lambda rng, w: {
        "times": np.concatenate([beacon(rng, 5 * w, 0.3, 0.5), poisson(rng, 1)])
    },
    "silent half of the time, 10 windows": lambda rng, w: {
        "times": (t := beacon(rng, 10 * w, 0.3))[
            np.random.default_rng(int(t[0])).random(8)[(t // DAY).astype(int)] < 0.5
        ]
    },
    "bursts of tasks, 10 windows": lambda rng, w: {
        "times": np.concatenate([t := beacon(rng, 10 * w, 0.3), (t[::7, None] + w * rng.random((1, 6)) * 2).ravel()])
    },
    "each check-in lasts a minute": lambda rng, w: {"times": np.concatenate([t := beacon(rng, 10 * w, 0.3), t + 60])},
    "in a busy function, at its runs, 15 min": _busy,
    "every third run of a job every 15 min": lambda rng, _: (j := job(rng, 900, 30)) | {"times": j["own"][::3]},
}


def judged(traffic: dict[str, Times], window: int) -> Rhythm:
    cut = {name: np.unique((t[(t >= 0) & (t < WEEK)] // window).astype(np.int64)) for name, t in traffic.items()}
    return judge_rhythm(cut["times"], window, cut.get("opened"), cut.get("own"))


def rita(times: Times, window: int) -> float:
    """Half of RITA's score from times, and its half from sizes at its best (all of one size)."""
    last = np.sort(times[(times >= 0) & (times < WEEK)])
    stamps = np.unique(last[last >= last[-1] - DAY] // window * window) if len(last) else last
    gaps = np.sort(np.diff(stamps))
    if len(stamps) < 4 or len(gaps) < 3:
        return 0.0
    q1, q2, q3 = np.quantile(gaps, [0.25, 0.5, 0.75])
    skew = 0.0 if q3 - q1 < 10 or q2 in (q1, q3) else (q3 + q1 - 2 * q2) / (q3 - q1)
    spread = max(0.0, (q2 - np.median(np.abs(gaps - q2))) / q2)
    bars = np.histogram(stamps, 24, (stamps[-1] - DAY, stamps[-1] + 1))[0]
    level = max(0.0, 1 - bars.std() / bars.mean())
    used = bars[bars > 0]
    if len(used) >= 11:
        modes = Counter((used // max(1, int(np.ceil(0.05 * used.max())))).tolist()).most_common(2)
        level = max(level, min(1.0, sum(n for _, n in modes) / max(len(used) - 1, 1)))
    run = longest = 0
    for bar in np.tile(bars, 2):
        run = run + 1 if bar else 0
        longest = max(longest, run)
    lasts = 0.0 if len(used) < 6 else max(min(1.0, (stamps[-1] - stamps[0]) / DAY), min(1.0, longest / 12))
    return 0.25 * ((1 - abs(skew) + spread) / 2 + 1 + level + lasts)


def _one(name: str, group: str, window: int, seed: int, run: int) -> tuple[str, bool, float]:
    rng = np.random.default_rng([seed, run, window, *name.encode()])
    traffic = {"harmless": HARMLESS, "periodic": PERIODIC, "evasions": EVASIONS}[group][name](rng, window)
    began = time.process_time()
    verdict = judged(traffic, window).verdict
    took = time.process_time() - began
    return verdict, rita(traffic["times"], window) >= 0.9, took


def _cell(cell: tuple[int, float, float, int, float], seed: int, run: int) -> str:
    window, days, missed, periods, jitter = cell
    rng = np.random.default_rng([seed, run, window, int(days), int(100 * missed), periods, int(100 * jitter)])
    return judged({"times": beacon(rng, periods * window, jitter, days, missed)}, window).verdict


def recall(pool: ProcessPoolExecutor, runs: int, seed: int) -> None:
    print(f"Beacons found, % of {runs} runs a cell; rows: period in windows, columns: jitter")
    for window in (60, 600):
        for days, missed in ((7, 0.0), (7, 0.2), (1, 0.0), (1, 0.2)):
            head = "".join(f"{j:>8.0%}" for j in JITTERS)
            print(f"\n{window} s windows, alive for {days} d, {missed:.0%} missed\n{'':>8}{head}")
            shares = []
            for periods in PERIODS:
                row = ""
                for jitter in JITTERS:
                    cell = (window, float(days), missed, periods, jitter)
                    verdicts = pool.map(partial(_cell, cell, seed), range(runs), chunksize=10)
                    shares.append(Counter(verdicts)[BEACON] / runs)
                    row += f"{100 * shares[-1]:>8.1f}"
                print(f"{periods:>8}{row}", flush=True)
            print(f"{'mean':>8}{100 * np.mean(shares):>8.1f}")


def kinds(pool: ProcessPoolExecutor, group: str, names: dict[str, Traffic], runs: int, seed: int) -> None:
    for window in (60, 600):
        print(f"\n{group}, {window} s windows: what {runs} runs are called\n{'':42}", end="")
        print("".join(f"{s:>10}" for s in SHORT.values()) + f"{'RITA':>10}")
        false = total = 0
        slowest = 0.0
        for name in names:
            found = list(pool.map(partial(_one, name, group, window, seed), range(runs), chunksize=10))
            counts = Counter(verdict for verdict, _, _ in found)
            row = "".join(f"{counts[v]:>10}" for v in SHORT)
            print(f"{name:42}{row}{sum(high for _, high, _ in found):>10}", flush=True)
            false, total = false + counts[BEACON], total + runs
            slowest = max(slowest, *(took for _, _, took in found))
        print(f"{'called a beacon':42}{false:>10} of {total:,} ({100 * false / total:.2f} %); slowest {slowest:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=int, default=200, help="of each kind; a tenth of it a cell of recall (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        kinds(pool, "harmless", HARMLESS, args.runs, args.seed)
        kinds(pool, "periodic", PERIODIC, args.runs, args.seed)
        kinds(pool, "evasions", EVASIONS, args.runs, args.seed)
        recall(pool, max(1, args.runs // 10), args.seed)


if __name__ == "__main__":
    main()
