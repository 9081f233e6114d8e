"""New connections: the step that several detections share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.words import known_since, named_peer, on_service, who
from transforms.behaviours import PEER

FEW_DOORS = 8
"""So many new peers that do not answer are no longer told of one by one: the detection `scan` tells of them."""


def new_connections(novelties: DataFrame, wanted: Column, news: str) -> DataFrame:
    """Observations of new peers that meet the condition; `news` says what is new: `for the first time`."""
    silent = F.coalesce(F.col("bytes_in"), F.lit(0)) == 0
    did = F.when(silent, " tried to reach ").otherwise(" talked to ")
    answer = F.when(silent, f" {news}, without an answer. ").otherwise(f" {news}. ")
    side = F.when(F.col("peer_internal"), "internal").otherwise("external")
    together = Window.partitionBy("date", "account_id", "region", "functions", "peer_internal")
    peers = novelties.where(F.col("behaviour") == PEER).withColumn("doors", F.count_if(silent).over(together))
    fresh = peers.where(wanted & ~(silent & (F.col("doors") >= FEW_DOORS)))
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
