"""What is told of numbers that are far beyond a function's own, and what is told though nothing is wrong?

    python -m benchmarks.metric_outliers [--functions 8] [--days 60] [--seed 1] [--engine sail]

Series of several shapes are made up, by the hour: so many functions of each shape, in one account, over so many days;
the first 36 are learned from. Once clean: alerts (observations at most a week apart are one) per 100 functions and day,
by shape and detection. Then each function once with each anomaly, on one of the later days: the share in which its
detection says so on a day of it. Shapes and anomalies know nothing of the detections; `step`, `shift` and `flaky` are
harmless changes that some would call anomalies.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

import detections
from jobs.session import session
from jobs.sources.arrow import arrow_schema
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, FUNCTION_CHANGES, FUNCTION_METRICS_HOURLY, OBSERVATIONS
from transforms.schemas.table import Table

START = datetime(2026, 1, 5, tzinfo=UTC)
LEARNED, HOURS, QUIET_DAYS = 36, 24, 7
ABOUT = (
    "invocation_spike", "error_outlier", "throttle_outlier", "duration_outlier", "concurrency_outlier",
    "function_silent", "volume_outlier",
)  # fmt: skip
Rng = np.random.Generator
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Series:
    """A function's hours."""

    name: str
    shape: str
    invocations: Array
    errors: Array
    throttles: Array
    seconds: Array
    """of all invocations"""
    at_once: Array
    sent: Array
    """bytes to the peer that it always talks to"""


