"""What a function normally does, rolled forward day by day, and whether a day's traffic fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.behaviours import API_CALL, PEER, label, network, network_thing, since
from transforms.columns import SCOPE
from transforms.replacements import replacements

MIN_ACTIVE_DAYS = 3
"""Fewer days with traffic than this say nothing about how a function spreads its attention."""

_FUNCTION = (*SCOPE, "function_name")
THING = ("behaviour", "thing")
"""What is new or normal; see `transforms.behaviours`."""

PEER_COLUMNS = ("peer_kind", "peer_name", "peer_port", "protocol")
"""Of a peer the thing again, to be read: the same for the same thing, NULL for others."""

# Each sort of behaviour is learned for itself: who meets strangers daily may still call one API only.
_SORT = (*_FUNCTION, "behaviour")
_RATES = ("unseen_mass", "strangers_per_day")
_AGE = ("learned_from", "days_learned")
# Peers inside and outside are learned apart: who meets strangers outside may be static inside.
_SIDE = (*_SORT, "side")
ROTATING = 3
"""So many normal addresses of one network (/24) and port are a service that rotates: one more is no stranger."""
_NETWORK = (*_SORT, "network", "protocol", "peer_port")
_IN_SIGHT = ("date", *SCOPE, "candidates", *THING)


@dataclass(frozen=True)
class Learning:
    """How a baseline learns: see `conf/settings.py` for the meaning and the defaults."""

    min_history_days: int = 7
    memory_days: int = 36
    max_unseen_mass: float = 0.05
    max_strangers_per_day: float = 0.05
    """A function that meets hundreds of peers a day meets new ones daily, however small its unseen mass."""
    max_chance: float = 0.1
    """A stranger must be less likely, see `chance_of_stranger`: who was rarely seen may yet do anything."""


def daily_sightings(activity: DataFrame) -> DataFrame:
    """`function_activity_hourly` by day: who was met and what was called, by which set of candidates."""
    first = F.min(F.struct("first_time", "first_evidence", "first_peer_addr", "first_local_addr"))
    return (
        activity.groupBy(*_FUNCTION, "candidates", *THING, "date")
        .agg(
            *[F.max(column).alias(column) for column in PEER_COLUMNS],
            # Internal if it was in any hour: one name may stand for addresses on both sides.
            F.max(F.col("peer_internal").cast("int")).alias("internal"),
            F.sum("events").alias("events"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.max("last_time").alias("last_time"),
            F.array_distinct(F.flatten(F.collect_list(F.split("bystanders", ", ")))).alias("bystanders"),
            first.alias("first"),
        )
        .select("*", "first.*", (F.col("internal") == 1).alias("peer_internal"))
        .drop("first", "internal")
    )


def judge(sightings: DataFrame, baselines: DataFrame, learning: Learning) -> DataFrame:
    """Each sighting with its verdict, against the baseline as of the same date.

    Several functions that share an interface are judged as a set, because nobody knows which of them spoke:

    - `explained`: the thing is normal for one of the candidates, or took the place of one that was
      (`transforms.replacements`), or is known of a bystander, who may have spoken although it is not likely; or a
      bystander did it more often that day without them: of a hundred conversations of g one is taken for f's;
    - `flagged`: it was new before, and has not become normal by going on;
    - `novel`: it is new, and every candidate is known well enough to say so: at least `min_history_days`
      since its first day, at least three active days, a Good-Turing unseen mass (singletons ÷ peer-days)
      of at most `max_unseen_mass`, and so at most `max_strangers_per_day` new peers to expect, and a stranger
      less likely than `max_chance`: who meets one peer a day is known after nine days;
    - `learning`: it is new, but so is a candidate, or one meets strangers all the time.

    f has met two peers on each of 8 days: unseen mass 0, so a third is novel. h has met 20 peers on 8 days,
    12 of them once, 100 peer-days in all: unseen mass 0.12, so that a new one says little: learning. Peers inside and
    outside have unseen masses of their own: f, known well by its databases, was never outside; its first connection
    there is novel. Three addresses of one /24 on port 443 are normal: so is a fourth, on that port.
    Of API calls a function is known as long as by anything it does, from the account's first recorded call on: its
    first call, and its first refusal, may be novel.

    Adds own_status, first_seen (the day on which it was new), ready (this function is known well enough), alike (so
    many addresses of its /24 are normal for this function), the
    function's statistics, and verdict.
    """
    before = baselines.withColumns({"date": F.col("as_of_date"), "side": _side(), "network": network()})
    known = before.select("date", *_FUNCTION, *THING, F.col("status").alias("known_status"), "first_seen")
    ages = before.select("date", *_SORT, *_AGE).distinct()
    rates = before.select("date", *_SIDE, "thing_days", *_RATES).distinct()
    services = before.where(_normal()).groupBy("date", *_NETWORK).agg(F.count(F.lit(1)).alias("alike"))
    # A function that is known by whatever it does, in an account whose calls are recorded, has not called till now.
    trails = (
        ages.where(F.col("behaviour") == API_CALL).groupBy("date", *SCOPE).agg(F.min("learned_from").alias("trail"))
    )
    seen = ages.groupBy("date", *_FUNCTION).agg(
        F.min("learned_from").alias("seen_from"), F.max("days_learned").alias("days_seen")
    )
    joined = (
        sightings.withColumns({"side": _side(), "network": network()})
        .join(known, ["date", *_FUNCTION, *THING], "left")
        .join(ages, ["date", *_SORT], "left")
        .join(rates, ["date", *_SIDE], "left")
        .join(services, ["date", *_NETWORK], "left")
        .join(
            replacements(sightings, baselines).withColumn("replaces", F.lit(1)), ["date", *_FUNCTION, "thing"], "left"
        )
        .join(trails, ["date", *SCOPE], "left")
        .join(seen, ["date", *_FUNCTION], "left")
    )
    joined = joined.join(_excuses(sightings, known), list(_IN_SIGHT), "left")
    calls = (F.col("behaviour") != PEER) & F.col("trail").isNotNull()
    judged = joined.withColumns(
        {
            "learned_from": F.when(calls, F.greatest("seen_from", "trail")).otherwise(F.col("learned_from")),
            "days_learned": F.when(calls, F.col("days_seen")).otherwise(F.col("days_learned")),
            "first_seen": F.coalesce("first_seen", "date"),
            "own_status": F.coalesce(
                "known_status", F.when((F.col("alike") >= ROTATING) | F.col("replaces").isNotNull(), "normal")
            ),
            # Nothing of that side was ever met.
            **{name: F.coalesce(name, F.lit(0.0)) for name in _RATES},
        }
    ).drop("seen_from", "days_seen", "trail", "known_status", "replaces", "side", "network")
    judged = judged.withColumn("ready", F.coalesce(_known_well(learning), F.lit(False)))
    together = Window.partitionBy(*_IN_SIGHT)

    def any_is(status: str) -> Column:
        return F.max(F.coalesce((F.col("own_status") == status).cast("int"), F.lit(0))).over(together) == 1

    all_ready = F.min(F.col("ready").cast("int")).over(together) == 1
    verdict = (
        F.when(any_is("normal") | F.col("outdone"), "explained")
        .when(any_is("flagged"), "flagged")
        .when(F.col("excused"), "explained")
        .when(all_ready, "novel")
        .otherwise("learning")
    )
    return judged.withColumn("verdict", verdict).drop("bystanders", "excused", "outdone")


def _excuses(sightings: DataFrame, known: DataFrame) -> DataFrame:
    """What was seen of candidates and a bystander knew (`excused`), or did more often without them (`outdone`)."""
    mine = sightings.select(*_IN_SIGHT, F.col("events").alias("times"), F.explode("bystanders").alias("function_name"))
    who = ("date", *_FUNCTION, *THING)
    knows = known.select(*who, F.lit(None).cast("string").alias("with"), F.lit(None).cast("bigint").alias("events"))
    theirs = knows.unionByName(sightings.select(*who, F.col("candidates").alias("with"), "events"))
    apart = ~F.arrays_overlap(F.split("candidates", ", "), F.split("with", ", "))
    return (
        mine.join(theirs, list(who))
        .groupBy(*_IN_SIGHT)
        .agg(
            F.bool_or(F.col("with").isNull()).alias("excused"),
            F.bool_or(F.coalesce((F.col("events") > F.col("times")) & apart, F.lit(False))).alias("outdone"),
        )
    )


def next_baseline(
    baseline: DataFrame, judged: DataFrame, day: date, learning: Learning, accepted: DataFrame | None = None
) -> DataFrame:
    """The baseline as of the day after `day`, from the one as of `day` and that day's judged sightings.

    What was novel enters as `flagged` and stays so: what is learned while an alert on it is open does not
    become normal by itself. What another of a set may explain is learned only by those who are still learning.
    A peer that was silent for `memory_days` is forgotten, a flagged one too; a function that has no peer left
    is, and begins anew when it comes back.

    `accepted` (account_id, region, function_name, thing) is what people have said to be harmless: it is normal. A thing
    there may be a whole network (`transforms.behaviours.network_thing`), or all that was new on one day (`since`).

    Baseline as of 5 January: orders-db normal, 10 days. On the 5th the function meets orders-db and a new
    peer → as of 6 January: orders-db normal, 11 days; the new peer flagged, 1 day.
    """
    # All of `judged` and of `baseline` by one join, and functions by windows: who uses a frame twice plans it twice.
    flagged = F.col("verdict").isin("novel", "flagged")
    own = F.coalesce(F.col("own_status") == "normal", F.lit(False))
    learned = flagged | own | ~F.col("ready")
    met = judged.groupBy(*_FUNCTION, *THING).agg(
        *[F.max(F.when(learned, F.col(column))).alias(f"met_{column}") for column in PEER_COLUMNS],
        F.max(F.when(learned, F.col("peer_internal").cast("int"))).alias("met_internal"),
        # Once flagged on a day, whatever another set of candidates makes of it.
        F.max(F.when(learned, flagged.cast("int"))).alias("met_flagged"),
        F.lit(1).alias("active"),
    )
    today = F.lit(day.isoformat()).cast("date")
    of_sort, of_side, of_network = (Window.partitionBy(*columns) for columns in (_SORT, _SIDE, _NETWORK))
    kept = (*_FUNCTION, *THING, *PEER_COLUMNS, "peer_internal", "first_seen", "last_seen", "days_seen", "status", *_AGE)
    things = baseline.select(*kept).join(met, [*_FUNCTION, *THING], "full")
    seen_today = F.col("met_flagged").isNotNull()
    days_before, active = F.max("days_learned").over(of_sort), F.max("active").over(of_sort)
    oldest = (day + timedelta(days=1) - timedelta(days=learning.memory_days)).isoformat()
    things = things.select(
        *_FUNCTION,
        *THING,
        *[F.coalesce(column, f"met_{column}").alias(column) for column in PEER_COLUMNS],
        F.coalesce(F.col("met_internal") == 1, F.col("peer_internal")).alias("peer_internal"),
        F.coalesce("first_seen", today).alias("first_seen"),
        F.when(seen_today, today).otherwise(F.col("last_seen")).alias("last_seen"),
        (F.coalesce("days_seen", F.lit(0)) + F.when(seen_today, 1).otherwise(0)).cast("bigint").alias("days_seen"),
        F.coalesce("status", F.when(F.col("met_flagged") == 1, "flagged").otherwise("normal")).alias("status"),
        F.coalesce(F.min("learned_from").over(of_sort), today).alias("learned_from"),
        (F.coalesce(days_before, F.lit(0)) + F.coalesce(active, F.lit(0))).cast("bigint").alias("days_learned"),
    ).where(F.col("last_seen") >= F.lit(oldest).cast("date"))

    if accepted is not None:
        harmless = accepted.groupBy(*_FUNCTION).agg(F.collect_set("thing").alias("harmless"))
        names = F.array("thing", F.coalesce(network_thing(), F.col("thing")), since())
        is_harmless = F.coalesce(F.arrays_overlap("harmless", names), F.lit(False))
        things = things.join(harmless, list(_FUNCTION), "left").withColumn(
            "status", F.when(is_harmless, "normal").otherwise(F.col("status"))
        )
    normal_days = F.when(_normal(), F.col("days_seen")).otherwise(0)
    rotates = F.col("network").isNotNull() & (F.col("alike") >= ROTATING)
    once = F.sum(((normal_days == 1) & ~rotates).cast("int")).over(of_side)
    # Singletons are counted over the memory, so days are, too. On each day something was met, or nothing of this side.
    days = F.greatest(F.least(F.col("days_learned"), F.lit(learning.memory_days)), F.lit(1))
    return (
        things.withColumns({"side": _side(), "network": network()})
        .withColumn("alike", F.count_if(_normal()).over(of_network))
        .withColumns({"once": once, "thing_days": F.sum(normal_days).over(of_side)})
        .withColumns(
            {
                "unseen_mass": F.round(F.col("once") / F.greatest("thing_days", days), 6),
                "strangers_per_day": F.round(F.col("once") / days, 6),
                "as_of_date": F.date_add(today, 1),
            }
        )
    )


def _side() -> Column:
    """Inside or not; API calls have no side."""
    return F.coalesce("peer_internal", F.lit(False))


def _normal() -> Column:
    return F.col("status") == "normal"


def expected(baselines: DataFrame) -> DataFrame:
    """Per date, function, sort of behaviour and side (peer_internal): what is normal, in words, sorted.

    Adds `normal`, an array: `orders-db (rds, port 5432)`, `s3:GetObject`.
    """
    return (
        baselines.where(_normal())
        .groupBy(F.col("as_of_date").alias("date"), *_SORT, "peer_internal")
        .agg(F.array_sort(F.collect_set(label())).alias("normal"))
    )


def _known_well(learning: Learning) -> Column:
    age = F.date_diff(F.col("date"), F.col("learned_from"))
    return (
        (age >= learning.min_history_days)
        & (F.col("days_learned") >= MIN_ACTIVE_DAYS)
        & (F.col("unseen_mass") <= learning.max_unseen_mass)
        & (F.col("strangers_per_day") <= learning.max_strangers_per_day)
        & (chance_of_stranger() < learning.max_chance)
    )


def chance_of_stranger() -> Column:
    """Good-Turing with one stranger more than were met, so that nothing has the probability 0.

    By unseen_mass, thing_days and days_learned: (singletons + 1) ÷ (trials + 2). On each day something was met, or
    nothing of this side. Two peers, each on ten days → 1 / 22.
    """
    trials = F.greatest(F.coalesce("thing_days", F.lit(0)), F.coalesce("days_learned", F.lit(0)))
    return (F.coalesce("unseen_mass", F.lit(1.0)) * trials + 1) / (trials + 2)
