"""What a raw file is taken for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.sources.classify import classify
from jobs.sources.streams import UnreadableError
from tests.jobs.sources.reading import GOOD, HEADER, lines

_ACCOUNT = "AWSLogs/123456789012"
_LAKE = "region=eu-west-1/accountId=123456789012/eventDay=20260302"
_NEITHER = "neither flow logs nor CloudTrail"
BY_NAME = {
    f"{_ACCOUNT}/vpcflowlogs/eu-west-1/2026/03/02/x.log.gz": ("vpc_flow_logs", ""),
    f"{_ACCOUNT}/CloudTrail/eu-west-1/2026/03/02/x.json.gz": ("cloudtrail", ""),
    f"{_ACCOUNT}/CloudTrail-NetworkActivity/eu-west-1/2026/03/02/123456789012_CloudTrail_x.json.gz": ("cloudtrail", ""),
    f"{_ACCOUNT}/CloudTrail-Digest/eu-west-1/x.json.gz": (None, "a CloudTrail digest file, not events"),
    f"{_ACCOUNT}/CloudTrail-Insight/eu-west-1/x.json.gz": (None, "a CloudTrail insight file, not events"),
    f"{_ACCOUNT}/CloudTrail-Aggregated/eu-west-1/x.json.gz": (None, "a CloudTrail aggregated file, not events"),
    "123456789012_CloudTrail_eu-west-1_20260302T1005Z_AbCdEfGhIjKlMnOp.json.gz": ("cloudtrail", ""),
    "snapshots/list_functions/2026/03/02/x.json.gz": ("list_functions", ""),
    "snapshots/failed_polls/2026/03/02/x.json.gz": ("failed_polls", ""),
    f"{_ACCOUNT}/vpcflowlogs/eu-west-1/2026/03/02/x.log.parquet": ("vpc_flow_logs", ""),
    f"aws/VPC_FLOW/1.0/{_LAKE}/x.gz.parquet": ("vpc_flow_logs", ""),
    f"lake/aws/VPC_FLOW/2.0/{_LAKE}/x.gz.parquet": ("vpc_flow_logs", ""),
    f"aws/CLOUD_TRAIL_MGMT/2.0/{_LAKE}/x.gz.parquet": ("cloudtrail", ""),
    f"aws/LAMBDA_EXECUTION/2.0/{_LAKE}/x.gz.parquet": ("cloudtrail", ""),
    f"aws/S3_DATA/2.0/{_LAKE}/x.gz.parquet": ("cloudtrail", ""),
    f"aws/ROUTE53/2.0/{_LAKE}/x.gz.parquet": (None, f"Security Lake's Route 53 records, {_NEITHER}"),
    f"aws/SH_FINDINGS/2.0/{_LAKE}/x.gz.parquet": (None, f"Security Lake's Security Hub records, {_NEITHER}"),
    f"aws/EKS_AUDIT/2.0/{_LAKE}/x.gz.parquet": (None, f"Security Lake's EKS records, {_NEITHER}"),
    f"aws/WAF/2.0/{_LAKE}/x.gz.parquet": (None, f"Security Lake's WAF records, {_NEITHER}"),
}
_NOTHING = (None, "not a flow log, CloudTrail, or an answer of the pollers")
BY_CONTENT = {
    "a header": (lines(HEADER, GOOD), ("vpc_flow_logs", "")),
    "a header after empty lines": (b"\n\r\n" + lines(HEADER, GOOD), ("vpc_flow_logs", "")),
    "a header after a byte-order mark": (b"\xef\xbb\xbf" + lines(HEADER, GOOD), ("vpc_flow_logs", "")),
    "a custom header": (b"srcaddr dstaddr start end interface-id\r\n", ("vpc_flow_logs", "")),
    "a header alone": (HEADER, ("vpc_flow_logs", "")),
    "records alone": (lines(GOOD), ("vpc_flow_logs", "")),
    "records after a bad line": (lines(GOOD[:-3], GOOD), ("vpc_flow_logs", "")),
    "Records": (b'{"Records": []}', ("cloudtrail", "")),
    "events": (b'[{"eventVersion": "1.11"}]', ("cloudtrail", "")),
    "an event": (b'\xef\xbb\xbf {"eventVersion": "1.11"}', ("cloudtrail", "")),
    "a digest": (b'{"digestStartTime": "2026-03-02T09:00:00Z"}', (None, "a CloudTrail digest file, not events")),
    "interfaces": (b'{"NetworkInterfaces": []}', ("describe_network_interfaces", "")),
    "interfaces by placebo": (
        b'{"status_code": 200, "data": {"ResponseMetadata": {}, "NetworkInterfaces": [',
        ("describe_network_interfaces", ""),
    ),
    "functions": (b'{"Functions": []}', ("list_functions", "")),
    "metrics": (b'{"MetricDataResults": []}', ("get_metric_data", "")),
    "JSON of another kind": (b'{"name": "x", "b": 1}', (None, "JSON of no known kind (it begins with name, b)")),
    "JSON without keys": (b"[1, 2]", (None, "JSON of no known kind (it begins with no keys)")),
    "prose": (b"# Read me\n\nAbout interface-id and srcaddr.\n", _NOTHING),
    "a table": (b"interface-id,srcaddr,dstaddr,start,end\n", _NOTHING),
    "random bytes": (bytes(range(256)) * 9, _NOTHING),
    "NUL bytes": (b"\0" * 5000, _NOTHING),
    "nothing": (b"", (None, "empty file")),
    "blank": (b" \n\n", (None, "empty file")),
}


@pytest.mark.parametrize(("name", "expected"), BY_NAME.items(), ids=BY_NAME)
def test_by_name(name: str, expected: tuple[str | None, str]) -> None:
    """The file is not even opened."""
    assert classify("nowhere", name) == expected


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("content", "expected"), BY_CONTENT.values(), ids=BY_CONTENT)
def test_by_content(tmp_path: Path, content: bytes, expected: tuple[str | None, str], packed: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert classify(str(path), "x") == expected


def test_a_parquet_file_is_known_by_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "x"
    columns = {name: [1] for name in ("start", "end", "interface_id", "srcaddr", "dstaddr")}
    pq.write_table(pa.table(columns), path)
    assert classify(str(path), "x") == ("vpc_flow_logs", "")
    del columns["srcaddr"]
    pq.write_table(pa.table(columns), path)
    kind, reason = classify(str(path), "x")
    assert kind is None and reason.startswith("the Parquet file lacks src_addr")
    path.write_bytes(path.read_bytes()[:-9])
    kind, reason = classify(str(path), "x")
    assert kind is None and reason.startswith("no Parquet file, or a damaged one")


def test_a_truncated_file_is_known_by_what_is_left(tmp_path: Path) -> None:
    packed = gzip.compress(lines(HEADER, GOOD))
    (tmp_path / "x").write_bytes(packed[:-9])
    assert classify(str(tmp_path / "x"), "x") == ("vpc_flow_logs", "")
    (tmp_path / "x").write_bytes(packed[:11])
    assert classify(str(tmp_path / "x"), "x") == (
        None,
        "the gzip data break off: the file is truncated, what follows is lost",
    )


def test_a_vanished_file_is_none_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="it cannot be opened: No such file or directory"):
        classify(str(tmp_path / "x"), "x")


def test_what_the_collectors_store_besides_is_passed_over(tmp_path: Path) -> None:
    name = "123456789012_describe_flow_logs_eu-west-1_20260311T100000Z.json.gz"
    kind, reason = classify(str(tmp_path / "any"), f"snapshots/describe_flow_logs/2026/03/11/{name}")
    assert kind is None and "list of the flow logs" in reason
