"""What an account's day lacks: silent interfaces, skipped records, missed polls.

Lost files leave no trace of their own: AWS numbers neither flow-log files nor records. What can be known is that an
interface was silent where its flow log speaks of silence (NODATA), that AWS says itself that it skipped something
(SKIPDATA), and that a poll is missing between two others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import SCOPE, UNKNOWN, scope
from transforms.conversations import WINDOW_SECONDS
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest
from transforms.sightings import FUNCTION_POLL, INTERFACE_POLL

OUTAGE_DAYS = 7
"""Nobody is thought to have polled in a gap longer than this; so a day's polls depend on no more days around it."""

_CLOCK_SECONDS = 60
"""How far AWS's times of a record may be off."""

_TWIN_SECONDS = 60
"""Polls less than this apart are one: two pollers, or a second try."""


def gaps(flow_logs: DataFrame, leases: DataFrame, polled: DataFrame, days: Sequence[date]) -> DataFrame:
    """Per account, region and day: what AWS skipped, where interfaces were silent without a word, how often was polled.

    A flow log writes a NODATA line for each window without traffic, unless a tool that copied it left those out, or
    the interface out of them. So gaps are looked for in flow logs that have such lines on that day; where the
    account's have none, silence and loss cannot be told apart, and the gaps are NULL.

    A record may begin anywhere in its window: those of two neighbouring windows may be almost two windows apart, and
    their times off by a minute each. What is farther apart lacks a window between. At midnight a single interface
    tells nothing (it may just have been quiet), but where the whole account is silent between the day's first poll
    and its first record, or its last record and last poll, every interface is that had a lease all day.
    """
    interfaces = _silences(flow_logs, _lives(leases, days))
    spans = polled.select(*SCOPE, "date", "first_poll", "last_poll")
    placed = interfaces.join(spans, [*SCOPE, "date"], "left")
    day = Window.partitionBy(*SCOPE, "date")
    first, last = F.min("first").over(day), F.max("last").over(day)
    begins, ends = F.least(F.col("first_poll"), first), F.greatest(F.col("last_poll"), last)
    placed = placed.withColumns(
        {
            "head": _long(first - begins),
            "tail": _long(ends - last),
            "whole": _long(ends - begins),
            "told": (F.max(F.coalesce("named", F.lit(0))).over(day) > 0) | first.isNull(),
        }
    )
    all_day, of_lambda = F.col("all_day") == 1, F.col("all_day").isNotNull()
    around = F.when(all_day & F.col("first").isNull(), F.col("whole")).when(all_day, F.col("head") + F.col("tail"))
    gap = F.coalesce("inner", F.lit(0)) + F.coalesce(around, F.lit(0))
    lost = F.when(of_lambda & F.col("told"), gap)
    measured = (
        placed.withColumn("lost", lost)
        .groupBy(*SCOPE, "date")
        .agg(
            F.sum("skipdata").alias("skipdata_records"),
            F.sum("nodata").alias("nodata_records"),
            F.count_if(F.col("lost") > 0).alias("gap_interfaces"),
            F.sum("lost").alias("gap_seconds"),
            F.max((of_lambda & ~F.col("told")).cast("int")).alias("unclear"),
        )
    )
    rows = measured.join(polled.drop("first_poll", "last_poll"), [*SCOPE, "date"], "full")
    clear, zero = F.coalesce("unclear", F.lit(0)) == 0, F.lit(0)
    counted = {name: F.when(clear, F.coalesce(name, zero)) for name in ("gap_interfaces", "gap_seconds")}
    return rows.withColumns(counted).drop("unclear")


def _silences(flow_logs: DataFrame, lives: DataFrame) -> DataFrame:
    """Per interface and day: lines of silence and of skipping, first and last second, and the seconds without a word.

    Of several flow logs that watch an interface the one that lost most counts. Account and region are those of the
    lease, where there is one; interfaces that have one and no record are there, too.
    """
    place = ("date", "interface_id", "flow_log")
    begins = F.unix_timestamp("start_time")
    # No record lasts longer than a window: a wilder end must not hide a gap.
    ends = F.least(F.unix_timestamp(F.coalesce("end_time", "start_time")), begins + WINDOW_SECONDS)
    status = F.col("log_status")
    # Few and short keys: this is the one step that meets every record.
    interface = F.when(F.col("interface_id").isNull(), F.concat_ws(" ", *SCOPE)).otherwise(F.col("interface_id"))
    minutes = (
        flow_logs.groupBy(
            interface.alias("interface_id"),
            F.coalesce("flow_log_id", F.lit("")).alias("flow_log"),
            (begins - begins % 60).alias("minute"),
        )
        .agg(
            *[F.max(F.nullif(name, F.lit(UNKNOWN))).alias(name) for name in SCOPE],
            F.min(begins).alias("first"),
            F.max(F.greatest(begins, ends)).alias("last"),
            F.count_if(status == "SKIPDATA").alias("skipdata"),
            F.count_if(status == "NODATA").alias("nodata"),
            # Security Lake's lines of silence do not say whose silence it was.
            F.count_if((status == "NODATA") & F.col("interface_id").isNotNull()).alias("named"),
            F.max(F.when(status == "NODATA", ends - begins + 1)).alias("silent"),
        )
        .withColumn("date", _day_of("minute"))
    )
    line = Window.partitionBy(*place).orderBy("first", "last")
    so_far = F.max("last").over(line.rowsBetween(Window.unboundedPreceding, -1))
    # The flow log's own window, as its lines of silence show it.
    window = F.coalesce(F.max("silent").over(Window.partitionBy(*place)), F.lit(WINDOW_SECONDS))
    apart = F.col("first") - so_far
    named = [F.max(name).alias(name) for name in SCOPE]
    recorded = (
        minutes.withColumn("gap", F.when(apart > 2 * window + 2 * _CLOCK_SECONDS, apart))
        .groupBy(*place)
        .agg(*named, *_extent(), F.sum("gap").alias("gap"))
    )
    owner = {n: F.coalesce(F.nullif(f"own_{n}", F.lit(UNKNOWN)), n, F.lit(UNKNOWN)) for n in SCOPE}
    logs = recorded.join(lives, ["date", "interface_id"], "full").withColumns(owner)
    says = F.sum("named").over(Window.partitionBy(*SCOPE, "date", "flow_log")) > 0
    heard = logs.withColumn("gap", F.when(says, F.col("gap")))
    return heard.groupBy(*SCOPE, "date", "interface_id").agg(
        *_extent(), F.max("gap").alias("inner"), F.max("all_day").alias("all_day")
    )


