"""From flow-log records to a function's conversations."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import UNKNOWN, scope
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest
from transforms.peers import KnownNetwork, name_peers, plain_address

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

_TUPLE = ("interface_id", "local_addr", "local_port", "peer_addr", "peer_port", "protocol")


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


def serving(leases: DataFrame) -> DataFrame:
    """The leases that say which function it was: those of Lambda interfaces with a name and times."""
    named = F.col("owner_name").isNotNull() & F.col("valid_from").isNotNull()
    return leases.where((F.col("owner_kind") == "lambda") & named)


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
    told = (
        (F.coalesce("log_status", F.lit("OK")) == "OK") & F.col("src_addr").isNotNull() & F.col("dst_addr").isNotNull()
    )
    slack = F.expr(f"INTERVAL {OUTSIDE_SECONDS} SECONDS")
    alive = (F.col("life_from").isNull() | (F.col("start_time") + slack >= F.col("life_from"))) & (
        F.col("life_to").isNull() | (F.col("start_time") - slack < F.col("life_to"))
    )
    records = flow_logs.where(told).join(own, F.col("interface_id") == F.col("own_interface"), "inner").where(alive)
    sided = _sided(records)
    minute = F.date_trunc("minute", "start_time").alias("window_start")

    def total(name: str, out: bool) -> Column:
        return F.sum(F.when(F.col("outbound") == F.lit(out), F.col(name)).otherwise(0))

    merged = sided.groupBy(*_TUPLE, minute, "flow_log").agg(
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
    per_connection = Window.partitionBy(*_TUPLE)
    around = per_connection.orderBy(F.unix_timestamp("window_start")).rangeBetween(-ANSWER_SECONDS, ANSWER_SECONDS)
    per_hour = Window.partitionBy(*_TUPLE, "hour")
    return (
        merged.withColumn("hour", F.date_trunc("hour", "window_start"))
        .withColumns({"asked": F.max("sent").over(around), "counts": F.max("flow_log").over(per_hour)})
        .where((F.col("asked") == 1) & (F.col("flow_log") == F.col("counts")))
        .withColumn("rejected", F.col("rejected") == 1)
        .drop("asked", "sent", "flow_log", "counts", "hour")
    )


def _sided(records: DataFrame) -> DataFrame:
    """Each record from the interface's point of view: local and peer instead of source and destination."""
    directed = (
        F.when(F.array_contains("own_addresses", plain_address(F.col("src_addr"))), F.lit(True))
        .when(F.array_contains("own_addresses", plain_address(F.col("dst_addr"))), F.lit(False))
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
    peer = F.when(outbound, F.coalesce("pkt_dst_addr", "dst_addr")).otherwise(F.coalesce("pkt_src_addr", "src_addr"))
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
        plain_address(by_side("src_addr", "dst_addr")).alias("local_addr"),
        F.coalesce(by_side("src_port", "dst_port"), F.lit(0)).alias("local_port"),
        plain_address(peer).alias("peer_addr"),
        F.coalesce(by_side("dst_port", "src_port"), F.lit(0)).alias("peer_port"),
        F.coalesce("protocol", F.lit(-1)).alias("protocol"),
        by_side("pkt_dst_aws_service", "pkt_src_aws_service").alias("aws_service"),
        F.coalesce("packets", F.lit(0)).alias("packets"),
        F.coalesce("bytes", F.lit(0)).alias("bytes"),
        F.coalesce("action", F.lit("")).alias("action"),
        "start_time",
        F.greatest("start_time", F.coalesce("end_time", "start_time")).alias("end_time"),
    ).distinct()


