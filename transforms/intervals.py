"""Half-open interval algebra: boundaries and their uncertainty, unions, intersections.

A boundary is a time, its evidence, and how far the truth may be from it: the true start is not before
`earliest`, the true end not after `latest`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

BOUNDARIES = (
    "valid_from",
    "valid_to",
    "from_evidence",
    "from_uncertainty_seconds",
    "to_evidence",
    "to_uncertainty_seconds",
)
FIRST_SNAPSHOT = "first snapshot"
"""Evidence of a start that no earlier evidence bounds: the thing was there when one first looked."""

_LONG_AGO = 10**12  # seconds; stands for "no bound" where a NULL would not sort alike on both engines


def earliest(valid_from: str = "valid_from", uncertainty: str = "from_uncertainty_seconds") -> Column:
    """The earliest time at which the interval may have begun; NULL: any time."""
    return _shifted(F.col(valid_from), -F.col(uncertainty))


def latest(valid_to: str = "valid_to", uncertainty: str = "to_uncertainty_seconds") -> Column:
    """The latest time at which it may have ended; NULL: it is open."""
    return _shifted(F.col(valid_to), F.coalesce(uncertainty, F.lit(0)))


def union_intervals(frame: DataFrame, key: Sequence[str]) -> DataFrame:
    """The union of each key's intervals: those that overlap or touch become one.

    `frame` has the key and the BOUNDARIES, with no NULL valid_from. The outermost boundaries' evidence is
    kept; their uncertainty reaches as far as any member's could make the union reach.

    [10:00, 10:30) and [10:20 ± 1800 s, 11:00) give [10:00 ± 600 s, 11:00): the second may have begun at 9:50.
    """
    key = list(key)
    forever = F.to_timestamp(F.lit("9999-01-01 00:00:00"))
    in_order = Window.partitionBy(*key).orderBy("valid_from", "end")
    ended = frame.withColumn("end", F.coalesce("valid_to", forever))
    reached = ended.withColumn("reached", F.max("end").over(in_order.rowsBetween(Window.unboundedPreceding, -1)))
    starts = F.col("reached").isNull() | (F.col("valid_from") > F.col("reached"))
    islands = reached.withColumn("starts", starts.cast("int")).withColumn("island", F.sum("starts").over(in_order))
    unsure = F.coalesce(F.col("from_uncertainty_seconds"), F.lit(_LONG_AGO))
    sure_end = F.coalesce(F.col("to_uncertainty_seconds"), F.lit(0))
    # No NULL in a compared struct: the engines order them differently.
    first = F.struct("valid_from", (-unsure).alias("unsure"), "from_evidence")
    last = F.struct("end", sure_end.alias("unsure"), F.coalesce("to_evidence", F.lit("")).alias("to_evidence"))
    grouped = islands.groupBy(*key, "island").agg(
        F.min(first).alias("first"),
        F.max(last).alias("last"),
        F.min(F.coalesce(earliest(), F.col("valid_from"))).alias("low_from"),
        F.min(_shifted(F.col("valid_from"), F.coalesce("from_uncertainty_seconds", F.lit(0)))).alias("high_from"),
        F.max(_shifted(F.col("end"), -sure_end)).alias("low_to"),
        F.max(_shifted(F.col("end"), sure_end)).alias("high_to"),
    )
    begins, ends = F.col("first.valid_from"), F.col("last.end")
    bound = F.greatest(
        seconds_between(F.col("low_from"), begins), seconds_between(begins, F.col("high_from")), F.lit(0)
    )
    around = F.greatest(seconds_between(F.col("low_to"), ends), seconds_between(ends, F.col("high_to")), F.lit(0))
    closed = ends < forever
    return grouped.select(
        *key,
        begins.alias("valid_from"),
        F.when(closed, ends).alias("valid_to"),
        F.col("first.from_evidence").alias("from_evidence"),
        F.when(F.col("first.unsure") > -_LONG_AGO, bound).alias("from_uncertainty_seconds"),
        F.when(closed, F.col("last.to_evidence")).alias("to_evidence"),
        F.when(closed, around).alias("to_uncertainty_seconds"),
    )


def intersection(one: str, other: str) -> dict[str, Column]:
    """The BOUNDARIES of what two intervals (prefixes of columns, as `i.`) share: the later start, the earlier end.

    Its true start is the later of the true starts. 10:00 ± 0 s with 9:55 ± 600 s → 10:00 ± 300 s: the second
    may have begun at 10:05. An unbounded start (± NULL) is bounded by the other's.
    """
    low = F.greatest(*[earliest(f"{p}valid_from", f"{p}from_uncertainty_seconds") for p in (one, other)])
    high = F.greatest(
        *[_shifted(F.col(f"{p}valid_from"), F.coalesce(f"{p}from_uncertainty_seconds", F.lit(0))) for p in (one, other)]
    )
    starts = F.greatest(f"{one}valid_from", f"{other}valid_from")
    first_starts = F.col(f"{one}valid_from") >= F.col(f"{other}valid_from")
    low_end = F.least(
        *[_shifted(F.col(f"{p}valid_to"), -F.coalesce(f"{p}to_uncertainty_seconds", F.lit(0))) for p in (one, other)]
    )
    high_end = F.least(*[latest(f"{p}valid_to", f"{p}to_uncertainty_seconds") for p in (one, other)])
    ends = F.least(f"{one}valid_to", f"{other}valid_to")
    first_ends = F.col(f"{other}valid_to").isNull() | (F.col(f"{one}valid_to") <= F.col(f"{other}valid_to"))
    return {
        "valid_from": starts,
        "valid_to": ends,
        "from_evidence": F.when(first_starts, F.col(f"{one}from_evidence")).otherwise(F.col(f"{other}from_evidence")),
        "from_uncertainty_seconds": F.when(
            low.isNotNull(), F.greatest(seconds_between(low, starts), seconds_between(starts, high))
        ),
        "to_evidence": F.when(first_ends, F.col(f"{one}to_evidence")).otherwise(F.col(f"{other}to_evidence")),
        "to_uncertainty_seconds": F.greatest(seconds_between(low_end, ends), seconds_between(ends, high_end)),
    }


def no_times(evidence: str) -> list[Column]:
    """The BOUNDARIES of something whose evidence has no time."""
    moment, seconds = F.lit(None).cast("timestamp"), F.lit(None).cast("bigint")
    texts = {"from_evidence": F.lit(evidence), "to_evidence": F.lit(evidence)}
    return [texts.get(name, seconds if name.endswith("seconds") else moment).alias(name) for name in BOUNDARIES]


def midpoint(earlier: Column, later: Column) -> Column:
    """The whole second in the middle, not before `earlier`; NULL when either is."""
    middle = F.timestamp_seconds(F.floor((F.unix_micros(earlier) + F.unix_micros(later)) / 2_000_000))
    return F.when(earlier.isNotNull() & later.isNotNull(), F.greatest(middle, earlier))


def half_gap(earlier: Column, later: Column) -> Column:
    """How far the truth between two times may be from their `midpoint`, in whole seconds."""
    middle = midpoint(earlier, later)
    return F.greatest(seconds_between(earlier, middle), seconds_between(middle, later))


def seconds_between(earlier: Column, later: Column) -> Column:
    """Whole seconds, rounded up."""
    return F.ceil((F.unix_micros(later) - F.unix_micros(earlier)) / 1_000_000).cast("bigint")


def start_date() -> Column:
    """The partition of an interval: the day of its start, 1970-01-01 without one."""
    return F.coalesce(F.to_date("valid_from"), F.to_date(F.lit("1970-01-01"))).alias("date")


def _shifted(moment: Column, seconds: Column) -> Column:
    return F.timestamp_micros(F.unix_micros(moment) + seconds * 1_000_000)
