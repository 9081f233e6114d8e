"""What pollers stored: answers of DescribeNetworkInterfaces, ListFunctions and GetMetricData, as boto3 gives them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pyarrow as pa

from jobs.sources.arrow import arrow_schema, batch_of
from jobs.sources.files import FileName, Receipt, whole
from transforms.schemas.sources import FUNCTION_METRICS, FUNCTION_SNAPSHOTS, INTERFACE_SNAPSHOTS
from transforms.schemas.table import Table

TABLES: dict[str, Table] = {
    "describe_network_interfaces": INTERFACE_SNAPSHOTS,
    "list_functions": FUNCTION_SNAPSHOTS,
    "get_metric_data": FUNCTION_METRICS,
}
"""The table that each operation fills."""

LISTS = {
    "describe_network_interfaces": "NetworkInterfaces",
    "list_functions": "Functions",
    "get_metric_data": "MetricDataResults",
}

_NO_DATE = date(1970, 1, 1)
_ARN = re.compile(r"^arn:[^:]+:lambda:([^:]+):(\d{12}):function:([^:]+)")
Row = dict[str, Any]


def read_snapshot(operation: str, path: str, source_file: str, receipt: Receipt) -> Iterator[pa.RecordBatch]:
    """One stored answer as batches of its table's schema; what cannot be read goes to the receipt.

    The time of the poll is what the file says (`polled_at`), else the answer's HTTP date, else NULL: it is
    never guessed. The receipt's times are the poll's (of metrics: the minutes').
    """
    schema = arrow_schema(TABLES[operation].schema)
    data = whole(path, receipt)
    if not data.strip():
        receipt.skip("empty file")
        return
    try:
        document = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        receipt.reject(0, data, f"broken JSON: {error}")
        return
    pages, envelope = _pages(document)
    polled_at = _instant(envelope.get("polled_at")) or next((t for t in map(_http_date, pages) if t), None)
    if polled_at:
        receipt.saw(polled_at, polled_at)
    elif operation != "get_metric_data":
        receipt.reason = "the file does not say when it was polled: its records have no time"
    name = FileName.parse(source_file)
    known = {
        "account_id": envelope.get("account_id") or name.account_id,
        "region": envelope.get("region") or name.region,
        "polled_at": polled_at,
        "source_file": source_file,
        "date": polled_at.date() if polled_at else _NO_DATE,
    }
    rows: list[Row] = []
    index = 0
    for page in pages:
        items = page.get(LISTS[operation])
        if not isinstance(items, list):
            receipt.reject(index, json.dumps(page, default=str)[:4096], f"`{LISTS[operation]}` is missing")
            continue
        for item in items:
            index += 1
            try:
                made = list(_MAKERS[operation](item, known, envelope))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                text = json.dumps(item, default=str)
                receipt.reject(index, text, f"not an item of {LISTS[operation]}: {type(error).__name__} {error}")
                continue
            for row in made:
                row["source_line"] = index if operation != "get_metric_data" else len(rows) + 1
                rows.append(row)
    receipt.records += len(rows)
    if operation == "get_metric_data" and rows:
        minutes = [row["minute"] for row in rows]
        receipt.saw(min(minutes), max(minutes))
    if rows:
        yield batch_of(rows, schema)


def _pages(document: Any) -> tuple[list[Row], Row]:
    """The answer's pages and what stands around them: ours, boto3's bare answer, or a recorded one under `data`."""
    if isinstance(document, dict):
        if isinstance(document.get("responses"), list):
            return [p for p in document["responses"] if isinstance(p, dict)], document
        if isinstance(document.get("data"), dict):
            return [document["data"]], {}
        return [document], {}
    return [], {}


def _interfaces(item: Row, known: Row, _: Row) -> Iterator[Row]:
    zone = item.get("AvailabilityZone") or ""
    addresses = sorted(item.get("PrivateIpAddresses") or [], key=lambda a: not a.get("Primary"))
    private = [a["PrivateIpAddress"] for a in addresses if a.get("PrivateIpAddress")]
    primary = item.get("PrivateIpAddress")
    associations = [a.get("Association") or {} for a in (item, *addresses)]
    attachment = item.get("Attachment") or {}
    yield {
        **known,
        "account_id": item.get("OwnerId") or known["account_id"],
        # A local zone has a longer name (us-west-2-lax-1a); its region is what begins it.
        "region": known["region"] or _match(r"^[a-z]{2}(?:-[a-z]+)+-\d", zone),
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
        "attach_time": _instant(attachment.get("AttachTime")),
        "name": next((t.get("Value") for t in item.get("TagSet") or [] if t.get("Key") == "Name"), None),
    }


def _functions(item: Row, known: Row, _: Row) -> Iterator[Row]:
    arn = _ARN.match(item.get("FunctionArn") or "")
    vpc = item.get("VpcConfig") or {}
    yield {
        **known,
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
        "last_modified": _instant(item.get("LastModified")),
        "state": item.get("State"),
        "last_update_status": item.get("LastUpdateStatus"),
    }


def _metrics(item: Row, known: Row, envelope: Row) -> Iterator[Row]:
    queries = {q["Id"]: q["MetricStat"] for q in (envelope.get("request") or {}).get("MetricDataQueries") or []}
    asked = queries[_required(item, "Id")]
    dimensions = {d["Name"]: d["Value"] for d in asked["Metric"].get("Dimensions") or []}
    for moment, value in zip(item["Timestamps"], item["Values"], strict=True):
        minute = _instant(moment)
        if minute is None:
            raise ValueError(f"not a time: {moment!r}")
        yield {
            **known,
            "function_name": dimensions.get("FunctionName"),
            "metric_name": asked["Metric"]["MetricName"],
            "stat": asked["Stat"],
            "period_seconds": int(asked["Period"]),
            "minute": minute,
            "value": float(value),
            "date": minute.date(),
        }


_MAKERS: dict[str, Callable[[Row, Row, Row], Iterator[Row]]] = {
    "describe_network_interfaces": _interfaces,
    "list_functions": _functions,
    "get_metric_data": _metrics,
}


def _required(item: Row, key: str) -> str:
    value = item[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is empty")
    return value


def _match(pattern: str, text: str) -> str | None:
    found = re.match(pattern, text)
    return found[0] if found else None


def _http_date(page: Row) -> datetime | None:
    """When AWS answered, by the Date header that boto3 keeps."""
    try:
        return parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _instant(value: Any) -> datetime | None:
    """A time as ISO text, or as recorded by placebo (`{"__class__": "datetime", "year": …}`)."""
    if isinstance(value, dict) and value.get("__class__") == "datetime":
        parts = [value.get(k, 0) for k in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
        return datetime(*parts, tzinfo=UTC)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
