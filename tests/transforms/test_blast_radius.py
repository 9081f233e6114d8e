"""Who talked to a network, by history."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from transforms import blast_radius
from transforms.schemas import (
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    FUNCTION_FLOWS,
    FUNCTION_METRICS_HOURLY,
    INTERFACES,
)

NETWORK = ip_network("198.51.100.0/24")
HERE = {"account_id": ACCOUNT, "region": REGION}


def flow(conversation: str, function: str | None, **fields: Any) -> Row:
    row: Row = {
        **HERE, "conversation_id": conversation, "interface_id": "eni-1", "function_name": function,
        "plausible": function, "peer_addr": "198.51.100.66", "peer_port": 443, "protocol": 6, "peer_kind": "address",
        "peer_name": "198.51.100.66", "bytes_out": 100, "bytes_in": 10, "rejected": False, "start_time": at("10:00"),
        "end_time": at("10:01"), "window_start": at("10:00"), "date": at("10:00").date(),
    }  # fmt: skip
    return row | fields


def interface(name: str, kind: str, owner: str, **fields: Any) -> Row:
    row: Row = {
        **HERE, "interface_id": name, "vpc_id": "vpc-1", "subnet_id": f"subnet-of-{name}", "owner_kind": kind,
        "security_group_ids": "sg-1, sg-2", "owner_name": owner, "valid_from": at("1:00"), "address": "10.0.0.1",
    }  # fmt: skip
    return row | fields


def test_talkers(spark: SparkSession) -> None:
    flows = [
        flow("c1", "f"),
        flow("c2", "f", start_time=at("6T9:00"), date=at("6T0:00").date(), bytes_in=0, rejected=True),
        # Of two functions that share the interface, a row each; one of them knows the peer.
        flow("c3", "g", plausible="g, h", interface_id="eni-2"),
        flow("c3", "h", plausible="g, h", interface_id="eni-2"),
        flow("c4", None, interface_id="eni-9", peer_addr="198.51.100.67"),
        flow("c5", "f", peer_addr="198.51.101.66"),
        flow("c6", "f", peer_addr="2001:db8::1"),
    ]
    normal = {**HERE, "behaviour": "peer", "status": "normal", "thing": "6|443|address|198.51.100.66"}
    baselines = [
        {**normal, "function_name": "h"},
        {**normal, "function_name": "f", "status": "flagged"},
        {**normal, "function_name": "g", "thing": "6|80|address|198.51.100.66"},
    ]
    interfaces = [
        interface("eni-1", "lambda", "f"),
        interface("eni-1", "lambda", "f", valid_from=at("2:00"), subnet_id="subnet-new"),
        interface("eni-2", "lambda", "g", address="10.0.0.2"),
        interface("eni-2", "lambda", "g", address="2001:db8:7::2"),
    ]
    found = rows_of(
        blast_radius.talkers(
            frame(spark, FUNCTION_FLOWS, flows),
            frame(spark, INTERFACES, interfaces),
            frame(spark, FUNCTION_BASELINES, baselines),
            NETWORK,
        )
    )
    names = ("who", "address", "normal", "conversations", "bytes_out", "bytes_in", "days", "subnet_id")
    assert sorted(tuple(row[n] for n in names) for row in found) == [
        ("f", "198.51.100.66", False, 2, 200, 10, 2, "subnet-new"),
        ("g, h", "198.51.100.66", True, 1, 100, 10, 1, "subnet-of-eni-2"),
        ("unknown function on eni-9", "198.51.100.67", False, 1, 100, 10, 1, None),
    ]
    one = next(row for row in found if row["who"] == "f")
    assert (one["first_time"], one["last_time"], one["kind"]) == (at("10:00"), at("6T9:00"), "lambda")


def test_others(spark: SparkSession) -> None:
    def record(name: str, src: str, dst: str, **fields: Any) -> Row:
        row: Row = {
            **HERE, "interface_id": name, "src_addr": src, "dst_addr": dst, "bytes": 60, "action": "ACCEPT",
            "log_status": "OK", "start_time": at("10:00"), "date": at("10:00").date(),
        }  # fmt: skip
        return row | fields

    records = [
        record("eni-3", "10.0.0.3", "198.51.100.7"),
        record("eni-3", "198.51.100.7", "10.0.0.3", bytes=40),
        record("eni-4", "::ffff:198.51.100.8", "10.0.0.4"),
        record("eni-3", "10.0.0.3", "198.51.100.7", action="REJECT"),
        record("eni-3", "10.0.0.3", "198.51.101.7"),
        record("eni-1", "10.0.0.1", "198.51.100.7"),  # a function's
        record("eni-5", "10.0.0.5", "198.51.100.7"),  # through the NAT gateway
    ]
    interfaces = [
        interface("eni-1", "lambda", "f"),
        interface("eni-3", "ec2", "payroll-01"),
        interface("eni-5", "nat_gateway", "nat-1"),
    ]
    found = rows_of(
        blast_radius.others(frame(spark, FLOW_LOGS, records), frame(spark, INTERFACES, interfaces), NETWORK)
    )
    names = ("who", "kind", "address", "normal", "conversations", "bytes_out", "bytes_in", "subnet_id")
    assert sorted(tuple(row[n] for n in names) for row in found) == [
        ("eni-4", "interface", "198.51.100.8", None, 1, 0, 60, None),
        ("payroll-01", "ec2", "198.51.100.7", None, 2, 60, 40, "subnet-of-eni-3"),
    ]


def test_work_and_since(spark: SparkSession) -> None:
    hour = {**HERE, "function_name": "f", "hour": at("10:00"), "date": at("10:00").date()}
    metrics = [{**hour, "invocations": 4.0}, {**hour, "invocations": 6.0, "date": at("6T0:00").date()}]
    activity = [
        {**hour, "behaviour": "api call", "thing": "s3:GetObject", "events": 3},
        {**hour, "behaviour": "peer", "thing": "6|443|address|192.0.2.1", "events": 9},
        {**hour, "behaviour": "peer", "thing": "6|443|address|192.0.2.1", "events": 1, "function_name": "g"},
    ]
    done = blast_radius.work(
        frame(spark, FUNCTION_METRICS_HOURLY, metrics), frame(spark, FUNCTION_ACTIVITY_HOURLY, activity), ["f"]
    )
    names = ("invocations", "busy_days", "api_calls", "apis", "peers")
    assert rows_of(done) == [{"function_name": "f", **dict(zip(names, (10, 2, 3, 1, 1), strict=True))}]
    flows = [
        flow("c1", "f", rejected=True, bytes_in=0),
        flow("c2", "f", end_time=at("10:09")),
        flow("c3", "g", plausible="g, h"),
        flow("c4", None, plausible=None),
    ]
    found = rows_of(blast_radius.since(frame(spark, FUNCTION_FLOWS, flows), NETWORK, ["f"]))
    counted = ("concerned", "accepted", "refused", "bytes_out", "bytes_in", "last_accepted")
    assert sorted(tuple(row[n] for n in counted) for row in found) == [
        (False, 2, 0, 200, 20, at("10:01")),
        (True, 1, 1, 100, 10, at("10:09")),
    ]
