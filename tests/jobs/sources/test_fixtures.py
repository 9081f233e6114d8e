"""What becomes of every file of `tests/fixtures/raw`: read, with what rejected, or skipped, and why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from jobs.sources.classify import classify
from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from jobs.sources.snapshot_json import read_snapshots
from tests.jobs.sources.reading import Row, faults

RAW = Path(__file__).parents[2] / "fixtures" / "raw"

_FLOWS = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/02/123456789012_vpcflowlogs_eu-west-1_"
_HIVE = (
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=03/day=02/hour=10/"
    "123456789012_vpcflowlogs_eu-west-1_"
)
_TRAIL = "AWSLogs/o-a1b2c3d4e5/123456789012/CloudTrail/eu-west-1/2026/03/02/123456789012_CloudTrail_eu-west-1_"
_BESIDE = "AWSLogs/123456789012/CloudTrail-{0}/eu-west-1/2026/03/02/123456789012_CloudTrail-{0}_eu-west-1_"
_POLLS = "snapshots/{0}/2026/03/02/123456789012_{0}_eu-west-1_20260302T{1}Z.json.gz"
_NOTHING = "not a flow log, CloudTrail, or an answer of the pollers"
_TRUNCATED = "the gzip data break off: the file is truncated, what follows is lost"
_UNDATED = "the file does not say when it was polled: its records have no time"

READ: dict[str, tuple[str, int, list[tuple[int, str]], str | None]] = {
    _FLOWS + "fl-0a1b2c3d4e5f60718_20260302T1005Z_1a2b3c4d.log.gz": ("vpc_flow_logs", 10, [(7, "13 fields")], None),
    _FLOWS + "fl-0a1b2c3d4e5f60718_20260302T1010Z_5e6f7a8b.log.gz": ("vpc_flow_logs", 6, [], None),
    _FLOWS + "fl-0a1b2c3d4e5f60718_20260302T1015Z_0badbad0.log.gz": (
        "vpc_flow_logs", 0, [(1, "the header lacks src_addr, dst_addr")], "no record was read: the header lacks"),
    _FLOWS + "fl-0f9e8d7c6b5a40312_20260302T1005Z_9c0d1e2f.log.gz": ("vpc_flow_logs", 5, [], None),
    _HIVE + "fl-07777777777777777_20260302T1005Z_33445566.log.gz": ("vpc_flow_logs", 4, [], None),
    _TRAIL + "20260302T1005Z_AbCdEfGhIjKlMnOp.json.gz": ("cloudtrail", 6, [], None),
    _TRAIL + "20260302T1010Z_QrStUvWxYzAbCdEf.json.gz": ("cloudtrail", 5, [(5, "an event is an object")], None),
    _TRAIL + "20260302T1015Z_NoRecordsNoRecor.json.gz": ("cloudtrail", 0, [(0, "`Records` is missing")], None),
    "flat/bad/broken.json": ("cloudtrail", 2, [(2, "broken JSON at character 1,688")], None),
    "flat/bad/bytes.log": ("vpc_flow_logs", 2, [(3, "interface_id is not UTF-8"), (4, "a control character")], None),
    "flat/bad/check-sum.log.gz": (
        "vpc_flow_logs", 60, [(62, "the gzip check sum is wrong")], "the gzip check sum is wrong: what was read"),
    "flat/bad/cut-short.json": ("cloudtrail", 1, [(2, "broken JSON at character 1,282")], None),
    "flat/bad/header-only.log": ("vpc_flow_logs", 0, [], "a header and no records"),
    "flat/bad/not-gzip.log.gz": ("vpc_flow_logs", 1, [], None),
    "flat/bad/numbers.log": (
        "vpc_flow_logs",
        2,
        [
            (3, "bytes is not a number: many"),
            (4, "bytes is too large: 9223372036854775808"),
            (5, "bytes is negative: -1"),
            (6, "dst_port is too large: 65536"),
            (7, "end is before start"),
        ],
        None,
    ),
    "flat/bad/truncated.log.gz": ("vpc_flow_logs", 41, [(43, _TRUNCATED)], _TRUNCATED),
    "flat/cloudtrail/array.json": ("cloudtrail", 2, [], None),
    "flat/cloudtrail/eventbridge.json.gz": ("cloudtrail", 2, [], None),
    "flat/cloudtrail/lines.json": ("cloudtrail", 3, [], None),
    **{f"flat/cloudtrail/versions/1_{n:02}.json": ("cloudtrail", 1, [], None) for n in range(12)},
    "flat/flow-logs/no-header.txt": ("vpc_flow_logs", 2, [], "no header: read in the default format"),
    "flat/flow-logs/strings.parquet": ("vpc_flow_logs", 1, [], None),
    "flat/flow-logs/two-formats.log": ("vpc_flow_logs", 3, [], None),
    **{f"flat/flow-logs/v{n}.log": ("vpc_flow_logs", 1, [], None) for n in (2, 4, 5, 7, 11)},
    **{f"flat/flow-logs/v{n}.log": ("vpc_flow_logs", 2, [], None) for n in (9, 10)},
    "flat/flow-logs/v8.log": ("vpc_flow_logs", 3, [], None),
    "flat/flow-logs/windows.log": ("vpc_flow_logs", 2, [], None),
    "flat/polls/functions.json": ("list_functions", 1, [], None),
    "flat/polls/half.json": ("describe_network_interfaces", 0, [(0, "broken JSON: Unterminated string")], None),
    "flat/polls/odd.json": (
        "describe_network_interfaces",
        1,
        [
            (1, "not an item of NetworkInterfaces: it is no object but str"),
            (2, "not an item of NetworkInterfaces: vpc_id is no string: '7'"),
        ],
        _UNDATED,
    ),
    "flat/polls/placebo-undated.json": ("describe_network_interfaces", 1, [], _UNDATED),
    "flat/polls/placebo.json": ("describe_network_interfaces", 2, [], None),
    _POLLS.format("describe_network_interfaces", "100001"): ("describe_network_interfaces", 7, [], None),
    _POLLS.format("describe_network_interfaces", "103001"): (
        "describe_network_interfaces", 6, [(7, "not an item of NetworkInterfaces: NetworkInterfaceId is empty")], None),
    _POLLS.format("get_metric_data", "101505"): (
        "get_metric_data",
        3,
        [
            (4, "not an item of MetricDataResults: not a time: soon"),
            (5, "not an item of MetricDataResults: nothing was asked for under the id 'm9'"),
        ],
        None,
    ),
    _POLLS.format("list_functions", "100003"): ("list_functions", 6, [], None),
    _POLLS.format("list_functions", "103003"): ("list_functions", 5, [], None),
}  # fmt: skip
"""File → kind, good records, rejections, note."""

SKIPPED = {
    _BESIDE.format("Digest")
    + "trail_eu-west-1_20260302T100500Z.json.gz".replace("trail_eu-west-1", "trail_eu-west-1"): (
        "a CloudTrail digest file, not events"
    ),
    _BESIDE.format("Insight") + "20260302T1005Z_AbCdEfGhIjKlMnOp.json.gz": "a CloudTrail insight file, not events",
    "README.md": _NOTHING,
    "flat/LICENSE": _NOTHING,
    "flat/costs.csv": _NOTHING,
    "flat/package.json": "JSON of no known kind (it begins with name, version, private)",
    "flat/bad/digest.json.gz": "a CloudTrail digest file, not events",
    "flat/bad/empty.log": "empty file",
    "flat/bad/no-records.json": "JSON of no known kind (it begins with records, eventVersions)",
}
"""File → why it is not read, by its name and first bytes."""

SKIPPED_BY_READER = {
    _FLOWS + "fl-0c0c0c0c0c0c0c0c0_20260302T1005Z_7a7a7a7a.log.gz": "a flow log of a transit gateway, not of a VPC",
}


def read(source_file: str) -> tuple[list[Row], Receipt]:
    """The file's rows and receipt, by the reader that its classification names."""
    kind, _ = classify(str(RAW / source_file), source_file)
    receipt = Receipt(source_file)
    files = [(str(RAW / source_file), receipt)]
    assert kind is not None
    if kind == "vpc_flow_logs":
        batches = read_flow_logs(files)
    else:
        batches = read_cloudtrail(files) if kind == "cloudtrail" else read_snapshots(kind, files)
    return [row for batch in batches for row in batch.to_pylist()], receipt


