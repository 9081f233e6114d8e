"""New connections: the step that several detections share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.words import known_since, named_peer, on_service, who
from transforms.behaviours import PEER


def new_connections(novelties: DataFrame, wanted: Column, news: str) -> DataFrame:
    """Observations of new peers that meet the condition; `news` says what is new: `for the first time`."""
    silent = F.col("bytes_in") == 0
    did = F.when(silent, " tried to reach ").otherwise(" talked to ")
    answer = F.when(silent, f" {news}, without an answer. ").otherwise(f" {news}. ")
    side = F.when(F.col("peer_internal"), "internal").otherwise("external")
    fresh = novelties.where((F.col("behaviour") == PEER) & wanted)
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
