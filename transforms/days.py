"""Conditions on days that stay short however many days there are."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date, timedelta
from typing import TypeVar

from pyspark.sql import Column
from pyspark.sql import functions as F

Moment = TypeVar("Moment", bound=date)
"""A day, or an instant: every datetime is a date."""


def runs(moments: Iterable[Moment], step: timedelta) -> list[tuple[Moment, Moment]]:
    """Neighbours that are one step apart joined, first and last of each run: 3, 4 and 9 January → (3, 4), (9, 9)."""
    joined: list[tuple[Moment, Moment]] = []
    for moment in sorted(set(moments)):
        if joined and joined[-1][1] + step == moment:
            joined[-1] = (joined[-1][0], moment)
        else:
            joined.append((moment, moment))
    return joined


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Neighbouring days joined."""
    return runs(days, timedelta(days=1))


def is_one_of(column: Column, days: Iterable[date]) -> Column:
    """The date column is one of the days."""
    parts = [column.between(F.lit(first), F.lit(last)) for first, last in ranges(days)]
    # In pairs, and pairs of pairs: in a chain, hundreds would be nested too deeply for Spark Connect's messages.
    while len(parts) > 1:
        parts = [functools.reduce(Column.__or__, parts[n : n + 2]) for n in range(0, len(parts), 2)]
    return parts[0] if parts else F.lit(False)