def test_every_file_is_listed_here() -> None:
    there = {path.relative_to(RAW).as_posix() for path in RAW.rglob("*") if path.is_file()}
    assert there == {*READ, *SKIPPED, *SKIPPED_BY_READER}


@pytest.mark.parametrize("source_file", READ)
def test_read(source_file: str) -> None:
    kind, good, bad, note = READ[source_file]
    assert classify(str(RAW / source_file), source_file) == (kind, "")
    rows, receipt = read(source_file)
    assert (len(rows), receipt.records, receipt.outcome) == (good, good, "read")
    assert [line for line, _ in faults(receipt)] == [line for line, _ in bad]
    assert all(said.startswith(reason) for (_, said), (_, reason) in zip(faults(receipt), bad, strict=True))
    assert (receipt.reason or "").startswith(note or "") and bool(receipt.reason) == bool(note)


@pytest.mark.parametrize("source_file", SKIPPED)
def test_skipped(source_file: str) -> None:
    assert classify(str(RAW / source_file), source_file) == (None, SKIPPED[source_file])


@pytest.mark.parametrize("source_file", SKIPPED_BY_READER)
def test_skipped_by_the_reader(source_file: str) -> None:
    rows, receipt = read(source_file)
    assert (rows, receipt.outcome, receipt.reason) == ([], "skipped", SKIPPED_BY_READER[source_file])


def test_nothing_is_lost_and_nothing_secret_kept() -> None:
    """What was rejected and what was read, put together, are all lines; no credential is in either."""
    counts: Counter[str] = Counter()
    for source_file in READ:
        rows, receipt = read(source_file)
        counts[READ[source_file][0]] += len(rows)
        kept = json.dumps(rows, default=str) + json.dumps([bad.text for bad in receipt.rejected])
        assert not any(secret in kept for secret in ("AKIA", "ASIA", "IQoJ", "FwoG")), source_file
    assert counts == {
        "vpc_flow_logs": 151,
        "cloudtrail": 33,
        "describe_network_interfaces": 17,
        "list_functions": 12,
        "get_metric_data": 3,
    }
