"""What is on the other side: internal or external, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# RFC 1918 and RFC 6598 (carrier-grade NAT: used inside VPCs); IPv6 by its prefix below.
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
# Unique local fc00::/7 and link-local fe80::/10.
_PRIVATE_IPV6 = r"^(?i)(f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]):"

KnownNetwork = tuple[str, str, bool]
"""cidr, name, internal"""


def is_internal(address: str, networks: Sequence[KnownNetwork] = ()) -> Column:
    """Is the address inside: a private range or a network that the settings call internal?"""
    number = _ipv4_number(address)
    inside = F.coalesce(F.col(address).rlike(_PRIVATE_IPV6), F.lit(False))
    for cidr in (*_PRIVATE, *(cidr for cidr, _, internal in networks if internal)):
        inside = inside | _in_network(number, cidr)
    return inside


def network_name(address: str, networks: Sequence[KnownNetwork]) -> Column:
    """The name of the first known IPv4 network that holds the address, else NULL."""
    name = F.lit(None).cast("string")
    number = _ipv4_number(address)
    for cidr, label, _ in reversed(networks):
        name = F.when(_in_network(number, cidr), label).otherwise(name)
    return name


def name_peers(flows: DataFrame, leases: DataFrame, networks: Sequence[KnownNetwork]) -> DataFrame:
    """Add peer_kind, peer_name and peer_internal to flows.

    `flows` has account_id, vpc_id, peer_addr, start_time and peer_aws_service (NULL without a tag);
    `leases` is `ip_leases`. First the AWS service that AWS itself names, then the resource that held the
    address in this VPC at that time, then a known network, else the bare address. One resource behind
    many addresses is one peer.
    """
    holders = leases.where((F.col("owner_kind") != "lambda") & F.col("valid_from").isNotNull()).select(
        F.col("vpc_id").alias("holder_vpc"),
        F.col("address").alias("holder_addr"),
        F.col("owner_kind").alias("holder_kind"),
        F.col("owner_name").alias("holder_name"),
        F.col("valid_from").alias("holder_from"),
        F.col("valid_to").alias("holder_to"),
    )
    held = (
        (F.col("vpc_id") == F.col("holder_vpc"))
        & (F.col("peer_addr") == F.col("holder_addr"))
        & (F.col("start_time") >= F.col("holder_from"))
        & (F.col("holder_to").isNull() | (F.col("start_time") < F.col("holder_to")))
    )
    network = network_name("peer_addr", networks)
    service, holder = F.col("peer_aws_service"), F.col("holder_name")
    kind = (
        F.when(holder.isNotNull(), F.col("holder_kind"))
        .when(service.isNotNull(), "aws_service")
        .when(network.isNotNull(), "network")
        .otherwise("address")
    )
    return (
        flows.join(holders, held, "left")
        .withColumn("peer_kind", kind)
        .withColumn("peer_name", F.coalesce(holder, service, network, F.col("peer_addr")))
        .withColumn("peer_internal", is_internal("peer_addr", networks))
        .drop(*holders.columns)
    )


def _ipv4_number(address: str) -> Column:
    """An IPv4 address as a number, NULL for anything else."""
    parts = F.split(F.col(address), r"\.")
    is_ipv4 = F.col(address).rlike(r"^\d{1,3}(\.\d{1,3}){3}$")
    number = F.lit(0).cast("bigint")
    for place in range(4):
        number = number * 256 + parts.getItem(place).try_cast("bigint")
    return F.when(is_ipv4, number)


def _in_network(number: Column, cidr: str) -> Column:
    network = ip_network(cidr)
    if not isinstance(network, IPv4Network):
        return F.lit(False)
    first, last = int(network.network_address), int(network.broadcast_address)
    return F.coalesce(number.between(first, last), F.lit(False))
