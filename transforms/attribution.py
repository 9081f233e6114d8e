"""From flow-log records to a function's conversations."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.peers import KnownNetwork, name_peers

ANSWER_SECONDS = 600
"""An inbound record belongs to a conversation when the function sent something on the same
addresses and ports within this time: the longest aggregation window."""

_TUPLE = ("interface_id", "local_addr", "local_port", "peer_addr", "peer_port", "protocol")


def conversations(flow_logs: DataFrame, leases: DataFrame) -> DataFrame:
    """Records on Lambda interfaces as conversations: both directions in one row.

    Only records whose interface_id is a Lambda interface count (a NAT gateway repeats them). Rows of
    overlapping flow logs of one interface are not added up: each interface and hour has one flow log that
    counts, the one with most fields. Inbound packets that the function never answered are noise.

    Give it records of whole hours, and an hour more on either side than you keep: whether a reply was
    asked for is judged over ± 10 minutes.

    10:00:05 out 300 bytes, 10:00:06 in 900 bytes, same ports → one row of window 10:00, bytes_out 300, bytes_in 900.
    """
    # An interface is one of Lambda's whatever the lease's times: a record outside them is `unknown`, not lost.
    own = (
        leases.where(F.col("owner_kind") == "lambda")
        .groupBy("interface_id", "address")
        .agg(F.max("vpc_id").alias("lease_vpc"), F.max("account_id").alias("lease_account"), F.max("region").alias("lease_region"))
        .select(F.col("interface_id").alias("own_interface"), F.col("address").alias("own_addr"), "lease_vpc", "lease_account", "lease_region")
    )
    records = flow_logs.where((F.col("log_status") == "OK") & F.col("src_addr").isNotNull() & F.col("dst_addr").isNotNull())
    own_record = (F.col("interface_id") == F.col("own_interface")) & (
        (F.col("src_addr") == F.col("own_addr")) | (F.col("dst_addr") == F.col("own_addr"))
    )
    records = records.join(own, own_record, "inner")
    outbound = F.col("src_addr") == F.col("own_addr")
    # The packet's own addresses see through gateways, where the format has them.
    sided = records.select(
        "interface_id",
        "own_addr",
        F.coalesce("account_id", "lease_account").alias("account_id"),
        F.coalesce("region", "lease_region").alias("region"),
        F.coalesce("vpc_id", "lease_vpc").alias("vpc_id"),
        F.coalesce("flow_log_id", F.lit("")).alias("flow_log_id"),
        F.coalesce("version", F.lit(2)).alias("version"),
        outbound.alias("outbound"),
        F.col("own_addr").alias("local_addr"),
        F.coalesce(F.when(outbound, F.col("src_port")).otherwise(F.col("dst_port")), F.lit(0)).alias("local_port"),
        F.when(outbound, F.coalesce("pkt_dst_addr", "dst_addr"))
        .otherwise(F.coalesce("pkt_src_addr", "src_addr"))
        .alias("peer_addr"),
        F.coalesce(F.when(outbound, F.col("dst_port")).otherwise(F.col("src_port")), F.lit(0)).alias("peer_port"),
        F.coalesce("protocol", F.lit(-1)).alias("protocol"),
        F.when(outbound, F.col("pkt_dst_aws_service")).otherwise(F.col("pkt_src_aws_service")).alias("aws_service"),
        F.coalesce("packets", F.lit(0)).alias("packets"),
        F.coalesce("bytes", F.lit(0)).alias("bytes"),
        F.coalesce("action", F.lit("")).alias("action"),
        "start_time",
        "end_time",
    ).distinct()  # a record that was delivered in two files
    hour = F.date_trunc("hour", "start_time")
    chosen = sided.groupBy("interface_id", hour.alias("log_hour")).agg(
        F.max(F.struct("version", "flow_log_id")).alias("chosen")
    )
    chosen = chosen.select(F.col("interface_id").alias("log_interface"), "log_hour", "chosen.flow_log_id").withColumnRenamed(
        "flow_log_id", "chosen_log"
    )
    counted = sided.join(
        chosen,
        (F.col("interface_id") == F.col("log_interface"))
        & (hour == F.col("log_hour"))
        & (F.col("flow_log_id") == F.col("chosen_log")),
        "inner",
    )
    minute = F.date_trunc("minute", "start_time").alias("window_start")

    def total(name: str, out: bool) -> Column:
        return F.sum(F.when(F.col("outbound") == F.lit(out), F.col(name)).otherwise(0))

    merged = counted.groupBy("account_id", "region", "vpc_id", *_TUPLE, minute).agg(
        F.min("start_time").alias("start_time"),
        F.max("end_time").alias("end_time"),
        F.max("aws_service").alias("peer_aws_service"),
        total("bytes", True).alias("bytes_out"),
        total("bytes", False).alias("bytes_in"),
        total("packets", True).alias("packets_out"),
        total("packets", False).alias("packets_in"),
        F.min((F.col("action") == "REJECT")).alias("rejected"),
        F.max("outbound").alias("sent"),
    )
    around = (
        Window.partitionBy(*_TUPLE)
        .orderBy(F.unix_timestamp("window_start"))
        .rangeBetween(-ANSWER_SECONDS, ANSWER_SECONDS)
    )
    return (
        merged.withColumn("asked", F.max(F.col("sent").cast("int")).over(around))
        .where(F.col("asked") == 1)
        .drop("asked", "sent")
    )


def attribute(
    conversations: DataFrame, leases: DataFrame, networks: Sequence[KnownNetwork], tolerance_seconds: int
) -> DataFrame:
    """`function_flows`: each conversation once for each function whose lease covers it.

    A lease counts when it overlaps [start_time, end_time] ± the clock tolerance: AWS's times may be off by
    a minute. One candidate is `unique` (probability 1), several are `shared` in equal parts, none is `unknown`.

    f holds eni-1 until 12:00, g from 12:00: a conversation at 11:30 is f's; at 12:00:20, with 60 s of
    tolerance, it is either's, with probability 0.5 each.
    """
    ids = F.sha2(
        F.concat_ws("|", *[F.col(c).cast("string") for c in _TUPLE], F.unix_timestamp("window_start").cast("string")), 256
    )
    keyed = conversations.withColumn("conversation_id", F.substring(ids, 1, 32))
    candidates = leases.where((F.col("owner_kind") == "lambda") & F.col("valid_from").isNotNull()).select(
        F.col("interface_id").alias("lease_interface"),
        F.col("address").alias("lease_address"),
        F.col("owner_name").alias("function_name"),
        "valid_from",
        "valid_to",
    )
    tolerance = F.expr(f"INTERVAL {int(tolerance_seconds)} SECONDS")
    covers = (
        (F.col("interface_id") == F.col("lease_interface"))
        & (F.col("local_addr") == F.col("lease_address"))
        & (F.col("end_time") + tolerance >= F.col("valid_from"))
        & (F.col("valid_to").isNull() | (F.col("start_time") - tolerance < F.col("valid_to")))
    )
    claims = keyed.join(candidates, covers, "left").select("conversation_id", "function_name").distinct()
    named = claims.groupBy("conversation_id").agg(F.sort_array(F.collect_set("function_name")).alias("names"))
    count = F.size("names")
    # The creator of an old interface may be unnamed: that lease says nothing about a function.
    owners = named.select(
        "conversation_id",
        F.explode_outer(F.when(count > 0, F.col("names"))).alias("function_name"),
        F.when(count > 0, F.array_join("names", ", ")).alias("candidates"),
        F.when(count > 0, 1.0 / count).otherwise(F.lit(1.0)).alias("probability"),
        F.when(count == 0, "unknown").when(count == 1, "unique").otherwise("shared").alias("attribution"),
    )
    peers = name_peers(keyed, leases, networks)
    return peers.join(owners, "conversation_id", "inner").withColumn("date", F.to_date("window_start"))


def hourly_activity(function_flows: DataFrame) -> DataFrame:
    """`function_activity_hourly`: per function, hour and peer, what was said. Unknown conversations belong to none."""
    key = (
        "account_id",
        "region",
        "function_name",
        "candidates",
        "peer_kind",
        "peer_name",
        "peer_internal",
        "peer_port",
        "protocol",
        "date",
    )
    first = F.min(F.struct("window_start", "conversation_id", "peer_addr", "local_addr"))
    return (
        function_flows.where(F.col("function_name").isNotNull())
        .groupBy(*key, F.date_trunc("hour", "window_start").alias("hour"))
        .agg(
            F.count(F.lit(1)).alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.max("window_start").alias("last_time"),
            first.alias("first"),
        )
        .withColumns(
            {
                "first_time": F.col("first.window_start"),
                "first_conversation_id": F.col("first.conversation_id"),
                "first_peer_addr": F.col("first.peer_addr"),
                "first_local_addr": F.col("first.local_addr"),
            }
        )
        .drop("first")
    )


def coverage(function_flows: DataFrame, flow_logs: DataFrame) -> DataFrame:
    """`coverage` of the days given: per function how sure attribution was, per account what AWS skipped."""
    key = ("account_id", "region", "date", "function_name")
    is_ = {kind: (F.col("attribution") == kind) for kind in ("unique", "shared", "unknown")}
    flows = function_flows.groupBy(*key).agg(
        F.count_if(is_["unique"]).alias("unique_conversations"),
        # Rounded: the order of adding must not show in the table.
        F.round(F.sum(F.when(is_["shared"], F.col("probability")).otherwise(0.0)), 6).alias("shared_conversations"),
        F.count_if(is_["unknown"]).alias("unknown_conversations"),
        F.lit(0).cast("bigint").alias("skipdata_records"),
        F.lit(0).cast("bigint").alias("nodata_records"),
    )
    gaps = flow_logs.groupBy("account_id", "region", "date").agg(
        F.count_if(F.col("log_status") == "SKIPDATA").alias("skipdata_records"),
        F.count_if(F.col("log_status") == "NODATA").alias("nodata_records"),
    )
    zero = F.lit(0).cast("bigint")
    gaps = gaps.select(
        "account_id",
        "region",
        "date",
        F.lit(None).cast("string").alias("function_name"),
        zero.alias("unique_conversations"),
        F.lit(0.0).alias("shared_conversations"),
        zero.alias("unknown_conversations"),
        "skipdata_records",
        "nodata_records",
    )
    rows = flows.unionByName(gaps)
    numbers = [c for c in rows.columns if c not in key]
    return rows.groupBy(*key).agg(*[F.sum(c).alias(c) for c in numbers])
