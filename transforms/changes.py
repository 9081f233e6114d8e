"""Which hours must be attributed again when leases have changed."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.attribution import OUTSIDE_SECONDS, REACH_SECONDS, WINDOW_SECONDS, lambda_interfaces, serving
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest
from transforms.peers import resources


def changed_hours(
    before: DataFrame, after: DataFrame, since: datetime, until: datetime, tolerance_seconds: int
) -> DataFrame:
    """The hours, as column `hour`, in which attribution may come out differently with the leases `after`.

    `since` and `until` are the times of the first and the last flow-log record there is: a start that nobody
    knows reaches back to the one, an open end on to the other, wherever the leases' own evidence stops.

    Attribution reads of a lease who, where and over which time; over each of these spans the two tables are
    compared, and where they differ the hours are wide enough for what looks there: a conversation of an hour
    may last WINDOW_SECONDS longer, clocks may be off by the tolerance, and whether a record counts at all
    depends on the interface's life, give or take OUTSIDE_SECONDS, and on what is REACH_SECONDS away (a question).

    f held eni-1 from 10:00 on; now it ended at 13:20 ± 0 s, and records are there until 15:00; tolerance
    60 s → the hours 13 to 15: a conversation of 13:08 may reach into 13:20.
    """
    first, last = F.lit(since), F.lit(until)
    edges = _edges(before, -1, first, last).unionByName(_edges(after, 1, first, last))
    steps = edges.groupBy("span", "widen_back", "widen_on", "at").agg(F.sum("step").alias("step"))
    in_time = Window.partitionBy("span").orderBy("at")
    running = steps.select(
        "widen_back",
        "widen_on",
        "at",
        F.lead("at").over(in_time).alias("until"),
        F.sum("step").over(in_time.rowsBetween(Window.unboundedPreceding, 0)).alias("differs"),
    )
    differing = running.where((F.col("differs") != 0) & (F.col("until") > F.col("at")))
    tolerance = F.lit(tolerance_seconds)
    begins = F.greatest(_moved("at", -F.col("widen_back") - tolerance), first)
    ends = F.least(_moved("until", F.col("widen_on") + tolerance), last)
    hours = F.sequence(F.date_trunc("hour", begins), F.date_trunc("hour", ends), F.expr("INTERVAL 1 HOUR"))
    return differing.where(begins <= ends).select(F.explode(hours).alias("hour")).distinct()


def _edges(leases: DataFrame, sign: int, first: Column, last: Column) -> DataFrame:
    """+1 where a span begins and -1 where it ends; with the opposite sign for the old ones."""
    spans = _spans(leases)
    begins = F.coalesce("begins", first)
    ends = F.greatest(F.coalesce("ends", last), begins)
    pair = F.array(
        F.struct(begins.alias("at"), F.lit(sign).alias("step")), F.struct(ends.alias("at"), F.lit(-sign).alias("step"))
    )
    return spans.select("span", "widen_back", "widen_on", F.explode(pair).alias("edge")).select(
        "span", "widen_back", "widen_on", "edge.at", "edge.step"
    )


def _spans(leases: DataFrame) -> DataFrame:
    """What attribution reads, as spans in time: what (a text), begins (NULL: any time before), ends (NULL: open)."""
    presumed = F.col("from_evidence") == FIRST_SNAPSHOT
    sure_from = F.when(presumed, F.col("valid_from")).otherwise(earliest())
    who = ("interface_id", "address", "owner_name")
    what = ("vpc_id", "address", "owner_kind", "owner_name")
    window, minute = WINDOW_SECONDS + 60, 60
    functions = serving(leases)
    parts = [
        _span(functions, "function", who, sure_from, latest(), window, 0),
        _span(functions.where(presumed), "presumed function", who, earliest(), F.col("valid_from"), window, 0),
        _span(resources(leases), "peer", what, F.col("valid_from"), F.col("valid_to"), minute, 0),
        _span(resources(leases), "possible peer", what, sure_from, latest(), minute, 0),
        _span(resources(leases).where(presumed), "presumed peer", what, earliest(), F.col("valid_from"), minute, 0),
        _span(
            lambda_interfaces(leases).withColumn("addresses", F.array_join("addresses", ",")),
            "interface",
            ("interface_id", "addresses", "vpc_id", "account_id", "region"),
            _moved("life_from", F.lit(-OUTSIDE_SECONDS)),
            _moved("life_to", F.lit(OUTSIDE_SECONDS)),
            REACH_SECONDS,
            REACH_SECONDS,
        ),
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    return whole


def _span(
    frame: DataFrame, kind: str, key: tuple[str, ...], begins: Column, ends: Column, widen_back: int, widen_on: int
) -> DataFrame:
    text = F.concat_ws("\x1f", F.lit(kind), *[F.coalesce(F.col(c), F.lit("\x1e")) for c in key])
    return frame.select(
        text.alias("span"),
        begins.alias("begins"),
        ends.alias("ends"),
        F.lit(widen_back).alias("widen_back"),
        F.lit(widen_on).alias("widen_on"),
    )


def _moved(moment: str, seconds: Column) -> Column:
    return F.timestamp_micros(F.unix_micros(F.col(moment)) + seconds.cast("bigint") * 1_000_000)
