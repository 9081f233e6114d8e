"""CloudWatch's minutes of each function, from where the last poll ended.

GetMetricData takes 500 queries and gives 100,800 points a call, so the functions are asked for in groups and the time
in slices. A slice's answers are stored together, the last of them last and marked so: the next poll goes on from the
end of the latest slice that is there as a whole. A failure or an outage loses nothing that CloudWatch still has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.collect.answers import Answer, Clock, names, pages
from jobs.collect.store import Row, stored
from jobs.sources.times import instant

METRICS = (
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Throttles", "Sum"),
    ("Duration", "Average"),
    ("Duration", "Maximum"),
    ("ConcurrentExecutions", "Maximum"),
)
"""(name, statistic) that are asked for."""
PERIOD = 60
MAX_QUERIES = 500
MAX_POINTS = 100_800
LATE = timedelta(minutes=15)
"""A minute's points may come so much later."""
FIRST = timedelta(hours=3)
"""The first poll goes back so far."""
KEPT_DAYS = 15
"""CloudWatch keeps points of a minute so long."""

_FUNCTIONS_AT_ONCE = MAX_QUERIES // len(METRICS)
_ATTEMPTS = 3

Span = tuple[datetime, datetime]
"""[from, until)"""


class IncompleteError(Exception):
    """CloudWatch left a part of the answer out, and did so when asked again."""


class ForbiddenError(Exception):
    """CloudWatch answered `Forbidden` for some series."""


def span(last_end: datetime | None, now: datetime) -> Span:
    """What to ask for: from where the last poll ended to a quarter of an hour ago, whole minutes.

    At 10:20:30, after a poll that ended at 09:35: [09:35, 10:05). Without a last poll [07:05, 10:05). After twenty
    days without one from fifteen days ago.
    """
    until = _minute(now - LATE)
    oldest = _minute(now - timedelta(days=KEPT_DAYS)) + timedelta(minutes=1)
    since = until - FIRST if last_end is None else _minute(last_end)
    return max(since, oldest), until


def slices(whole: Span, functions: int) -> Iterator[Span]:
    """A span in parts, such that no call can give more than MAX_POINTS.

    One function has 6 points a minute: 16,800 minutes are one part. 83 functions or more: 202 minutes, as the
    functions beyond 83 get calls of their own.
    """
    since, until = whole
    minutes = MAX_POINTS // (min(max(functions, 1), _FUNCTIONS_AT_ONCE) * len(METRICS))
    while since < until:
        end = min(since + timedelta(minutes=minutes), until)
        yield since, end
        since = end


def requests(functions: Iterable[str], part: Span) -> list[Row]:
    """The calls for one slice, each of at most MAX_QUERIES."""
    known = sorted(functions)
    groups = [known[n : n + _FUNCTIONS_AT_ONCE] for n in range(0, len(known), _FUNCTIONS_AT_ONCE)]
    return [
        {
            "MetricDataQueries": [_query(f"f{n}_{m}", f, m) for n, f in enumerate(group) for m in range(len(METRICS))],
            "StartTime": part[0],
            "EndTime": part[1],
            "ScanBy": "TimestampAscending",
        }
        for group in groups
    ]


def answer(client: Any, request: Row, now: Clock) -> Answer:
    """GetMetricData with all pages. What came in part, or not at all, is asked for again.

    Raises IncompleteError, or ForbiddenError.
    """
    asked_at, _, found = pages(client, "get_metric_data", request, now)
    queries = request["MetricDataQueries"]
    for _ in range(_ATTEMPTS - 1):
        lacking = _lacking(queries, found)
        if not lacking:
            break
        for page in found:
            page["MetricDataResults"] = [r for r in page["MetricDataResults"] if r["Id"] not in lacking]
        again = {**request, "MetricDataQueries": [q for q in queries if q["Id"] in lacking]}
        found += pages(client, "get_metric_data", again, now)[2]
    lacking = _lacking(queries, found)
    if lacking:
        raise IncompleteError(
            f"{len(lacking)} of {len(queries)} series came as {', '.join(sorted(set(lacking.values())))}"
        )
    return asked_at, request, found


def ask(client: Any, functions: Iterable[str], whole: Span, now: Clock, keep: Callable[[Answer, Row], None]) -> int:
    """Ask for all slices, the oldest first, and hand each slice's answers to `keep`; returns how many points came.

    The second argument of `keep` belongs into the envelope: which part of how many of its slice an answer is.
    """
    known, points = sorted(functions), 0
    for part in slices(whole, len(known)):
        found = [answer(client, request, now) for request in requests(known, part)]
        for number, one in enumerate(found, start=1):
            keep(one, {"part": number, "parts": len(found)})
            points += sum(len(r["Values"]) for page in one[2] for r in page["MetricDataResults"])
    return points


def last_end(raw: str, account_id: str, region: str, now: datetime) -> datetime | None:
    """Until when the polls in the raw folder have asked for metrics."""
    for poll in stored(raw, "get_metric_data", account_id, region, now, KEPT_DAYS):
        request = poll.get("request")
        end = instant(request.get("EndTime")) if isinstance(request, dict) else None
        if end and poll.get("part", 1) == poll.get("parts", 1):
            return end
    return None


def functions_since(raw: str, account_id: str, region: str, since: datetime, now: datetime) -> set[str]:
    """The functions that there were since then, as far as stored polls tell: also those that are gone by now."""
    found: set[str] = set()
    for poll in stored(raw, "list_functions", account_id, region, now, KEPT_DAYS + 1):
        found |= names([page for page in poll.get("responses") or [] if isinstance(page, dict)])
        if poll["polled_at"] < since:
            break
    return found


def _lacking(queries: Sequence[Row], found: Sequence[Row]) -> dict[str, str]:
    """The series that are not complete, and what CloudWatch says of them; of the pages with one the last counts."""
    said = {r["Id"]: str(r.get("StatusCode")) for page in found for r in page["MetricDataResults"]}
    if "Forbidden" in said.values():
        raise ForbiddenError("CloudWatch answered Forbidden for some series")
    status = {query["Id"]: said.get(query["Id"], "nothing") for query in queries}
    return {series: word for series, word in status.items() if word != "Complete"}


def _query(query_id: str, function: str, metric: int) -> Row:
    name, stat = METRICS[metric]
    dimensions = [{"Name": "FunctionName", "Value": function}]
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions},
            "Period": PERIOD,
            "Stat": stat,
        },
        "ReturnData": True,
    }


def _minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
