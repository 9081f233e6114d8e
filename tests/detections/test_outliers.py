"""Numbers of CloudWatch and volumes that are far beyond a function's own; and what of the like is quiet."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from detections import (
    concurrency_outlier,
    duration_outlier,
    error_outlier,
    function_silent,
    invocation_spike,
    throttle_outlier,
)
from detections.detection import Detection
from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY
from transforms.schemas import FUNCTION_CHANGES, FUNCTION_METRICS_HOURLY, OBSERVATIONS

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = MONDAY - 36 * DAY


def hourly(function: str = "f", start: datetime = SINCE, end: datetime = MONDAY + DAY, **overrides: Any) -> list[Row]:
    """An hour after the other in which the function ran 100 times, each 0.5 s."""
    rows = []
    for n in range((end - start) // HOUR):
        hour = start + n * HOUR
        row: Row = {
            "account_id": ACCOUNT, "region": REGION, "function_name": function, "hour": hour, "minutes": 60,
            "invocations": 100.0, "peak_invocations": 5.0, "errors": 0.0, "throttles": 0.0, "duration_seconds": 50.0,
            "longest_seconds": 2.0, "concurrent_executions": 2.0, "peak_minute": hour, "date": hour.date(),
        }  # fmt: skip
        rows.append(row | overrides)
    return rows


def changed(rows: list[Row], start: str, hours: int, **overrides: Any) -> list[Row]:
    """The rows with other numbers in so many hours; a function of the row gives a number from it."""
    begin = at(start)
    made = []
    for row in rows:
        if begin <= row["hour"] < begin + hours * HOUR:
            row = row | {name: v(row) if callable(v) else v for name, v in overrides.items()}
        made.append(row)
    return made


def found_by(
    spark: SparkSession,
    detection: Detection,
    rows: list[Row],
    days: tuple[date, ...] = (TODAY,),
    changes: list[Row] | None = None,
    **parameters: float,
) -> dict[tuple[str, date], Row]:
    """By function and day, what a detection of function_metrics_hourly finds."""
    tables = [frame(spark, FUNCTION_METRICS_HOURLY, rows)]
    if changes is not None:
        tables.append(frame(spark, FUNCTION_CHANGES, changes))
    found = rows_of(OBSERVATIONS.filled(detection.detect(days, *tables, **{**detection.parameters, **parameters})))
    made = {(row["functions"], row["date"]): row for row in found if row["date"] in days}
    assert len(made) == len(found)
    return made


def test_a_spike(spark: SparkSession) -> None:
    """The docstring's; and what is no spike: too small, known from that hour, too young, missing before."""
    rows = changed(hourly(), "5:00", 1, invocations=1_000.0, duration_seconds=500.0)
    rows += changed(hourly("twice"), "5:00", 1, invocations=200.0)
    rows += changed(hourly("rare", invocations=2.0), "5:00", 1, invocations=25.0)
    weekly = hourly("weekly")
    for week in range(6):
        start = MONDAY - timedelta(days=7 * week)
        weekly = [r | {"invocations": 1_000.0 + 10 * week} if r["hour"] == start + 5 * HOUR else r for r in weekly]
    rows += weekly
    rows += changed(hourly("young", MONDAY - 6 * DAY), "5:00", 1, invocations=1_000.0)
    found = found_by(spark, invocation_spike.DETECTION, rows)
    assert set(found) == {("f", TODAY)}
    row = found["f", TODAY]
    assert (row["observed"], row["usual"], row["events"], row["evidence"]) == (1_000, 100, 1, "2026-01-05 05:00")
    assert (row["first_time"], row["last_time"]) == (at("5:00"), at("6:00"))
    assert (row["baseline_from"], row["baseline_to"], row["baseline_days"]) == (TODAY - 36 * DAY, TODAY, 36)
    assert row["surprise"] > 4.5 and row["subject"] == "invocations"
    assert row["summary"] == (
        "f was invoked 1,000 times in the hour from 2026-01-05 05:00, 10 times the usual 100. That is a record: at "
        "most 100 in an hour in the 36 days before. With 128 MB of memory that costs less than 0.01 USD an hour more "
        "than usual."
    )


