"""Small expressions that several transforms need."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

UNKNOWN = "unknown"
"""Account or region that no record names; AWS itself writes `unknown` for accounts. Never NULL: keys join on it."""

SCOPE = ("account_id", "region")


def scope() -> list[Column]:
    """account_id and region, `unknown` where they are missing."""
    return [F.coalesce(name, F.lit(UNKNOWN)).alias(name) for name in SCOPE]


def sorted_list(array: Column) -> Column:
    """An array of ids as text: distinct, sorted, joined by a comma; empty for NULL."""
    return F.array_join(F.array_sort(F.array_distinct(F.coalesce(array, F.array().cast("array<string>")))), ",")


def listed(texts: Column, shown: int, separator: str = ", ") -> Column:
    """The first `shown` texts of an array, and how many more there are: `a, b and 3 more`; `a; b; and 3 more`."""
    last = " and " if separator == ", " else f"{separator}and "
    rest = F.size(texts) - shown
    more = F.when(rest > 0, F.concat(F.lit(last), rest.cast("string"), F.lit(" more"))).otherwise("")
    return F.concat(F.array_join(F.slice(texts, 1, shown), separator), more)


def content(columns: Sequence[str]) -> Column:
    """A hash of the columns' values that tells NULL from empty."""
    return F.sha2(F.concat_ws("\x1f", *[F.coalesce(F.col(c), F.lit("\x1e")) for c in columns]), 256)


def padded(frame: DataFrame, like: DataFrame) -> DataFrame:
    """The frame with the other one's columns, NULL; with their types, which Sail would lose in a union."""
    missing = [f for f in like.schema.fields if f.name not in frame.columns]
    return frame.select("*", *[F.lit(None).cast(f.dataType).alias(f.name) for f in missing])
