"""Peers: networks of both families, and who held an address when."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.rows import Row, at, frame, lease, resource, rows_of
from transforms.peers import name_peers, plain_address
from transforms.schemas import IP_LEASES
from transforms.schemas.table import columns

FLOWS = columns(
    ("case", "string", ""),
    ("vpc_id", "string", ""),
    ("peer_addr", "string", ""),
    ("start_time", "timestamp", ""),
    ("peer_aws_service", "string", ""),
)


def named(spark: SparkSession, flows: list[Row], leases: list[Row], networks: list[tuple[str, str, bool]]) -> list[Row]:
    base = {"vpc_id": "vpc-1", "start_time": at("10:00")}
    rows = [base | flow for flow in flows]
    return rows_of(name_peers(frame(spark, FLOWS, rows), frame(spark, IP_LEASES, leases), networks))


def test_plain_addresses(spark: SparkSession) -> None:
    cases = {
        "10.0.0.1": "10.0.0.1", "::FFFF:10.0.0.1": "10.0.0.1", "2600:1F::A": "2600:1f::a", "::ffff:a:b": "::ffff:a:b",
        "": "", "-": "-",
    }  # fmt: skip
    rows = [{"peer_addr": a} for a in (*cases, None)]
    found = rows_of(frame(spark, FLOWS, rows).select("peer_addr", plain_address(F.col("peer_addr")).alias("plain")))
    assert {r["peer_addr"]: r["plain"] for r in found} == cases | {None: None}


def test_networks_of_both_families(spark: SparkSession) -> None:
    """First match, inside or not, against the standard library; nonsense matches nothing and breaks nothing."""
    networks = [
        ("198.51.100.0/25", "half", False), ("198.51.100.0/24", "whole", True), ("2001:db8:0:8000::/49", "six", False),
        ("2001:db8::/32", "all six", True), ("192.0.2.7/32", "one", False), ("::1/128", "loop", True),
        ("0.0.0.0/5", "low", False), *[(f"203.0.113.{n}/32", f"host {n}", False) for n in range(150)],
    ]  # fmt: skip
    addresses = [
        "198.51.100.1", "198.51.100.127", "198.51.100.128", "198.51.101.0", "192.0.2.7", "192.0.2.8", "10.255.255.255",
        "11.0.0.0", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0", "192.168.3.4", "100.64.0.1",
        "100.128.0.0", "7.255.255.255", "8.0.0.0", "0.0.0.0", "255.255.255.255", "203.0.113.149", "203.0.113.150",
        "2001:db8::1", "2001:db8:0:8000::", "2001:db8:0:7fff:ffff:ffff:ffff:ffff", "2001:db9::", "::1", "::", "fd00::1",
        "fc00::", "fbff::", "fe80::1", "febf:ffff::1", "fec0::1", "2001:db8:1:2:3:4:5:6", "1::", "::ffff:0:0",
    ]  # fmt: skip
    nonsense = [
        "-", "", "10.0.0", "10.0.0.0.0", "1.2.3.x", "999999999999999999999.1.1.1", ":", ":::", "1:2:3:4:5:6:7:8:9",
        "x::", "1::2::3", "12345::", "10.0.0.1'; DROP",
    ]  # fmt: skip
    found = {r["peer_addr"]: r for r in named(spark, [{"peer_addr": a} for a in addresses + nonsense], [], networks)}
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
    for text in addresses:
        address = ip_address(text)
        name = next((label for cidr, label, _ in networks if address in ip_network(cidr)), None)
        inside = [c for c, _, internal in networks if internal] + list(private)
        row = found[text]
        assert (row["peer_kind"], row["peer_name"]) == (("network", name) if name else ("address", text)), text
        assert row["peer_internal"] == any(address in ip_network(n) for n in inside), text
    assert {(found[t]["peer_kind"], found[t]["peer_name"], found[t]["peer_internal"]) for t in nonsense} == {
        ("address", t, False) for t in nonsense
    }


def test_who_held_it(spark: SparkSession) -> None:
    """orders-db is at 10.0.9.9 in vpc-1 from 9:00 to 11:00, then something else."""
    until = {"valid_to": at("11:00"), "to_evidence": "snapshot", "to_uncertainty_seconds": 300}
    db = resource("orders-db", "10.0.9.9", valid_from=at("9:00"), from_uncertainty_seconds=60, **until)
    box = resource("box", "10.0.9.9", "ec2", valid_from=at("11:30"), from_uncertainty_seconds=1_680)
    first = {"from_evidence": "first snapshot", "from_uncertainty_seconds": None}
    leases = [
        db, box,
        resource("other-vpc", "10.0.9.9", vpc_id="vpc-2"),
        resource("nowhere", "10.0.9.9", vpc_id=None),
        resource("seen-first", "10.0.9.8", valid_from=at("12:00"), **first),
        resource("undated", "10.0.9.7", valid_from=None, from_evidence="undated snapshot"),
        resource(None, "10.0.9.6"),
        lease(address="10.0.9.5", owner_name="a function"),
        # Two at once: contradictory evidence must not multiply rows.
        resource("twin-b", "10.0.9.4"), resource("twin-a", "10.0.9.4"), resource("twin-a", "10.0.9.4", "ec2"),
        # A load balancer behind two addresses is one peer; a public address of the VPC is inside.
        resource("payments", "10.0.1.30", "load_balancer"), resource("payments", "10.0.2.30", "load_balancer"),
        resource("public", "203.0.113.9", "ec2"), resource("six", "2600:1f::9", "ec2"),
    ]  # fmt: skip
    cases: dict[str, tuple[dict[str, Any], tuple[str, str, bool]]] = {
        "held": ({}, ("rds", "orders-db", True)),
        "from its very start": ({"start_time": at("9:00")}, ("rds", "orders-db", True)),
        "perhaps already": ({"start_time": at("8:59:30")}, ("rds", "orders-db", True)),
        "not yet": ({"start_time": at("8:58")}, ("address", "10.0.9.9", True)),
        "perhaps still": ({"start_time": at("11:00")}, ("rds", "orders-db", True)),
        "either: the first by name": ({"start_time": at("11:04")}, ("ec2", "box", True)),
        "perhaps the next already": ({"start_time": at("11:20")}, ("ec2", "box", True)),
        "the next": ({"start_time": at("15:00")}, ("ec2", "box", True)),
        "another VPC": ({"vpc_id": "vpc-2"}, ("rds", "other-vpc", True)),
        "a third VPC": ({"vpc_id": "vpc-3"}, ("address", "10.0.9.9", True)),
        "no VPC known": ({"vpc_id": None}, ("address", "10.0.9.9", True)),
        "before the first snapshot": ({"peer_addr": "10.0.9.8"}, ("rds", "seen-first", True)),
        "undated evidence": ({"peer_addr": "10.0.9.7"}, ("address", "10.0.9.7", True)),
        "a nameless one": ({"peer_addr": "10.0.9.6"}, ("address", "10.0.9.6", True)),
        "a function's address": ({"peer_addr": "10.0.9.5"}, ("address", "10.0.9.5", True)),
        "three at once": ({"peer_addr": "10.0.9.4"}, ("ec2", "twin-a", True)),
        "one address of a load balancer": ({"peer_addr": "10.0.1.30"}, ("load_balancer", "payments", True)),
        "the other address": ({"peer_addr": "10.0.2.30"}, ("load_balancer", "payments", True)),
        "a public range inside": ({"peer_addr": "203.0.113.9"}, ("ec2", "public", True)),
        "IPv6 inside": ({"peer_addr": "2600:1f::9"}, ("ec2", "six", True)),
        "an AWS service": ({"peer_addr": "192.0.2.1", "peer_aws_service": "S3"}, ("aws_service", "S3", False)),
        "an endpoint is what it is": ({"peer_addr": "10.0.1.30", "peer_aws_service": "S3"},
                                      ("load_balancer", "payments", True)),
        "outside": ({"peer_addr": "192.0.2.1"}, ("address", "192.0.2.1", False)),
    }  # fmt: skip
    flows = [{"case": case, "peer_addr": "10.0.9.9"} | overrides for case, (overrides, _) in cases.items()]
    found = named(spark, flows, leases, [])
    assert len(found) == len(flows)
    for row in found:
        assert (row["peer_kind"], row["peer_name"], row["peer_internal"]) == cases[row["case"]][1], row["case"]


def test_one_address_can_be_named_and_a_range_hides_nothing(spark: SparkSession) -> None:
    """EC2 does not say which database an RDS interface is of: the settings can, address by address."""
    leases = [
        resource("eni-0a", "10.0.9.1"), resource("eni-0b", "10.0.9.2"), resource("box", "10.0.9.3", "ec2"),
    ]  # fmt: skip
    networks = [
        ("10.0.9.1/32", "orders-db", True), ("10.0.9.3/32", "not a box", True), ("10.0.0.0/8", "the office", True),
    ]  # fmt: skip
    flows = [{"case": address, "peer_addr": address} for address in ("10.0.9.1", "10.0.9.2", "10.0.9.3", "10.0.9.4")]
    found = {row["case"]: (row["peer_kind"], row["peer_name"]) for row in named(spark, flows, leases, networks)}
    assert found == {
        "10.0.9.1": ("rds", "orders-db"),
        "10.0.9.2": ("rds", "eni-0b"),
        "10.0.9.3": ("ec2", "box"),
        "10.0.9.4": ("network", "the office"),
    }
