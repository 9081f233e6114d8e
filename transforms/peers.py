"""What is on the other side: internal or external, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_network

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.intervals import FIRST_SNAPSHOT, earliest, latest

# RFC 1918 and RFC 6598 (carrier-grade NAT: used inside VPCs), unique local and link-local IPv6.
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")

LANDLORDS = ("EC2", "EC2_INSTANCE_CONNECT", "CLOUDFRONT", "GLOBALACCELERATOR")
"""AWS's tags behind which anybody may rent a machine or a name: no names of peers.

AMAZON is none: it is what AWS writes of its own endpoints that have no tag of their own.
"""

KnownNetwork = tuple[str, str, bool]
"""cidr, name, internal"""


def plain_address(address: Column) -> Column:
    """The address as EC2 writes it: lower case, an IPv4 address that is mapped into IPv6 as itself.

    `::FFFF:10.0.0.1` → `10.0.0.1`
    """
    lower = F.lower(address)
    mapped = F.nullif(F.regexp_extract(lower, r"^::ffff:([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$", 1), F.lit(""))
    # Asked first, because it costs little and nearly none is.
    return F.when(lower.startswith("::ffff:"), F.coalesce(mapped, lower)).otherwise(lower)


def name_peers(flows: DataFrame, leases: DataFrame, networks: Sequence[KnownNetwork]) -> DataFrame:
    """Add peer_kind, peer_name and peer_internal to flows, one row for one row.

    `flows` has vpc_id, peer_addr, start_time and peer_aws_service (NULL without a tag); `leases` is
    `ip_leases`. First the resource that held the address in this VPC then (a VPC's id is unique in the world,
    so equal private addresses of two VPCs never mix), else the AWS service that AWS itself names, then a known
    network, else the bare address. One resource behind many addresses is one peer; what holds an address of
    this VPC is internal, whatever the range. Where EC2 knows a resource by its interface alone (it does not say
    which database an RDS interface is of), a network of that one address gives it its name.

    A resource counts over [valid_from, valid_to); where none does, over what its uncertainty adds; where
    none does, back from the first snapshot that showed it. Of two that are equally likely the first by name.
    """
    counts = F.array_min(
        F.transform(
            F.filter("holders", lambda h: _likelihood(h, F.col("start_time")).isNotNull()),
            lambda h: F.struct(_likelihood(h, F.col("start_time")).alias("rank"), h["kind"], h["name"]),
        )
    )
    network = _first_name(networks)
    host = _first_name([n for n in networks if ip_network(n[0]).num_addresses == 1])
    inside = _in_any((*_PRIVATE, *(cidr for cidr, _, internal in networks if internal)))
    service, holder, named = F.col("peer_aws_service"), F.col("holder.name"), F.col("network")
    given = F.when(holder.startswith("eni-"), F.col("host"))
    kind = (
        F.when(holder.isNotNull(), F.col("holder.kind"))
        .when(service.isNotNull(), "aws_service")
        .when(named.isNotNull(), "network")
        .otherwise("address")
    )
    # One row an address on the right side: the join cannot multiply flows.
    at_address = [F.col("vpc_id") == F.col("holder_vpc"), F.col("peer_addr") == F.col("holder_addr")]
    return (
        flows.join(_holders(leases), at_address, "left")
        # Step by step: engines plan for seconds when such expressions stand inside one another.
        .withColumns({"holder": counts, "ipv4": ipv4_number("peer_addr"), "ipv6": ipv6_digits("peer_addr")})
        .withColumns({"network": network, "host": host, "inside": inside})
        .withColumns(
            {
                "peer_kind": kind,
                "peer_name": F.coalesce(given, holder, service, named, F.col("peer_addr")),
                "peer_internal": holder.isNotNull() | F.col("inside"),
            }
        )
        .drop("holder", "holders", "holder_vpc", "holder_addr", "ipv4", "ipv6", "network", "host", "inside")
    )


def resources(leases: DataFrame) -> DataFrame:
    """The leases that name peers."""
    named = F.col("owner_name").isNotNull() & F.col("valid_from").isNotNull()
    return leases.where((F.col("owner_kind") != "lambda") & named)


def _holders(leases: DataFrame) -> DataFrame:
    """Per (vpc, address): everything that ever held it, with its times."""
    held = F.struct(
        "valid_from",
        "valid_to",
        (F.col("from_evidence") == FIRST_SNAPSHOT).alias("presumed"),
        earliest().alias("earliest"),
        latest().alias("latest"),
        F.col("owner_kind").alias("kind"),
        F.col("owner_name").alias("name"),
    )
    return (
        resources(leases)
        .where(F.col("vpc_id").isNotNull())
        .groupBy(F.col("vpc_id").alias("holder_vpc"), F.col("address").alias("holder_addr"))
        .agg(F.collect_list(held).alias("holders"))
    )


def _likelihood(holder: Column, moment: Column) -> Column:
    """0 held it then, 1 may have, 2 is the first one known, only later; NULL did not."""
    started, ended = moment >= holder["valid_from"], holder["valid_to"].isNotNull() & (moment >= holder["valid_to"])
    too_early = holder["earliest"].isNotNull() & (moment < holder["earliest"])
    too_late = holder["latest"].isNotNull() & (moment >= holder["latest"])
    return (
        F.when(started & ~ended, 0)
        .when(too_early | too_late, F.lit(None).cast("int"))
        .when(~started & holder["presumed"], 2)
        .otherwise(1)
    )


def _first_name(networks: Sequence[KnownNetwork]) -> Column:
    """The name of the first network that holds the address (columns ipv4, ipv6), else NULL."""
    return F.coalesce(*[F.when(_in_network(cidr), name) for cidr, name, _ in networks], F.lit(None).cast("string"))


def _in_any(cidrs: Sequence[str]) -> Column:
    return F.coalesce(*[F.when(_in_network(cidr), True) for cidr in cidrs], F.lit(False))


def _in_network(cidr: str) -> Column:
    """NULL where the address is of the other family."""
    network = ip_network(cidr)
    if isinstance(network, IPv4Network):
        return F.col("ipv4").between(int(network.network_address), int(network.broadcast_address))
    first, last = (f"{int(a):032x}" for a in (network.network_address, network.broadcast_address))
    return F.col("ipv6").between(first, last)


def ipv4_number(address: str) -> Column:
    """An IPv4 address as a number, NULL for anything else."""
    parts = F.split(F.col(address), r"\.")
    is_ipv4 = F.col(address).rlike(r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$")
    number = F.lit(0).cast("bigint")
    for place in range(4):
        number = number * 256 + F.get(parts, place).try_cast("bigint")
    return F.when(is_ipv4, number)


def ipv6_digits(address: str) -> Column:
    """An IPv6 address as its 32 digits, which sort as numbers do; NULL for anything else.

    `2600:1f::1` → `2600001f000000000000000000000001`
    """
    halves = F.split(F.lower(F.col(address)), "::")
    empty = F.array().cast("array<string>")

    def groups(half: Column) -> Column:
        return F.when(half.isNull() | (half == ""), empty).otherwise(F.split(half, ":"))

    head, tail = groups(F.get(halves, 0)), groups(F.get(halves, 1))
    missing = F.greatest(F.lit(8) - F.size(head) - F.size(tail), F.lit(0))
    digits = F.array_join(
        F.transform(F.concat(head, F.array_repeat(F.lit("0"), missing), tail), lambda g: F.lpad(g, 4, "0")), ""
    )
    is_ipv6 = F.col(address).rlike(r"^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*$") & (F.length(digits) == 32)
    return F.when(is_ipv6, digits)


def is_tenant() -> Column:
    """Is the peer on an address that anybody may rent? Then its name is the landlord's, and says nothing of the tenant.

    NULL where peer_kind or peer_name is.
    """
    return (F.col("peer_kind") == "aws_service") & F.col("peer_name").isin(*LANDLORDS)


def network_of(address: str) -> Column:
    """The /24 of an IPv4 address, the /48 of an IPv6 one; NULL for anything else.

    `192.0.2.66` → `192.0.2.0/24`; `2001:db8:1:2::7` → `2001:db8:1::/48`; `2001:db8::7` → `2001:db8::/48`
    """
    # Short, as it goes into conditions: engines plan for seconds when long expressions stand inside one another.
    ipv6 = F.concat(F.regexp_extract(address, r"^((?:[0-9A-Fa-f]+:){0,2}[0-9A-Fa-f]+):", 1), F.lit("::/48"))
    ipv4 = F.regexp_extract(address, r"^([0-9]+\.[0-9]+\.[0-9]+)\.[0-9]+$", 1)
    return F.when(F.col(address).contains(":"), ipv6).when(ipv4 != "", F.concat(ipv4, F.lit(".0/24")))
