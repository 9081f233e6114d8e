"""GetMetricData: what is asked for, within its limits, and what is made up for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.settings import Settings
from jobs.collect.metrics import ForbiddenError, IncompleteError, answer, requests, slices, span
from jobs.collect.run import collect
from jobs.collect.store import Poll, store
from tests.jobs.collect.aws import NOW, OWN, Aws, Call, Row, client, envelope, files

UNTIL = datetime(2026, 3, 2, 10, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("last", "since"),
    [
        (None, UNTIL - timedelta(hours=3)),
        (datetime(2026, 3, 2, 9, 35, tzinfo=UTC), datetime(2026, 3, 2, 9, 35, tzinfo=UTC)),
        (datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 15, 10, 21, tzinfo=UTC)),  # 15 days at most
    ],
)
def test_span(last: datetime | None, since: datetime) -> None:
    assert span(last, NOW) == (since, UNTIL)


def test_nothing_is_asked_for_twice() -> None:
    assert list(slices(span(UNTIL, NOW), 5)) == []


@given(functions=st.integers(1, 400), minutes=st.integers(1, 15 * 1440))
def test_no_call_goes_beyond_the_limits_and_nothing_is_left_out(functions: int, minutes: int) -> None:
    names = {f"f-{n}" for n in range(functions)}
    whole = (UNTIL - minutes * MINUTE, UNTIL)
    parts = list(slices(whole, functions))
    assert (parts[0][0], parts[-1][1]) == whole
    assert all(one[1] == next_[0] for one, next_ in pairwise(parts))
    asked = requests(names, parts[0])
    longest = max((end - start) // MINUTE for start, end in parts)
    for request in asked:
        queries = request["MetricDataQueries"]
        assert len(queries) <= 500
        assert len(queries) * longest <= 100_800
        assert len({query["Id"] for query in queries}) == len(queries)
    series = [
        (
            q["MetricStat"]["Metric"]["Dimensions"][0]["Value"],
            q["MetricStat"]["Metric"]["MetricName"],
            q["MetricStat"]["Stat"],
        )
        for request in asked
        for q in request["MetricDataQueries"]
    ]
    assert len(set(series)) == len(series) == functions * 6
    assert {name for name, _, _ in series} == names


def result(series: str, minute: int, value: float, status: str) -> Row:
    return {"Id": series, "Timestamps": [UNTIL - minute * MINUTE], "Values": [value], "StatusCode": status}


def six(status: str = "Complete", *, without: int = -1) -> list[Row]:
    """A result for each query of one function."""
    return [result(f"f0_{m}", 9, m, status) for m in range(6) if m != without]


def ask(aws: Aws, *pages: list[Row]) -> tuple[list[Row], list[Row]]:
    """The stored pages for one function, and the calls that it took, each answered with one page."""
    answers = [{"MetricDataResults": page, "Messages": []} for page in pages]
    aws.answer("GetMetricData", *answers)
    [request] = requests({"orders"}, (UNTIL - 10 * MINUTE, UNTIL))
    _, _, found = answer(client("cloudwatch", "eu-west-1"), request, lambda: NOW)
    return found, aws.asked("GetMetricData")


def points(pages: list[Row]) -> list[tuple[str, Any]]:
    return sorted((r["Id"], v) for page in pages for r in page["MetricDataResults"] for v in r["Values"])


def test_pages_of_partial_data_are_read_to_the_end(aws: Aws) -> None:
    first = {"MetricDataResults": [*six(without=3), result("f0_3", 9, 30, "PartialData")], "NextToken": "more"}
    aws.answer("GetMetricData", first, {"MetricDataResults": [result("f0_3", 8, 31, "Complete")]})
    [request] = requests({"orders"}, (UNTIL - 10 * MINUTE, UNTIL))
    _, stored, pages = answer(client("cloudwatch", "eu-west-1"), request, lambda: NOW)
    assert stored == request
    assert points(pages) == [
        ("f0_0", 0),
        ("f0_1", 1),
        ("f0_2", 2),
        ("f0_3", 30),
        ("f0_3", 31),
        ("f0_4", 4),
        ("f0_5", 5),
    ]
    assert [call.get("NextToken") for call in aws.asked("GetMetricData")] == [None, "more"]


@pytest.mark.parametrize("status", ["PartialData", "InternalError", None])
def test_what_did_not_come_is_asked_for_again(aws: Aws, status: str | None) -> None:
    lacking = [result("f0_3", 9, 99, status)] if status else []
    pages, calls = ask(aws, [*six(without=3), *lacking], [result("f0_3", 9, 3, "Complete")])
    assert points(pages) == [(f"f0_{m}", m) for m in range(6)]
    assert [q["Id"] for q in calls[1]["MetricDataQueries"]] == ["f0_3"]


def test_what_never_comes_fails(aws: Aws) -> None:
    with pytest.raises(IncompleteError, match="6 of 6 series came as InternalError"):
        ask(aws, *[six("InternalError")] * 3)
    assert len(aws.calls) == 3
    with pytest.raises(ForbiddenError):
        ask(aws, six("Forbidden"))


def functions(*names: str) -> Row:
    return {"Functions": [{"FunctionName": name, "Version": "$LATEST"} for name in names]}


def complete(call: Call) -> Row:
    """A point of each series in the first minute of what is asked for."""
    start = call.params["StartTime"]
    return {
        "MetricDataResults": [
            {"Id": q["Id"], "Timestamps": [start], "Values": [1.0], "StatusCode": "Complete"}
            for q in call.params["MetricDataQueries"]
        ]
    }


@pytest.fixture
def poll(aws: Aws, tmp_path: Path) -> Callable[..., tuple[list[Row], bool]]:
    """Poll metrics at a time → (the calls of GetMetricData, did it go well)."""

    def poll(at: datetime, *kinds: str) -> tuple[list[Row], bool]:
        aws.calls.clear()
        settings = Settings(raw=str(tmp_path), regions=("eu-west-1",), collect_attempts=1)
        _, failed = collect(settings, kinds or ("functions", "metrics"), now=lambda: at)
        return aws.asked("GetMetricData"), not failed

    return poll


def asked_of(calls: list[Row]) -> set[str]:
    return {q["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for c in calls for q in c["MetricDataQueries"]}


def spans(calls: list[Row]) -> list[tuple[datetime, datetime]]:
    return list(dict.fromkeys((c["StartTime"], c["EndTime"]) for c in calls))


Poller = Callable[..., tuple[list[Row], bool]]


def test_missed_polls_are_made_up_for(aws: Aws, poll: Poller) -> None:
    aws.scripts["GetMetricData"] = complete
    aws.scripts["ListFunctions"] = lambda _: functions("orders", "stock")
    calls, _ = poll(NOW)
    assert spans(calls) == [(UNTIL - timedelta(hours=3), UNTIL)]
    # Two hours without a poll, and one function less: its last minutes are asked for once more, then no longer.
    aws.scripts["ListFunctions"] = lambda _: functions("orders")
    later = NOW + timedelta(hours=2)
    calls, _ = poll(later)
    assert spans(calls) == [(UNTIL, UNTIL + timedelta(hours=2))]
    assert asked_of(calls) == {"orders", "stock"}
    calls, _ = poll(later + timedelta(minutes=30))
    assert asked_of(calls) == {"orders", "stock"}  # it was there at the start of this span
    calls, _ = poll(later + timedelta(minutes=60))
    assert asked_of(calls) == {"orders"}
    # Metrics alone: the functions are listed, but not stored.
    calls, _ = poll(later + timedelta(minutes=90), "metrics")
    assert (asked_of(calls), spans(calls)[0][0]) == ({"orders"}, UNTIL + timedelta(minutes=180))


def test_a_failed_slice_is_asked_for_again_as_a_whole(aws: Aws, poll: Poller, tmp_path: Path) -> None:
    """100 functions take two calls a slice, and five hours two slices."""
    names = [f"f-{n:03}" for n in range(100)]
    aws.scripts["ListFunctions"] = lambda _: functions(*names)
    aws.scripts["GetMetricData"] = complete
    poll(NOW - timedelta(hours=5))
    before = len(files(tmp_path, "get_metric_data"))
    denied = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    answers: list[Callable[[Call], Row]] = [complete, complete, complete, lambda _: denied]
    aws.scripts["GetMetricData"] = lambda call: answers.pop(0)(call)
    calls, well = poll(NOW)
    assert (len(calls), well) == (4, False)
    # The first slice is stored, in two files; of the second, of which one call failed, nothing.
    stored = [envelope(path) for path in files(tmp_path, "get_metric_data")][before:]
    assert [(e["part"], e["parts"]) for e in stored] == [(1, 2), (2, 2)]
    assert {e["request"]["StartTime"] for e in stored} == {(UNTIL - timedelta(hours=5)).isoformat()}
    aws.scripts["GetMetricData"] = complete
    calls, well = poll(NOW + timedelta(minutes=1))
    middle = UNTIL - timedelta(hours=5) + 202 * MINUTE
    assert (well, spans(calls)) == (True, [(middle, UNTIL + MINUTE)])
    assert len(asked_of(calls)) == 100


def test_a_slice_of_which_a_crash_left_a_part_is_asked_for_again(aws: Aws, poll: Poller, tmp_path: Path) -> None:
    aws.scripts["ListFunctions"] = lambda _: functions("orders")
    aws.scripts["GetMetricData"] = complete
    for end, part, parts in ((NOW - timedelta(hours=1), 2, 2), (NOW - timedelta(minutes=30), 1, 2)):
        request = {"MetricDataQueries": [], "EndTime": end}
        store(
            str(tmp_path), Poll("get_metric_data", OWN, "eu-west-1", end, request, [], {"part": part, "parts": parts})
        )
    damaged = (
        tmp_path / "snapshots/get_metric_data/2026/03/02" / f"{OWN}_get_metric_data_eu-west-1_20260302T101500Z.json.gz"
    )
    damaged.write_bytes(b"\x1f\x8b damaged")
    calls, _ = poll(NOW)
    assert spans(calls) == [((NOW - timedelta(hours=1)).replace(second=0), UNTIL)]


def test_other_accounts_and_regions_polls_do_not_count(aws: Aws, poll: Poller, tmp_path: Path) -> None:
    aws.scripts["ListFunctions"] = lambda _: functions("orders")
    aws.scripts["GetMetricData"] = complete
    request = {"MetricDataQueries": [], "EndTime": UNTIL}
    for account_id, region in (("111122223333", "eu-west-1"), (OWN, "eu-west-2"), (OWN, "eu-west-1")):
        first = datetime(2026, 3, 2, 1, tzinfo=UTC)
        older = {**request, "EndTime": first} if (account_id, region) == (OWN, "eu-west-1") else request
        store(str(tmp_path), Poll("get_metric_data", account_id, region, NOW, older, []))
    calls, _ = poll(NOW)
    assert spans(calls)[0][0] == datetime(2026, 3, 2, 1, tzinfo=UTC)
