"""Test rows: a complete row of a table with what matters changed, and frames of them on either engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from jobs.sources.arrow import arrow_schema
from transforms.schemas.table import Table

Row = dict[str, Any]

ACCOUNT, REGION = "123456789012", "eu-west-1"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def at(text: str) -> datetime:
    """`10:05`, `10:05:30` on Monday 5 January 2026; `6T10:05` on the 6th. UTC."""
    day, _, clock = text.rpartition("T")
    parts = [int(p) for p in clock.split(":")]
    hours, minutes, seconds = [*parts, 0, 0][:3]
    start = MONDAY.replace(day=int(day)) if day else MONDAY
    return start + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def frame(spark: SparkSession, schema: StructType | Table, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """The rows as a DataFrame of exactly this schema; what a row lacks is NULL, what the schema lacks an error."""
    schema = schema.schema if isinstance(schema, Table) else schema
    rows = list(rows)
    names = schema.names
    unknown = {key for row in rows for key in row} - set(names)
    assert not unknown, f"no such columns: {unknown}"
    if not rows:
        return spark.createDataFrame([], schema)
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema=arrow_schema(schema)))


def rows_of(data: DataFrame) -> list[Row]:
    """The frame's rows; times are aware and in UTC on both engines."""
    return list(data.toArrow().to_pylist())


def interface_snapshot(**overrides: Any) -> Row:
    """A Lambda interface at 10:00."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "polled_at": at("10:00"),
        "complete": True,
        "interface_id": "eni-1",
        "vpc_id": "vpc-1",
        "subnet_id": "subnet-a",
        "interface_type": "lambda",
        "description": "AWS Lambda VPC ENI-f-8c7ac78b-e11d-4dea-8a47-ab2bdeba9bf5",
        "private_ip_addresses": ["10.0.0.1"],
        "ipv6_addresses": [],
        "security_group_ids": ["sg-1"],
    }
    return row | overrides


def function_snapshot(**overrides: Any) -> Row:
    """f's unpublished version at 10:00."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "polled_at": at("10:00"),
        "complete": True,
        "function_name": "f",
        "version": "$LATEST",
        "role": "role-f",
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-a"],
        "security_group_ids": ["sg-1"],
        "code_sha256": "code-1",
        "last_update_status": "Successful",
    }
    return row | overrides


def event(name: str, moment: datetime, request: Any = None, response: Any = None, **overrides: Any) -> Row:
    """A successful CloudTrail event."""
    source = "ec2.amazonaws.com" if "Interface" in name else "lambda.amazonaws.com"
    row: Row = {
        "event_id": f"{name}-{moment.timestamp()}-{overrides.get('account_id')}-{request}",
        "event_time": moment,
        "event_source": source,
        "event_name": name,
        "account_id": ACCOUNT,
        "region": REGION,
        "request_parameters": None if request is None else json.dumps(request, separators=(",", ":")),
        "response_elements": None if response is None else json.dumps(response, separators=(",", ":")),
    }
    return row | overrides


def interface_created(
    moment: datetime,
    interface_id: str = "eni-1",
    addresses: tuple[str, ...] = ("10.0.0.1",),
    vpc_id: str = "vpc-1",
    subnet_id: str = "subnet-a",
    groups: tuple[str, ...] = ("sg-1",),
    description: str = "AWS Lambda VPC ENI-f-8c7ac78b-e11d-4dea-8a47-ab2bdeba9bf5",
    interface_type: str = "lambda",
    **overrides: Any,
) -> Row:
    """CreateNetworkInterface as EC2 answers it."""
    made = {
        "networkInterfaceId": interface_id,
        "subnetId": subnet_id,
        "vpcId": vpc_id,
        "description": description,
        "interfaceType": interface_type,
        "groupSet": {"items": [{"groupId": g, "groupName": f'name of "{g}"'} for g in groups]},
    }
    if addresses:
        made["privateIpAddress"] = addresses[0]
        made["privateIpAddressesSet"] = {"item": [{"privateIpAddress": a} for a in addresses]}
    request = {"subnetId": subnet_id, "description": description}
    return event("CreateNetworkInterface", moment, request, {"networkInterface": made}, **overrides)