def attribute(
    conversations: DataFrame, leases: DataFrame, networks: Sequence[KnownNetwork], tolerance_seconds: int
) -> DataFrame:
    """`function_flows`: each conversation once for each function whose lease may cover it.

    A lease may cover a conversation when its time, widened by its own uncertainty, meets [start_time, end_time]
    ± the clock tolerance: AWS's times may be off by a minute. One such function is `unique` (probability 1),
    several are `shared` in equal parts, none is `unknown`.

    What the first snapshot of all shows may have been so before. A conversation before it, on that very
    interface (its record names it, and an interface's id is never used again), is attributed to the functions
    that the snapshot shows, and called `presumed`: functions that were gone by then are not known.

    f holds eni-1 until 12:00 ± 0 s, g from 12:00: a conversation at 11:30 is f's; at 12:00:20, with 60 s of
    tolerance, it is either's, with probability 0.5 each; with tolerance 0 it is g's.
    """
    tuple_text = [F.col(c).cast("string") for c in (*_TUPLE,)]
    ids = F.sha2(F.concat_ws("|", *tuple_text, F.unix_timestamp("window_start").cast("string")), 256)
    keyed = conversations.withColumn("conversation_id", F.substring(ids, 1, 32))
    lease = F.struct(
        F.col("owner_name").alias("name"),
        earliest().alias("earliest"),
        latest().alias("latest"),
        "valid_from",
        (F.col("from_evidence") == FIRST_SNAPSHOT).alias("presumed"),
    )
    # One row an address on the right side: the join cannot multiply conversations.
    claims = (
        serving(leases)
        .groupBy(F.col("interface_id").alias("lease_interface"), F.col("address").alias("lease_address"))
        .agg(F.collect_list(lease).alias("claims"))
    )
    tolerance = F.expr(f"INTERVAL {int(tolerance_seconds)} SECONDS")
    # No record lasts longer than a window: a wilder end_time must not reach for other leases.
    limit = F.col("start_time") + F.expr(f"INTERVAL {WINDOW_SECONDS + 60} SECONDS")
    until, since = F.least(F.col("end_time"), limit) + tolerance, F.col("start_time") - tolerance

    def covers(claim: Column) -> Column:
        return (claim["earliest"].isNull() | (until >= claim["earliest"])) & (
            claim["latest"].isNull() | (since < claim["latest"])
        )

    def later(claim: Column) -> Column:
        return claim["presumed"] & (until < claim["valid_from"])

    joined = keyed.join(
        claims,
        [F.col("interface_id") == F.col("lease_interface"), F.col("local_addr") == F.col("lease_address")],
        "left",
    ).withColumn("claims", F.filter(F.coalesce("claims", F.array().cast(_CLAIMS)), covers))
    names = F.array_sort(F.array_distinct(F.transform("claims", lambda c: c["name"])))
    joined = joined.withColumns({"names": names, "presumed": F.forall("claims", later)}).drop(
        "claims", "lease_interface", "lease_address"
    )
    count = F.size("names")
    attribution = (
        F.when(count == 0, "unknown").when(F.col("presumed"), "presumed").when(count == 1, "unique").otherwise("shared")
    )
    named = name_peers(joined, leases, networks)
    return named.select(
        "*",
        F.explode_outer(F.when(count > 0, F.col("names"))).alias("function_name"),
        F.when(count > 0, F.array_join("names", ", ")).alias("candidates"),
        F.when(count > 0, F.lit(1.0) / count).otherwise(F.lit(1.0)).alias("probability"),
        attribution.alias("attribution"),
        F.to_date("window_start").alias("date"),
    ).drop("names", "presumed")


_ATTRIBUTIONS = ("unique", "shared", "presumed", "unknown")
_CLAIMS = "array<struct<name:string,earliest:timestamp,latest:timestamp,valid_from:timestamp,presumed:boolean>>"


def hourly_activity(function_flows: DataFrame) -> DataFrame:
    """`function_activity_hourly`: per function, hour and peer, what was said. Unknown conversations belong to none."""
    key = (
        "account_id",
        "region",
        "function_name",
        "candidates",
        "peer_kind",
        "peer_name",
        "peer_port",
        "protocol",
        "date",
    )
    first = F.min(F.struct("window_start", "conversation_id", "peer_addr", "local_addr"))
    return (
        function_flows.where(F.col("function_name").isNotNull())
        .groupBy(*key, F.date_trunc("hour", "window_start").alias("hour"))
        .agg(
            # One name may stand for addresses on both sides: then it is internal.
            F.max(F.col("peer_internal").cast("int")).alias("internal"),
            F.count(F.lit(1)).alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.max("window_start").alias("last_time"),
            first.alias("first"),
        )
        .withColumns(
            {
                "peer_internal": F.col("internal") == 1,
                "first_time": F.col("first.window_start"),
                "first_conversation_id": F.col("first.conversation_id"),
                "first_peer_addr": F.col("first.peer_addr"),
                "first_local_addr": F.col("first.local_addr"),
            }
        )
        .drop("first", "internal")
    )


def coverage(function_flows: DataFrame, flow_logs: DataFrame) -> DataFrame:
    """`coverage` of the days given: per function how sure attribution was, per account what AWS skipped."""
    key = ("account_id", "region", "date", "function_name")

    def part(kind: str) -> Column:
        # Rounded: the order of adding must not show in the table.
        return F.round(F.sum(F.when(F.col("attribution") == kind, F.col("probability")).otherwise(0.0)), 6)

    zero = F.lit(0).cast("bigint")
    flows = function_flows.groupBy(*key).agg(
        F.count_if(F.col("attribution") == "unique").alias("unique_conversations"),
        part("shared").alias("shared_conversations"),
        part("presumed").alias("presumed_conversations"),
        F.count_if(F.col("attribution") == "unknown").alias("unknown_conversations"),
        zero.alias("skipdata_records"),
        zero.alias("nodata_records"),
    )
    gaps = flow_logs.groupBy(*scope(), "date").agg(
        F.count_if(F.col("log_status") == "SKIPDATA").alias("skipdata_records"),
        F.count_if(F.col("log_status") == "NODATA").alias("nodata_records"),
    )
    gaps = gaps.withColumns(
        {
            "function_name": F.lit(None).cast("string"),
            "unique_conversations": zero,
            "shared_conversations": F.lit(0.0),
            "presumed_conversations": F.lit(0.0),
            "unknown_conversations": zero,
        }
    )
    return (
        flows.unionByName(gaps)
        .groupBy(*key)
        .agg(
            *[F.sum(f"{kind}_conversations").alias(f"{kind}_conversations") for kind in _ATTRIBUTIONS],
            F.sum("skipdata_records").alias("skipdata_records"),
            F.sum("nodata_records").alias("nodata_records"),
        )
    )
