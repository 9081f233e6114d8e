"""New connections, internal or external: the step that both detections share."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.baselines import PEER

SHOWN_PEERS = 8
"""Normal peers that are named; more are counted."""


def new_connections(judged: DataFrame, expected: DataFrame, detection_id: str, internal: bool) -> DataFrame:
    """`observations` of peers that no candidate function normally talks to, one a day, peer and candidate set.

    `judged` comes from `transforms.baselines.judge`, `expected` from `expected_peers`.
    """
    fresh = judged.where(F.col("verdict").isin("novel", "flagged") & (F.col("peer_internal") == F.lit(internal)))
    known = expected.where(F.col("peer_internal") == F.lit(internal)).drop("peer_internal")
    joined = fresh.join(known, ["date", "account_id", "region", "function_name"], "left")
    empty = F.array().cast("array<string>")
    first = F.min(F.struct("first_time", "first_conversation_id", "first_peer_addr", "first_local_addr"))
    # Every candidate has the same conversations: take them once, and the peers of all candidates together.
    normal = F.array_sort(F.array_distinct(F.flatten(F.collect_list(F.coalesce("normal_peers", empty)))))
    merged = joined.groupBy("date", "account_id", "region", F.col("candidates").alias("functions"), *PEER).agg(
        F.max("conversations").alias("conversations"),
        F.max("bytes_out").alias("bytes_out"),
        F.max("bytes_in").alias("bytes_in"),
        F.max("last_time").alias("last_time"),
        first.alias("first"),
        normal.alias("normal"),
        F.min("learned_from").alias("baseline_from"),
        F.min("days_learned").alias("baseline_days"),
        F.max("unseen_mass").alias("unseen_mass"),
    )
    shown = F.array_join(F.slice("normal", 1, SHOWN_PEERS), "; ")
    more = F.size("normal") - SHOWN_PEERS
    return merged.select(
        "*",
        F.lit(detection_id).alias("detection_id"),
        F.lit(internal).alias("peer_internal"),
        F.col("date").alias("baseline_to"),
        F.col("first.first_time").alias("first_time"),
        F.col("first.first_conversation_id").alias("evidence"),
        F.col("first.first_peer_addr").alias("peer_addr"),
        F.col("first.first_local_addr").alias("local_addr"),
        F.size("normal").cast("bigint").alias("expected_peers"),
        F.when(F.size("normal") == 0, "none")
        .when(more > 0, F.concat(shown, F.lit("; and "), more.cast("string"), F.lit(" more")))
        .otherwise(shown)
        .alias("expected"),
    ).drop("first", "normal")
