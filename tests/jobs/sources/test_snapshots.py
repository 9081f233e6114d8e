"""What pollers stored, in all the shapes that it comes in."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.sources.files import Receipt
from jobs.sources.snapshot_json import read_snapshots
from tests.jobs.sources.reading import faults, snapshots
from tests.jobs.sources.test_fixtures import read

INTERFACES, FUNCTIONS, METRICS = "describe_network_interfaces", "list_functions", "get_metric_data"
_POLL = "snapshots/{0}/2026/03/02/123456789012_{0}_eu-west-1_20260302T{1}Z.json.gz"
_LATER = datetime(2026, 3, 2, 10, tzinfo=UTC)


def _answer(key: str, *items: Any, **around: Any) -> bytes:
    return json.dumps({"polled_at": "2026-03-02T10:00:00Z", **around, "responses": [{key: list(items)}]}).encode()


def test_interfaces_of_a_poll() -> None:
    rows, receipt = read(_POLL.format(INTERFACES, "100001"))
    polled_at = datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC)
    assert (receipt.min_time, receipt.max_time) == (polled_at, polled_at)
    assert {row["polled_at"] for row in rows} == {polled_at}
    assert [row["source_line"] for row in rows] == list(range(1, 8))
    shared = rows[1]
    assert {name: value for name, value in shared.items() if value not in (None, [], polled_at)} == {
        "account_id": "123456789012",
        "region": "eu-west-1",
        "interface_id": "eni-0a0000000000000022",
        "vpc_id": "vpc-0a1",
        "subnet_id": "subnet-0a1",
        "availability_zone": "eu-west-1a",
        "interface_type": "lambda",
        "description": "AWS Lambda VPC ENI-report-builder",
        "status": "in-use",
        "requester_id": "AROAEXAMPLEREP0001:123456789012",
        "requester_managed": False,
        "complete": True,
        "private_ip_address": "10.0.1.22",
        "private_ip_addresses": ["10.0.1.22"],
        "security_group_ids": ["sg-0b2", "sg-0b3"],
        "instance_owner_id": "amazon-aws",
        "source_file": _POLL.format(INTERFACES, "100001"),
        "source_line": 2,
        "date": date(2026, 3, 2),
    }
    instance = rows[6]
    assert instance["private_ip_addresses"] == ["10.0.1.90", "10.0.1.91"]
    assert instance["public_ip_addresses"] == ["203.0.113.90"]
    assert instance["ipv6_addresses"] == ["2001:db8::90"]
    assert (instance["instance_id"], instance["name"]) == ("i-0123456789abcdef0", "web-1")
    assert instance["attach_time"] == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def test_an_answer_as_placebo_recorded_it() -> None:
    rows, _ = read("flat/polls/placebo.json")
    assert rows[0]["polled_at"] == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert rows[1]["attach_time"] == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    # Nothing around it names the region: the zone does.
    assert {row["region"] for row in rows} == {"eu-west-1"}


def test_without_a_time_there_is_none() -> None:
    [row], receipt = read("flat/polls/placebo-undated.json")
    assert (row["polled_at"], row["date"]) == (None, date(1970, 1, 1))
    assert receipt.min_time is None


def test_functions_of_a_poll() -> None:
    rows, _ = read(_POLL.format(FUNCTIONS, "100003"))
    found = [(row["function_name"], row["version"], row["vpc_id"], row["security_group_ids"]) for row in rows]
    assert found == [
        ("orders-api", "$LATEST", "vpc-0a1", ["sg-0a1"]),
        ("orders-api", "3", "vpc-0a1", ["sg-0a1"]),
        ("report-builder", "$LATEST", "vpc-0a1", ["sg-0b2", "sg-0b3"]),
        ("invoice-mailer", "$LATEST", "vpc-0a1", ["sg-0b2", "sg-0b3"]),
        ("thumbnailer", "$LATEST", None, []),
        ("legacy-import", "$LATEST", "vpc-0a1", ["sg-0f1"]),
    ]
    assert {row["function_arn"] for row in rows[:2]} == {"arn:aws:lambda:eu-west-1:123456789012:function:orders-api"}
    assert rows[0]["last_modified"] == datetime(2026, 2, 20, 9, tzinfo=UTC)
    assert (rows[0]["timeout_seconds"], rows[0]["memory_mb"], rows[5]["last_update_status"]) == (30, 256, "InProgress")


def test_metrics_of_a_poll() -> None:
    rows, receipt = read(_POLL.format(METRICS, "101505"))
    found = [(row["function_name"], row["metric_name"], row["minute"].minute, row["value"]) for row in rows]
    assert found == [
        ("orders-api", "Invocations", 58, 3.0),
        ("orders-api", "Invocations", 59, 5.0),
        ("report-builder", "Invocations", 30, 1.0),
    ]
    assert [row["source_line"] for row in rows] == [1, 2, 3]
    # The minutes, not the poll.
    assert receipt.max_time == datetime(2026, 3, 2, 9, 59, tzinfo=UTC)


ODD_INTERFACES: dict[str, tuple[Any, str]] = {
    "a text": ("eni-0a1", "not an item of NetworkInterfaces: it is no object but str"),
    "null": (None, "not an item of NetworkInterfaces: it is no object but NoneType"),
    "no id": ({"VpcId": "vpc-0a1"}, "not an item of NetworkInterfaces: NetworkInterfaceId is missing"),
    "an empty id": ({"NetworkInterfaceId": ""}, "not an item of NetworkInterfaces: NetworkInterfaceId is empty"),
    "a group without id": (
        {"NetworkInterfaceId": "eni-2", "Groups": [{}]},
        "not an item of NetworkInterfaces: GroupId is",
    ),
    "groups of texts": ({"NetworkInterfaceId": "eni-2", "Groups": ["sg-1"]}, "not an item of NetworkInterfaces: "),
    "an attachment of text": ({"NetworkInterfaceId": "eni-2", "Attachment": "x"}, "not an item of NetworkInterfaces: "),
    "addresses of numbers": (
        {"NetworkInterfaceId": "eni-2", "PrivateIpAddresses": [{"PrivateIpAddress": 7}]},
        "not an item of NetworkInterfaces: private_ip_addresses is no list<element: string>: '[7]'",
    ),
    "a number for a text": (
        {"NetworkInterfaceId": "eni-2", "VpcId": 7},
        "not an item of NetworkInterfaces: vpc_id is no string: '7'",
    ),
    "a text for a boolean": (
        {"NetworkInterfaceId": "eni-2", "RequesterManaged": "no"},
        "not an item of NetworkInterfaces: requester_managed is no bool: 'no'",
    ),
    "no Unicode": (
        {"NetworkInterfaceId": "eni-2", "Description": "a\ud800"},
        "not an item of NetworkInterfaces: description is no string: ",
    ),
    "zones of numbers": ({"NetworkInterfaceId": "eni-2", "AvailabilityZone": 5}, "not an item of NetworkInterfaces: "),
}


@pytest.mark.parametrize(("odd", "reason"), ODD_INTERFACES.values(), ids=ODD_INTERFACES)
def test_one_odd_item(tmp_path: Path, odd: Any, reason: str) -> None:
    content = _answer("NetworkInterfaces", {"NetworkInterfaceId": "eni-1"}, odd, {"NetworkInterfaceId": "eni-3"})
    rows, receipt = snapshots(INTERFACES, tmp_path, content)
    assert [(row["interface_id"], row["source_line"]) for row in rows] == [("eni-1", 1), ("eni-3", 3)]
    [(index, said)] = faults(receipt)
    assert index == 2
    assert said.startswith(reason)


@pytest.mark.parametrize("odd", [odd for odd, _ in ODD_INTERFACES.values()], ids=ODD_INTERFACES)
def test_a_poll_with_an_odd_item_does_not_list_everything(tmp_path: Path, odd: Any) -> None:
    """The interface that could not be read is not gone."""
    good = {"NetworkInterfaceId": "eni-1"}
    [row], _ = snapshots(INTERFACES, tmp_path, _answer("NetworkInterfaces", good, odd))
    [whole], _ = snapshots(INTERFACES, tmp_path, _answer("NetworkInterfaces", good))
    assert (row["complete"], whole["complete"]) == (False, True)


@pytest.mark.parametrize(
    ("around", "complete"),
    [
        ({}, True),
        ({"request": {}}, True),
        ({"request": {"MaxResults": 100}}, True),
        ({"request": {"Filters": [{"Name": "vpc-id", "Values": ["vpc-0a1"]}]}}, False),
        ({"request": {"NetworkInterfaceIds": ["eni-1"]}}, False),
        ({"responses": [{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}], "NextToken": "more"}]}, False),
        ({"responses": [{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]}, {"Error": "x"}]}, False),
    ],
)
def test_whether_a_poll_lists_everything(tmp_path: Path, around: Any, complete: bool) -> None:
    document = {
        "polled_at": "2026-03-02T10:00:00Z",
        "responses": [{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]}],
    }
    [row], _ = snapshots(INTERFACES, tmp_path, json.dumps(document | around).encode())
    assert row["complete"] is complete


@pytest.mark.parametrize("odd", [{"Timeout": "long"}, {"MemorySize": 2**40}, {"VpcConfig": {"SubnetIds": [1]}}])
def test_one_odd_function(tmp_path: Path, odd: Any) -> None:
    content = _answer("Functions", {"FunctionName": "a"}, {"FunctionName": "b", **odd}, {"FunctionName": "c"})
    rows, receipt = snapshots(FUNCTIONS, tmp_path, content)
    assert [row["function_name"] for row in rows] == ["a", "c"]
    assert [index for index, _ in faults(receipt)] == [2]


def test_odd_points_of_a_metric(tmp_path: Path) -> None:
    asked = {
        "Metric": {"MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]},
        "Stat": "Sum",
        "Period": 60,
    }
    times = ["2026-03-02T09:00:00Z", None, "0001-01-01T00:00:00Z", "2026-03-02T09:01:00Z", "2026-03-02T09:02:00Z"]
    content = _answer(
        "MetricDataResults",
        {"Id": "a", "Timestamps": times, "Values": [1, 2, 3, "four", 5]},
        {"Id": "a", "Timestamps": times, "Values": [1]},
        {"Id": "a"},
        {},
        request={"MetricDataQueries": [{"Id": "a", "MetricStat": asked}]},
    )
    rows, receipt = snapshots(METRICS, tmp_path, content)
    assert [row["value"] for row in rows] == [1.0, 5.0]
    assert [(line, said.removeprefix("not an item of MetricDataResults: ")[:25]) for line, said in faults(receipt)] == [
        (2, "not a time: None"),
        (3, "not a time: 0001-01-01T00"),
        (4, "not a number: four"),
        (6, "zip() argument 2 is short"),
        (7, "Timestamps is missing"),
        (8, "Id is missing"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"responses": [{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}', "broken JSON: "),
        (b"\xff\xfe\xfa", "broken JSON: "),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"polled_at": ' + b"7" * 5000 + b"}", "broken JSON: Exceeds the limit"),
    ],
    ids=["cut short", "no Unicode", "100,000 levels", "5,000 digits"],
)
def test_nothing_is_taken_from_a_broken_answer(tmp_path: Path, content: bytes, reason: str) -> None:
    rows, receipt = snapshots(INTERFACES, tmp_path, content)
    assert rows == []
    assert [(line, said[: len(reason)]) for line, said in faults(receipt)] == [(0, reason)]


def test_nothing_is_taken_from_a_damaged_file(tmp_path: Path) -> None:
    whole = gzip.compress(_answer("NetworkInterfaces", {"NetworkInterfaceId": "eni-1"}))
    rows, receipt = snapshots(INTERFACES, tmp_path, whole[:-4])
    assert rows == []
    assert faults(receipt)[0][1].endswith("what follows is lost; nothing is taken from half an answer")


@pytest.mark.parametrize("content", [b"7", b"[]", b"{}", b'{"responses": [7]}', b'{"data": {"NetworkInterfaces": {}}}'])
def test_no_list_of_interfaces(tmp_path: Path, content: bytes) -> None:
    rows, receipt = snapshots(INTERFACES, tmp_path, content)
    assert rows == []
    assert faults(receipt) == [(1, "`NetworkInterfaces` is missing")]


@pytest.mark.parametrize(
    "polled_at", [None, 7, "soon", "0001-01-01T00:00:00Z", {"__class__": "datetime", "year": 10**9}]
)
def test_an_odd_time_of_the_poll_is_none(tmp_path: Path, polled_at: Any) -> None:
    rows, receipt = snapshots(
        INTERFACES, tmp_path, _answer("NetworkInterfaces", {"NetworkInterfaceId": "eni-1"}, polled_at=polled_at)
    )
    assert [row["polled_at"] for row in rows] == [None]
    assert receipt.reason == "the file does not say when it was polled: its records have no time"


def test_a_poll_that_found_nothing_is_a_poll(tmp_path: Path) -> None:
    rows, receipt = snapshots(INTERFACES, tmp_path, _answer("NetworkInterfaces"))
    assert (rows, receipt.outcome, receipt.min_time, receipt.rejected) == ([], "read", _LATER, [])


def test_a_vanished_file_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(_answer("NetworkInterfaces", {"NetworkInterfaceId": "eni-1"}))
    files = [(str(tmp_path / name), Receipt(name)) for name in ("gone", "there")]
    assert [batch.num_rows for batch in read_snapshots(INTERFACES, files)] == [1]
    assert [receipt.outcome for _, receipt in files] == ["unreadable", "read"]


def _failed(**around: Any) -> bytes:
    error = {"code": "AccessDenied", "message": "no", "advice": "Allow it"}
    whole = {"operation": "list_functions", "account_id": "123456789012", "region": "eu-west-1", "error": error}
    return json.dumps({"polled_at": "2026-03-02T10:00:00Z", "request": {}, "responses": [], **whole, **around}).encode()


def test_a_poll_that_failed(tmp_path: Path) -> None:
    [row], receipt = snapshots("failed_polls", tmp_path, _failed())
    assert row == {
        "account_id": "123456789012", "region": "eu-west-1", "operation": "list_functions", "polled_at": _LATER,
        "error_code": "AccessDenied", "error_message": "no", "source_file": "poll.json", "source_line": 1,
        "date": date(2026, 3, 2),
    }  # fmt: skip
    assert (receipt.min_time, receipt.max_time, receipt.reason) == (_LATER, _LATER, None)
    [undated], receipt = snapshots("failed_polls", tmp_path, _failed(polled_at=None))
    assert (undated["polled_at"], undated["date"]) == (None, date(1970, 1, 1)) and receipt.min_time is None
    secret = "denied with key AKIAIOSFODNN7EXAMPLE " + "x" * 5_000
    [leaked], _ = snapshots("failed_polls", tmp_path, _failed(error={"code": "A", "message": secret}))
    assert "AKIA" not in leaked["error_message"] and len(leaked["error_message"]) == 1_000


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        ({"error": None}, "not an item of error: it is no object but NoneType"),
        ({"error": "AccessDenied"}, "not an item of error: it is no object but str"),
        ({"error": {"message": "no"}}, "not an item of error: code is missing"),
        ({"error": {"code": 7}}, "not an item of error: code is empty"),
        ({"operation": ""}, "not an item of error: operation is empty"),
        ({"operation": "a\ud800"}, "not an item of error: operation is no string: "),
        ({"region": 7}, "region is no string: '7'"),
    ],
)
def test_a_poll_that_failed_oddly(tmp_path: Path, around: Any, reason: str) -> None:
    rows, receipt = snapshots("failed_polls", tmp_path, _failed(**around))
    assert rows == []
    [(line, said)] = faults(receipt)
    assert line == 1 and said.startswith(reason)


def test_no_word_of_a_failure(tmp_path: Path) -> None:
    for content in (b"7", b"{}", b'{"responses": []}'):
        rows, receipt = snapshots("failed_polls", tmp_path, content)
        assert rows == [] and faults(receipt) == [(1, "`error` is missing")]
