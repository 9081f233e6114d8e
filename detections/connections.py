"""New connections: the step that several detections share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.words import known_since, named_peer, on_service, who
from transforms.behaviours import PEER
from transforms.peers import is_tenant

FEW_DOORS = 8
"""So many new peers that do not answer are no longer told of one by one: the detection `scan` tells of them."""
ACQUAINTANCES = 2
"""See `familiar`."""


COMMON_SHARE = 1 / 3
"""What is normal for such a share of all functions, and for three at least, is part of how the account works."""


def familiar(acquaintances: float) -> Column:
    """Others know it so well that it is no news of this function alone.

    A destination outside, or an API call, that is normal for `acquaintances` other functions: what they trust. Inside,
    where each resource has its own users, and behind AWS's addresses that anybody may rent, only what COMMON_SHARE of
    all functions use.
    """
    common = (F.col("known_to") >= 3) & (F.col("known_to") >= F.col("account_functions") * COMMON_SHARE)
    particular = F.coalesce("peer_internal", F.lit(False)) | F.coalesce(is_tenant(), F.lit(False))
    return F.when(particular, common).otherwise(F.col("known_to") >= acquaintances)


def new_connections(novelties: DataFrame, wanted: Column, news: str, acquaintances: float) -> DataFrame:
    """Observations of new peers that meet the condition and are not `familiar`.

    `news` says what is new: `for the first time`.
    """
    silent = F.coalesce(F.col("bytes_in"), F.lit(0)) == 0
    did = F.when(silent, " tried to reach ").otherwise(" talked to ")
    answer = F.when(silent, f" {news}, without an answer. ").otherwise(f" {news}. ")
    side = F.when(F.col("peer_internal"), "internal").otherwise("external")
    together = Window.partitionBy("date", "account_id", "region", "functions", "peer_internal")
    peers = novelties.where(F.col("behaviour") == PEER).withColumn("doors", F.count_if(silent).over(together))
    fresh = peers.where(wanted & ~familiar(acquaintances) & ~(silent & (F.col("doors") >= FEW_DOORS)))
    return fresh.withColumns(
        {
            "subject": F.col("thing"),
            "summary": F.concat(
                who(), did, named_peer(), on_service(), answer, known_since(F.concat(side, F.lit(" peers")))
            ),
            "evidence_table": F.lit("function_flows"),
            "baseline_to": F.col("date"),
        }
    )
