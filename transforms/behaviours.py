"""What a function can do for the first time: speak with a peer, call an API, be refused, call another region."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.peers import network_of

PEER = "peer"
API_CALL = "api call"
API_ERROR = "api error"
API_REGION = "api region"


def peer_thing() -> Column:
    """What makes a peer: the same thing on another port, or by another protocol, is another peer.

    `6|5432|rds|orders-db`: the name comes last, because it may hold anything.
    """
    return F.concat_ws(
        "|", F.col("protocol").cast("string"), F.col("peer_port").cast("string"), "peer_kind", "peer_name"
    )


def network() -> Column:
    """The /24 (IPv6: the /48) of a peer outside that is known by its bare address; NULL for all others.

    Without other knowledge the addresses of one network are the likeliest to belong to one service.

    `192.0.2.66` → `192.0.2.0/24`
    """
    bare = (F.col("peer_kind") == "address") & ~F.coalesce("peer_internal", F.lit(False))
    return F.when(bare, network_of("peer_name"))


def network_thing() -> Column:
    """A peer's network as a thing: `6|443|network|192.0.2.0/24`; NULL where it has none."""
    port = F.concat(F.col("protocol").cast("string"), F.lit("|"), F.col("peer_port").cast("string"))
    return F.concat(port, F.lit("|network|"), network())


def label() -> Column:
    """A thing in words: `orders-db (rds, port 5432)`, `192.0.2.1 (port 53/udp)`, `s3:GetObject`."""
    kind = F.when(F.col("peer_kind") == "address", "").otherwise(F.concat(kind_in_words(), F.lit(", ")))
    peer = F.concat("peer_name", F.lit(" ("), kind, service_in_words(), F.lit(")"))
    return F.when(F.col("behaviour") == PEER, peer).otherwise(F.col("thing"))


def since() -> Column:
    """All of one sort that was new on one day: `api call since 2026-01-05`, from behaviour and first_seen."""
    return F.concat_ws(" since ", "behaviour", F.col("first_seen").cast("string"))


def kind_in_words() -> Column:
    """`vpc_endpoint` → `vpc endpoint`"""
    return F.translate("peer_kind", "_", " ")


def service_in_words() -> Column:
    """`port 5432`, `port 53/udp`, `icmp`, `protocol 47`"""
    port, protocol = F.col("peer_port").cast("string"), F.col("protocol")
    return (
        F.when(protocol == 6, F.concat(F.lit("port "), port))
        .when(protocol == 17, F.concat(F.lit("port "), port, F.lit("/udp")))
        .when(protocol.isin(1, 58), "icmp")
        .otherwise(F.concat(F.lit("protocol "), protocol.cast("string")))
    )
