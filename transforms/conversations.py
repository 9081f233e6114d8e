"""From flow-log records to conversations of Lambda's interfaces."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import UNKNOWN
from transforms.intervals import earliest, latest
from transforms.peers import plain_address

WINDOW_SECONDS = 600
"""The longest aggregation window of a flow log: a record does not last longer."""

ANSWER_SECONDS = 600
"""An inbound record belongs to a conversation when the function sent something on the same addresses and
ports within this time, by the minute: the longest aggregation window. So a record can change conversations
that start up to REACH_SECONDS before or after it."""

REACH_SECONDS = ANSWER_SECONDS + 60

OUTSIDE_SECONDS = 600
"""Records up to this long before or after an interface's known life are still its own (`unknown` if no lease
covers them); what is farther away contradicts the evidence, and is not counted."""

CONNECTION = ("interface_id", "local_addr", "local_port", "peer_addr", "peer_port", "protocol")
"""What makes a connection, seen from the interface."""


def lambda_interfaces(leases: DataFrame) -> DataFrame:
    """Lambda's interfaces, once each: interface_id, addresses (sorted), vpc_id, account_id, region, and the
    life that their leases give them: life_from (NULL: any time before), life_to (NULL: still there).
    """
    undated = F.col("valid_from").isNull()
    begins, ends = earliest(), latest()
    return (
        leases.where(F.col("owner_kind") == "lambda")
        .groupBy("interface_id")
        .agg(
            F.array_sort(F.collect_set("address")).alias("addresses"),
            F.max("vpc_id").alias("vpc_id"),
            F.max("account_id").alias("account_id"),
            F.max("region").alias("region"),
            F.when(F.count_if(undated | begins.isNull()) == 0, F.min(begins)).alias("life_from"),
            F.when(F.count_if(undated | ends.isNull()) == 0, F.max(ends)).alias("life_to"),
        )
    )


def conversations(flow_logs: DataFrame, leases: DataFrame) -> DataFrame:
    """Records on Lambda interfaces as conversations: both directions of a minute in one row.

    Only records whose interface_id is a Lambda interface count (a NAT gateway repeats them). Its own side
    is the one with an address of the interface (AWS writes the primary one), else the one that the
    record's flow-direction names. Inbound packets that the function never answered are noise. Where several
    flow logs saw one connection in an hour, the one with most fields counts for it (equal: the greater id),
    so that nothing is added up twice; connections that only one of them saw (one takes accepted, one
    rejected traffic) count from there.

    Give it records of whole hours, and an hour more on either side than you keep: whether a reply was
    asked for is judged over ± ANSWER_SECONDS.

    10:00:05 out 300 bytes, 10:00:06 in 900 bytes, same ports → one row of window 10:00, bytes_out 300, bytes_in 900.
    """
    own = lambda_interfaces(leases).select(
        F.col("interface_id").alias("own_interface"),
        F.col("addresses").alias("own_addresses"),
        F.col("vpc_id").alias("own_vpc"),
        F.col("account_id").alias("own_account"),
        F.col("region").alias("own_region"),
        "life_from",
        "life_to",
    )
    # A format without log-status has no NODATA either.
    told = F.coalesce("log_status", F.lit("OK")) == "OK"
    for column in ("src_addr", "dst_addr", "start_time"):
        told = told & F.col(column).isNotNull()
    slack = F.expr(f"INTERVAL {OUTSIDE_SECONDS} SECONDS")
    alive = (F.col("life_from").isNull() | (F.col("start_time") + slack >= F.col("life_from"))) & (
        F.col("life_to").isNull() | (F.col("start_time") - slack < F.col("life_to"))
    )
    records = flow_logs.where(told).join(own, F.col("interface_id") == F.col("own_interface"), "inner").where(alive)
    sided = _sided(records)
    minute = F.date_trunc("minute", "start_time").alias("window_start")

    def total(name: str, out: bool) -> Column:
        return F.sum(F.when(F.col("outbound") == F.lit(out), F.col(name)).otherwise(0))

    merged = sided.groupBy(*CONNECTION, minute, "flow_log").agg(
        F.max("account_id").alias("account_id"),
        F.max("region").alias("region"),
        F.max("vpc_id").alias("vpc_id"),
        F.min("start_time").alias("start_time"),
        F.max("end_time").alias("end_time"),
        F.max("aws_service").alias("peer_aws_service"),
        total("bytes", True).alias("bytes_out"),
        total("bytes", False).alias("bytes_in"),
        total("packets", True).alias("packets_out"),
        total("packets", False).alias("packets_in"),
        F.min((F.col("action") == "REJECT").cast("int")).alias("rejected"),
        F.max(F.col("outbound").cast("int")).alias("sent"),
    )
    per_connection = Window.partitionBy(*CONNECTION)
    around = per_connection.orderBy(F.unix_timestamp("window_start")).rangeBetween(-ANSWER_SECONDS, ANSWER_SECONDS)
    per_hour = Window.partitionBy(*CONNECTION, "hour")
    return (
        merged.withColumn("hour", F.date_trunc("hour", "window_start"))
        .withColumns({"asked": F.max("sent").over(around), "counts": F.max("flow_log").over(per_hour)})
        .where((F.col("asked") == 1) & (F.col("flow_log") == F.col("counts")))
        .withColumn("rejected", F.col("rejected") == 1)
        .drop("asked", "sent", "flow_log", "counts", "hour")
    )


def _sided(records: DataFrame) -> DataFrame:
    """Each record from the interface's point of view: local and peer instead of source and destination."""
    records = records.withColumns(
        {"source": plain_address(F.col("src_addr")), "target": plain_address(F.col("dst_addr"))}
    )
    directed = (
        F.when(F.array_contains("own_addresses", F.col("source")), F.lit(True))
        .when(F.array_contains("own_addresses", F.col("target")), F.lit(False))
        .when(F.col("flow_direction") == "egress", F.lit(True))
        .when(F.col("flow_direction") == "ingress", F.lit(False))
    )
    records = records.withColumn("outbound", directed).where(F.col("outbound").isNotNull())
    outbound = F.col("outbound")
    known_account = F.coalesce(
        F.nullif("own_account", F.lit(UNKNOWN)), F.nullif("account_id", F.lit(UNKNOWN)), F.lit(UNKNOWN)
    )
    known_region = F.coalesce(F.nullif("own_region", F.lit(UNKNOWN)), F.col("region"), F.lit(UNKNOWN))

    def by_side(if_out: str, if_in: str) -> Column:
        return F.when(outbound, F.col(if_out)).otherwise(F.col(if_in))

    # The packet's own addresses see through gateways, where the format has them.
    peer = F.coalesce(plain_address(by_side("pkt_dst_addr", "pkt_src_addr")), by_side("target", "source"))
    # `distinct`: a flow log writes one record a connection, direction and window, so two that are equal in
    # every number are one that was delivered twice.
    return records.select(
        "interface_id",
        known_account.alias("account_id"),
        known_region.alias("region"),
        F.coalesce("own_vpc", "vpc_id").alias("vpc_id"),
        F.concat(
            F.lpad(F.coalesce("version", F.lit(2)).cast("string"), 3, "0"), F.coalesce("flow_log_id", F.lit(""))
        ).alias("flow_log"),
        "outbound",
        by_side("source", "target").alias("local_addr"),
        F.coalesce(by_side("src_port", "dst_port"), F.lit(0)).alias("local_port"),
        peer.alias("peer_addr"),
        F.coalesce(by_side("dst_port", "src_port"), F.lit(0)).alias("peer_port"),
        F.coalesce("protocol", F.lit(-1)).alias("protocol"),
        by_side("pkt_dst_aws_service", "pkt_src_aws_service").alias("aws_service"),
        F.coalesce("packets", F.lit(0)).alias("packets"),
        F.coalesce("bytes", F.lit(0)).alias("bytes"),
        F.coalesce("action", F.lit("")).alias("action"),
        "start_time",
        F.greatest("start_time", F.coalesce("end_time", "start_time")).alias("end_time"),
    ).distinct()
