"""Every version and order of the flow-log format, one literal sample each, and what its fields mean."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.sources.flow_log_columns import SCHEMA
from tests.jobs.sources.reading import GOOD, HEADER, flow_logs, lines

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
V3 = f"{V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr"
V4 = f"{V3} region az-id sublocation-type sublocation-id"
V5 = f"{V4} pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
V7 = (
    f"{V5} ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id "
    "ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id"
)
V8 = f"{V7} reject-reason"
V9 = f"{V8} resource-id"
V10 = f"{V9} encryption-status"
V11 = (
    f"{V10} instance-tag instance-tag-2 interface-tag interface-tag-2 asg-tag asg-tag-2 interface-type "
    "next-hop-interface-id next-hop-subnet-id next-hop-az-id next-hop-vpc-id next-hop-interface-type"
)

# A function's side of a query, as each version adds to it.
R2 = "123456789012 eni-0a1 10.0.1.5 10.0.2.9 40000 5432 6 10 840 1772445600 1772445659 ACCEPT OK"
R3 = f"{R2} vpc-0c1 subnet-0d1 - 3 IPv4 10.0.1.5 10.0.2.9"
R4 = f"{R3} eu-west-1 euw1-az1 - -"
R5 = f"{R4} - AMAZON egress 1"
R7 = (
    f"{R5} arn:aws:ecs:eu-west-1:123456789012:cluster/c1 c1 - - 0f3 - web "
    "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7 arn:aws:ecs:eu-west-1:123456789012:task/c1/9a 9a"
)
R8 = f"{R7} BPA"
R9 = f"{R8} nat-0e5"
R10 = f"{R9} 3"
R11 = f"{R10} team%3Dblue - fn%20orders - - - vpc_endpoint eni-0b2 subnet-0d2 euw1-az2 vpc-0c1 network_load_balancer"

S2 = {
    "account_id": "123456789012",
    "interface_id": "eni-0a1",
    "src_addr": "10.0.1.5",
    "dst_addr": "10.0.2.9",
    "src_port": 40000,
    "dst_port": 5432,
    "protocol": 6,
    "packets": 10,
    "bytes": 840,
    "start_time": datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
    "end_time": datetime(2026, 3, 2, 10, 0, 59, tzinfo=UTC),
    "action": "ACCEPT",
    "log_status": "OK",
    "date": date(2026, 3, 2),
}
S3 = S2 | {
    "vpc_id": "vpc-0c1",
    "subnet_id": "subnet-0d1",
    "tcp_flags": 3,
    "type": "IPv4",
    "pkt_src_addr": "10.0.1.5",
    "pkt_dst_addr": "10.0.2.9",
}
S4 = S3 | {"region": "eu-west-1", "az_id": "euw1-az1"}
S5 = S4 | {"pkt_dst_aws_service": "AMAZON", "flow_direction": "egress", "traffic_path": 1}
S7 = S5 | {
    "ecs_cluster_arn": "arn:aws:ecs:eu-west-1:123456789012:cluster/c1",
    "ecs_cluster_name": "c1",
    "ecs_container_id": "0f3",
    "ecs_service_name": "web",
    "ecs_task_definition_arn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7",
    "ecs_task_arn": "arn:aws:ecs:eu-west-1:123456789012:task/c1/9a",
    "ecs_task_id": "9a",
}
S8 = S7 | {"reject_reason": "BPA"}
S9 = S8 | {"resource_id": "nat-0e5"}
S10 = S9 | {"encryption_status": 3}
S11 = S10 | {
    "instance_tag": "team%3Dblue",
    "interface_tag": "fn%20orders",
    "interface_type": "vpc_endpoint",
    "next_hop_interface_id": "eni-0b2",
    "next_hop_subnet_id": "subnet-0d2",
    "next_hop_az_id": "euw1-az2",
    "next_hop_vpc_id": "vpc-0c1",
    "next_hop_interface_type": "network_load_balancer",
}
VERSIONS = {
    2: (V2, R2, S2),
    3: (V3, R3, S3),
    4: (V4, R4, S4),
    5: (V5, R5, S5),
    7: (V7, R7, S7),
    8: (V8, R8, S8),
    9: (V9, R9, S9),
    10: (V10, R10, S10),
    11: (V11, R11, S11),
}


def _full(expected: dict[str, Any], line: int = 2) -> dict[str, Any]:
    """A row of the contract: what is not expected is NULL."""
    return dict.fromkeys(SCHEMA.names) | {"source_file": "flow.log", "source_line": line} | expected


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version(tmp_path: Path, version: int) -> None:
    header, record, expected = VERSIONS[version]
    rows, receipt = flow_logs(tmp_path, lines(header.encode(), f"{version} {record}".encode()))
    assert rows == [_full(expected | {"version": version})]
    assert receipt.rejected == []
    assert receipt.reason is None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_header_decides_the_order(tmp_path: Path, version: int) -> None:
    header, record, expected = VERSIONS[version]
    backwards = [" ".join(reversed(text.split(" "))).encode() for text in (header, f"{version} {record}")]
    assert flow_logs(tmp_path, lines(*backwards))[0] == [_full(expected | {"version": version})]


def test_a_custom_format_may_lack_almost_everything(tmp_path: Path) -> None:
    header = b"interface-id start end dstaddr srcaddr"
    rows, receipt = flow_logs(tmp_path, lines(header, b"eni-0a1 1772445600 1772445659 192.0.2.7 10.0.1.5"))
    expected = {name: S2[name] for name in ("interface_id", "src_addr", "start_time", "end_time", "log_status", "date")}
    assert rows == [_full(expected | {"dst_addr": "192.0.2.7"})]
    assert receipt.rejected == []


def test_underscores_and_capitals_in_the_header(tmp_path: Path) -> None:
    header = HEADER.replace(b"-", b"_").upper()
    assert flow_logs(tmp_path, lines(header, GOOD))[1].records == 1


def test_a_field_nobody_knows_is_passed_over_and_said(tmp_path: Path) -> None:
    rows, receipt = flow_logs(tmp_path, lines(HEADER + b" moon-phase tide", GOOD + b" full -"))
    assert [row["interface_id"] for row in rows] == ["eni-0a1"]
    assert receipt.reason == "fields passed over: moon-phase, tide"


def test_no_header_is_the_default_format(tmp_path: Path) -> None:
    rows, receipt = flow_logs(tmp_path, lines(GOOD, GOOD))
    assert [row["source_line"] for row in rows] == [1, 2]
    assert receipt.reason == "no header: read in the default format"


def test_silence_and_gaps_are_records(tmp_path: Path) -> None:
    nodata = b"2 123456789012 eni-0a1 - - - - - - - 1772445600 1772445659 - NODATA"
    rows, _ = flow_logs(tmp_path, lines(HEADER, nodata, nodata.replace(b"NODATA", b"SKIPDATA")))
    empty = ("src_addr", "dst_addr", "src_port", "dst_port", "protocol", "packets", "bytes", "action")
    assert [row["log_status"] for row in rows] == ["NODATA", "SKIPDATA"]
    assert {row[name] for row in rows for name in empty} == {None}


def test_silence_in_a_format_without_status_is_not_traffic(tmp_path: Path) -> None:
    header = b"interface-id srcaddr dstaddr packets start end"
    rows, _ = flow_logs(tmp_path, lines(header, b"eni-0a1 - - - 1772445600 1772445659"))
    assert [row["log_status"] for row in rows] == [None]


def test_records_keep_the_order_and_the_lines_of_the_file(tmp_path: Path) -> None:
    later, earlier = GOOD.replace(b"17724456", b"17724459"), GOOD
    rows, receipt = flow_logs(tmp_path, lines(HEADER, later, b"", earlier))
    assert [row["source_line"] for row in rows] == [2, 4]
    assert (receipt.min_time, receipt.max_time) == (rows[1]["start_time"], rows[0]["start_time"])


def test_times_in_milliseconds(tmp_path: Path) -> None:
    row = GOOD.replace(b"1772445600 1772445660", b"1772445600250 1772445660750")
    rows, receipt = flow_logs(tmp_path, lines(HEADER, row, GOOD))
    assert rows[0]["start_time"] == datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=UTC)
    assert rows[0]["end_time"] == datetime(2026, 3, 2, 10, 1, 0, 750_000, tzinfo=UTC)
    assert rows[1]["start_time"] == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert receipt.min_time == rows[1]["start_time"]


def test_services_own_interfaces_have_no_account(tmp_path: Path) -> None:
    rows, _ = flow_logs(tmp_path, lines(HEADER, GOOD.replace(b"123456789012 eni-0a1", b"unknown -")))
    assert (rows[0]["account_id"], rows[0]["interface_id"]) == ("unknown", None)


NAMES = {
    "aws": "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/02/"
    "123456789012_vpcflowlogs_eu-west-1_fl-0ab_20260302T1005Z_1f2e3d4c.log.gz",
    "prefix and hour": "logs/prod/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/02/10/"
    "123456789012_vpcflowlogs_eu-west-1_fl-0ab_20260302T1005Z_1f2e3d4c.log.gz",
    "organisation": "AWSLogs/o-a1b2c3d4e5/123456789012/vpcflowlogs/eu-west-1/2026/03/02/"
    "123456789012_vpcflowlogs_eu-west-1_fl-0ab_20260302T1005Z_1f2e3d4c.log.gz",
    "hive": "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/"
    "year=2026/month=03/day=02/hour=10/"
    "123456789012_vpcflowlogs_eu-west-1_fl-0ab_20260302T1005Z_1f2e3d4c.log.gz",
    "flat": "123456789012_vpcflowlogs_eu-west-1_fl-0ab_20260302T1005Z_1f2e3d4c.log.gz",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_name_fills_in_what_the_format_lacks(tmp_path: Path, name: str) -> None:
    content = lines(b"interface-id srcaddr dstaddr start end", b"eni-0a1 10.0.1.5 192.0.2.7 1772445600 1772445659")
    rows, _ = flow_logs(tmp_path, [content], name)
    found = [rows[0][c] for c in ("account_id", "region", "flow_log_id", "delivered_at", "source_file")]
    assert found == ["123456789012", "eu-west-1", "fl-0ab", datetime(2026, 3, 2, 10, 5, tzinfo=UTC), name]


def test_what_the_record_says_counts_before_the_name(tmp_path: Path) -> None:
    rows, _ = flow_logs(tmp_path, lines(HEADER, GOOD, GOOD.replace(b"123456789012", b"-")), NAMES["flat"][:-3])
    assert [row["account_id"] for row in rows] == ["123456789012", "123456789012"]
    other, _ = flow_logs(tmp_path, lines(HEADER, GOOD.replace(b"123456789012", b"210987654321")), NAMES["flat"][:-3])
    assert other[0]["account_id"] == "210987654321"
