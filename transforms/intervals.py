"""Half-open interval algebra: from repeated polls to intervals, and unions of intervals."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F


def observed_intervals(
    seen: DataFrame, scope: Sequence[str], key: Sequence[str], attributes: Sequence[str], polls: DataFrame
) -> DataFrame:
    """Intervals over which polls saw the same thing.

    `seen` has scope, key, attributes and polled_at; `polls` has scope and polled_at: every poll that was
    taken, also those that saw nothing. A thing holds from the poll that first saw it to the one that last
    did; the change itself happened somewhere between two polls, so a boundary is their midpoint and its
    uncertainty half the gap. A poll that was never taken is in no list: it widens the gap and ends nothing.

    Polls at 10:00, 10:10 and 10:30 see a, a and nothing: a holds from 10:00 (`first snapshot`, since when
    nobody knows: uncertainty NULL) to 10:20 ± 600 s (`snapshot`).

    Returns scope, key, attributes, valid_from, valid_to (NULL: still there at the last poll),
    the two `…_evidence` and `…_uncertainty_seconds`, and the polls around: before_poll, first_poll,
    last_poll, after_poll.
    """
    scope, key, attributes = list(scope), list(key), list(attributes)
    in_time = Window.partitionBy(*scope).orderBy("polled_at")
    numbered = polls.select(*scope, "polled_at").distinct()
    numbered = numbered.select(
        *scope,
        "polled_at",
        F.row_number().over(in_time).alias("poll"),
        F.lag("polled_at").over(in_time).alias("before_poll"),
        F.lead("polled_at").over(in_time).alias("after_poll"),
    )
    state = F.sha2(F.concat_ws("\x1f", *[F.coalesce(F.col(a), F.lit("\x1e")) for a in attributes]), 256)
    per_thing = Window.partitionBy(*scope, *key).orderBy("poll")
    # Two files of one poll, or a repeated file, must not look like a change: one row a poll.
    rows = (
        seen.groupBy(*scope, *key, "polled_at")
        .agg(F.max(F.struct(*attributes)).alias("values"))
        .select(*scope, *key, "polled_at", "values.*")
        .join(numbered, [*scope, "polled_at"], "inner")
        .withColumn("state", state)
    )
    is_new = (F.lag("poll").over(per_thing).isNull()) | (
        (F.lag("poll").over(per_thing) != F.col("poll") - 1) | (F.lag("state").over(per_thing) != F.col("state"))
    )
    islands = rows.withColumn("is_new", is_new.cast("int")).withColumn("island", F.sum("is_new").over(per_thing))
    merged = islands.groupBy(*scope, *key, *attributes, "island").agg(
        F.min_by("before_poll", "poll").alias("before_poll"),
        F.min("polled_at").alias("first_poll"),
        F.max("polled_at").alias("last_poll"),
        F.max_by("after_poll", "poll").alias("after_poll"),
    )
    return merged.select(
        *scope,
        *key,
        *attributes,
        "before_poll",
        "first_poll",
        "last_poll",
        "after_poll",
        F.coalesce(_midpoint("before_poll", "first_poll"), F.col("first_poll")).alias("valid_from"),
        _midpoint("last_poll", "after_poll").alias("valid_to"),
        F.when(F.col("before_poll").isNull(), "first snapshot").otherwise("snapshot").alias("from_evidence"),
        _half_gap("before_poll", "first_poll").alias("from_uncertainty_seconds"),
        F.when(F.col("after_poll").isNotNull(), "snapshot").alias("to_evidence"),
        _half_gap("last_poll", "after_poll").alias("to_uncertainty_seconds"),
    )


def union_intervals(frame: DataFrame, key: Sequence[str]) -> DataFrame:
    """The union of each key's intervals: those that overlap or touch become one.

    `frame` has the key, valid_from, valid_to (NULL: open) and the evidence columns; the evidence of the
    outermost boundaries is kept. [10:00, 10:30) and [10:20, 11:00) give [10:00, 11:00).
    """
    key = list(key)
    forever = F.to_timestamp(F.lit("9999-01-01 00:00:00"))
    before = (
        Window.partitionBy(*key)
        .orderBy("valid_from", "end")
        .rowsBetween(Window.unboundedPreceding, -1)
    )
    in_order = Window.partitionBy(*key).orderBy("valid_from", "end")
    ended = frame.withColumn("end", F.coalesce("valid_to", forever))
    reached = ended.withColumn("reached", F.max("end").over(before))
    starts = F.col("reached").isNull() | (F.col("valid_from") > F.col("reached"))
    islands = reached.withColumn("starts", starts.cast("int")).withColumn("island", F.sum("starts").over(in_order))
    first = F.struct("valid_from", "from_evidence", "from_uncertainty_seconds")
    last = F.struct("end", "to_evidence", "to_uncertainty_seconds", "valid_to")
    return (
        islands.groupBy(*key, "island")
        .agg(F.min(first).alias("first"), F.max(last).alias("last"))
        .select(
            *key,
            "first.valid_from",
            "last.valid_to",
            "first.from_evidence",
            "first.from_uncertainty_seconds",
            "last.to_evidence",
            "last.to_uncertainty_seconds",
        )
    )


def _midpoint(earlier: str, later: str) -> Column:
    seconds = (F.unix_timestamp(later) + F.unix_timestamp(earlier)) / 2
    return F.timestamp_seconds(F.floor(seconds))


def _half_gap(earlier: str, later: str) -> Column:
    return F.ceil((F.unix_timestamp(later) - F.unix_timestamp(earlier)) / 2).cast("bigint")
