"""Windows and spans of hours."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from jobs import conditions
from jobs.errors import LeaseholdError
from jobs.window import Window, parse_time


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-05", 0),
        ("2026-01-05T10", 10),
        ("2026-01-05T10:00Z", 10),
        (" 2026-01-05 10:00:00 ", 10),
        ("2026-01-05T12:00+02:00", 10),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, hour: int) -> None:
    assert parse_time(text, "--start") == datetime(2026, 1, 5, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("noon", "2026-01-06", "--start: 'noon' is not a time"),
        ("2026-01-05T10:30", "2026-01-06", "--start must be a whole hour"),
        ("2026-01-05", "2026-01-05T10:00:01", "--end must be a whole hour"),
        ("2026-01-05", "2026-01-05", "must be after"),
    ],
)
def test_a_wrong_window_is_said(start: str, end: str, message: str) -> None:
    with pytest.raises(LeaseholdError, match=message):
        Window.parse(start, end)


def test_the_hours_of_a_window_are_clipped_to_the_data() -> None:
    window = Window.parse("0001-01-01", "9999-12-31")
    first, last = datetime(2026, 1, 5, 22, tzinfo=UTC), datetime(2026, 1, 6, 0, 30, tzinfo=UTC)
    assert [hour.hour for hour in window.hours(first, last)] == [22, 23, 0]


def test_neighbouring_hours_are_joined() -> None:
    ten, eleven, two = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (10, 11, 14))
    assert conditions.spans([two, eleven, ten, ten]) == [(ten, eleven + conditions.HOUR), (two, two + conditions.HOUR)]


def test_dates_become_ranges() -> None:
    days = [date(2026, 1, 4), date(2026, 1, 3), date(2026, 1, 9)]
    assert conditions.on_dates("date", days) == (
        "((date >= DATE '2026-01-03' AND date <= DATE '2026-01-04')"
        " OR (date >= DATE '2026-01-09' AND date <= DATE '2026-01-09'))"
    )
    assert conditions.on_dates("date", []) == "FALSE"
