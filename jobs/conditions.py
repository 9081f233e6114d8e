"""SQL conditions over hours and days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from transforms.days import ranges, runs

HOUR = timedelta(hours=1)


def spans(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Neighbouring hours joined: 10, 11 and 14 o'clock → [10, 12) and [14, 15)."""
    return [(first, last + HOUR) for first, last in runs(hours, HOUR)]


def in_spans(column: str, parts: list[tuple[datetime, datetime]], margin: timedelta = timedelta(0)) -> str:
    """A SQL condition: the time column lies in one of the spans, widened by the margin, and `date` accordingly."""
    low, high = parts[0][0] - margin, parts[-1][1] + margin
    times = " OR ".join(
        f"({column} >= TIMESTAMP '{sql_time(start - margin)}' AND {column} < TIMESTAMP '{sql_time(end + margin)}')"
        for start, end in parts
    )
    return f"date >= DATE '{low.date()}' AND date <= DATE '{high.date()}' AND ({times})"


def on_dates(column: str, days: Iterable[date]) -> str:
    """A SQL condition: the date column is one of the days. 3, 4 and 9 January → two ranges."""
    parts = [f"({column} >= DATE '{a}' AND {column} <= DATE '{b}')" for a, b in ranges(days)]
    if not parts:
        return "FALSE"
    return " OR ".join(parts) if len(parts) == 1 else f"({' OR '.join(parts)})"


def sql_time(moment: datetime) -> str:
    """An instant as a SQL timestamp literal's text, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
