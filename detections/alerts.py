"""From observations to alerts: opened once, updated while it goes on, closed when it stops, opened again."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.triage import SEVERITIES, alert_id, severity_rank

KEY = ("detection_id", "account_id", "region", "functions", "subject")
"""What makes observations of several days the same finding."""

_FIRST = (
    "date", "summary", "expected", "peer_kind", "peer_name", "peer_internal", "peer_port", "protocol", "peer_addr",
    "local_addr", "principal", "observed", "usual", "evidence_table", "evidence", "baseline_from", "baseline_to",
    "baseline_days", "change",
)  # fmt: skip


def alerts(
    observations: DataFrame,
    seen_until: DataFrame,
    detections: Sequence[Detection],
    close_after_days: int,
    memory_days: int,
) -> DataFrame:
    """`alerts` from all `observations`.

    `seen_until` is one row with one timestamp `seen_until`: up to there traffic was looked at. Observations of
    one thing whose days are at most `close_after_days` apart are one alert, whose id is a hash of the thing and
    of the day it opened. After that many whole days of quiet it is closed; until then, and without a
    `seen_until`, it is open. What is seen later is another alert; but of a detection whose findings are `lasting` the
    same one opens again, for `memory_days`: a connection is new only once.

    Seen on 3 and 5 January, looked until 20 January, closing after 7 days → one alert, opened on the 3rd,
    updated on the 5th, closed at the end of the 12th; seen again on the 13th: another alert, or if lasting the same.
    """
    days = Window.partitionBy(*KEY).orderBy("date")
    gap = F.date_diff(F.col("date"), F.lag("date").over(days))
    lasting = F.col("detection_id").isin([detection.id for detection in detections if detection.lasting])
    longest = F.when(lasting, max(memory_days, close_after_days)).otherwise(close_after_days)
    islands = observations.withColumn("starts", (gap.isNull() | (gap > longest)).cast("int")).withColumn(
        "island", F.sum("starts").over(days)
    )
    merged = (
        islands.groupBy(*KEY, "island")
        .agg(
            F.min_by(F.struct(*_FIRST), "date").alias("first"),
            F.max(severity_rank(F.col("severity"))).alias("rank"),
            F.max("surprise").alias("surprise"),
            F.max("date").alias("last_date"),
            F.min("first_time").alias("opened_at"),
            F.max("last_time").alias("updated_at"),
            F.count(F.lit(1)).alias("days"),
            F.sum("events").alias("events"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
        )
        .select("*", "first.*")
        .crossJoin(seen_until)
    )
    closes = F.date_add(F.col("last_date"), close_after_days + 1).cast("timestamp")
    closed = F.coalesce(closes <= F.col("seen_until"), F.lit(False))
    return merged.withColumns(
        {
            "alert_id": alert_id(*[F.col(c) for c in (*KEY, "date")]),
            "title": _of_detection(detections, "title"),
            "severity": F.element_at(F.array(*[F.lit(name) for name in SEVERITIES]), F.col("rank").cast("int")),
            "technique": _of_detection(detections, "technique"),
            "attack_version": _of_detection(detections, "attack_version"),
            "status": F.when(closed, "closed").otherwise("open"),
            "closed_at": F.when(closed, closes),
        }
    )


def _of_detection(detections: Sequence[Detection], name: str) -> Column:
    """What each row's detection says of itself; NULL for one that is no more."""
    values = [F.when(F.col("detection_id") == d.id, getattr(d, name)) for d in detections]
    return F.coalesce(*values, F.lit(None).cast("string"))