def _clock(hours: int) -> tuple[Array, Array]:
    hour = np.arange(hours)
    return (hour % HOURS).astype(float), (hour // HOURS % 7).astype(float)


def _scale(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _wobble(rng: Rng, hours: int, size: float) -> Array:
    """A slow factor around 1: yesterday's mood holds on for some hours."""
    steps, level = rng.normal(0, size, hours), 0.0
    made = np.empty(hours)
    for n in range(hours):
        level = 0.9 * level + np.sqrt(1 - 0.81) * steps[n]
        made[n] = level
    return np.exp(made)


def poisson(rng: Rng, hours: int) -> Array:
    return rng.poisson(_scale(rng, 1, 3_000), hours).astype(float)


def diurnal(rng: Rng, hours: int) -> Array:
    clock, _ = _clock(hours)
    shape = 0.05 + np.maximum(0, np.sin((clock - rng.uniform(4, 9)) / 24 * 2 * np.pi)) ** rng.uniform(0.7, 2)
    return rng.poisson(_scale(rng, 20, 2_000) * shape * _wobble(rng, hours, 0.15)).astype(float)


def weekly(rng: Rng, hours: int) -> Array:
    clock, day = _clock(hours)
    office = np.where((clock > 7) & (clock < 18), 1.0, 0.03) * np.where(day < 5, 1.0, rng.uniform(0.02, 0.3))
    # A holiday now and then.
    holiday = np.repeat(rng.random(hours // HOURS) < 0.03, HOURS)
    return rng.poisson(_scale(rng, 20, 2_000) * np.where(holiday, 0.05, office) * _wobble(rng, hours, 0.2)).astype(
        float
    )


def bursty(rng: Rng, hours: int) -> Array:
    shape, mean = _scale(rng, 0.2, 3), _scale(rng, 5, 500)
    return rng.negative_binomial(shape, shape / (shape + mean), hours).astype(float)


def cron(rng: Rng, hours: int) -> Array:
    clock, day = _clock(hours)
    kind = rng.integers(4)
    if kind == 0:
        return np.full(hours, float(rng.choice([1, 4, 12, 60])))
    at = rng.integers(24)
    due = (clock == at) & ((day == rng.integers(7)) if kind == 3 else True)
    each = np.round(_scale(rng, 1, 2_000) * rng.lognormal(0, 0.15 if kind > 1 else 0.0, hours))
    return np.where(due, np.maximum(each, 1), 0.0)


def heavy(rng: Rng, hours: int) -> Array:
    sizes = _scale(rng, 5, 50) * rng.pareto(rng.uniform(1.3, 2.5), hours)
    return np.floor(np.where(rng.random(hours) < 0.4, sizes, 0.0))


def asked(rng: Rng, hours: int) -> Array:
    """Somebody works with it for some hours, on some days."""
    made = np.zeros(hours)
    for start in np.flatnonzero(rng.random(hours) < rng.uniform(0.01, 0.05)):
        made[start : start + rng.integers(1, 5)] += rng.poisson(_scale(rng, 3, 300))
    return made


def trend(rng: Rng, hours: int) -> Array:
    base = diurnal(rng, hours)
    growth = rng.uniform(0.3, 3)
    return rng.poisson(np.maximum(base, 0.01) * growth ** (np.arange(hours) / hours)).astype(float)


def step(rng: Rng, hours: int) -> Array:
    """A release that changes how often it is called."""
    base, at = diurnal(rng, hours), rng.integers(LEARNED * HOURS, hours)
    return np.where(np.arange(hours) >= at, np.round(base * rng.choice([0.4, 0.6, 1.5, 2.0])), base)


def shift(rng: Rng, hours: int) -> Array:
    """The clocks go forward: the same an hour earlier."""
    base = diurnal(rng, hours) if rng.random() < 0.5 else cron(rng, hours)
    at = int(rng.integers(LEARNED * HOURS, hours))
    return np.concatenate([base[:at], base[at + 1 :], base[-HOURS : -HOURS + 1]])


SHAPES: dict[str, Callable[[Rng, int], Array]] = {
    "poisson": poisson, "diurnal": diurnal, "weekly": weekly, "bursty": bursty, "cron": cron, "heavy": heavy,
    "asked": asked, "trend": trend, "step": step, "shift": shift, "flaky": diurnal,
}  # fmt: skip


def series(rng: Rng, name: str, shape: str, hours: int) -> Series:
    n = SHAPES[shape](rng, hours)
    rate = 0.0 if rng.random() < 0.4 else _scale(rng, 0.0005, 0.05)
    failing = np.full(hours, rate)
    for _ in range(rng.poisson(hours / HOURS / (10 if shape == "flaky" else 60))):
        begin = rng.integers(hours)
        failing[begin : begin + rng.integers(1, 4)] = rng.uniform(0.05, 0.5)  # something that it needs hiccups
    errors = rng.binomial(n.astype(int), failing).astype(float)
    mean, spread = _scale(rng, 0.02, 10), rng.uniform(0.1, 1.2)
    each = mean * np.exp(rng.normal(0, 1, hours) * spread / np.sqrt(np.maximum(n, 1))) * _wobble(rng, hours, 0.1)
    cold = rng.binomial(np.minimum(n, 20).astype(int), 0.1) * rng.uniform(0.3, 2)
    seconds = n * each + cold
    # Calls come in crowds, more or less.
    crowd = rng.gamma(rng.uniform(1, 5), 1, hours)
    at_once = np.where(n > 0, np.minimum(np.maximum(n, 1), 1 + rng.poisson(seconds / 3_600 * (1 + crowd))), 0.0)
    throttled = np.full(hours, 0.0)
    if rng.random() < 0.1:
        throttled = np.where(n > 0, rng.negative_binomial(0.1, 0.1 / (0.1 + _scale(rng, 1, 20)), hours), 0.0)
    sent = np.round(n * _scale(rng, 500, 50_000) * np.exp(rng.normal(0, rng.uniform(0.1, 0.6), hours)))
    return Series(name, shape, n, errors, throttled, np.round(seconds, 6), at_once, sent)


def _span(rng: Rng, one: Series, lasting: int, fewest: float = 1) -> slice:
    """A time on the later days, at an hour in which the function runs."""
    hours = len(one.invocations)
    places = np.arange(LEARNED * HOURS, hours - lasting)
    running = places[one.invocations[places] >= fewest]
    begin = int(rng.choice(running if len(running) else places))
    return slice(begin, begin + lasting)


def _with(array: Array, span: slice, change: Callable[[Array], Array]) -> Array:
    made = array.copy()
    made[span] = change(made[span])
    return made


def _more(one: Series, span: slice, factor: float) -> Series:
    names = ("invocations", "errors", "seconds", "sent")
    changed = {name: _with(getattr(one, name), span, lambda x: np.round(factor * x)) for name in names}
    busier = _with(one.at_once, span, lambda x: np.maximum(x, np.round(np.sqrt(factor) * x)))
    return replace(one, **changed, at_once=busier)


def _spike(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 1)
    return _more(one, span, 10), span


def _busy_spike(rng: Rng, one: Series) -> tuple[Series, slice]:
    """At an hour that is busier than three quarters of those in which it runs."""
    span = _span(rng, one, 1, float(np.quantile(one.invocations[one.invocations > 0], 0.75)))
    return _more(one, span, 10), span


def _sustained(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 48)
    return _more(one, span, 4), span


def _failing(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 2, 5)
    return replace(
        one, errors=_with(one.errors, span, lambda e: np.maximum(e, np.round(0.7 * one.invocations[span])))
    ), span


def _throttled(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, int(rng.integers(1, 4)))
    return replace(one, throttles=_with(one.throttles, span, lambda t: t + rng.integers(100, 1_000))), span


def _slow(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 12)
    return replace(one, seconds=_with(one.seconds, span, lambda s: 5 * s)), span


def _crowded(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 2)
    return replace(one, at_once=_with(one.at_once, span, lambda x: 10 * x + 20)), span


def _silent(rng: Rng, one: Series) -> tuple[Series, slice]:
    span = _span(rng, one, 48)
    none = {name: _with(getattr(one, name), span, lambda x: 0 * x) for name in Series.__annotations__ if name not in
            ("name", "shape")}  # fmt: skip
    return replace(one, **none), span


def _gigabyte(rng: Rng, one: Series) -> tuple[Series, slice]:
    """To a peer that gets about 10 MB a day."""
    usual = replace(one, sent=np.round(one.sent * 1e7 / max(1.0, one.sent.sum() / len(one.sent) * HOURS)))
    span = _span(rng, one, int(rng.integers(1, 9)))
    lasting = span.stop - span.start
    return replace(usual, sent=_with(usual.sent, span, lambda x: x + np.round(1e9 / lasting))), span


ANOMALIES: dict[str, tuple[str, Callable[[Rng, Series], tuple[Series, slice]]]] = {
    "x10 for an hour": ("invocation_spike", _spike),
    "x10 for a busy hour": ("invocation_spike", _busy_spike),
    "x4 for two days": ("invocation_spike", _sustained),
    "70 % errors for 2 h": ("error_outlier", _failing),
    "throttled for 1-3 h": ("throttle_outlier", _throttled),
    "duration x5 for 12 h": ("duration_outlier", _slow),
    "x10 + 20 at once, 2 h": ("concurrency_outlier", _crowded),
    "silent for two days": ("function_silent", _silent),
    "1 GB to a known peer": ("volume_outlier", _gigabyte),
}


def found(
    spark: SparkSession, folder: str, made: list[Series], days: list[date], ids: tuple[str, ...]
) -> list[dict[str, Any]]:
    """The observations of the detections."""
    tables = {
        FUNCTION_METRICS_HOURLY.name: _frame(spark, folder, FUNCTION_METRICS_HOURLY, [_metrics(one) for one in made]),
        FUNCTION_ACTIVITY_HOURLY.name: _frame(
            spark, folder, FUNCTION_ACTIVITY_HOURLY, [_activity(one) for one in made]
        ),
        FUNCTION_CHANGES.name: _frame(spark, folder, FUNCTION_CHANGES, []),
    }
    rows: list[dict[str, Any]] = []
    for detection in detections.ALL:
        if detection.id in ids:
            result = detection.detect(days, **{name: tables[name] for name in detection.tables}, **detection.parameters)
            rows += [row | {"detection_id": detection.id} for row in OBSERVATIONS.filled(result).toArrow().to_pylist()]
    return rows


def _frame(spark: SparkSession, folder: str, table: Table, parts: list[dict[str, Any]]) -> Any:
    schema = arrow_schema(table.schema)
    batches = [
        pa.table(
            {
                f.name: pa.array(part[f.name], f.type) if f.name in part else pa.nulls(len(part["hour"]), f.type)
                for f in schema
            }
        )
        for part in parts
    ]
    path = Path(tempfile.mkdtemp(dir=folder)) / f"{table.name}.parquet"
    pq.write_table(pa.concat_tables(batches) if batches else schema.empty_table(), path)
    return spark.read.parquet(str(path))


def _hours(one: Series, some: Array) -> tuple[Any, dict[str, Any]]:
    places = np.flatnonzero(some)
    times = [START + timedelta(hours=int(n)) for n in places]
    whose = {"account_id": "123456789012", "region": "eu-west-1", "function_name": one.name}
    return places, {name: [value] * len(places) for name, value in whose.items()} | {
        "hour": times,
        "date": [moment.date() for moment in times],
    }


def _metrics(one: Series) -> dict[str, Any]:
    places, columns = _hours(one, one.invocations + one.throttles)
    return columns | {
        "minutes": [60] * len(places),
        "invocations": one.invocations[places],
        "errors": one.errors[places],
        "throttles": one.throttles[places],
        "duration_seconds": one.seconds[places],
        "concurrent_executions": one.at_once[places],
    }


def _activity(one: Series) -> dict[str, Any]:
    places, columns = _hours(one, one.sent)
    same = {
        "candidates": one.name, "behaviour": "peer", "thing": "6|443|network|partner", "peer_kind": "network",
        "peer_name": "partner", "peer_internal": False, "peer_port": 443, "protocol": 6, "events": 1, "bytes_in": 900,
        "first_evidence": "c1", "first_peer_addr": "198.51.100.7", "first_local_addr": "10.0.0.1",
    }  # fmt: skip
    return columns | {name: [value] * len(places) for name, value in same.items()} | {
        "bytes_out": one.sent[places].astype(np.int64), "first_time": columns["hour"], "last_time": columns["hour"],
    }  # fmt: skip


def alerts(observations: list[dict[str, Any]]) -> list[tuple[str, str, date]]:
    """Detection, function and first day: observations of one thing at most a week apart are one."""
    last: dict[tuple[str, str, str], date] = {}
    made = []
    for row in sorted(observations, key=lambda r: r["date"]):
        key = (row["detection_id"], row["functions"], row["subject"])
        if key not in last or (row["date"] - last[key]).days > QUIET_DAYS:
            made.append((row["detection_id"], row["functions"], row["date"]))
        last[key] = row["date"]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=8, help="of each shape (%(default)s)")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", default="sail")
    parser.add_argument("--show", action="store_true", help="what is told though nothing is wrong")
    args = parser.parse_args()
    days = [START.date() + timedelta(days=n) for n in range(LEARNED, args.days)]
    made = []
    for shape in SHAPES:
        for n in range(args.functions):
            rng = np.random.default_rng([args.seed, n, *shape.encode()])
            made.append(series(rng, f"{shape}-{n}", shape, args.days * HOURS))
    with tempfile.TemporaryDirectory() as folder, session(args.engine, "local[2]") as spark:
        began = time.monotonic()
        told = found(spark, folder, made, days, ABOUT)
        took = time.monotonic() - began
        raised = alerts(told)
        per = 100 / (args.functions * len(days))
        print(f"Clean: alerts per 100 functions and day ({len(made)} functions, {len(days)} days, {took:.1f} s)")
        print(f"{'':10}" + "".join(f"{name.split('_')[0]:>13}" for name in ABOUT) + f"{'all':>9}")
        for shape in SHAPES:
            counts = Counter(name for name, function, _ in raised if function.split("-")[0] == shape)
            cells = "".join(f"{counts[name] * per:>13.2f}" for name in ABOUT)
            print(f"{shape:10}{cells}{counts.total() * per:>9.2f}")
        counts, per = Counter(name for name, _, _ in raised), per / len(SHAPES)
        print(f"{'all':10}" + "".join(f"{counts[n] * per:>13.3f}" for n in ABOUT) + f"{counts.total() * per:>9.3f}")
        if args.show:
            for row in sorted(told, key=lambda r: (r["detection_id"], r["functions"], r["date"])):
                print(f"  {row['detection_id']} {row['surprise']}: {row['summary']}")
        print(f"\nFound, % of {args.functions} functions of a shape\n{'':24}" + "".join(f"{s:>9}" for s in SHAPES))
        for number, (name, (detection, change)) in enumerate(ANOMALIES.items()):
            rng = np.random.default_rng([args.seed, 99, number])
            changed = [change(rng, one) for one in made]
            # Others of the account are as they were, so that it is known that somebody looked.
            others = [replace(one, name=f"{one.name}-before") for one in made[:3]]
            rows = found(spark, folder, [one for one, _ in changed] + others, days, (detection,))
            seen = {(row["functions"], (row["date"] - START.date()).days) for row in rows}
            hits: Counter[str] = Counter()
            for one, span in changed:
                its_days = range(span.start // HOURS, (span.stop - 1) // HOURS + 1)
                hits[one.shape] += any((one.name, day) in seen for day in its_days)
            shares = [100 * hits[shape] / args.functions for shape in SHAPES]
            print(f"{name:24}" + "".join(f"{s:>9.0f}" for s in shares) + f"   mean {np.mean(shares):.0f}", flush=True)


if __name__ == "__main__":
    main()