def interface_deleted(moment: datetime, interface_id: str = "eni-1", **overrides: Any) -> Row:
    """DeleteNetworkInterface."""
    return event("DeleteNetworkInterface", moment, {"networkInterfaceId": interface_id}, {"_return": True}, **overrides)


def function_event(
    name: str,
    moment: datetime,
    function: str = "f",
    version: str = "$LATEST",
    groups: tuple[str, ...] = ("sg-1",),
    subnets: tuple[str, ...] = ("subnet-a",),
    code: str = "code-1",
    **overrides: Any,
) -> Row:
    """A call to Lambda that answers with the function's configuration."""
    response = {
        "functionName": function,
        "version": version,
        "role": f"role-{function}",
        "codeSha256": code,
        "vpcConfig": {"subnetIds": list(subnets), "securityGroupIds": list(groups), "vpcId": "vpc-1"},
    }
    return event(name, moment, {"functionName": function}, response, **overrides)


def interface(**overrides: Any) -> Row:
    """A row of `interfaces`: eni-1, Lambda's, since 10:00."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "vpc_id": "vpc-1",
        "subnet_id": "subnet-a",
        "interface_id": "eni-1",
        "address": "10.0.0.1",
        "security_group_ids": "sg-1",
        "owner_kind": "lambda",
        "owner_name": "f",
        "description": "",
        "valid_from": at("10:00"),
        "from_evidence": "cloudtrail",
        "from_uncertainty_seconds": 0,
    }
    return row | overrides


def config(**overrides: Any) -> Row:
    """A row of `function_configs`: f since 9:00."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "function_name": "f",
        "version": "$LATEST",
        "vpc_id": "vpc-1",
        "subnet_ids": "subnet-a",
        "security_group_ids": "sg-1",
        "role": "role-f",
        "code_sha256": "code-1",
        "valid_from": at("9:00"),
        "from_evidence": "cloudtrail",
        "from_uncertainty_seconds": 0,
    }
    return row | overrides


def lease(**overrides: Any) -> Row:
    """A row of `ip_leases`: f holds eni-1 since 9:00, exactly."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "vpc_id": "vpc-1",
        "subnet_id": "subnet-a",
        "interface_id": "eni-1",
        "address": "10.0.0.1",
        "owner_kind": "lambda",
        "owner_name": "f",
        "basis": "configuration",
        "valid_from": at("9:00"),
        "from_evidence": "cloudtrail",
        "from_uncertainty_seconds": 0,
    }
    return row | overrides


def resource(name: str, address: str, kind: str = "rds", **overrides: Any) -> Row:
    """A lease of something that functions talk to, for all time."""
    row = lease(
        interface_id=f"eni-{name}",
        address=address,
        owner_kind=kind,
        owner_name=name,
        basis="resource",
        valid_from=at("0:00") - timedelta(days=30),
    )
    return row | overrides


def record(**overrides: Any) -> Row:
    """A flow-log record: eni-1 sends 300 bytes to 10.0.9.9:5432 at 10:00:05."""
    start = overrides.get("start_time", at("10:00:05"))
    row: Row = {
        "version": 5,
        "account_id": ACCOUNT,
        "region": REGION,
        "vpc_id": "vpc-1",
        "interface_id": "eni-1",
        "src_addr": "10.0.0.1",
        "dst_addr": "10.0.9.9",
        "src_port": 40_000,
        "dst_port": 5_432,
        "protocol": 6,
        "packets": 3,
        "bytes": 300,
        "start_time": start,
        "end_time": start + timedelta(seconds=20),
        "action": "ACCEPT",
        "log_status": "OK",
        "flow_log_id": "fl-1",
        "date": start.date(),
    }
    return row | overrides


def reply(**overrides: Any) -> Row:
    """What comes back: 900 bytes from 10.0.9.9:5432."""
    turned = {"src_addr": "10.0.9.9", "dst_addr": "10.0.0.1", "src_port": 5_432, "dst_port": 40_000, "bytes": 900}
    return record(**(turned | overrides))
