"""A function talks to an address that stands on one of the user's threat lists."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import who
from transforms.threats import on_lists


def detect(days: Sequence[date], function_flows: DataFrame, threats: DataFrame) -> DataFrame:
    """Observations of conversations with listed addresses, one a day, candidate set and address.

    No history is needed, and none excuses it: a listed address is told of every day. An attempt without an answer
    is of low severity.
    """
    del days  # the frame has no others
    # Every candidate has the same conversations: take them once.
    flows = function_flows.where(F.col("plausible").isNotNull()).dropDuplicates(["conversation_id"])
    first = F.min(F.struct("window_start", "conversation_id", "local_addr", "peer_port"))
    hits = (
        on_lists(flows, threats)
        .groupBy("date", "account_id", "region", F.col("plausible").alias("functions"), "peer_addr", "lists", "entry")
        .agg(
            F.max("peer_kind").alias("peer_kind"),
            F.max("peer_name").alias("peer_name"),
            F.max(F.col("peer_internal").cast("int")).alias("inside"),
            F.max("protocol").alias("protocol"),
            first.alias("first"),
            F.max("window_start").alias("last_time"),
            F.count(F.lit(1)).alias("events"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
        )
    )
    silent = F.coalesce(F.col("bytes_in"), F.lit(0)) == 0
    did = F.when(silent, " tried to reach ").otherwise(" talked to ")
    listed = F.when(F.col("entry") == F.col("peer_addr"), "").otherwise(
        F.concat(F.lit(" (as part of "), "entry", F.lit(")"))
    )
    ending = F.when(silent, ". There was no answer.").otherwise(
        F.concat(
            F.lit(": "), F.col("bytes_out").cast("string"), F.lit(" bytes were sent, "),
            F.col("bytes_in").cast("string"), F.lit(" received."),
        )
    )  # fmt: skip
    return hits.withColumns(
        {
            "subject": F.concat(F.lit("listed "), "peer_addr"),
            "severity": F.when(silent, "low").otherwise("high"),
            "surprise": F.lit(6.0),
            "summary": F.concat(
                who(), did, "peer_addr", F.lit(", which is on the threat list "), "lists", listed, ending
            ),
            "expected": F.lit("no conversation with a listed address"),
            "peer_internal": F.col("inside") == 1,
            "peer_port": F.col("first.peer_port"),
            "local_addr": F.col("first.local_addr"),
            "first_time": F.col("first.window_start"),
            "evidence_table": F.lit("function_flows"),
            "evidence": F.col("first.conversation_id"),
        }
    )


DETECTION = Detection(
    id="threat_list",
    title="Conversation with a listed address",
    severity="high",
    technique="T1071 Application Layer Protocol",
    attack_version="19",
    tables=("function_flows", "threats"),
    history_days=0,
    false_positives=(
        "An address that was handed on: lists outlive those whom they list, so compare with the age of the entry.",
        "A content network or an exit of a proxy that honest services use as well.",
    ),
    blind_spots=(
        "Only what the lists know (`threat_lists` in the settings), and they are read when a run begins.",
        "Functions outside a VPC have no flow logs.",
    ),
    runbook=(
        "Look `peer_addr` up at the source of the list named in `summary`: since when, and for what?",
        "Read function_flows of that peer_addr from opened_at onward: which other functions, how many bytes_out?",
        "If bytes_in is not 0, take the function out of service and rotate what its role could read.",
    ),
    detect=detect,
)
