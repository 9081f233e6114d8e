"""Which addresses stand on a threat list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.peers import ipv4_number, ipv6_digits

_NIBBLE = 4
_SHORTEST = {8: 2, 32: 4}
"""Hexadecimal digits of an address of either family → of the widest network that is looked up (/8, /16)."""


def entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(the address or network as written, prefix) of each line that has one; the others are comments or headings.

    The first word of a line that is an address or a network counts, so that plain lists, lists with remarks, CSV and
    Tor's `ExitAddress 192.0.2.7 2026-03-11 10:00:00` are all read. A prefix is the hexadecimal digits that all its
    addresses begin with: a network whose length is no multiple of four has several. Networks wider than /8 (IPv4) or
    /16 (IPv6) are passed over: they would be half the internet.

    `192.0.2.0/24 # bad` → (192.0.2.0/24, c00002); `198.51.100.0/23` has the prefixes c63364 and c63365.
    """
    for line in lines:
        for word in islice(line.replace(",", " ").replace(";", " ").replace('"', " ").split(), 8):
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            for prefix in _prefixes(network):
                yield word, prefix
            break


def _prefixes(network: IPv4Network | IPv6Network) -> list[str]:
    digits = network.max_prefixlen // _NIBBLE
    length = -(-network.prefixlen // _NIBBLE)
    if length < _SHORTEST[digits]:
        return []
    parts = network.subnets(new_prefix=length * _NIBBLE)
    return [f"{int(part.network_address):0{digits}x}"[:length] for part in parts]


def on_lists(addresses: DataFrame, threats: DataFrame) -> DataFrame:
    """The rows of `addresses` whose peer_addr is on a list, with `lists` (names, sorted) and `entry` (one, as written).

    `threats` has list_name, entry and prefix. Each address asks for all the networks that it may be in, so this is
    a plain join whatever the length of the lists.
    """
    digits = F.coalesce(F.lpad(F.lower(F.hex(ipv4_number("peer_addr"))), 8, "0"), ipv6_digits("peer_addr"))
    asked = addresses.select("peer_addr").distinct().withColumn("digits", digits).where(F.col("digits").isNotNull())
    shortest: Column = F.when(F.length("digits") == 8, _SHORTEST[8]).otherwise(_SHORTEST[32])
    lengths = F.sequence(shortest, F.length("digits"))
    prefixes = F.transform(lengths, lambda n: F.substring(F.col("digits"), F.lit(1), n))
    # An IPv4 network's digits may begin an IPv6 address: the families are told apart by the entry.
    family = (F.length("digits") == 8).alias("ipv4")
    hits = (
        asked.select("peer_addr", family, F.explode(prefixes).alias("prefix"))
        .join(threats.withColumn("ipv4", ~F.col("entry").contains(":")), ["prefix", "ipv4"])
        .groupBy("peer_addr")
        .agg(
            F.array_join(F.array_sort(F.collect_set("list_name")), ", ").alias("lists"),
            F.min("entry").alias("entry"),
        )
    )
    return addresses.join(hits, "peer_addr")