def test_a_sustained_rise(spark: SparkSession) -> None:
    """Four times as often for two days, at its usual hours; a day that is not over is judged as far as it goes."""
    rows = [r | {"invocations": 20.0 + 10 * (r["hour"].hour % 12)} for r in hourly(end=MONDAY + 10 * HOUR)]
    rows += hourly("other")  # it is known that f has not run since
    rows = changed(rows, "4T0:00", 48, invocations=lambda r: 4 * r["invocations"] if r["function_name"] == "f" else 100)
    found = found_by(spark, invocation_spike.DETECTION, rows, (TODAY - DAY, TODAY))
    assert set(found) == {("f", TODAY - DAY), ("f", TODAY)}
    first, second = found["f", TODAY - DAY], found["f", TODAY]
    assert (first["observed"], first["usual"], first["events"]) == (4 * 1_800, 1_800, 24)
    assert first["summary"].startswith("f was invoked 7,200 times on 2026-01-04, 4 times the usual 1,800.")
    assert second["summary"].startswith("f was invoked 9,800 times on two days until 2026-01-05")
    assert second["first_time"] == at("0:00")


def test_what_was_not_polled_is_not_zero(spark: SparkSession) -> None:
    """f's account was not polled at five for weeks: that it was zero then is not known, so that now is no spike."""
    rows = [r for r in hourly() if r["hour"].hour not in (3, 4, 5, 6, 7) or r["date"] == TODAY]
    assert found_by(spark, invocation_spike.DETECTION, rows) == {}
    # With another function, whose points say that somebody looked, it is one: f never ran at night.
    rows += hourly("other")
    rows = changed(rows, "5:00", 1, invocations=lambda r: 1_000.0 if r["function_name"] == "f" else 100.0)
    found = found_by(spark, invocation_spike.DETECTION, rows)
    assert found["f", TODAY]["summary"].startswith("f was invoked 1,000 times in the hour from 2026-01-05 05:00, ")


def test_errors(spark: SparkSession) -> None:
    rows = changed(hourly(errors=1.0), "5:00", 2, errors=70.0)
    rows += changed(hourly("busier", errors=1.0), "5:00", 2, invocations=9_000.0, errors=90.0)
    rows += changed(hourly("outage before", errors=1.0), "4T5:00", 2, errors=70.0)
    rows = changed(rows, "5:00", 2, errors=lambda r: 70.0 if r["function_name"] == "outage before" else r["errors"])
    rows += changed(hourly("not polled", errors=None), "5:00", 2, errors=70.0)
    # Two of two an hour: too few in an hour, too few of all in six.
    rows += changed(hourly("seldom", invocations=2.0), "6:00", 2, errors=2.0)
    found = found_by(spark, error_outlier.DETECTION, rows)
    assert set(found) == {("f", TODAY), ("seldom", TODAY)}
    assert found["seldom", TODAY]["summary"] == (
        "4 of the 6 invocations of seldom failed in the 3 hours from 2026-01-05 06:00 (67 %). Of as many 0 usually "
        "fail. That is a record: at most 0 in 3 hours in the 36 days before."
    )
    row = found["f", TODAY]
    assert (row["observed"], row["usual"], row["events"], row["last_time"]) == (70, 1, 2, at("7:00"))
    assert row["summary"] == (
        "70 of the 100 invocations of f failed in the hour from 2026-01-05 05:00 (70 %). Of as many 1 usually fail. "
        "That is a record: at most 1 in an hour in the 36 days before."
    )


def test_throttles(spark: SparkSession) -> None:
    rows = changed(hourly(), "5:00", 1, throttles=60.0)
    rows += changed(hourly("a few"), "5:00", 1, throttles=9.0)
    rows += changed(hourly("always", throttles=50.0), "5:00", 1, throttles=60.0)
    found = found_by(spark, throttle_outlier.DETECTION, rows)
    assert set(found) == {("f", TODAY)}
    assert found["f", TODAY]["summary"] == (
        "Lambda turned 60 invocations of f away in the hour from 2026-01-05 05:00, usually 0. That is a record: at "
        "most 0 in an hour in the 36 days before."
    )


def test_durations(spark: SparkSession) -> None:
    rows = changed(hourly(), "6:00", 12, duration_seconds=250.0)
    rows += changed(hourly("busier"), "6:00", 12, invocations=500.0, duration_seconds=250.0)
    rows += changed(hourly("quick", duration_seconds=5.0), "6:00", 12, duration_seconds=15.0)
    rows += changed(hourly("one hour"), "6:00", 1, duration_seconds=150.0)
    found = found_by(spark, duration_outlier.DETECTION, rows, changes=[])
    assert set(found) == {("f", TODAY)}
    row = found["f", TODAY]
    assert (row["observed"], row["usual"], row["events"], row["first_time"]) == (2.5, 0.5, 12, at("6:00"))
    assert row["summary"] == (
        "Invocations of f took 2.5 s on average in the 6 hours from 2026-01-05 06:00, usually 0.50 s at that time. In "
        "the 36 days before they never took as long. With 128 MB of memory that costs less than 0.01 USD an hour more "
        "than usual."
    )


