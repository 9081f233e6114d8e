"""Questions whose answer is for people: the first rows, and how many more there are."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame

from jobs.show import Row


class Some(NamedTuple):
    """The first rows, and how many more there are."""

    rows: list[Row]
    more: int


def some(frame: DataFrame, limit: int, *order: Column | str) -> Some:
    """The first rows in an order; the rest is only counted, and only where there may be any."""
    rows = frame.orderBy(*order).limit(limit).toArrow().to_pylist()
    return Some(rows, frame.count() - limit if len(rows) == limit else 0)
