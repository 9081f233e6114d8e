"""Networks that no plan may touch: to block them would break the account itself."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from jobs.respond.model import Guarded, Network, Seen

_ALWAYS = (
    ("169.254.169.254/32", "the instance metadata service"),
    ("fd00:ec2::254/128", "the instance metadata service"),
    ("169.254.169.253/32", "the Route 53 Resolver (DNS)"),
    ("fd00:ec2::253/128", "the Route 53 Resolver (DNS)"),
    ("169.254.169.123/32", "the Amazon Time Sync Service"),
    ("fd00:ec2::123/128", "the Amazon Time Sync Service"),
    ("10.0.0.0/8", "a private range (RFC 1918)"),
    ("172.16.0.0/12", "a private range (RFC 1918)"),
    ("192.168.0.0/16", "a private range (RFC 1918)"),
    ("100.64.0.0/10", "a shared range (RFC 6598)"),
    ("fc00::/7", "a private range (RFC 4193)"),
    ("169.254.0.0/16", "link-local addresses"),
    ("fe80::/10", "link-local addresses"),
    ("127.0.0.0/8", "loopback addresses"),
    ("::1/128", "loopback addresses"),
    ("0.0.0.0/8", "addresses of no host"),
    ("::/128", "addresses of no host"),
    ("224.0.0.0/3", "multicast and reserved addresses"),
    ("ff00::/8", "multicast addresses"),
    # EC2 and flow logs write an IPv4 address as itself: within IPv6 none is meant to be blocked.
    ("::ffff:0:0/96", "IPv4 addresses mapped into IPv6"),
)
_NAT64 = IPv6Network("64:ff9b::/96")
WIDEST = {4: 24, 6: 48}
"""Shorter prefixes are no destination, but a part of the internet."""


def guarded(listed: Iterable[tuple[str, str]], own_addresses: Iterable[str], seen: Seen | None) -> tuple[Guarded, ...]:
    """All protected networks with the reason: fixed ones, those that the user lists as (cidr, why), and the account's.

    The account's are its VPCs' ranges, its interfaces' and Elastic addresses, and what its gateway endpoints lead to.
    """
    found = [(cidr, why) for cidr, why in (*_ALWAYS, *listed)]
    found += [(address, "an address of this account") for address in own_addresses]
    if seen:
        for vpc in seen.vpcs:
            why = f"the range of {vpc['VpcId']}"
            blocks = [block.get("CidrBlock") for block in (vpc, *vpc.get("CidrBlockAssociationSet", ()))]
            blocks += [block.get("Ipv6CidrBlock") for block in vpc.get("Ipv6CidrBlockAssociationSet", ())]
            found += [(block, why) for block in blocks if block]
        found += [(one["PublicIp"], "an Elastic IP of this account") for one in seen.addresses if one.get("PublicIp")]
        services = {one["ServiceName"] for one in seen.endpoints if one.get("VpcEndpointType") == "Gateway"}
        for one in seen.prefix_lists:
            if one.get("PrefixListName") in services:
                found += [(cidr, f"behind the VPC endpoint of {one['PrefixListName']}") for cidr in one["Cidrs"]]
    return tuple(Guarded(ip_network(cidr, strict=False), why) for cidr, why in dict(found).items())


def refusal(network: Network, guards: Iterable[Guarded]) -> str:
    """Why a network is not blocked, naming the narrowest protected one; empty: nothing speaks against it.

    10.0.1.60/32 → `10.0.1.60/32 is protected: it is within 10.0.0.0/8, a private range (RFC 1918)`
    """
    if network.prefixlen < WIDEST[network.version]:
        return f"{network} is too wide: at most a /{WIDEST[network.version]} of IPv{network.version} is blocked"
    inner = _embedded(network)
    hit = [one for one in guards if _overlap(one.network, network) or (inner and _overlap(one.network, inner))]
    if not hit:
        return ""
    one = max(hit, key=lambda guard: guard.network.prefixlen)
    how = "is within" if one.network.prefixlen <= network.prefixlen else "holds"
    return f"{network} is protected: it {how} {one.network}, {one.why}"


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _embedded(network: Network) -> Network | None:
    """The IPv4 network that 6to4 or NAT64 addresses lead to: of a network with all of NAT64, all of IPv4."""
    if not isinstance(network, IPv6Network):
        return None
    if network.overlaps(_NAT64):
        length = max(network.prefixlen - _NAT64.prefixlen, 0)
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF if length else 0, length))
    inner = network.network_address.sixtofour
    return ip_network(inner) if inner else None
