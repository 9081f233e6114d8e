"""What a CloudTrail event says, in all the shapes that it comes in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.sources.reading import Row, cloudtrail
from tests.jobs.sources.test_cloudtrail_bad_input import event, records, text
from tests.jobs.sources.test_fixtures import RAW, read

VERSIONS = [f"1_{n:02}" for n in range(12)]


def _one(folder: Path, **changed: Any) -> Row:
    rows, _ = cloudtrail(folder, records(text(1, **changed)))
    return rows[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_event_version(version: str) -> None:
    source_file = f"flat/cloudtrail/versions/{version}.json"
    [original] = json.loads((RAW / source_file).read_text())["Records"]
    [row] = read(source_file)[0]
    assert row["event_version"] == original["eventVersion"]
    assert row["event_time"] == datetime.strptime(original["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert (row["event_name"], row["event_source"]) == (original["eventName"], original["eventSource"])
    assert row["source_ip_address"] == original["sourceIPAddress"]
    assert row["user_type"] == original["userIdentity"].get("type")
    assert row["account_id"] == "123456789012"
    assert row["read_only"] == {"true": True, "false": False}.get(original.get("readOnly"), original.get("readOnly"))
    for column, key in (("request_parameters", "requestParameters"), ("resources", "resources")):
        assert (None if row[column] is None else json.loads(row[column])) == original.get(key)
    assert json.loads(row["raw"]).keys() == original.keys()


def test_the_first_version_has_no_event_id_so_its_content_is_the_identity() -> None:
    [row], _ = read("flat/cloudtrail/versions/1_00.json")
    [again], _ = read("flat/cloudtrail/versions/1_00.json")
    assert row["event_id"].startswith("sha256:")
    assert row["event_id"] == again["event_id"]


def test_the_order_of_keys_is_no_other_identity(tmp_path: Path) -> None:
    plain = {k: v for k, v in event(1).items() if k != "eventID"}
    backwards = dict(reversed(plain.items()))
    rows, _ = cloudtrail(tmp_path, records(json.dumps(plain), json.dumps(backwards)))
    assert rows[0]["event_id"] == rows[1]["event_id"]


def test_a_call_made_by_a_function() -> None:
    rows, _ = read(
        "AWSLogs/o-a1b2c3d4e5/123456789012/CloudTrail/eu-west-1/2026/03/02/"
        "123456789012_CloudTrail_eu-west-1_20260302T1005Z_AbCdEfGhIjKlMnOp.json.gz"
    )
    [call] = [row for row in rows if row["event_name"] == "GetSecretValue"]
    assert {name: call[name] for name in call if name.startswith(("in_scope", "role", "session", "vpc"))} == {
        "session_name": "orders-api",
        "role_arn": "arn:aws:iam::123456789012:role/orders-api-role",
        "in_scope_of_type": "AWS::Lambda::Function",
        "in_scope_of_arn": "arn:aws:lambda:eu-west-1:123456789012:function:orders-api",
        "in_scope_of_version": "arn:aws:lambda:eu-west-1:123456789012:function:orders-api:$LATEST",
        "vpc_endpoint_id": "vpce-0a1b2c3d4e5f60718",
    }
    assert call["delivered_at"] == datetime(2026, 3, 2, 10, 5, tzinfo=UTC)
    assert call["date"] == date(2026, 3, 2)
    [execution] = [row for row in rows if row["event_name"] == "InvokeExecution"]
    assert json.loads(execution["additional_event_data"])["customerEniId"] == "eni-0a0000000000000022"


@pytest.mark.parametrize(
    "odd", [None, "text", 7, True, [], {}, [1, {"a": None}], {"a": {"b": ["c"]}}], ids=lambda odd: json.dumps(odd)
)
@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("requestParameters", "request_parameters"),
        ("responseElements", "response_elements"),
        ("additionalEventData", "additional_event_data"),
        ("resources", "resources"),
    ],
)
def test_parts_of_any_shape_stay_json(tmp_path: Path, key: str, column: str, odd: Any) -> None:
    found = _one(tmp_path, **{key: odd})[column]
    assert found is None if odd is None else json.loads(found) == odd


@pytest.mark.parametrize(
    "odd", [None, "text", 7, [], {"sessionContext": "x"}, {"sessionContext": {"sessionIssuer": []}}]
)
def test_an_identity_of_any_shape(tmp_path: Path, odd: Any) -> None:
    row = _one(tmp_path, userIdentity=odd)
    assert (row["user_type"], row["role_arn"], row["session_name"]) == (None, None, None)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("eventID", "event_id"),
        ("awsRegion", "region"),
        ("userAgent", "user_agent"),
        ("errorCode", "error_code"),
        ("recipientAccountId", "account_id"),
        ("sourceIPAddress", "source_ip_address"),
    ],
)
def test_texts_that_are_none_stay_visible(tmp_path: Path, key: str, column: str) -> None:
    assert _one(tmp_path, **{key: {"b": 1, "a": [2]}})[column] == '{"a": [2], "b": 1}'
    assert _one(tmp_path, **{key: 12})[column] == "12"


@pytest.mark.parametrize(
    ("given", "expected"), [(True, True), ("true", True), ("false", False), (None, None), ("perhaps", None), (1, None)]
)
def test_read_only(tmp_path: Path, given: Any, expected: bool | None) -> None:
    assert _one(tmp_path, readOnly=given)["read_only"] is expected


@pytest.mark.parametrize(
    "given", ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00.000Z", "2026-03-02T12:00:00+02:00", "2026-03-02T10:00:00"]
)
def test_times_are_utc(tmp_path: Path, given: str) -> None:
    row = _one(tmp_path, eventTime=given)
    assert row["event_time"] == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_account_and_region_from_the_name(tmp_path: Path) -> None:
    bare = json.dumps({k: v for k, v in event(1).items() if k != "awsRegion"})
    rows, _ = cloudtrail(
        tmp_path, records(bare), "123456789012_CloudTrail_eu-west-3_20260302T1005Z_AbCdEfGhIjKlMnOp.json"
    )
    assert (rows[0]["account_id"], rows[0]["region"]) == ("123456789012", "eu-west-3")


def test_the_session_without_a_principal_is_the_arns_last_part(tmp_path: Path) -> None:
    identity = {"type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/r/orders-api"}
    assert _one(tmp_path, userIdentity=identity)["session_name"] == "orders-api"


@pytest.mark.parametrize(
    "wrap", [lambda e: {"detail": e}, lambda e: {"aws": {"cloudtrail": e}}], ids=["EventBridge", "ECS"]
)
def test_events_in_another_object(tmp_path: Path, wrap: Any) -> None:
    rows, receipt = cloudtrail(tmp_path, json.dumps([wrap(event(1)), wrap({"eventName": "x"})]).encode())
    assert [row["event_id"] for row in rows] == ["id-1"]
    assert [bad.line for bad in receipt.rejected] == [2]
    assert "eventID" in json.loads(rows[0]["raw"])
