"""What a raw file is: by AWS's path first, else by its first bytes."""

from __future__ import annotations

import re

import pyarrow.parquet as pq

from jobs.sources import security_lake_flows
from jobs.sources.cloudtrail_json import OTHER_FILES
from jobs.sources.flow_log_fields import DEFAULT_FIELDS, fields_of, header_fields
from jobs.sources.flow_log_lines import fault_of
from jobs.sources.parquet_files import PARQUET, glance
from jobs.sources.security_lake import is_ocsf, kind_by_path, kind_of
from jobs.sources.streams import DamagedError, decompressed

KINDS = (
    "vpc_flow_logs", "cloudtrail", "describe_network_interfaces", "list_functions", "get_metric_data", "failed_polls",
)  # fmt: skip

_HEAD_BYTES = 64 << 10
_SNAPSHOT = re.compile(r"(?:^|/)snapshots/([a-z_]+)/")
_LISTS = {
    "describe_network_interfaces": re.compile(rb'\s*\{[^\[]*?"NetworkInterfaces"\s*:\s*\['),
    "list_functions": re.compile(rb'\s*\{[^\[]*?"Functions"\s*:\s*\['),
    "get_metric_data": re.compile(rb'\s*\{[^\[]*?"MetricDataResults"\s*:\s*\['),
}

_NOT_READ = {
    "describe_flow_logs": "a list of the flow logs there are, which no table holds",
}
"""What else `leasehold collect` stores."""


def classify(path: str, source_file: str) -> tuple[str | None, str]:
    """(kind, "") or (None, why the file is not read). Raises UnreadableError if it cannot be opened, this time."""
    other = OTHER_FILES.search(source_file)
    if other:
        return None, f"a CloudTrail {other[1].lower()} file, not events"
    if "vpcflowlogs" in source_file:
        return "vpc_flow_logs", ""
    if re.search(r"/CloudTrail/|_CloudTrail_", source_file):
        return "cloudtrail", ""
    kind, reason = kind_by_path(source_file)
    if kind or reason:
        return kind, reason
    operation = _SNAPSHOT.search(source_file)
    if operation and operation[1] in KINDS:
        return operation[1], ""
    if operation and operation[1] in _NOT_READ:
        return None, _NOT_READ[operation[1]]
    return _sniff(path)


def fields_in(path: str) -> tuple[str, ...]:
    """Our names of a flow-log file's columns, by its header or Parquet schema; of lines alone the default format's.

    None if it is no flow log. Raises UnreadableError and DamagedError.
    """
    head = next(decompressed(path), b"")[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(PARQUET):
        return glance(path, _fields_of_parquet)
    return header_fields(head.partition(b"\n")[0])[0] or (DEFAULT_FIELDS if _is_flow_log(head) else ())


def _fields_of_parquet(file: pq.ParquetFile) -> tuple[str, ...]:
    schema = file.schema_arrow
    return tuple(security_lake_flows.fields_of(schema)) if is_ocsf(schema) else fields_of(schema.names)[0]


def _sniff(path: str) -> tuple[str | None, str]:
    head, damage = b"", ""
    try:
        for chunk in decompressed(path):
            head += chunk
            if len(head) >= _HEAD_BYTES:
                break
    except DamagedError as error:
        damage = str(error)
    head = head[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return None, damage or "empty file"
    if head.startswith(PARQUET):
        try:
            return glance(path, _kind_of_parquet)
        except DamagedError as error:
            return None, str(error)
    if _is_flow_log(head):
        return "vpc_flow_logs", ""
    if head[:1] in (b"{", b"["):
        return _sniff_json(head)
    return None, "not a flow log, CloudTrail, or an answer of the pollers"


def _kind_of_parquet(file: pq.ParquetFile) -> tuple[str | None, str]:
    if is_ocsf(file.schema_arrow):
        return kind_of(file)
    fields, fault = fields_of(file.schema_arrow.names)
    return ("vpc_flow_logs", "") if fields else (None, fault.replace("the header", "the Parquet file"))


def _is_flow_log(head: bytes) -> bool:
    lines = [line.rstrip(b"\r") for line in head.split(b"\n", 20)[:20]]
    return bool(header_fields(lines[0])[0]) or any(
        fault_of(line, DEFAULT_FIELDS, DEFAULT_FIELDS) is None for line in lines
    )


def _sniff_json(head: bytes) -> tuple[str | None, str]:
    for kind, pattern in _LISTS.items():
        if pattern.match(head):
            return kind, ""
    if b'"digestStartTime"' in head:
        return None, "a CloudTrail digest file, not events"
    if re.search(rb'"(?:Records|eventVersion|eventName|eventID)"', head):
        return "cloudtrail", ""
    keys = b", ".join(re.findall(rb'"(\w{1,40})"\s*:', head)[:5]).decode("ascii", "replace")
    return None, f"JSON of no known kind (it begins with {keys or 'no keys'})"
