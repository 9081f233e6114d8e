"""What a function normally does, rolled forward day by day, and whether a day's traffic fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

MIN_ACTIVE_DAYS = 3
"""Fewer days with traffic than this say nothing about how a function spreads its attention."""

_FUNCTION = ("account_id", "region", "function_name")
PEER = ("peer_kind", "peer_name", "peer_internal", "peer_port", "protocol")
_IDENTITY = ("peer_kind", "peer_name", "peer_port", "protocol")
_STATS = ("learned_from", "days_learned", "unseen_mass")


@dataclass(frozen=True)
class Learning:
    """How a baseline learns: see `conf/settings.py` for the meaning and the defaults."""

    min_history_days: int = 7
    memory_days: int = 36
    max_unseen_mass: float = 0.05


def daily_sightings(activity: DataFrame) -> DataFrame:
    """`function_activity_hourly` by day: who was met, by which set of candidates."""
    first = F.min(F.struct("first_time", "first_conversation_id", "first_peer_addr", "first_local_addr"))
    return (
        activity.groupBy(*_FUNCTION, "candidates", *PEER, "date")
        .agg(
            F.sum("conversations").alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.max("last_time").alias("last_time"),
            first.alias("first"),
        )
        .select("*", "first.*")
        .drop("first")
    )


def judge(sightings: DataFrame, baselines: DataFrame, learning: Learning) -> DataFrame:
    """Each sighting with its verdict, against the baseline as of the same date.

    Several functions that share an interface are judged as a set, because nobody knows which of them spoke:

    - `explained`: the peer is normal for one of the candidates;
    - `flagged`: it was new before, and has not become normal by going on;
    - `novel`: it is new, and every candidate is known well enough to say so: at least `min_history_days`
      since its first day, at least three active days, and a Good-Turing unseen mass (singletons ÷
      peer-days) of at most `max_unseen_mass`;
    - `learning`: it is new, but so is a candidate, or one meets strangers all the time.

    Adds own_status, ready (this function is known well enough), the function's statistics, and verdict.
    """
    known = baselines.select(
        F.col("as_of_date").alias("date"), *_FUNCTION, *_IDENTITY, F.col("status").alias("own_status")
    )
    stats = baselines.select(F.col("as_of_date").alias("date"), *_FUNCTION, *_STATS).distinct()
    joined = sightings.join(known, ["date", *_FUNCTION, *_IDENTITY], "left").join(stats, ["date", *_FUNCTION], "left")
    ready = F.coalesce(_known_well(learning), F.lit(False))
    joined = joined.withColumn("ready", ready)
    group = ("date", "account_id", "region", "candidates", *_IDENTITY)
    verdicts = joined.groupBy(*group).agg(
        F.max(F.coalesce(F.col("own_status") == "normal", F.lit(False)).cast("int")).alias("any_normal"),
        F.max(F.coalesce(F.col("own_status") == "flagged", F.lit(False)).cast("int")).alias("any_flagged"),
        F.min(F.col("ready").cast("int")).alias("all_ready"),
    )
    verdict = (
        F.when(F.col("any_normal") == 1, "explained")
        .when(F.col("any_flagged") == 1, "flagged")
        .when(F.col("all_ready") == 1, "novel")
        .otherwise("learning")
    )
    return joined.join(verdicts.select(*group, verdict.alias("verdict")), list(group), "inner")


def next_baseline(baseline: DataFrame, judged: DataFrame, day: date, learning: Learning) -> DataFrame:
    """The baseline as of the day after `day`, from the one as of `day` and that day's judged sightings.

    What was novel enters as `flagged` and stays so: what is learned while an alert on it is open does not
    become normal by itself. A peer that was silent for `memory_days` is forgotten.

    Baseline as of 5 January: orders-db normal, 10 days. On the 5th the function meets orders-db and a new
    peer → as of 6 January: orders-db normal, 11 days; the new peer flagged, 1 day.
    """
    # A known candidate is not credited with what another of the set explains; a learning one learns it all.
    credited = (F.col("verdict") != "explained") | (F.col("own_status") == "normal") | ~F.col("ready")
    flagged = F.col("verdict").isin("novel", "flagged")
    met = (
        judged.where(credited)
        .groupBy(*_FUNCTION, *_IDENTITY)
        .agg(
            F.max("peer_internal").alias("met_internal"),
            F.min(F.when(flagged, 1).otherwise(0)).alias("met_flagged"),
        )
    )
    today = F.lit(day.isoformat()).cast("date")
    peers = baseline.select(*_FUNCTION, *PEER, "first_seen", "last_seen", "days_seen", "status").join(
        met, [*_FUNCTION, *_IDENTITY], "full"
    )
    seen_today = F.col("met_flagged").isNotNull()
    oldest = (day + timedelta(days=1) - timedelta(days=learning.memory_days)).isoformat()
    peers = peers.select(
        *_FUNCTION,
        *_IDENTITY,
        F.coalesce("peer_internal", "met_internal").alias("peer_internal"),
        F.coalesce("first_seen", today).alias("first_seen"),
        F.when(seen_today, today).otherwise(F.col("last_seen")).alias("last_seen"),
        (F.coalesce("days_seen", F.lit(0)) + F.when(seen_today, 1).otherwise(0)).cast("bigint").alias("days_seen"),
        F.coalesce("status", F.when(F.col("met_flagged") == 1, "flagged").otherwise("normal")).alias("status"),
    ).where(F.col("last_seen") >= F.lit(oldest).cast("date"))

    before = baseline.select(*_FUNCTION, "learned_from", "days_learned").distinct()
    active = judged.select(*_FUNCTION).distinct().withColumn("active", F.lit(1))
    functions = before.join(active, list(_FUNCTION), "full").select(
        *_FUNCTION,
        F.coalesce("learned_from", today).alias("learned_from"),
        (F.coalesce("days_learned", F.lit(0)) + F.coalesce("active", F.lit(0))).cast("bigint").alias("days_learned"),
    )
    normal = F.col("status") == "normal"
    mass = peers.groupBy(*_FUNCTION).agg(
        F.count_if(normal & (F.col("days_seen") == 1)).alias("once"),
        F.sum(F.when(normal, F.col("days_seen")).otherwise(0)).alias("peer_days"),
    )
    unseen = F.when(F.col("peer_days") > 0, F.round(F.col("once") / F.col("peer_days"), 6)).otherwise(F.lit(1.0))
    return (
        peers.join(functions, list(_FUNCTION), "inner")
        .join(mass.select(*_FUNCTION, unseen.alias("unseen_mass")), list(_FUNCTION), "inner")
        .withColumn("as_of_date", F.date_add(today, 1))
    )


def expected_peers(baselines: DataFrame, limit: int = 8) -> DataFrame:
    """Per date, function and side (internal or external): the normal peers, as `kind name:port`, sorted."""
    label = F.concat(
        "peer_name", F.lit(" ("), "peer_kind", F.lit(", port "), F.col("peer_port").cast("string"), F.lit(")")
    )
    return (
        baselines.where(F.col("status") == "normal")
        .groupBy(F.col("as_of_date").alias("date"), *_FUNCTION, "peer_internal")
        .agg(F.sort_array(F.collect_set(label)).alias("normal_peers"))
        .withColumn("normal_count", F.size("normal_peers"))
        .withColumn("normal_peers", F.slice("normal_peers", 1, limit))
    )


def _known_well(learning: Learning) -> Column:
    age = F.date_diff(F.col("date"), F.col("learned_from"))
    return (
        (age >= learning.min_history_days)
        & (F.col("days_learned") >= MIN_ACTIVE_DAYS)
        & (F.col("unseen_mass") <= learning.max_unseen_mass)
    )
