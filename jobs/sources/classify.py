"""What a raw file is: by AWS's path first, else by its first bytes."""

from __future__ import annotations

import re

from jobs.sources.files import Receipt, decompressed

KINDS = ("vpc_flow_logs", "cloudtrail", "describe_network_interfaces", "list_functions", "get_metric_data")

_FLOW_HEADER = re.compile(rb"^\xef?\xbb?\xbf?(?=[^\n]*\b(?:interface-id|interface_id)\b)[a-zA-Z0-9_ -]+\r?$", re.MULTILINE)
_FLOW_LINE = re.compile(rb"^2 (?:\d{12}|unknown) eni-[0-9a-f]+ ")


def classify(path: str, source_file: str) -> tuple[str | None, str]:
    """(kind, "") or (None, why the file is not read)."""
    found = re.search(r"CloudTrail-(Digest|Insight|Aggregated)/", source_file)
    if found:
        return None, f"a CloudTrail {found[1].lower()} file, not events"
    if source_file.endswith(".parquet"):
        return None, "Parquet flow logs are not read yet: only text"
    if "vpcflowlogs" in source_file:
        return "vpc_flow_logs", ""
    if re.search(r"/CloudTrail/|_CloudTrail_", source_file):
        return "cloudtrail", ""
    operation = re.search(r"(?:^|/)snapshots/([a-z_]+)/", source_file)
    if operation and operation[1] in KINDS:
        return operation[1], ""
    return _sniff(path)


def _sniff(path: str) -> tuple[str | None, str]:
    head = b""
    for chunk in decompressed(path, Receipt(path)):
        head += chunk
        if len(head) > 1 << 16:
            break
    head = head[: 1 << 16].lstrip(b"\xef\xbb\xbf")
    if not head.strip():
        return None, "empty file"
    first = head.split(b"\n", 1)[0].rstrip(b"\r")
    if _FLOW_LINE.match(first) or (_FLOW_HEADER.match(first) and b"," not in first):
        return "vpc_flow_logs", ""
    if head.lstrip()[:1] not in (b"{", b"["):
        return None, "not a flow log, CloudTrail, or an answer of the pollers"
    for key, kind in (
        (b'"NetworkInterfaces"', "describe_network_interfaces"),
        (b'"Functions"', "list_functions"),
        (b'"MetricDataResults"', "get_metric_data"),
    ):
        if re.search(rb"^\s*\{(?:[^\[]*?)" + key + rb"\s*:\s*\[", head, re.DOTALL):
            return kind, ""
    if b'"digestStartTime"' in head:
        return None, "a CloudTrail digest file, not events"
    if re.search(rb'"(?:Records|eventVersion|eventName|eventID)"', head):
        return "cloudtrail", ""
    keys = b", ".join(re.findall(rb'"(\w{1,40})"\s*:', head)[:5]).decode("ascii", "replace")
    return None, f"JSON of no known kind (it begins with {keys or 'no keys'})"
