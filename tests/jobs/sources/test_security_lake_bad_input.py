"""Security Lake's files in every way to be bad: what is wrong is rejected with a reason, the rest is read."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.jobs.sources.reading import Row, cloudtrail, faults, flow_logs
from tests.jobs.sources.security_lake_shapes import (
    CREATED_2,
    FLOW_FILE,
    PUT_1,
    REFUSED_1,
    SENT_2,
    TRAIL_FILE,
    changed,
    packed,
)
from tests.ocsf import FLOWS, TRAIL, table

BAD_FLOWS = {
    "no end": ({"end_time": None}, "start or end is missing"),
    "an end before its start": ({"end_time": 1773223300000}, "end is before start"),
    "a time of another age": ({"start_time": 7}, "start_time is out of range: 7"),
    "a port that is none": ({"src_endpoint": {"ip": "203.0.113.4", "port": 70000}}, "src_port is too large: 70000"),
    "negative bytes": ({"traffic": {"packets": 1, "bytes": -1}}, "bytes is negative: -1"),
    "another status": ({"status_code": "FINE"}, "log_status is unknown: FINE"),
    "a long text": ({"cloud": {"region": "x" * 70_000}}, "a record of more than 64 KiB"),
    "a control character": ({"cloud": {"region": "eu\nwest"}}, "a control character"),
}


@pytest.mark.parametrize(("values", "reason"), BAD_FLOWS.values(), ids=BAD_FLOWS)
def test_bad_flows_are_rejected_one_by_one(tmp_path: Path, values: Row, reason: str) -> None:
    records = [REFUSED_1] * 20 + [changed(REFUSED_1, **values)] + [REFUSED_1] * 20
    rows, receipt = flow_logs(tmp_path, packed(table(records, FLOWS[1])), FLOW_FILE)
    assert [row["source_line"] for row in rows] == [*range(1, 21), *range(22, 42)]
    assert [(line, said.partition(" (of")[0]) for line, said in faults(receipt)] == [(21, reason)]


def test_a_flow_without_ends_or_numbers_is_a_line_of_silence(tmp_path: Path) -> None:
    nothing = ("src_endpoint", "dst_endpoint", "connection_info", "traffic", "cloud", "unmapped", "disposition")
    silent = changed(REFUSED_1, status_code="NODATA", **dict.fromkeys(nothing))
    rows, receipt = flow_logs(tmp_path, packed(table([silent, REFUSED_1], FLOWS[1])), FLOW_FILE)
    assert not receipt.rejected and len(rows) == 2
    silence = rows[0]
    assert (silence["log_status"], silence["interface_id"], silence["src_addr"]) == ("NODATA", None, None)
    # What the record does not say is in the path.
    assert (silence["account_id"], silence["region"]) == ("123456789012", "eu-west-1")


def _retyped(record: Row, schema: Any, **columns: pa.Array) -> bytes:
    content = table([record], schema)
    for name, column in columns.items():
        content = content.set_column(content.column_names.index(name), name, column)
    return packed(content)


def test_flows_whose_columns_are_missing_or_of_another_type(tmp_path: Path) -> None:
    for lacking in ("src_endpoint", "dst_endpoint", "end_time"):
        rows, receipt = flow_logs(tmp_path, packed(table([REFUSED_1], FLOWS[1]).drop_columns([lacking])), FLOW_FILE)
        assert rows == [] and len(receipt.rejected) == 1
        assert receipt.rejected[0].reason.startswith("the OCSF records lack ")
    text = pa.array(["x"])
    rows, receipt = flow_logs(tmp_path, _retyped(REFUSED_1, FLOWS[1], dst_endpoint=text), FLOW_FILE)
    assert rows == [] and "dst_endpoint.ip" in receipt.rejected[0].reason
    # What is not needed may be of any type.
    odd = {"cloud": text, "traffic": pa.array([True]), "connection_info": pa.array([[1]]), "unmapped": text}
    rows, receipt = flow_logs(tmp_path, _retyped(REFUSED_1, FLOWS[1], **odd), FLOW_FILE)
    assert [(row["interface_id"], row["bytes"], row["protocol"]) for row in rows] == [("eni-0a1", None, None)]


def test_fields_that_ocsf_has_no_place_for(tmp_path: Path) -> None:
    kept = {"ecs_task_id": "task-1", "reject-reason": "BPA", "encryption_status": "3", "hostile": "x" * 5_000}
    records = [changed(REFUSED_1, unmapped=kept), changed(REFUSED_1, unmapped={}), changed(REFUSED_1, unmapped=None)]
    rows, _ = flow_logs(tmp_path, packed(table(records, FLOWS[1])), FLOW_FILE)
    found = [(row["ecs_task_id"], row["reject_reason"], row["encryption_status"]) for row in rows]
    assert found == [("task-1", "BPA", 3), (None, None, None), (None, None, None)]


_PRODUCT = {"product": {"name": "CloudTrail"}}
BAD_EVENTS: dict[str, tuple[Row, str]] = {
    "no time": ({"time": None}, "eventTime is missing"),
    "no such time": ({"time": 1 << 60}, "eventTime is no time"),
    "no call": ({"api": None}, "eventName is missing"),
    "no service": ({"api": {"operation": "Invoke"}}, "eventSource is missing"),
    "nested too deeply": ({"unmapped": {"a." * 5_000: "x"}}, "nested too deeply"),
    "a huge text": ({"http_request": {"user_agent": "x" * (1 << 20)}}, "an event of 1,04"),
}


@pytest.mark.parametrize(("values", "reason"), BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_bad_events_are_rejected_one_by_one(tmp_path: Path, values: Row, reason: str) -> None:
    records = [PUT_1, changed(PUT_1, **values), PUT_1]
    rows, receipt = cloudtrail(tmp_path, packed(table(records, TRAIL[1])), TRAIL_FILE)
    assert [row["source_line"] for row in rows] == [1, 3]
    assert [(line, said.startswith(reason)) for line, said in faults(receipt)] == [(2, True)], faults(receipt)


def test_events_whose_parts_are_missing_or_of_another_type(tmp_path: Path) -> None:
    nothing = ("cloud", "actor", "http_request", "src_endpoint", "resources", "unmapped")
    bare = changed(PUT_1, **dict.fromkeys(nothing))
    text = pa.array(["x"])
    for content in (
        packed(table([bare], TRAIL[1])),
        packed(table([bare], TRAIL[1]).drop_columns(list(nothing))),
        _retyped(PUT_1, TRAIL[1], **dict.fromkeys(nothing, text)),
    ):
        rows, receipt = cloudtrail(tmp_path, content, TRAIL_FILE)
        assert not receipt.rejected
        assert [(r["event_name"], r["account_id"], r["user_type"]) for r in rows] == [
            ("PutObject", "123456789012", None)
        ]


def test_texts_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    kept = {
        "requestParameters": '{"functionName": "f", "layers": ["a"]}', "responseElements.subnetIds": '["subnet-1"]',
        "additionalEventData": "no JSON", "userIdentity": "a text", "userIdentity.inScopeOf.issuerType": "lost",
        "tlsDetails.a": "1", "tlsDetails.a.b": "2",
    }  # fmt: skip
    rows, receipt = cloudtrail(tmp_path, packed(table([changed(PUT_1, unmapped=kept)], TRAIL[1])), TRAIL_FILE)
    assert not receipt.rejected
    assert rows[0]["request_parameters"] == '{"functionName":"f","layers":["a"]}'
    assert rows[0]["response_elements"] == '{"subnetIds":["subnet-1"]}'
    assert rows[0]["additional_event_data"] == '"no JSON"'
    assert json.loads(rows[0]["raw"])["tlsDetails"] == {"a": "1"}
    broken = copy.deepcopy(CREATED_2)
    broken["api"]["request"]["data"] = '{"userName": '
    rows, _ = cloudtrail(tmp_path, packed(table([broken], TRAIL[2])), TRAIL_FILE)
    assert rows[0]["request_parameters"] == json.dumps('{"userName": ')


def test_credentials_are_hidden_in_what_was_flattened(tmp_path: Path) -> None:
    kept = {
        "responseElements.credentials.sessionToken": "IQoJb3JpZ2luX2VjEXAMPLE",
        "requestParameters.x": "AKIAIOSFODNN7EXAMPLE",
    }
    rows, _ = cloudtrail(tmp_path, packed(table([changed(PUT_1, unmapped=kept)], TRAIL[1])), TRAIL_FILE)
    assert rows[0]["response_elements"] == '{"credentials":{"sessionToken":"REDACTED"}}'
    assert "AKIA" not in str(rows) and "IQoJ" not in str(rows)


def test_broken_files(tmp_path: Path) -> None:
    whole = packed(table([SENT_2] * 50, FLOWS[2]))
    for reader, name in ((flow_logs, FLOW_FILE), (cloudtrail, TRAIL_FILE)):
        for content in (whole[: len(whole) // 2], b"PAR1", gzip.compress(whole)):
            rows, receipt = reader(tmp_path, content, name)
            assert rows == [] and receipt.rejected[0].reason.startswith("no Parquet file, or a damaged one: ")
        assert reader(tmp_path, b"", name)[1].reason == "empty file"
