"""Security Lake's OCSF Parquet: the shapes that AWS published, and the same rows as from AWS's own files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.sources.classify import classify, fields_in
from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from simulator.simulate import Options, simulate
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
from tests.ocsf import FLOWS, TRAIL, security_lake, table

_COMMON = {
    "account_id": "123456789012", "region": "eu-west-1", "az_id": "euw1-az1", "version": 5, "interface_id": "eni-0a1",
    "vpc_id": "vpc-0a1", "subnet_id": "subnet-0a1", "protocol": 6, "type": "IPv4", "log_status": "OK",
    "start_time": datetime(2026, 3, 11, 10, 2, 12, tzinfo=UTC), "end_time": datetime(2026, 3, 11, 10, 3, 8, tzinfo=UTC),
    "flow_log_id": "amazon-security-lake", "source_line": 1, "date": date(2026, 3, 11),
}  # fmt: skip
FLOW_SHAPES = {
    "a refused connection, version 1": (
        REFUSED_1,
        1,
        {
            **_COMMON, "src_addr": "203.0.113.4", "dst_addr": "10.0.1.52", "src_port": 56858, "dst_port": 39938,
            "pkt_src_addr": "203.0.113.4", "pkt_dst_addr": "10.0.1.52", "packets": 1, "bytes": 40, "tcp_flags": 2,
            "action": "REJECT", "instance_id": "i-0a1", "flow_direction": "ingress",
        },
    ),
    "what a function sent, version 2": (
        SENT_2,
        2,
        {
            **_COMMON, "src_addr": "10.0.1.5", "dst_addr": "10.0.9.1", "src_port": 40000, "dst_port": 443,
            "pkt_src_addr": "10.0.1.5", "pkt_dst_addr": "198.51.100.7", "pkt_dst_aws_service": "S3", "packets": 10,
            "bytes": 840, "tcp_flags": 3, "action": "ACCEPT", "flow_direction": "egress", "traffic_path": 8,
            "sublocation_type": "outpost",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("record", "version", "expected"), FLOW_SHAPES.values(), ids=FLOW_SHAPES)
def test_a_flow_as_aws_published_it(tmp_path: Path, record: Row, version: int, expected: Row) -> None:
    rows, receipt = flow_logs(tmp_path, packed(table([record], FLOWS[version])), FLOW_FILE)
    assert (receipt.outcome, receipt.reason, receipt.rejected) == ("read", None, [])
    assert [{k: v for k, v in row.items() if v is not None} for row in rows] == [{**expected, "source_file": FLOW_FILE}]


EVENT_SHAPES = {
    "a data event, version 1": (
        PUT_1,
        1,
        {
            "event_id": "330226bc-bdd2-4a6c-b8f3-014598ccf324",
            "event_time": datetime(2026, 3, 11, 10, 0, 57, tzinfo=UTC), "event_source": "s3.amazonaws.com",
            "event_name": "PutObject", "event_version": "1.08", "event_type": "AwsApiCall", "event_category": "Data",
            "account_id": "123456789012", "region": "eu-west-1", "source_ip_address": "securitylake.amazonaws.com",
            "user_agent": "securitylake.amazonaws.com", "read_only": False, "request_id": "SAECTSDBB2JXFMCR",
            "user_type": "AWSService", "invoked_by": "securitylake.amazonaws.com",
            "vpc_endpoint_id": "vpce-075fd6c1ec2dfec74",
            "request_parameters": '{"bucketName":"lake","x-amz-acl":"bucket-owner-full-control"}',
            "response_elements": '{"x-amz-server-side-encryption":"AES256"}',
            "additional_event_data": '{"SSEApplied":"Default_SSE_S3","bytesTransferredIn":"33120"}',
            "resources": '[{"ARN":"arn:aws:s3:::lake/key.gz.parquet","type":"AWS::S3::Object"},'
            '{"ARN":"arn:aws:s3:::lake","accountId":"123456789012","type":"AWS::S3::Bucket"}]',
        },
    ),
    "a new user, version 2": (
        CREATED_2,
        2,
        {
            "event_id": "7dd15a89-ae0f-4340-8e6c-example", "event_time": datetime(2026, 3, 11, 9, 54, 39, tzinfo=UTC),
            "event_source": "iam.amazonaws.com", "event_name": "CreateUser", "event_version": "1.08",
            "event_type": "AwsApiCall", "event_category": "Management", "account_id": "123456789012",
            "region": "us-east-1", "source_ip_address": "192.0.2.21", "user_agent": "AWS Internal", "read_only": False,
            "request_id": "c99bf9da-e0bd-4bf7-bb32-example", "user_type": "AssumedRole",
            "user_arn": "arn:aws:sts::123456789012:assumed-role/Admin/Admin-user",
            "user_principal_id": "AROA2W7SOKHEXAMPLE:Admin-user", "user_account_id": "123456789012",
            "session_name": "Admin-user", "role_arn": "arn:aws:iam::123456789012:role/Admin",
            "request_parameters": '{"userName":"test_user2"}',
            "response_elements": '{"user":{"path":"/","userId":"AIDA2W7SOKHEXAMPLE","userName":"test_user2"}}',
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("record", "version", "expected"), EVENT_SHAPES.values(), ids=EVENT_SHAPES)
def test_an_event_as_aws_published_it(tmp_path: Path, record: Row, version: int, expected: Row) -> None:
    rows, receipt = cloudtrail(tmp_path, packed(table([record], TRAIL[version])), TRAIL_FILE)
    assert (receipt.outcome, receipt.reason, receipt.rejected) == ("read", None, [])
    found = [{k: v for k, v in row.items() if v is not None and k != "raw"} for row in rows]
    place = {"source_file": TRAIL_FILE, "source_line": 1, "date": date(2026, 3, 11)}
    assert found == [{**expected, **place}]
    raw = json.loads(rows[0]["raw"])
    assert raw["eventTime"] == f"{expected['event_time']:%Y-%m-%dT%H:%M:%SZ}"
    if version == 2:
        assert raw["userIdentity"]["accessKeyId"] == "REDACTED"
        assert raw["userIdentity"]["sessionContext"] == {
            "attributes": {"creationDate": "2026-03-11T09:43:57Z", "mfaAuthenticated": "false"},
            "sessionIssuer": {
                "accountId": "123456789012", "arn": "arn:aws:iam::123456789012:role/Admin",
                "principalId": "AROA2W7SOKHEXAMPLE", "type": "Role", "userName": "Admin",
            },
        }  # fmt: skip


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of a small account, as AWS delivers it."""
    root = tmp_path_factory.mktemp("native")
    simulate(root, Options(days=0.45, rate=0.05, seed=4, scenarios=(), data_events=True, poll_minutes=240))
    return root / "raw"


