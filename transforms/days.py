"""Conditions on days that stay short however many days there are."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Neighbouring days joined, first and last of each: 3, 4 and 9 January → (3, 4), (9, 9)."""
    joined: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if joined and joined[-1][1] == day - timedelta(days=1):
            joined[-1] = (joined[-1][0], day)
        else:
            joined.append((day, day))
    return joined


def is_one_of(column: Column, days: Iterable[date]) -> Column:
    """The date column is one of the days."""
    parts = [column.between(F.lit(first), F.lit(last)) for first, last in ranges(days)]
    return functools.reduce(Column.__or__, parts, F.lit(False))
