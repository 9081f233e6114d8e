"""New connections, internal or external: the step that both detections share."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.baselines import PEER


def new_connections(judged: DataFrame, expected: DataFrame, detection_id: str, internal: bool) -> DataFrame:
    """`observations` of peers that no candidate function normally talks to, one a day, peer and candidate set.

    `judged` comes from `transforms.baselines.judge`, `expected` from `expected_peers`.
    """
    fresh = judged.where(F.col("verdict").isin("novel", "flagged") & (F.col("peer_internal") == F.lit(internal)))
    known = expected.where(F.col("peer_internal") == F.lit(internal)).drop("peer_internal")
    joined = fresh.join(known, ["date", "account_id", "region", "function_name"], "left")
    empty = F.array().cast("array<string>")
    # Every candidate has the same conversations: take them once, and the peers of all candidates together.
    normal = F.array_sort(F.array_distinct(F.flatten(F.collect_list(F.coalesce("normal_peers", empty)))))
    shown = F.array_join("normal", "; ")
    more = F.col("expected_peers") - F.size("normal")
    return (
        joined.groupBy("date", "account_id", "region", F.col("candidates").alias("functions"), *PEER)
        .agg(
            F.max("conversations").alias("conversations"),
            F.max("bytes_out").alias("bytes_out"),
            F.max("bytes_in").alias("bytes_in"),
            F.min("first_time").alias("first_time"),
            F.max("last_time").alias("last_time"),
            F.min("first_conversation_id").alias("evidence"),
            F.min("first_peer_addr").alias("peer_addr"),
            F.min("first_local_addr").alias("local_addr"),
            normal.alias("normal"),
            F.sum(F.coalesce("normal_count", F.lit(0))).cast("bigint").alias("total"),
            F.min("learned_from").alias("baseline_from"),
            F.min("days_learned").alias("baseline_days"),
            F.max("unseen_mass").alias("unseen_mass"),
        )
        .withColumn("expected_peers", F.greatest(F.col("total"), F.size("normal").cast("bigint")))
        .withColumns(
            {
                "detection_id": F.lit(detection_id),
                "baseline_to": F.col("date"),
                "expected": F.when(F.size("normal") == 0, "none at all")
                .when(more > 0, F.concat(shown, F.lit(" and "), more.cast("string"), F.lit(" more")))
                .otherwise(shown),
            }
        )
    )