@pytest.mark.parametrize("version", [1, 2])
def test_the_same_rows_as_from_awss_own_files(native: Path, tmp_path: Path, version: int) -> None:
    """But for the columns that docs/security_lake.md lists, and all of these differ."""
    security_lake(native, tmp_path, version)
    own, ocsf = _all(read_flow_logs, native, "vpcflowlogs"), _all(read_flow_logs, tmp_path, "VPC_FLOW")
    assert len(own) == len(ocsf) > 1_000
    told, silent = (lambda row: row["log_status"] == "OK"), (lambda row: row["log_status"] != "OK")
    lost = _lost("flow_logs") | {"source_file", "source_line"}
    at_ends = {"interface_id", "vpc_id", "subnet_id"}
    assert _sorted(filter(told, own), lost - at_ends) == _sorted(filter(told, ocsf), lost - at_ends)
    assert _sorted(filter(silent, own), lost) == _sorted(filter(silent, ocsf), lost) != []
    assert {row["flow_log_id"] for row in ocsf} == {"amazon-security-lake"}
    assert {(row["delivered_at"], *(row[name] for name in at_ends)) for row in filter(silent, ocsf)} == {(None,) * 4}

    events, again = _all(read_cloudtrail, native, "/CloudTrail/"), _all(read_cloudtrail, tmp_path, "CLOUD_TRAIL")
    lost = _lost("cloudtrail_events") | {"source_file", "source_line"}
    flattened = {"request_parameters", "response_elements"}
    assert _sorted(events, lost if version == 1 else lost - flattened) == _sorted(
        again, lost if version == 1 else lost - flattened
    )
    whole = {row["event_id"]: row for row in events}
    for row in again:
        assert row["delivered_at"] is None
        for name in (*flattened, "raw"):
            if name == "raw" or version == 1:
                assert _as_texts(row[name]) == _as_texts(whole[row["event_id"]][name])
    assert any(row["request_parameters"] != whole[row["event_id"]]["request_parameters"] for row in again) == (
        version == 1
    )


