"""Whose conversations they are: function_flows, and what is counted from them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.behaviours import PEER, peer_thing
from transforms.candidates import candidates
from transforms.conversations import CONNECTION
from transforms.peers import KnownNetwork, name_peers
from transforms.weighing import SEPARATOR, weighed

PLAUSIBLE = 0.05
"""A candidate that is less likely than this is not counted among those that may have spoken."""
POSSIBLE = 0.001
"""But from this on what is normal for it still explains a conversation: probabilities are estimates, too."""


def attribute(
    conversations: DataFrame,
    leases: DataFrame,
    evidence: DataFrame,
    networks: Sequence[KnownNetwork],
    tolerance_seconds: int,
) -> DataFrame:
    """`function_flows`: each conversation once for each function whose lease may cover it.

    Which leases may cover it, and which are presumed, is said in `transforms.candidates`. One such function is
    `unique` (probability 1), none is `unknown`. Of several the `invocation_evidence` of that hour tells how likely
    each is (`weighted`, see `transforms.weighing`); where there is none they are `shared` in equal parts.
    Probabilities of one conversation add up to 1, and none of several is 1.

    f holds eni-1 until 12:00 ± 0 s, g from 12:00: a conversation at 11:30 is f's; at 12:00:20, with 60 s of
    tolerance, it is either's: with probability 0.5 each, or nearly surely g's if g is known to have run at 12:00:19
    and f last at 11:50.
    """
    texts = [F.col(c).cast("string") for c in CONNECTION]
    ids = F.sha2(F.concat_ws("|", *texts, F.unix_timestamp("window_start").cast("string")), 256)
    keyed = conversations.withColumn("conversation_id", F.substring(ids, 1, 32))
    covered = candidates(keyed, leases, tolerance_seconds).withColumn("names", F.array_join("names", SEPARATOR))
    claimed = weighed(name_peers(covered, leases, networks), leases, evidence, tolerance_seconds)
    count = F.size("claims")
    attribution = (
        F.when(count == 0, "unknown")
        .when(F.col("presumed") & (F.col("names") != ""), "presumed")
        .when(count == 1, "unique")
        .when(F.col("evidence") == "", "shared")
        .otherwise("weighted")
    )
    likely = F.filter("claims", lambda c: c["probability"] >= PLAUSIBLE)
    by_name = (F.col("basis") == "creator") & (F.col("evidence") == "sole candidate")
    rows = claimed.select(
        "*",
        F.explode_outer("claims").alias("claim"),
        _names(F.col("claims")).alias("all_names"),
        _names(F.when(F.size(likely) > 0, likely).otherwise(F.col("claims"))).alias("likely_names"),
        attribution.alias("attribution"),
    )
    return rows.withColumns(
        {
            "function_name": F.col("claim.name"),
            "probability": F.coalesce("claim.probability", F.lit(1.0)),
            "candidates": F.nullif("all_names", F.lit("")),
            "plausible": F.nullif("likely_names", F.lit("")),
            "evidence": F.when(by_name, "creator name").otherwise(F.col("evidence")),
            "date": F.to_date("window_start"),
        }
    ).drop("claim", "claims", "all_names", "likely_names", "names", "presumed", "basis")


def _names(claims: Column) -> Column:
    return F.array_join(F.transform(claims, lambda c: c["name"]), ", ")


def hourly_activity(function_flows: DataFrame) -> DataFrame:
    """`function_activity_hourly`: per function, hour and peer, what was said. Unknown conversations belong to none.

    Only the plausible candidates of a conversation count, and they are its `candidates` there: what evidence has ruled
    out as good as surely is not learned as that function's. Those below with a probability of at least POSSIBLE are
    its `bystanders`.
    """
    key = (
        "account_id",
        "region",
        "function_name",
        "plausible",
        "peer_kind",
        "peer_name",
        "peer_port",
        "protocol",
        "date",
    )
    first = F.min(F.struct("window_start", "conversation_id", "peer_addr", "local_addr"))
    is_plausible = F.array_contains(F.split("plausible", ", "), F.col("function_name"))
    hour = F.date_trunc("hour", "window_start").alias("hour")
    of_all = [name for name in key if name != "function_name"]
    beside = (
        function_flows.where(~is_plausible & (F.col("probability") >= POSSIBLE))
        .groupBy(*of_all, hour)
        .agg(F.array_join(F.array_sort(F.collect_set("function_name")), ", ").alias("bystanders"))
    )
    return (
        function_flows.where(is_plausible)
        .groupBy(*key, hour)
        .agg(
            # One name may stand for addresses on both sides: then it is internal.
            F.max(F.col("peer_internal").cast("int")).alias("internal"),
            F.count(F.lit(1)).alias("events"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.max("window_start").alias("last_time"),
            first.alias("first"),
        )
        .join(beside, [*of_all, "hour"], "left")
        .withColumnRenamed("plausible", "candidates")
        .withColumns(
            {
                "behaviour": F.lit(PEER),
                "thing": peer_thing(),
                "peer_internal": F.col("internal") == 1,
                "first_time": F.col("first.window_start"),
                "first_evidence": F.col("first.conversation_id"),
                "first_peer_addr": F.col("first.peer_addr"),
                "first_local_addr": F.col("first.local_addr"),
            }
        )
        .drop("first", "internal")
    )
