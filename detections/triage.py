"""Which alerts a person hears of: floods, the day's budget, and what people decided."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import padded

FLOOD = "flood"
_FLOOD_OF = ("detection_id", "account_id", "region", "date")
SEVERITIES = ("low", "medium", "high")


def alert_id(*parts: Column) -> Column:
    """An id that is the same in every run: of what the alert is about, and of the day it opened."""
    texts = [F.coalesce(part.cast("string"), F.lit("")) for part in parts]
    return F.substring(F.sha2(F.concat_ws("\x1f", *texts), 256), 1, 16)


def severity_rank(severity: Column) -> Column:
    """1 for low, 3 for high."""
    return F.array_position(F.array(*[F.lit(name) for name in SEVERITIES]), severity)


def without_floods(alerts: DataFrame, limit: int) -> DataFrame:
    """The circuit breaker: more than `limit` alerts of a detection that opened on one day, in one account and region,
    become one that says so. Their findings stay in `observations`. 0: no limit.

    `date` is the day on which an alert opened. 40 new connections on Monday, the limit is 30 → one alert, subject
    `flood`, functions NULL.
    """
    if not limit:
        return alerts
    counted = alerts.withColumn("flood", F.count(F.lit(1)).over(Window.partitionBy(*_FLOOD_OF)))
    kept = counted.where(F.col("flood") <= limit).drop("flood")
    flooded = counted.where(F.col("flood") > limit)
    one_of = ("title", "technique", "attack_version")
    count, day = F.col("flood").cast("string"), F.col("date").cast("string")
    summary = F.concat(
        "title", F.lit(": "), count, F.lit(" findings on "), day,
        F.lit(f", more than the {limit} that are told one by one. Something that all of them share has changed: a "),
        F.lit("release, a network without a name, the flow log itself, or an attack on many functions. "),
        F.lit("All of them are in observations."),
    )  # fmt: skip
    merged = flooded.groupBy(*_FLOOD_OF, "flood").agg(
        *[F.max(c).alias(c) for c in one_of],
        F.max("surprise").alias("surprise"),
        F.min("opened_at").alias("opened_at"),
        F.max("updated_at").alias("updated_at"),
        F.max("days").alias("days"),
        F.sum("events").alias("events"),
        F.sum("bytes_out").alias("bytes_out"),
        F.sum("bytes_in").alias("bytes_in"),
        F.max(F.when(F.col("status") == "open", 1).otherwise(0)).alias("any_open"),
        F.max("closed_at").alias("last_closed"),
    )
    rows = merged.withColumns(
        {
            "alert_id": alert_id(F.lit(FLOOD), *[F.col(c) for c in _FLOOD_OF]),
            "subject": F.lit(FLOOD),
            "severity": F.lit("medium"),
            "status": F.when(F.col("any_open") == 1, "open").otherwise("closed"),
            "closed_at": F.when(F.col("any_open") == 0, F.col("last_closed")),
            "observed": F.col("flood").cast("double"),
            "usual": F.lit(float(limit)),
            "expected": F.lit(f"at most {limit} a day"),
            "summary": summary,
            "evidence_table": F.lit("observations"),
            "baseline_to": F.col("date"),
        }
    )
    return kept.unionByName(padded(rows, kept).select(*kept.columns))


def within_budget(alerts: DataFrame, per_day: int) -> DataFrame:
    """Of the alerts that opened on one day the `per_day` most telling: by severity, then surprise. 0: all.

    What falls under the budget stays in `observations`; more is not worth reading on that day.
    """
    if not per_day:
        return alerts
    order = Window.partitionBy("date").orderBy(
        severity_rank(F.col("severity")).desc(), F.col("surprise").desc_nulls_last(), "alert_id"
    )
    return alerts.withColumn("place", F.row_number().over(order)).where(F.col("place") <= per_day).drop("place")


def decided(alerts: DataFrame, decisions: DataFrame, seen_until: DataFrame) -> DataFrame:
    """The alerts with what people decided: verdict, verdict_by, snoozed_until, suppressed_by, and the status after it.

    A snoozed alert is `snoozed` until the data (`seen_until`) have reached that time. A suppression holds for alerts
    that match all that it names and opened before it expires; a lifted one never. What is closed stays `closed`.

    Snoozed until 10 January: looked until the 9th → snoozed; until the 10th → open again.
    """
    latest = decisions.where(F.col("alert_id").isNotNull()).groupBy("alert_id")
    order = F.struct("made_at", "decision_id")
    told = latest.agg(
        F.max_by(F.when(F.col("kind") == "verdict", F.struct("verdict", "made_by")),
                 F.when(F.col("kind") == "verdict", order)).alias("judged"),
        F.max_by("until", F.when(F.col("kind") == "snooze", order)).alias("snoozed_until"),
    )  # fmt: skip
    lifted = decisions.where(F.col("kind") == "lift").select(F.col("lifts").alias("rule_id")).distinct()
    rules = (
        decisions.where(F.col("kind") == "suppress")
        .select(
            F.col("decision_id").alias("rule_id"),
            F.col("until").alias("rule_until"),
            F.col("detection_id").alias("rule_detection"),
            F.col("function_name").alias("rule_function"),
            F.col("peer_name").alias("rule_peer"),
        )
        .join(lifted, "rule_id", "left_anti")
    )
    named = alerts.select("alert_id", "detection_id", "functions", "peer_name", "opened_at")
    functions = F.split(F.coalesce("functions", F.lit("")), ", ")
    matches = (
        (F.col("rule_detection").isNull() | (F.col("rule_detection") == F.col("detection_id")))
        & (F.col("rule_function").isNull() | F.array_contains(functions, F.col("rule_function")))
        & (F.col("rule_peer").isNull() | (F.col("rule_peer") == F.col("peer_name")))
        & (F.col("opened_at") < F.col("rule_until"))
    )
    hushed = (
        named.crossJoin(F.broadcast(rules))
        .where(matches)
        .groupBy("alert_id")
        .agg(F.min("rule_id").alias("suppressed_by"))
    )
    joined = (
        alerts.join(told, "alert_id", "left")
        .join(hushed, "alert_id", "left")
        .crossJoin(seen_until.withColumnRenamed("seen_until", "looked_until"))
    )
    asleep = F.coalesce(F.col("looked_until") < F.col("snoozed_until"), F.lit(False))
    status = (
        F.when(F.col("status") == "closed", "closed")
        .when(F.col("suppressed_by").isNotNull(), "suppressed")
        .when(asleep, "snoozed")
        .otherwise(F.col("status"))
    )
    return joined.withColumns(
        {"verdict": F.col("judged.verdict"), "verdict_by": F.col("judged.made_by"), "status": status}
    ).drop("judged", "looked_until")
