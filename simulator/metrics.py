"""CloudWatch's minutes of each function, as GetMetricData answers."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.account import Function
from simulator.lifecycle import History
from simulator.traffic import Floats, Ints, Invocations

METRICS = (
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Throttles", "Sum"),
    ("Duration", "Average"),
    ("Duration", "Maximum"),
    ("ConcurrentExecutions", "Maximum"),
)
"""(name, statistic) that are asked for, with a period of a minute."""
FUNCTIONS_AT_ONCE = 500 // len(METRICS)
"""GetMetricData takes no more than 500 queries."""


@dataclass(frozen=True)
class Series:
    """One metric of one function: only minutes in which there was something."""

    minutes: list[int]
    """in simulation seconds"""
    times: list[str]
    values: list[str]
    """both as JSON"""


class Metrics:
    """All series, cut into answers."""

    def __init__(self, history: History, invocations: Invocations, start: int, throttled: Mapping[str, Floats]) -> None:
        """`throttled`: per function the times of what Lambda did not let in."""
        self._start = start
        none = np.zeros(0)
        self._series = {
            f.name: _series(invocations.where(invocations.function == f.name), throttled.get(f.name, none), start)
            for f in history.functions
        }
        self._queries = {f.name: [_query(f, n) for n in range(len(METRICS))] for f in history.functions}

    def answer(self, names: Sequence[str], since: int, until: int) -> tuple[str, str]:
        """Request and response, as JSON, for these functions over [since, until), in simulation seconds."""
        queries = ",".join(query for name in names for query in self._queries[name])
        span = f'"StartTime":"{_iso(self._start + since)}","EndTime":"{_iso(self._start + until)}"'
        request = f'{{"MetricDataQueries":[{queries}],{span},"ScanBy":"TimestampAscending"}}'
        results = []
        for name in names:
            for n, ((metric, _), series) in enumerate(zip(METRICS, self._series[name], strict=True)):
                first, after = bisect_left(series.minutes, since), bisect_left(series.minutes, until)
                times, values = ",".join(series.times[first:after]), ",".join(series.values[first:after])
                results.append(
                    f'{{"Id":"{_id(name, n)}","Label":"{name} {metric}","Timestamps":[{times}],'
                    f'"Values":[{values}],"StatusCode":"Complete"}}'
                )
        return request, f'{{"MetricDataResults":[{",".join(results)}],"Messages":[]}}'


def _id(name: str, metric: int) -> str:
    return f"{name.lower()}_{metric}"


def _query(function: Function, metric: int) -> str:
    name, stat = METRICS[metric]
    dimensions = [{"Name": "FunctionName", "Value": function.name}]
    named = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
    query = {
        "Id": _id(function.name, metric),
        "MetricStat": {"Metric": named, "Period": 60, "Stat": stat},
        "ReturnData": True,
    }
    return json.dumps(query, separators=(",", ":"))


def _iso(moment: int) -> str:
    return f"{np.datetime64(moment, 's')}+00:00"


def _series(own: Invocations, throttled: Floats, start: int) -> list[Series]:
    """In the order of METRICS. A metric's minute is the one in which the invocation began."""
    minute, place, counts = np.unique((own.start // 60).astype(np.int64), return_inverse=True, return_counts=True)
    milliseconds = (own.end - own.start) * 1_000
    longest = np.zeros(len(minute))
    np.maximum.at(longest, place, milliseconds)
    errors = np.bincount(place, weights=own.failed, minlength=len(minute))
    average = np.bincount(place, weights=milliseconds, minlength=len(minute)) / np.maximum(counts, 1)
    times = _texts(minute, start)
    busy, most = _concurrency(own.start, own.end)
    seconds = (minute * 60).tolist()
    made = [Series(seconds, times, _numbers(v)) for v in (counts, errors, average, longest)]
    refused = (throttled // 60).astype(np.int64)
    either = np.union1d(minute, refused)
    kept_out = np.bincount(np.searchsorted(either, refused), minlength=len(either))
    made.insert(2, Series((either * 60).tolist(), _texts(either, start), _numbers(kept_out)))
    return [*made, Series((busy * 60).tolist(), _texts(busy, start), _numbers(most))]


def _numbers(values: Floats | Ints) -> list[str]:
    return [repr(value) for value in np.round(values.astype(float), 2).tolist()]


def _texts(minute: Ints, start: int) -> list[str]:
    moments = (minute * 60 + start).astype("datetime64[s]")
    return [f'"{text}+00:00"' for text in np.datetime_as_string(moments).tolist()]


def _concurrency(begin: Floats, end: Floats) -> tuple[Ints, Ints]:
    """Minutes in which something ran, and the most that ran at once in each."""
    first, last = (begin // 60).astype(np.int64), (end // 60).astype(np.int64)
    count = last - first + 1
    part = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    minute, place = np.unique(np.repeat(first, count) + part, return_inverse=True)
    begins, ends = np.sort(begin), np.sort(end)
    # It can only rise where one begins, or be carried over from the minute before.
    moment = np.where(part == 0, np.repeat(begin, count), (np.repeat(first, count) + part) * 60.0)
    running = np.searchsorted(begins, moment, side="right") - np.searchsorted(ends, moment, side="right")
    most = np.zeros(len(minute), dtype=np.int64)
    np.maximum.at(most, place, running)
    return minute, most
