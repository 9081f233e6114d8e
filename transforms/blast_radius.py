"""Who would notice if a destination were blocked, or a function stopped: from what was seen before."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.behaviours import API_CALL, PEER, peer_thing
from transforms.peers import ipv4_number, ipv6_digits, plain_address

_PLACE = ("account_id", "region", "vpc_id", "subnet_id", "security_group_ids")
TALKERS = (
    *_PLACE, "who", "kind", "address", "normal", "conversations", "bytes_out", "bytes_in", "days", "first_time",
    "last_time",
)  # fmt: skip
"""Columns of `talkers` and `others`: one row for each address that somebody talked to from somewhere.

normal: it is in the baseline of one who may have talked (NULL: nobody learns what the others do).
"""


def inside(address: str, network: IPv4Network | IPv6Network) -> Column:
    """Does the column hold an address of the network? False for NULL and for the other family.

    inside("peer_addr", ip_network("192.0.2.0/24")): 192.0.2.66 → true, 2001:db8::1 → false
    """
    if isinstance(network, IPv4Network):
        found = ipv4_number(address).between(int(network.network_address), int(network.broadcast_address))
    else:
        first, last = (f"{int(a):032x}" for a in (network.network_address, network.broadcast_address))
        found = ipv6_digits(address).between(first, last)
    return F.coalesce(found, F.lit(False))


def _maybe_inside(address: str, network: IPv4Network | IPv6Network) -> Column:
    """False for most that are not inside, at little cost: logs have millions of addresses."""
    column = F.col(address)
    if isinstance(network, IPv6Network):
        return column.contains(":")
    whole = ".".join(str(network.network_address).split(".")[: network.prefixlen // 8])
    return column.startswith(whole) | column.contains(":")  # it may be mapped into IPv6


def talkers(
    flows: DataFrame, interfaces: DataFrame, baselines: DataFrame, network: IPv4Network | IPv6Network
) -> DataFrame:
    """The functions that talked to a network (columns TALKERS); `who` is several where they share the interface.

    `flows` is function_flows, `interfaces` says where an interface was, `baselines` is function_baselines of one day.
    A conversation that was tried and refused counts, with no bytes received.

    f sent 100 bytes to 192.0.2.7 twice on one day, and has it in its baseline → f, 192.0.2.7, normal, 2, 200, 0, 1
    """
    one = flows.where(_maybe_inside("peer_addr", network)).where(inside("peer_addr", network))
    one = one.dropDuplicates(["conversation_id"])
    at = ("account_id", "region", "interface_id")
    usual = (
        baselines.where((F.col("behaviour") == PEER) & (F.col("status") == "normal"))
        .select("account_id", "region", "function_name", "thing", F.lit(True).alias("normal"))
        .distinct()
    )
    known = (
        one.select("conversation_id", "account_id", "region", "plausible", peer_thing().alias("thing"))
        .withColumn("function_name", F.explode(F.split("plausible", ", ")))
        .join(usual, ["account_id", "region", "function_name", "thing"], "left_semi")
        .select("conversation_id", F.lit(True).alias("normal"))
        .distinct()
    )
    who = F.coalesce("plausible", F.concat(F.lit("unknown function on "), "interface_id"))
    return _summed(
        one.join(known, "conversation_id", "left")
        .withColumns(
            {
                "who": who,
                "kind": F.lit("lambda"),
                "address": F.col("peer_addr"),
                "normal": F.coalesce("normal", F.lit(False)),
            }
        )
        .join(_places(interfaces).select(*at, "subnet_id", "security_group_ids"), list(at), "left")
    )


def others(flow_logs: DataFrame, interfaces: DataFrame, network: IPv4Network | IPv6Network) -> DataFrame:
    """Whatever else talked to a network, or was talked to by it, accepted (columns TALKERS).

    Not what a NAT gateway repeats of others.

    The instance i-1 received 60 bytes from 192.0.2.7 → i-1, ec2, 192.0.2.7, NULL, 1, 0, 60, 1
    """
    near = _maybe_inside("src_addr", network) | _maybe_inside("dst_addr", network)
    records = flow_logs.where(near).where((F.col("log_status") == "OK") & (F.coalesce("action", F.lit("")) != "REJECT"))
    sent = F.col("address") == F.col("to")
    sides = records.select(
        "account_id", "region", "interface_id", "start_time", "date", "bytes",
        plain_address(F.col("src_addr")).alias("from"), plain_address(F.col("dst_addr")).alias("to"),
    )  # fmt: skip
    met = sides.withColumn(
        "address", F.when(inside("to", network), F.col("to")).when(inside("from", network), F.col("from"))
    ).where(F.col("address").isNotNull())
    at = ("account_id", "region", "interface_id")
    return _summed(
        met.join(_places(interfaces), list(at), "left")
        .where(~F.coalesce("owner_kind", F.lit("")).isin("lambda", "nat_gateway"))
        .withColumns(
            {
                "who": F.coalesce("owner_name", "interface_id"),
                "kind": F.coalesce("owner_kind", F.lit("interface")),
                "normal": F.lit(None).cast("boolean"),
                "bytes_out": F.when(sent, F.col("bytes")).otherwise(0),
                "bytes_in": F.when(sent, 0).otherwise(F.col("bytes")),
            }
        )
    )


def _places(interfaces: DataFrame) -> DataFrame:
    """Where each interface is and whose, as last known."""
    at = ("account_id", "region", "interface_id")
    latest = Window.partitionBy(*at).orderBy(F.col("valid_from").desc_nulls_last(), "owner_name", "address")
    return (
        interfaces.withColumn("place", F.row_number().over(latest))
        .where("place = 1")
        .select(*at, "vpc_id", "subnet_id", "security_group_ids", "owner_kind", "owner_name")
    )


def _summed(rows: DataFrame) -> DataFrame:
    by = [*_PLACE, "who", "kind", "address", "normal"]
    return (
        rows.groupBy(*by)
        .agg(
            F.count(F.lit(1)).alias("conversations"),
            F.sum("bytes_out").alias("bytes_out"),
            F.sum("bytes_in").alias("bytes_in"),
            F.count_distinct("date").alias("days"),
            F.min("start_time").alias("first_time"),
            F.max("start_time").alias("last_time"),
        )
        .select(*TALKERS)
    )


def work(metrics: DataFrame, activity: DataFrame, functions: Sequence[str]) -> DataFrame:
    """What functions do: function_name, invocations and busy_days, api_calls and apis, peers; 0 where nothing is known.

    `metrics` is function_metrics_hourly, `activity` function_activity_hourly, both of one account and region.

    f was invoked 10 times on two days and called s3:GetObject 3 times → f, 10, 2, 3, 1, 0
    """
    invoked = (
        metrics.where(F.col("function_name").isin(*functions))
        .groupBy("function_name")
        .agg(F.sum("invocations").alias("invocations"), F.count_distinct("date").alias("busy_days"))
    )
    calls, peers = F.col("behaviour") == API_CALL, F.col("behaviour") == PEER
    done = (
        activity.where(F.col("function_name").isin(*functions))
        .groupBy("function_name")
        .agg(
            F.sum(F.when(calls, F.col("events")).otherwise(0)).alias("api_calls"),
            F.count_distinct(F.when(calls, F.col("thing"))).alias("apis"),
            F.count_distinct(F.when(peers, F.col("thing"))).alias("peers"),
        )
    )
    counts = ("invocations", "busy_days", "api_calls", "apis", "peers")
    return invoked.join(done, "function_name", "full").select(
        "function_name", *[F.coalesce(F.col(name).cast("bigint"), F.lit(0)).alias(name) for name in counts]
    )


def since(flows: DataFrame, network: IPv4Network | IPv6Network, functions: Sequence[str]) -> DataFrame:
    """What went to a network and came from it: concerned (these functions' or not), accepted, refused, bytes_out,
    bytes_in (both of what was accepted) and last_accepted. `flows` is function_flows from some time on.

    f is one of the functions and was refused twice → true, 0, 2, 0, 0, NULL
    """
    one = flows.where(inside("peer_addr", network)).dropDuplicates(["conversation_id"])
    names = F.split(F.coalesce("plausible", F.lit("")), ", ")
    accepted = ~F.col("rejected")
    return (
        one.withColumn("concerned", F.arrays_overlap(names, F.array(*[F.lit(name) for name in functions])))
        .groupBy("concerned")
        .agg(
            F.count_if(accepted).alias("accepted"),
            F.count_if("rejected").alias("refused"),
            F.sum(F.when(accepted, F.col("bytes_out")).otherwise(0)).alias("bytes_out"),
            F.sum(F.when(accepted, F.col("bytes_in")).otherwise(0)).alias("bytes_in"),
            F.max(F.when(accepted, F.col("end_time"))).alias("last_accepted"),
        )
    )
