"""From what was observed of things, at polls and by events, to intervals."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import content
from transforms.intervals import BOUNDARIES, FIRST_SNAPSHOT, half_gap, midpoint, seconds_between

UPDATE_SECONDS = 900
"""Assumed: a change that no poll has confirmed yet is in force after this time. AWS's own waiters give up
on an update after 300 seconds."""

_POLL, _GONE, _SET = 0, 1, 2  # also the order of observations at one instant


def observed_intervals(
    seen: DataFrame,
    scope: Sequence[str],
    key: Sequence[str],
    attributes: Sequence[str],
    polls: DataFrame,
    events: DataFrame | None = None,
) -> DataFrame:
    """Intervals over which a thing (scope, key) had the same attributes, from polls and events.

    `seen` has scope, key, attributes, first_at and last_at (two polls that show it so, as does every complete poll
    between them), and settled: false where they show attributes that are not in force yet, so that those before
    them still are. `polls` has scope, polled_at and complete: every answer there was, also those that saw nothing;
    a poll that was never taken, or that lists only a part, ends nothing, it widens the gap.
    `events` has scope, key, attributes, at and gone: from then on the thing has these attributes, or is gone.

    A change between two polls lies at their middle, ± half the gap (`snapshot`); what the first poll of all
    shows may have begun any time earlier (`first snapshot`, ± NULL). A change that an event names begins with
    it (`cloudtrail`) but is in force only some time later, at the latest when a poll shows it: that is its
    uncertainty. What an event removes is gone at once.

    Polls at 10:00, 10:10, 10:30 see a, a, nothing: [10:00 first snapshot, 10:20 ± 600 s snapshot).
    Polls at 10:00 and 10:10 see a and b, an event at 10:02 sets b: a until 10:02 ± 480 s, b from then on.

    Returns scope, key, attributes, the BOUNDARIES, and before_poll (the last observation before, also of other
    attributes), first_seen, last_seen.
    """
    scope, key, attributes = list(scope), list(key), list(attributes)
    rows = _in_force(_observations(seen, scope, key, attributes, polls, events), scope, key, attributes)
    thing = Window.partitionBy(*scope, *key).orderBy("at", "kind", "state")

    # No poll missed it between the observation before and this one.
    missed = F.lag("after_poll").over(thing)
    unbroken = missed.isNull() | (missed > F.col("at")) | ((missed == F.col("at")) & (F.col("kind") == _POLL))
    was = F.lag("state").over(thing)
    rows = rows.withColumns(
        {
            "linked": was.isNotNull() & (was != "gone") & unbroken,
            "changed": was.isNull() | (was != F.col("state")),
            "before_poll": F.greatest("before_poll", F.lag("until").over(thing)),
        }
    )
    starts = (~F.col("linked") | F.col("changed")).cast("int")
    rows = rows.withColumn("starts", starts).withColumn(
        "island", F.sum("starts").over(thing.rowsBetween(Window.unboundedPreceding, 0))
    )
    confirmed = F.min(F.when((F.col("kind") == _POLL) & F.col("settled"), F.col("at")))
    first = F.struct("at", "kind", "linked", F.col("state").alias("s"))
    islands = rows.groupBy(*scope, *key, "island").agg(
        F.min(first).alias("first"),
        F.min_by(F.struct("before_poll", *attributes), F.struct("at", "kind")).alias("start"),
        F.max_by("after_poll", F.struct("at", "kind")).alias("after_poll"),
        F.max("until").alias("last_seen"),
        F.max(F.when(F.col("settled"), F.col("until"))).alias("last_settled"),
        confirmed.alias("confirmed"),
    )
    return _bounded(islands, scope, key, attributes)


def _observations(
    seen: DataFrame,
    scope: list[str],
    key: list[str],
    attributes: list[str],
    polls: DataFrame,
    events: DataFrame | None,
) -> DataFrame:
    """Sightings and events in one form: at, until, kind, settled, state (a hash), and the polls around."""
    state = content(attributes)
    in_time = Window.partitionBy(*scope).orderBy("polled_at")
    back_in_time = Window.partitionBy(*scope).orderBy(F.col("polled_at").desc())
    listed = F.when(F.col("complete"), F.col("polled_at"))
    answers = polls.groupBy(*scope, "polled_at").agg((F.max(F.col("complete").cast("int")) == 1).alias("complete"))
    around = answers.select(
        *scope,
        "polled_at",
        F.max(listed).over(in_time.rowsBetween(Window.unboundedPreceding, -1)).alias("before_poll"),
        # Backwards: a frame that ends at the last row costs Spark the square of the number of polls.
        F.min(listed).over(back_in_time.rowsBetween(Window.unboundedPreceding, -1)).alias("after_poll"),
    )
    before = around.select(*scope, F.col("polled_at").alias("at"), "before_poll")
    after = around.select(*scope, F.col("polled_at").alias("until"), "after_poll")
    rows = (
        seen.select(
            *scope,
            *key,
            *attributes,
            "settled",
            state.alias("state"),
            F.col("first_at").alias("at"),
            F.col("last_at").alias("until"),
            F.lit(_POLL).alias("kind"),
        )
        .join(before, [*scope, "at"], "inner")
        .join(after, [*scope, "until"], "inner")
    )
    if events is None:
        return rows
    # The next poll after each event: a running minimum from the end.
    backwards = Window.partitionBy(*scope).orderBy(F.col("at").desc(), F.col("poll").asc_nulls_first())
    told = events.select(*scope, *key, *attributes, "at", "gone").distinct()  # two trails tell of one call
    timeline = told.withColumn("poll", F.lit(None).cast("timestamp")).unionByName(
        answers.where("complete").select(*scope, F.col("polled_at").alias("at"), F.col("polled_at").alias("poll")),
        allowMissingColumns=True,
    )
    told = timeline.withColumn(
        "after_poll", F.min("poll").over(backwards.rowsBetween(Window.unboundedPreceding, 0))
    ).where(F.col("poll").isNull())
    told = told.select(
        *scope,
        *key,
        *attributes,
        "at",
        F.col("at").alias("until"),
        F.when(F.col("gone"), _GONE).otherwise(_SET).alias("kind"),
        F.lit(True).alias("settled"),
        F.when(F.col("gone"), F.lit("gone")).otherwise(state).alias("state"),
        F.lit(None).cast("timestamp").alias("before_poll"),
        "after_poll",
    )
    return rows.unionByName(told)


def _in_force(rows: DataFrame, scope: list[str], key: list[str], attributes: list[str]) -> DataFrame:
    """What is not settled repeats what was in force before; where that is unknown it says nothing."""
    thing = Window.partitionBy(*scope, *key).orderBy("at", "kind", "state")
    values = F.struct(*attributes, "state")
    so_far = F.last(F.when(F.col("settled"), values), ignorenulls=True).over(
        thing.rowsBetween(Window.unboundedPreceding, 0)
    )
    return (
        rows.withColumn("values", so_far)
        .select(*scope, *key, "at", "until", "kind", "settled", "before_poll", "after_poll", "values.*")
        .where(F.col("state").isNotNull() & (F.col("settled") | (F.col("state") != "gone")))
    )


def _bounded(islands: DataFrame, scope: list[str], key: list[str], attributes: list[str]) -> DataFrame:
    """The islands of equal observations with their boundaries: each ends where the next that is linked begins."""
    thing = Window.partitionBy(*scope, *key).orderBy("island")
    starts_later = F.lead("first").over(thing)
    next_at = F.when(starts_later["linked"], starts_later["at"])
    by_event = F.col("first.kind") != _POLL
    shown = F.coalesce("confirmed", next_at)
    wait = F.coalesce(seconds_between(F.col("first.at"), shown), F.lit(UPDATE_SECONDS))
    wait = F.when(F.col("confirmed").isNull(), F.least(wait, F.lit(UPDATE_SECONDS))).otherwise(wait)
    before, begins = F.col("start.before_poll"), F.col("first.at")
    bounded = islands.withColumns(
        {
            "valid_from": F.when(by_event | before.isNull(), begins).otherwise(midpoint(before, begins)),
            "from_evidence": F.when(by_event, "cloudtrail").when(before.isNull(), FIRST_SNAPSHOT).otherwise("snapshot"),
            "from_uncertainty_seconds": F.when(F.col("first.kind") == _GONE, F.lit(0))
            .when(by_event, wait)
            .otherwise(half_gap(before, begins))
            .cast("bigint"),
        }
    )
    follows = F.lead("first.linked").over(thing)
    follows = F.coalesce(follows, F.lit(False))

    def end(following: str, otherwise: Column) -> Column:
        return F.when(follows, F.lead(following).over(thing)).otherwise(otherwise)

    last, missing = F.col("last_seen"), F.col("after_poll")
    snapshot = F.when(missing.isNotNull(), F.lit("snapshot"))
    bounded = bounded.withColumns(
        {
            "valid_to": end("valid_from", midpoint(last, missing)),
            "to_evidence": end("from_evidence", snapshot),
            "to_uncertainty_seconds": end("from_uncertainty_seconds", half_gap(last, missing)),
        }
    )
    # While a change was in progress an older one may have gone unseen: surely it held when last seen settled.
    unseen = F.when(F.col("to_evidence") == "snapshot", seconds_between(F.col("last_settled"), F.col("valid_to")))
    bounded = bounded.withColumn("to_uncertainty_seconds", F.greatest("to_uncertainty_seconds", unseen))
    whole = F.col("valid_to").isNull() | (F.col("valid_from") < F.col("valid_to"))
    return bounded.where((F.col("first.s") != "gone") & F.col("last_settled").isNotNull() & whole).select(
        *scope,
        *key,
        *[F.col(f"start.{a}").alias(a) for a in attributes],
        *BOUNDARIES,
        before.alias("before_poll"),
        F.col("first.at").alias("first_seen"),
        "last_seen",
    )