def _lost(table_name: str) -> set[str]:
    text = (Path(__file__).parents[3] / "docs/security_lake.md").read_text()
    part = text.split(f"| of `{table_name}` |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", part, re.MULTILINE))


def _all(reader: Any, root: Path, under: str) -> list[Row]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and under in p.as_posix()]
    receipts = [(str(p), Receipt(p.relative_to(root).as_posix())) for p in files]
    rows = [row for batch in reader(receipts) for row in batch.to_pylist()]
    assert {(r.outcome, r.reason, r.rejected_count) for _, r in receipts} == {("read", None, 0)}
    return rows


def _sorted(rows: Iterable[Row], without: set[str]) -> list[str]:
    return sorted(repr(sorted((k, v) for k, v in row.items() if k not in without)) for row in rows)


def _as_texts(value: Any) -> Any:
    """Scalars as text, and nothing that is null or empty."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, dict):
        made = {k: _as_texts(v) for k, v in value.items()}
        return {k: v for k, v in made.items() if v not in (None, {})}
    if isinstance(value, list):
        return [_as_texts(v) for v in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


ROUTE53 = changed(REFUSED_1, class_uid=4003, metadata={"product": {"name": "Route 53"}})
EKS = changed(PUT_1, metadata={"product": {"name": "Amazon EKS"}})
OTHERS = {
    "another class": (ROUTE53, FLOWS[1], "OCSF class 4003 of the product 'Route 53'"),
    "another product": (EKS, TRAIL[1], "OCSF class 3005 of the product 'Amazon EKS'"),
    "no product": (changed(PUT_1, metadata=None), TRAIL[1], "OCSF class 3005 of the product None"),
    "somebody's network activity": (
        changed(REFUSED_1, metadata={"product": {"name": "Zeek"}}), FLOWS[1], "OCSF class 4001 of the product 'Zeek'"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("record", "schema", "reason"), OTHERS.values(), ids=OTHERS)
def test_other_classes_are_skipped_with_a_reason(tmp_path: Path, record: Row, schema: Any, reason: str) -> None:
    content = packed(table([record], schema))
    for reader in (flow_logs, cloudtrail):
        rows, receipt = reader(tmp_path, content, "x.parquet")
        assert (rows, receipt.outcome, receipt.rejected) == ([], "skipped", [])
        assert receipt.reason and receipt.reason.startswith(reason)
    kind, said = classify(str(tmp_path / "x.parquet"), "ext/x/region=eu-west-1/x.parquet")
    assert kind is None and said.startswith(reason)


def test_known_by_content(tmp_path: Path) -> None:
    for record, schema, kind in ((SENT_2, FLOWS[2], "vpc_flow_logs"), (PUT_1, TRAIL[1], "cloudtrail")):
        (tmp_path / "x").write_bytes(packed(table([record], schema)))
        assert classify(str(tmp_path / "x"), "x") == (kind, "")
        assert ("flow_direction" in fields_in(str(tmp_path / "x"))) == (kind == "vpc_flow_logs")
    (tmp_path / "x").write_bytes(packed(table([], FLOWS[1])))
    assert classify(str(tmp_path / "x"), "x") == (None, "no records in it")
    other = {"class_uid": pa.array(["?"]), "metadata": pa.array([1])}
    (tmp_path / "x").write_bytes(packed(pa.table(other)))
    assert classify(str(tmp_path / "x"), "x")[0] is None


def test_the_wrong_reader_passes_it_over(tmp_path: Path) -> None:
    rows, receipt = cloudtrail(tmp_path, packed(table([SENT_2], FLOWS[2])), TRAIL_FILE)
    assert (rows, receipt.outcome, receipt.reason) == ([], "skipped", "flow logs in OCSF, not CloudTrail")
    rows, receipt = flow_logs(tmp_path, packed(table([PUT_1], TRAIL[1])), FLOW_FILE)
    assert (rows, receipt.outcome, receipt.reason) == ([], "skipped", "CloudTrail in OCSF, not flow logs")
    rows, receipt = cloudtrail(tmp_path, packed(pa.table({"a": [1]})), TRAIL_FILE)
    assert faults(receipt) == [(0, "a Parquet file of CloudTrail that is not Security Lake's")]
