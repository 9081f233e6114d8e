"""The sentences that somebody reads at 3 a.m.: parts that several detections share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.behaviours import kind_in_words, service_in_words

PRICES = {"usd_per_million_requests": 0.2, "usd_per_gb_second": 0.0000166667, "memory_mb": 128.0}
"""Parameters: what Lambda costs, and the memory that a function is taken to have."""


def who() -> Column:
    """`RDSQueryLogger`, or `One of f, g (they share an interface)`."""
    return F.when(is_shared(), F.concat(F.lit("One of "), "functions", F.lit(" (they share an interface)"))).otherwise(
        F.col("functions")
    )


def is_shared() -> Column:
    """Are there several candidates?"""
    return F.col("functions").contains(", ")


def named_peer() -> Column:
    """`payroll-01 (ec2, 10.0.1.60)`, `the AWS service S3 (192.0.2.9)`, `192.0.2.1`."""
    address = F.concat(F.lit(" ("), "peer_addr", F.lit(")"))
    kind = F.col("peer_kind")
    return (
        F.when(kind == "address", F.col("peer_name"))
        .when(kind == "aws_service", F.concat(F.lit("the AWS service "), "peer_name", address))
        .otherwise(F.concat("peer_name", F.lit(" ("), kind_in_words(), F.lit(", "), "peer_addr", F.lit(")")))
    )


def on_service() -> Column:
    """` on port 22`, ` by icmp`"""
    by_port = F.col("protocol").isin(6, 17)
    return F.concat(F.when(by_port, " on ").otherwise(" by "), service_in_words())


def known_since(what: Column) -> Column:
    """`In 39 active days since 2026-02-01 its internal peers were: orders-db (rds, port 5432).`

    From baseline_days, baseline_from and expected; `what` is `internal peers`, `API calls`, …
    """
    since = F.concat(F.lit("In "), F.col("baseline_days").cast("string"), F.lit(" active days since "))
    whose = F.when(is_shared(), " their ").otherwise(" its ")
    usual = F.when(F.col("expected") == "none", "none at all").otherwise(F.col("expected"))
    said = F.concat(since, F.col("baseline_from").cast("string"), whose, what, F.lit(" were: "), usual, F.lit("."))
    return F.coalesce(said, F.lit("Nothing is known of it from before."))


def regulars() -> Column:
    """`who does so: …`, or that nobody does so regularly; from `transforms.principals`' usual_ones."""
    nobody, names = F.lit("nobody does so regularly"), F.col("usual_ones")
    return F.when(names == "", nobody).otherwise(F.concat(F.lit("who does so: "), names))


def told(found: DataFrame, summary: Column, expected: Column) -> DataFrame:
    """`transforms.measures.unusual`'s rows, with what observations have in common."""
    day = F.col("date").cast("timestamp")
    return found.withColumns(
        {
            "summary": summary,
            "expected": expected,
            # Of two days, the judged one is told.
            "first_time": F.greatest(F.col("begin"), day),
            "last_time": F.col("end"),
            "events": F.col("hours"),
            "evidence": F.date_format("peak", "yyyy-MM-dd HH:mm"),
            "baseline_from": F.to_date("since"),
            "baseline_to": F.col("date"),
            "baseline_days": F.col("days"),
        }
    )


def of_function(found: DataFrame, subject: str) -> DataFrame:
    """The rows with `functions` and `subject`; their evidence is an hour of function_metrics_hourly."""
    return found.withColumns(
        {
            "functions": F.col("function_name"),
            "subject": F.lit(subject),
            "evidence_table": F.lit("function_metrics_hourly"),
        }
    )


def when() -> Column:
    """` in the hour from 2026-01-05 05:00`, ` in the 6 hours from …`, ` on 2026-01-05`, ` on two days until …`"""
    span, begin = F.col("span"), F.date_format("first", "yyyy-MM-dd HH:mm")
    return (
        F.when(span == 1, F.concat(F.lit(" in the hour from "), begin))
        .when(span < 24, F.concat(F.lit(" in the "), span.cast("string"), F.lit(" hours from "), begin))
        .when(span == 24, F.concat(F.lit(" on "), F.col("date").cast("string")))
        .otherwise(F.concat(F.lit(" on two days until "), F.col("date").cast("string")))
    )


def span_in_words() -> Column:
    """`an hour`, `6 hours`, `a day`, `two days`"""
    span = F.col("span")
    hours = F.concat(span.cast("string"), F.lit(" hours"))
    return F.when(span == 1, "an hour").when(span < 24, hours).when(span == 24, "a day").otherwise("two days")


def record(unit: Column) -> Column:
    """` That is more than in any hour of the 36 days before (at most 137).`, or that it is so at this time of day.

    `unit` puts a number of the found rows into words.
    """
    over = F.when(F.col("observed") > F.col("highest"), F.lit("That is a record: ")).otherwise(
        F.lit("There was more, but never at this time of day: ")
    )
    days = F.concat(F.lit(" in the "), F.col("days").cast("string"), F.lit(" days before."))
    return F.concat(F.lit(" "), over, F.lit("at most "), unit, F.lit(" in "), span_in_words(), days)


def whole(number: Column) -> Column:
    """1234.5 → `1,235`"""
    return F.format_number(F.round(number), 0)


def decimal(number: Column) -> Column:
    """1234.5 → `1,235`, 12.34 → `12.3`, 10 → `10`, 0.0123 → `0.01`"""
    one = F.regexp_replace(F.format_number(F.round(number, 1), 1), "[.]0$", "")
    return F.when(number >= 100, whole(number)).when(number >= 1, one).otherwise(F.format_number(F.round(number, 2), 2))


def times(observed: Column, usual: Column) -> Column:
    """`, 10 times the usual 100,` with numbers; `, usually 0,` where there usually is nothing."""
    ratio = observed / usual
    return F.when(usual < 0.5, F.lit(", usually none")).otherwise(
        F.concat(F.lit(", "), decimal(ratio), F.lit(" times the usual "), whole(usual))
    )


def cost(requests: Column, seconds: Column, per_million: float, per_gb_second: float, memory_mb: float) -> Column:
    """` With 128 MB of memory that costs 0.42 USD an hour more than usual.` `seconds` of compute, both of an hour."""
    dollars = requests * (per_million / 1e6) + seconds * (memory_mb / 1024 * per_gb_second)
    said = F.when(dollars < 0.01, "less than 0.01").otherwise(decimal(dollars))
    return F.concat(
        F.lit(f" With {int(memory_mb)} MB of memory that costs "), said, F.lit(" USD an hour more than usual.")
    )
