"""Hourly numbers of functions, or of what they talk to, held against their own history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import SCOPE
from transforms.days import is_one_of, ranges
from transforms.seasonal import HISTORY_DAYS, HOURS, Excess, Floats, Limits, excesses

FUNCTION = (*SCOPE, "function_name")
"""The key of a function's own numbers."""
_FEW_RANGES = 50
_HOUR = 3_600
_DAY = HOURS * _HOUR
_TYPES: dict[Any, tuple[str, pa.DataType]] = {"float": ("double", pa.float64()), "int": ("bigint", pa.int64())}
_TIMES = ("first", "peak", "since", "begin", "end", "last")
"""Fields of findings that count hours."""


@dataclass(frozen=True)
class Grid:
    """One series as tables of days × 24 hours."""

    first_day: int
    """since 1970"""
    known: np.ndarray[Any, np.dtype[np.bool_]]
    """somebody in the account has a row"""
    exists: np.ndarray[Any, np.dtype[np.bool_]]
    """it has a row itself"""
    values: Floats
    """NaN: not known; 0 where others have rows and it has none"""
    weights: Floats
    """the same"""


Work = Callable[[Grid, list[int]], list[Any]]
"""A grid and the judged rows of it → what was found, as dataclasses with a field `day`, a row."""


def unusual(
    hours: DataFrame,
    key: Sequence[str],
    days: Sequence[date],
    value: Column,
    limits: Limits,
    weight: str | None = None,
    everything: DataFrame | None = None,
) -> DataFrame:
    """The most surprising excess of each series on each judged day.

    `hours` has `key` (account_id, region, …), hour, date, and the column `weight` where means are judged. An hour that
    others of the account have (in `everything`, else in `hours`) and a series lacks is 0; one that none has is not
    known. Result: `key`, the fields of `transforms.seasonal.Excess`, those that count hours as timestamps, and `date`.

    f is invoked 100 times an hour for 36 days and then 1,000 times in one → a row: span 1, observed 1,000, usual 100.
    """
    rows = hours.withColumn("value", value.cast("double"))
    at_least = F.sum("value") >= limits.min_rise
    worth = rows.where(is_one_of(F.col("date"), days)).groupBy(*key, "date").agg(at_least.alias("worth"))
    chosen = rows.join(worth.where("worth").select(*key).distinct(), list(key), "left_semi")

    def work(grid: Grid, judged: list[int]) -> list[Excess]:
        return excesses(grid.values, grid.weights, grid.exists, judged, limits)

    return by_series(chosen, hours if everything is None else everything, key, days, work, Excess, weight)


def by_series(
    chosen: DataFrame,
    everything: DataFrame,
    key: Sequence[str],
    days: Sequence[date],
    work: Work,
    finding: type[Any],
    weight: str | None = None,
) -> DataFrame:
    """What `work` finds in each series of `chosen` (key, hour, date, value and `weight`): the key, the fields, `date`.

    The columns of `key` are strings, account_id and region among them. The hours of `everything` are those that are
    known. Fields of the class `finding` that count hours come as times.
    """
    measures = {field.name: _TYPES[field.type] for field in fields(finding)}
    looked = {day - timedelta(days=n) for day in days for n in range(HISTORY_DAYS + 1)}
    # It only saves work: nothing is looked at beyond a day's history. Where it would be long it costs more.
    near = is_one_of(F.col("date"), looked) if len(ranges(looked)) <= _FEW_RANGES else F.lit(True)
    second = F.unix_timestamp("hour").alias("second")
    own = chosen.where(near).select(
        *key, second, "value", F.col(weight).cast("double").alias("weight") if weight else F.lit(1.0).alias("weight")
    )
    known = everything.where(near).select(*SCOPE, second).distinct()
    grid = own.select(*key).distinct().join(known, list(SCOPE))
    filled = grid.join(own.withColumn("exists", F.lit(True)), [*key, "second"], "left")
    schema = ", ".join([*(f"`{c}` string" for c in key), *(f"`{n}` {kind}" for n, (kind, _) in measures.items())])
    numbers = np.array(sorted((day - date(1970, 1, 1)).days for day in days))
    ready = filled.select(*key, "second", "value", "weight", "exists")
    found = ready.groupBy(*key).applyInArrow(_worker(key, numbers, work, measures, weight is not None), schema)
    moments = {name: F.timestamp_seconds(name) for name in _TIMES if name in measures}
    return found.withColumns({**moments, "date": F.date_add(F.lit(date(1970, 1, 1)), F.col("day").cast("int"))})


def _worker(
    key: Sequence[str], days: Any, work: Work, measures: dict[str, tuple[str, pa.DataType]], weighted: bool
) -> Callable[[pa.Table], pa.Table]:
    """The work on one series: as many rows as it finds."""

    def run(group: pa.Table) -> pa.Table:
        grid = _grid(group, weighted)
        rows = days[(days >= grid.first_day) & (days < grid.first_day + len(grid.values))] - grid.first_day
        found = work(grid, rows.tolist())
        columns = []
        for name, (_, kind) in measures.items():
            numbers = [getattr(one, name) for one in found]
            if name in _TIMES:
                numbers = [grid.first_day * _DAY + n * _HOUR for n in numbers]
            elif name == "day":
                numbers = [grid.first_day + n for n in numbers]
            columns.append(pa.array(numbers, kind))
        keys = [pa.array([group[c][0].as_py()] * len(found), pa.string()) for c in key]
        return pa.table([*keys, *columns], names=[*key, *measures])

    return run


def _grid(group: pa.Table, weighted: bool) -> Grid:
    hour = group["second"].to_numpy() // _HOUR
    first = int(hour.min()) // HOURS
    shape = (int(hour.max()) // HOURS - first + 1, HOURS)
    known, exists = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    values, weights = np.full(shape, np.nan), np.full(shape, np.nan)
    place = hour - first * HOURS
    own = group["exists"].combine_chunks().fill_null(False).to_numpy(zero_copy_only=False)
    known.ravel()[place] = True
    exists.ravel()[place] = own
    for table, name, absent in ((values, "value", 0.0), (weights, "weight", 0.0 if weighted else 1.0)):
        numbers = group[name].to_numpy(zero_copy_only=False).astype(np.float64)
        # Less than nothing is a broken point.
        table.ravel()[place] = np.where(own, np.maximum(numbers, 0.0), absent)
    return Grid(first, known, exists, values, weights)
