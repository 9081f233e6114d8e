"""Whose calls are whose, and what of them is behaviour."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, config, frame, rows_of
from transforms.api_calls import BY_SESSION, IN_SCOPE, changed_sessions, function_api_calls, hourly_api_activity
from transforms.schemas import CLOUDTRAIL_EVENTS, FUNCTION_ACTIVITY_HOURLY, FUNCTION_API_CALLS, FUNCTION_CONFIGS

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/role-f"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


def call(event_id: str, function: str | None = f"{ARN}:f", **overrides: Any) -> Row:
    """f reads from S3 at 10:02."""
    row: Row = {
        "event_id": event_id,
        "event_time": at("10:02"),
        "event_source": "s3.amazonaws.com",
        "event_name": "GetObject",
        "account_id": ACCOUNT,
        "region": REGION,
        "source_ip_address": "10.0.0.1",
        "session_name": "f",
        "role_arn": ROLE,
        "in_scope_of_type": "AWS::Lambda::Function" if function else None,
        "in_scope_of_arn": function,
        "raw": "{}",
        "date": at("10:02").date(),
    }
    return row | overrides


def built(spark: SparkSession, calls: list[Row], configs: list[Row] | None = None) -> list[Row]:
    known = [config(role=ROLE)] if configs is None else configs
    made = function_api_calls(frame(spark, CLOUDTRAIL_EVENTS, calls), frame(spark, FUNCTION_CONFIGS, known))
    return rows_of(FUNCTION_API_CALLS.conform(made))


def test_whose_calls(spark: SparkSession) -> None:
    """By what AWS says, else by a session that bears a function's name and its role; nobody else's."""
    source = {"raw": json.dumps({"userIdentity": {"inScopeOf": {"sourceArn": f"{ARN}:g"}}})}
    cases: dict[str, tuple[Row, tuple[str, str, str, str] | None]] = {
        "told": (call("told"), ("f", ACCOUNT, REGION, IN_SCOPE)),
        "told, of one unknown": (call("", f"{ARN}:new:7"), ("new", ACCOUNT, REGION, IN_SCOPE)),
        "partial": (call("", f"{OTHER}:function:h:live"), ("h", OTHER, REGION, IN_SCOPE)),
        "in another's bucket": (call("", account_id=OTHER, region="us-east-1"), ("f", ACCOUNT, REGION, IN_SCOPE)),
        "told otherwise": (call("", ROLE, **source), ("g", ACCOUNT, REGION, IN_SCOPE)),
        "told nothing": (call("", ROLE), ("f", ACCOUNT, REGION, BY_SESSION)),
        "of something else": (
            call("", "arn:aws:ec2:x", in_scope_of_type="AWS::EC2::Instance", session_name="i-1"), None,
        ),
        "by session": (call("", None), ("f", ACCOUNT, REGION, BY_SESSION)),
        "by session, elsewhere": (call("", None, account_id=OTHER, region="us-east-1"),
                                  ("f", ACCOUNT, REGION, BY_SESSION)),
        "another role": (call("", None, role_arn=f"{ROLE}-2"), None),
        "another session": (call("", None, session_name="awslambda_282_20211202220456968"), None),
        "a user": (call("", None, session_name=None, role_arn=None), None),
        "hostile": (call("", f"{ARN}:'; DROP TABLE x; --", session_name="x'; --"), None),
        "a service for it": (call("", invoked_by="athena.amazonaws.com"), ("f", ACCOUNT, REGION, IN_SCOPE)),
    }  # fmt: skip
    found = {
        row["event_id"]: (row["function_name"], row["account_id"], row["region"], row["identified_by"])
        for row in built(spark, [row | {"event_id": name} for name, (row, _) in cases.items()])
    }
    assert found == {name: whose for name, (_, whose) in cases.items() if whose}


def test_one_session_in_several_regions(spark: SparkSession) -> None:
    """One name and role in two regions: the region that is called, else the first; never both."""
    configs = [
        config(role=ROLE, region=region, version=v) for region in ("us-east-1", REGION) for v in ("1", "$LATEST")
    ]
    calls = [call(region, None, region=region) for region in (REGION, "us-east-1", "ap-south-1")]
    found = {row["event_id"]: row["region"] for row in built(spark, calls, configs)}
    assert found == {REGION: REGION, "us-east-1": "us-east-1", "ap-south-1": REGION}
    assert len(built(spark, calls, configs)) == 3


def test_what_a_call_says(spark: SparkSession) -> None:
    told = {"error_code": "AccessDenied", "vpc_endpoint_id": "vpce-1", "user_agent": "Boto3", "read_only": True}
    row = built(spark, [call("1", event_source="monitoring.amazonaws.com.cn", event_name="PutMetricData", **told)])[0]
    assert {k: row[k] for k in told} == told
    assert (row["service"], row["action"], row["api_region"]) == ("monitoring", "PutMetricData", REGION)
    assert (row["event_time"], row["date"], row["role_arn"]) == (at("10:02"), at("10:02").date(), ROLE)


def test_what_is_behaviour(spark: SparkSession) -> None:
    """The docstring's: a refused call in another region is three things; what a service does for it is none."""
    refused = {"error_code": "AccessDenied", "region": "eu-west-2"}
    calls = [
        call("2", **refused, event_time=at("10:58"), source_ip_address="10.0.0.2"),
        call("1", **refused),
        call("3", event_time=at("11:02"), in_scope_of_arn=f"{ARN}:g"),
        call("4", event_source="iam.amazonaws.com", event_name="ListUsers", region="us-east-1"),
        call("5", invoked_by="athena.amazonaws.com", event_name="PutObject"),
    ]
    of_calls = frame(spark, FUNCTION_API_CALLS, built(spark, calls))
    found = rows_of(FUNCTION_ACTIVITY_HOURLY.filled(hourly_api_activity(of_calls)))
    things = {(r["function_name"], r["behaviour"], r["thing"]): r for r in found}
    assert len(things) == len(found)
    assert set(things) == {
        ("f", "api call", "s3:GetObject"), ("f", "api error", "s3:GetObject AccessDenied"),
        ("f", "api region", "eu-west-2"), ("f", "api call", "iam:ListUsers"),
        ("g", "api call", "s3:GetObject"), ("g", "api region", REGION),
    }  # fmt: skip
    row = things["f", "api error", "s3:GetObject AccessDenied"]
    assert (row["events"], row["first_time"], row["last_time"]) == (2, at("10:02"), at("10:58"))
    assert (row["first_evidence"], row["first_peer_addr"], row["hour"]) == ("1", "10.0.0.1", at("10:00"))
    assert (row["candidates"], row["bytes_out"], row["date"]) == ("f", None, at("10:00").date())


def test_changed_sessions(spark: SparkSession) -> None:
    """Only names and roles that one of both knows; when they were so does not matter."""
    before = [config(role=ROLE), config(role=None, function_name="g"), config(function_name="gone", role="r")]
    after = [config(role=ROLE, valid_from=at("8:00"), version="1"), config(function_name="g", role="r")]
    states = [frame(spark, FUNCTION_CONFIGS, rows) for rows in (before, after)]
    found = {(r["session_name"], r["role_arn"]) for r in rows_of(changed_sessions(*states))}
    assert found == {("gone", "r"), ("g", "r")}
