"""From observations to alerts: opened once, updated while it goes on, closed when it stops."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from transforms.baselines import kind_in_words, service_in_words

_KEY = ("detection_id", "account_id", "region", "functions", "peer_kind", "peer_name", "peer_port", "protocol")


def alerts(
    observations: DataFrame, seen_until: DataFrame, detections: Sequence[Detection], close_after_days: int
) -> DataFrame:
    """`alerts` from all `observations`.

    `seen_until` is one row with one timestamp `seen_until`: up to there traffic was looked at. Observations of
    one thing whose days are at most `close_after_days` apart are one alert, whose id is a hash of the thing and
    of the day it opened. After that many whole days of quiet it is closed; until then, and without a
    `seen_until`, it is open.

    Seen on 3 and 5 January, looked until 20 January, closing after 7 days → one alert, opened on the 3rd,
    updated on the 5th, closed at the end of the 12th; seen again on the 13th: another alert.
    """
    days = Window.partitionBy(*_KEY).orderBy("date")
    gap = F.date_diff(F.col("date"), F.lag("date").over(days))
    islands = observations.withColumn("starts", (gap.isNull() | (gap > close_after_days)).cast("int")).withColumn(
        "island", F.sum("starts").over(days)
    )
    first = F.struct(
        "date",
        "expected",
        "expected_peers",
        "baseline_from",
        "baseline_to",
        "baseline_days",
        "peer_addr",
        "local_addr",
        "evidence",
    )
    merged = (
        islands.groupBy(*_KEY, "island")
        .agg(
            F.max(F.col("peer_internal").cast("int")).alias("internal"),
            F.min_by(first, "date").alias("first"),
            F.max("date").alias("last_date"),
            F.min("first_time").alias("opened_at"),
            F.max("last_time").alias("updated_at"),
            F.count(F.lit(1)).alias("days"),
            F.sum("conversations").alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
        )
        .select("*", "first.*", (F.col("internal") == 1).alias("peer_internal"))
        .crossJoin(seen_until)
    )
    closes = F.date_add(F.col("last_date"), close_after_days + 1).cast("timestamp")
    closed = F.coalesce(closes <= F.col("seen_until"), F.lit(False))
    identity = F.concat_ws("\x1f", *[F.col(c).cast("string") for c in _KEY], F.col("date").cast("string"))
    return merged.withColumns(
        {
            "alert_id": F.substring(F.sha2(identity, 256), 1, 16),
            "title": _of_detection(detections, "title"),
            "severity": _of_detection(detections, "severity"),
            "technique": _of_detection(detections, "technique"),
            "status": F.when(closed, "closed").otherwise("open"),
            "closed_at": F.when(closed, closes),
            "summary": _summary(),
        }
    )


def _of_detection(detections: Sequence[Detection], name: str) -> Column:
    """What each row's detection says of itself; NULL for one that is no more."""
    values = [F.when(F.col("detection_id") == d.id, getattr(d, name)) for d in detections]
    return F.coalesce(*values, F.lit(None).cast("string"))


def _summary() -> Column:
    """What was seen and what was expected, in two sentences that need no table beside them."""
    several = F.col("functions").contains(", ")
    who = F.when(several, F.concat(F.lit("One of "), "functions", F.lit(" (they share an interface)"))).otherwise(
        F.col("functions")
    )
    silent = F.col("bytes_in") == 0
    did = F.when(silent, " tried to reach ").otherwise(" talked to ")
    answer = F.when(silent, " for the first time, without an answer. ").otherwise(" for the first time. ")
    side = F.when(F.col("peer_internal"), "internal").otherwise("external")
    known = F.concat(F.lit("In "), F.col("baseline_days").cast("string"), F.lit(" active days since "))
    known = F.concat(known, F.col("baseline_from").cast("string"), F.when(several, " their ").otherwise(" its "), side)
    expected = F.when(
        F.col("expected_peers") > 0, F.concat(known, F.lit(" peers were: "), "expected", F.lit("."))
    ).otherwise(F.concat(known, F.lit(" peers were: none at all.")))
    return F.concat(who, did, _peer(), answer, F.coalesce(expected, F.lit("Nothing is known of it from before.")))


def _peer() -> Column:
    """`payroll-01 (ec2, 10.0.1.60) on port 22`, `the AWS service S3 (192.0.2.9) on port 443`, `192.0.2.1 by icmp`."""
    address = F.concat(F.lit(" ("), "peer_addr", F.lit(")"))
    kind = F.col("peer_kind")
    named = (
        F.when(kind == "address", F.col("peer_name"))
        .when(kind == "aws_service", F.concat(F.lit("the AWS service "), "peer_name", address))
        .otherwise(F.concat("peer_name", F.lit(" ("), kind_in_words(), F.lit(", "), "peer_addr", F.lit(")")))
    )
    by_port = F.col("protocol").isin(6, 17)
    return F.concat(named, F.when(by_port, " on ").otherwise(" by "), service_in_words())
