"""Which hours must be attributed again when leases have changed."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.conversations import OUTSIDE_SECONDS, REACH_SECONDS, WINDOW_SECONDS, lambda_interfaces
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest


def changed_hours(
    before: DataFrame, after: DataFrame, since: datetime, until: datetime, tolerance_seconds: int
) -> DataFrame:
    """The hours, as column `hour`, in which attribution may come out differently with the leases `after`.

    `since` and `until` bound what has been attributed so far: a start that nobody knows reaches back to the
    one, an open end on to the other, wherever the leases' own evidence stops.

    Attribution reads of a lease who, where and over which time; over each of these spans the two tables are
    compared, and where they differ the hours are wide enough for what looks there: a conversation of an hour
    may last WINDOW_SECONDS longer, clocks may be off by the tolerance, and whether a record counts at all
    depends on the interface's life, give or take OUTSIDE_SECONDS, and on what is REACH_SECONDS away (a question).

    f held eni-1 from 10:00 on; now it ended at 13:05 ± 0 s, and 15:00 is the latest attributed; tolerance
    60 s → the hours 12 to 15: a conversation of 12:53 may reach into 13:05.
    """
    spans = changed_spans(before, after, since, until, tolerance_seconds)
    hours = F.sequence(F.date_trunc("hour", "begins"), F.date_trunc("hour", "ends"), F.expr("INTERVAL 1 HOUR"))
    return spans.select(F.explode(hours).alias("hour")).distinct()


def changed_spans(
    before: DataFrame, after: DataFrame, since: datetime, until: datetime, tolerance_seconds: int
) -> DataFrame:
    """What differs (span, a text) and the times between which conversations may start that it changes: begins, ends.

    See `changed_hours`.
    """
    first, last = F.lit(since), F.lit(until)
    spans = _spans(before).withColumn("sign", F.lit(-1)).unionByName(_spans(after).withColumn("sign", F.lit(1)))
    begins = F.coalesce("begins", first)
    ends = F.greatest(F.coalesce("ends", last), begins)
    # +1 where a span begins and -1 where it ends; with the opposite sign for the old ones.
    edge = F.array(
        F.struct(begins.alias("at"), F.col("sign").alias("step")),
        F.struct(ends.alias("at"), (-F.col("sign")).alias("step")),
    )
    edges = spans.select("span", "widen_back", "widen_on", F.explode(edge).alias("edge")).select("*", "edge.*")
    steps = edges.groupBy("span", "widen_back", "widen_on", "at").agg(F.sum("step").alias("step"))
    in_time = Window.partitionBy("span").orderBy("at")
    running = steps.select(
        "span",
        "widen_back",
        "widen_on",
        "at",
        F.lead("at").over(in_time).alias("until"),
        F.sum("step").over(in_time.rowsBetween(Window.unboundedPreceding, 0)).alias("differs"),
    )
    differing = running.where((F.col("differs") != 0) & (F.col("until") > F.col("at")))
    tolerance = F.lit(tolerance_seconds)
    widened = differing.select(
        "span",
        F.greatest(_moved("at", -F.col("widen_back") - tolerance), first).alias("begins"),
        F.least(_moved("until", F.col("widen_on") + tolerance), last).alias("ends"),
    )
    return widened.where(F.col("begins") <= F.col("ends"))


def _spans(leases: DataFrame) -> DataFrame:
    """What attribution reads, as spans in time: what (a text), begins (NULL: any time before), ends (NULL: open)."""
    presumed = F.col("from_evidence") == FIRST_SNAPSHOT
    sure_from = F.when(presumed, F.col("valid_from")).otherwise(earliest())
    who = ("interface_id", "address", "owner_name")
    what = ("vpc_id", "address", "owner_kind", "owner_name")
    window, minute = WINDOW_SECONDS + 60, 60
    of_lambda = F.col("owner_kind") == "lambda"
    function = F.array(
        _span("function", who, sure_from, latest(), window, 0),
        F.when(presumed, _span("presumed function", who, earliest(), F.col("valid_from"), window, 0)),
    )
    peer = F.array(
        _span("peer", what, F.col("valid_from"), F.col("valid_to"), minute, 0),
        _span("possible peer", what, sure_from, latest(), minute, 0),
        F.when(presumed, _span("presumed peer", what, earliest(), F.col("valid_from"), minute, 0)),
    )
    named = F.col("owner_name").isNotNull() & F.col("valid_from").isNotNull()
    read = F.filter(F.when(of_lambda, function).otherwise(peer), F.isnotnull)
    of_leases = leases.where(named).select(F.explode(read).alias("read"))
    interface = _span(
        "interface",
        ("interface_id", "addresses", "vpc_id", "account_id", "region"),
        _moved("life_from", F.lit(-OUTSIDE_SECONDS)),
        _moved("life_to", F.lit(OUTSIDE_SECONDS)),
        REACH_SECONDS,
        REACH_SECONDS,
    )
    lives = lambda_interfaces(leases).withColumn("addresses", F.array_join("addresses", ","))
    return of_leases.unionByName(lives.select(interface.alias("read"))).select("read.*")


def _span(kind: str, key: tuple[str, ...], begins: Column, ends: Column, widen_back: int, widen_on: int) -> Column:
    return F.struct(
        F.concat_ws("\x1f", F.lit(kind), *[F.coalesce(F.col(c), F.lit("\x1e")) for c in key]).alias("span"),
        begins.alias("begins"),
        ends.alias("ends"),
        F.lit(widen_back).alias("widen_back"),
        F.lit(widen_on).alias("widen_on"),
    )


def _moved(moment: str, seconds: Column) -> Column:
    return F.timestamp_micros(F.unix_micros(F.col(moment)) + seconds.cast("bigint") * 1_000_000)