def _extent() -> list[Column]:
    return [
        F.min("first").alias("first"),
        F.max("last").alias("last"),
        F.sum("skipdata").alias("skipdata"),
        F.sum("nodata").alias("nodata"),
        F.sum("named").alias("named"),
    ]


def _lives(leases: DataFrame, days: Sequence[date]) -> DataFrame:
    """Lambda's interfaces on the days on which they may have been there; all_day: 1 where they were all day, else 0."""
    begins = F.when(F.col("from_evidence") == FIRST_SNAPSHOT, F.col("valid_from")).otherwise(
        F.coalesce(earliest(), F.col("valid_from"))
    )
    lives = (
        leases.where((F.col("owner_kind") == "lambda") & F.col("valid_from").isNotNull())
        .groupBy("interface_id")
        .agg(
            *[F.max(name).alias(f"own_{name}") for name in SCOPE],
            F.min(begins).alias("begins"),
            F.when(F.count_if(latest().isNull()) == 0, F.max(latest())).alias("ends"),
        )
        .withColumn("date", each_of(days))
        .where(overlaps(F.col("begins"), F.col("ends")))
    )
    midnight, next_midnight = _midnights()
    all_day = (F.col("begins") <= midnight) & (F.col("ends").isNull() | (F.col("ends") >= next_midnight))
    return lives.withColumn("all_day", all_day.cast("int")).drop("begins", "ends")


def polled_on(polls: DataFrame, days: Sequence[date]) -> DataFrame:
    """Per account, region and day: polls of each operation, those missed, and the first and last second of any.

    Only answers that list everything count. A gap of about n times the usual distance (the median of the gaps that
    begin on its day) lacks n − 1 polls, evenly spread over it. After the last poll of all none is missed.
    """
    each = [*SCOPE, "operation"]
    moment = F.unix_timestamp("polled_at").alias("at")
    complete = polls.where(F.col("complete")).select(*scope(), "operation", moment).distinct()
    line = Window.partitionBy(*each).orderBy("at")
    apart = complete.withColumn("before", F.col("at") - F.lag("at").over(line))
    apart = apart.where(F.col("before").isNull() | (F.col("before") >= _TWIN_SECONDS))
    gaps = apart.withColumns({"gap": F.lead("at").over(line) - F.col("at"), "date": _day_of("at")}).where(
        F.col("gap") <= OUTAGE_DAYS * 86_400
    )
    usual = gaps.groupBy(*each, "date").agg(F.median("gap").alias("usual"))
    steps = F.round(F.col("gap") / F.col("usual")).cast("bigint")
    lacking = gaps.join(usual, [*each, "date"], "inner").withColumn("steps", steps).where(F.col("steps") > 1)
    missed = lacking.withColumn("step", F.explode(F.sequence(F.lit(1).cast("bigint"), F.col("steps") - 1))).select(
        *each,
        F.floor(F.col("at") + F.col("gap") * F.col("step") / F.col("steps")).alias("at"),
        F.lit(1).alias("missed"),
    )
    answers = complete.withColumn("missed", F.lit(0)).unionByName(missed).withColumn("date", _day_of("at"))

    def count(operation: str, lacks: int) -> Column:
        return F.count_if((F.col("operation") == operation) & (F.col("missed") == lacks))

    took_place = F.when(F.col("missed") == 0, F.col("at"))
    return (
        answers.where(F.col("date").isin(*days))
        .groupBy(*SCOPE, "date")
        .agg(
            count(INTERFACE_POLL, 0).alias("interface_polls"),
            count(INTERFACE_POLL, 1).alias("interface_polls_missed"),
            count(FUNCTION_POLL, 0).alias("function_polls"),
            count(FUNCTION_POLL, 1).alias("function_polls_missed"),
            F.min(took_place).alias("first_poll"),
            F.max(took_place).alias("last_poll"),
        )
    )


def each_of(days: Sequence[date]) -> Column:
    """A row a day."""
    return F.explode(F.array(*[F.lit(day) for day in days]))


def _midnights() -> tuple[Column, Column]:
    """Where the day `date` begins and ends."""
    midnight = F.col("date").cast("timestamp")
    return midnight, midnight + F.expr("INTERVAL 1 DAY")


def overlaps(begins: Column, ends: Column) -> Column:
    """Does [begins, ends), open where ends is NULL, meet the day `date`?"""
    midnight, next_midnight = _midnights()
    return (begins < next_midnight) & (ends.isNull() | (ends > midnight))


def _long(seconds: Column) -> Column:
    """Seconds in which at least a whole window lacks; 0 for fewer."""
    return F.when(seconds > 2 * (WINDOW_SECONDS + _CLOCK_SECONDS), seconds).otherwise(0)


def _day_of(seconds: str) -> Column:
    return F.to_date(F.timestamp_seconds(F.col(seconds)))
