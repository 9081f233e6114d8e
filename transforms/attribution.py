"""Whose conversations they are: function_flows, and what is counted from them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import scope
from transforms.conversations import CONNECTION, WINDOW_SECONDS
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest
from transforms.peers import KnownNetwork, name_peers


def serving(leases: DataFrame) -> DataFrame:
    """The leases that say which function it was: those of Lambda interfaces with a name and times."""
    named = F.col("owner_name").isNotNull() & F.col("valid_from").isNotNull()
    return leases.where((F.col("owner_kind") == "lambda") & named)


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
    texts = [F.col(c).cast("string") for c in CONNECTION]
    ids = F.sha2(F.concat_ws("|", *texts, F.unix_timestamp("window_start").cast("string")), 256)
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