def test_durations_after_a_change(spark: SparkSession) -> None:
    """Slower by a usual release is no news, unless ten times so, or by a change of another sort, time or person."""
    released = ("the day before", "in the span", "ten times as slow", "too long ago", "later", "by a stranger", "a url")
    rows = [r for name in released for r in changed(hourly(name), "6:00", 12, duration_seconds=250.0)]
    rows = changed(
        rows, "6:00", 12, duration_seconds=lambda r: 500.0 if r["function_name"] == "ten times as slow" else 250.0
    )
    usual = {"principal": "deploy", "change": "code", "account_id": ACCOUNT, "region": REGION}
    times = {
        "the day before": "4T6:00", "in the span": "7:00", "ten times as slow": "4T6:00", "too long ago": "1T5:00",
        "later": "18:01", "by a stranger": "4T6:00", "a url": "4T6:00",
    }  # fmt: skip
    changes = [
        usual | {"function_name": name, "event_time": at(time)}
        | ({"principal": "mike"} if name == "by a stranger" else {"change": "url"} if name == "a url" else {})
        for name, time in times.items()
    ]  # fmt: skip
    changes += [usual | {"function_name": "other", "event_time": at("5:00") - n * DAY} for n in range(5, 36, 5)]
    changes = [c | {"event_id": str(n), "date": c["event_time"].date()} for n, c in enumerate(changes)]
    found = found_by(spark, duration_outlier.DETECTION, rows, changes=changes)
    assert {name for name, _ in found} == {"ten times as slow", "too long ago", "later", "by a stranger", "a url"}


def test_at_once(spark: SparkSession) -> None:
    rows = changed(hourly(), "5:00", 1, concurrent_executions=60.0)
    rows += changed(hourly("a few"), "5:00", 1, concurrent_executions=11.0)
    found = found_by(spark, concurrency_outlier.DETECTION, rows)
    assert set(found) == {("f", TODAY)}
    assert found["f", TODAY]["summary"] == (
        "60 of f ran at once in the hour from 2026-01-05 05:00, 30 times the usual 2. That is a record: at most 2 in "
        "an hour in the 36 days before."
    )


def test_silence(spark: SparkSession) -> None:
    """From the second day on; not of the deleted, the nightly on its first day, the young, nor where nobody looked."""
    rows = hourly("other")
    for name in ("f", "deleted", "refused"):
        rows += hourly(name, end=at("4T0:00"))
    nightly = [r for r in hourly("nightly") if r["hour"].hour == 3]
    rows += [r for r in nightly if r["hour"] < at("0:00")]
    rows += hourly("young", MONDAY - 6 * DAY, at("4T0:00"))
    rows += [r | {"account_id": "alone"} for r in hourly(end=at("4T0:00"))]
    changes = [
        {"function_name": name, "account_id": ACCOUNT, "region": REGION, "change": "deleted", "error_code": error,
         "event_time": at("4T0:10"), "date": at("4T0:10").date()}
        for name, error in (("deleted", None), ("refused", "AccessDenied"))
    ]  # fmt: skip
    days = (TODAY - DAY, TODAY)
    metrics, changes_table = frame(spark, FUNCTION_METRICS_HOURLY, rows), frame(spark, FUNCTION_CHANGES, changes)
    found = rows_of(OBSERVATIONS.filled(function_silent.detect(days, metrics, changes_table)))
    assert {(r["functions"], r["date"]) for r in found} == {(name, day) for name in ("f", "refused") for day in days}
    row = next(r for r in found if r["functions"] == "f" and r["date"] == TODAY)
    assert (row["observed"], row["usual"], row["events"], row["evidence"]) == (48, 1, 24, "2026-01-03 23:00")
    assert (row["first_time"], row["last_time"]) == (at("0:00"), at("6T0:00"))
    assert row["summary"] == (
        "f has not run for 48 hours (last in the hour from 2026-01-03 23:00), while other functions of the account "
        "did. On the 35 days before on which it ran it had not missed an hour."
    )
