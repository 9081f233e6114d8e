"""From observations to alerts: opened once, updated while it goes on, closed when it stops."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection

_KEY = ("detection_id", "account_id", "region", "functions", "peer_kind", "peer_name", "peer_port", "protocol")
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def alerts(observations: DataFrame, seen_until: DataFrame, detections: Sequence[Detection], close_after_days: int) -> DataFrame:
    """`alerts` from all `observations`.

    `seen_until` is one row with one timestamp `seen_until`: up to there traffic was looked at. Observations of
    one thing whose days are at most `close_after_days` apart are one alert, whose id is a hash of the thing and
    of the day it opened. Quiet for longer than that, it is closed.

    Seen on 3 and 5 January, looked until 20 January, closing after 7 days → one alert, opened on the 3rd,
    updated on the 5th, closed on the 12th.
    """
    days = Window.partitionBy(*_KEY).orderBy("date")
    gap = F.date_diff(F.col("date"), F.lag("date").over(days))
    islands = observations.withColumn("starts", (gap.isNull() | (gap > close_after_days)).cast("int")).withColumn(
        "island", F.sum("starts").over(days)
    )
    first = F.struct(
        "date", "summary_peer", "expected", "baseline_from", "baseline_to", "baseline_days", "peer_addr", "local_addr", "evidence"
    )
    merged = (
        islands.withColumn("summary_peer", _peer())
        .groupBy(*_KEY, "island")
        .agg(
            F.max("peer_internal").alias("peer_internal"),
            F.min(first).alias("first"),
            F.min("first_time").alias("opened_at"),
            F.max("last_time").alias("updated_at"),
            F.count(F.lit(1)).alias("days"),
            F.sum("conversations").alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
        )
        .select("*", "first.*")
    )
    closes = F.col("updated_at") + F.expr(f"INTERVAL {int(close_after_days)} DAYS")
    closed = closes <= F.col("seen_until")
    identity = F.concat_ws("\x1f", *[F.col(c).cast("string") for c in _KEY], F.col("date").cast("string"))
    return merged.crossJoin(seen_until).withColumns(
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
    value = F.lit(None).cast("string")
    for detection in detections:
        value = F.when(F.col("detection_id") == detection.id, getattr(detection, name)).otherwise(value)
    return value


def _peer() -> Column:
    protocol = F.col("protocol").cast("string")
    for number, name in _PROTOCOLS.items():
        protocol = F.when(F.col("protocol") == number, name).otherwise(protocol)
    kind = F.when(F.col("peer_name") == F.col("peer_addr"), F.lit("")).otherwise(
        F.concat(F.lit(" ("), "peer_kind", F.lit(", "), "peer_addr", F.lit(")"))
    )
    return F.concat("peer_name", kind, F.lit(" on port "), F.col("peer_port").cast("string"), F.lit("/"), protocol)


def _summary() -> Column:
    several = F.col("functions").contains(", ")
    who = F.when(several, F.concat(F.lit("One of "), "functions", F.lit(" (they share an interface)"))).otherwise(
        F.col("functions")
    )
    side = F.when(F.col("peer_internal"), "internal").otherwise("external")
    return F.concat(
        who,
        F.lit(" talked to "),
        "summary_peer",
        F.lit(" for the first time. In "),
        F.col("baseline_days").cast("string"),
        F.lit(" active days since "),
        F.col("baseline_from").cast("string"),
        F.lit(" its "),
        side,
        F.lit(" peers were: "),
        "expected",
        F.lit("."),
    )
