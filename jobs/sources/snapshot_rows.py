"""Items of AWS's answers as rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jobs.sources.arrow import Row
from jobs.sources.redact import redacted_text
from jobs.sources.times import instant

MISFITS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError)
"""What an item of another shape raises."""

_LONGEST_MESSAGE = 1_000

_ARN = re.compile(r"^arn:[^:]+:lambda:([^:]+):(\d{12}):function:([^:]+)")
_REGION = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d")


def _interface(item: Row, known: Row, _: Row) -> list[Row | str]:
    zone = item.get("AvailabilityZone") or ""
    # A local zone has a longer name (us-west-2-lax-1a); its region is what begins it.
    region = _REGION.match(zone)
    addresses = sorted(item.get("PrivateIpAddresses") or [], key=lambda a: not a.get("Primary"))
    private = [a["PrivateIpAddress"] for a in addresses if a.get("PrivateIpAddress")]
    primary = item.get("PrivateIpAddress")
    associations = [a.get("Association") or {} for a in (item, *addresses)]
    attachment = item.get("Attachment") or {}
    row = {
        "account_id": item.get("OwnerId") or known["account_id"],
        "region": known["region"] or (region[0] if region else None),
        "interface_id": _required(item, "NetworkInterfaceId"),
        "vpc_id": item.get("VpcId"),
        "subnet_id": item.get("SubnetId"),
        "availability_zone": zone or None,
        "interface_type": item.get("InterfaceType"),
        "description": item.get("Description"),
        "status": item.get("Status"),
        "requester_id": item.get("RequesterId"),
        "requester_managed": item.get("RequesterManaged"),
        "private_ip_address": primary,
        "private_ip_addresses": private or ([primary] if primary else []),
        "ipv6_addresses": sorted(a["Ipv6Address"] for a in item.get("Ipv6Addresses") or []),
        "public_ip_addresses": sorted({a["PublicIp"] for a in associations if a.get("PublicIp")}),
        "security_group_ids": sorted(g["GroupId"] for g in item.get("Groups") or []),
        "instance_id": attachment.get("InstanceId"),
        "instance_owner_id": attachment.get("InstanceOwnerId"),
        "attach_time": moment(attachment.get("AttachTime")),
        "name": next((t.get("Value") for t in item.get("TagSet") or [] if t.get("Key") == "Name"), None),
    }
    return [row]


def _function(item: Row, known: Row, _: Row) -> list[Row | str]:
    arn = _ARN.match(item.get("FunctionArn") or "")
    vpc = item.get("VpcConfig") or {}
    row = {
        "account_id": arn[2] if arn else known["account_id"],
        "region": arn[1] if arn else known["region"],
        "function_name": _required(item, "FunctionName"),
        "function_arn": arn[0] if arn else item.get("FunctionArn"),
        "version": item.get("Version") or "$LATEST",
        "role": item.get("Role"),
        "vpc_id": vpc.get("VpcId") or None,
        "subnet_ids": sorted(vpc.get("SubnetIds") or []),
        "security_group_ids": sorted(vpc.get("SecurityGroupIds") or []),
        "runtime": item.get("Runtime"),
        "timeout_seconds": item.get("Timeout"),
        "memory_mb": item.get("MemorySize"),
        "code_sha256": item.get("CodeSha256"),
        "last_modified": moment(item.get("LastModified")),
        "state": item.get("State"),
        "last_update_status": item.get("LastUpdateStatus"),
    }
    return [row]


def _failed_poll(item: Row, _: Row, envelope: Row) -> list[Row | str]:
    row = {
        "operation": _required(envelope, "operation"),
        "error_code": _required(item, "code"),
        # The collectors store it redacted; this file may be somebody else's.
        "error_message": redacted_text(str(item.get("message") or ""))[:_LONGEST_MESSAGE] or None,
    }
    return [row]


def _metric(item: Row, _: Row, envelope: Row) -> list[Row | str]:
    asked = {q["Id"]: q["MetricStat"] for q in envelope["request"]["MetricDataQueries"]}.get(item["Id"])
    if asked is None:
        raise ValueError(f"nothing was asked for under the id {item['Id']!r}")
    dimensions = {d["Name"]: d["Value"] for d in asked["Metric"].get("Dimensions") or []}
    series = {
        "function_name": dimensions.get("FunctionName"),
        "metric_name": asked["Metric"]["MetricName"],
        "stat": asked["Stat"],
        "period_seconds": int(asked["Period"]),
    }
    return [_point(series, *point) for point in zip(item["Timestamps"], item["Values"], strict=True)]


def _point(series: Row, time: Any, value: Any) -> Row | str:
    minute = moment(time)
    if minute is None:
        return f"not a time: {str(time)[:40]}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"not a number: {str(value)[:40]}"
    return {**series, "minute": minute, "value": float(value), "date": minute.date()}


MAKERS: dict[str, Callable[[Row, Row, Row], list[Row | str]]] = {
    "describe_network_interfaces": _interface,
    "list_functions": _function,
    "get_metric_data": _metric,
    "failed_polls": _failed_poll,
}
"""(item, what is known of its file, what stands around the answer) → its rows; a text says why one is none."""


def moment(value: Any) -> datetime | None:
    """A time as ISO text, or as placebo records one (`{"__class__": "datetime", "year": …}`)."""
    if isinstance(value, dict) and value.get("__class__") == "datetime":
        parts = [value.get(k, 0) for k in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
        try:
            return instant(datetime(*parts).replace(tzinfo=UTC).isoformat())
        except MISFITS:
            return None
    return instant(value)


def _required(item: Row, key: str) -> str:
    value = item[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is empty")
    return value
