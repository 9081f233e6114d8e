"""What `leasehold doctor` learns from AWS: moto, with refusals and silence put in."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ConnectTimeoutError

from conf.settings import Account, Settings
from jobs.cli import main
from jobs.doctor import examine, utc_now
from jobs.doctor_aws import Aws as Facts
from jobs.doctor_aws import FlowLog, bucket, look
from jobs.doctor_checks import CREATE
from jobs.sources.flow_log_fields import DEFAULT_FIELDS, fields_of
from tests.jobs.collect.aws import NOW, OWN, SECOND, Aws, Call, Row, make_function

ROLE = "arn:aws:iam::{}:role/leasehold-read"
POLICY = json.loads((Path(__file__).parents[3] / "conf" / "iam" / "read-policy.json").read_text())


def now() -> datetime:
    return NOW


def asked(*accounts: Account, regions: tuple[str, ...] = ("eu-west-1",)) -> Facts:
    return look(Settings(accounts=accounts, regions=regions), now)


def error(code: str, message: str = "no") -> Row:
    return {"Error": {"Code": code, "Message": message}}


def silent(_: Call) -> Row | None:
    """As if the network were down."""
    raise ConnectTimeoutError(endpoint_url="https://sts.example")


def test_a_setup_in_which_all_may_be_asked(aws: Aws) -> None:
    make_function("orders", "eu-west-1")
    fmt = CREATE.partition("--log-format '")[2].removesuffix("'")
    described = [
        {"FlowLogId": "fl-1", "ResourceId": "vpc-1", "LogFormat": fmt, "TrafficType": "ALL",
         "MaxAggregationInterval": 60, "LogDestinationType": "s3", "DeliverLogsStatus": "SUCCESS"},
        {"FlowLogId": "fl-2", "ResourceId": "eni-1", "TrafficType": "REJECT", "MaxAggregationInterval": 600,
         "DeliverLogsStatus": "FAILED", "DeliverLogsErrorMessage": "Access error"},
        {"FlowLogId": "fl-3", "ResourceId": "vpc-1", "LogFormat": "${start} ${end}", "LogDestinationType": "s3"},
        {"FlowLogId": "fl-4", "ResourceId": "tgw-1", "LogFormat": "${version}", "LogDestinationType": "s3"},
    ]  # fmt: skip
    aws.scripts["DescribeFlowLogs"] = lambda _: {"FlowLogs": described}
    aws.calls.clear()
    found = asked()
    assert (found.caller, found.unchecked, found.refused, found.failures) == (OWN, "", None, ())
    assert found.polled == ((OWN, "eu-west-1"),)
    assert found.with_functions == found.listed == {(OWN, "eu-west-1")}
    every = frozenset(fields_of([word[2:-1] for word in fmt.split()])[0])
    place = (OWN, "eu-west-1")
    assert found.flow_logs == (
        FlowLog("fl-1", *place, every, "ALL", 60, "s3"),
        FlowLog("fl-2", *place, frozenset(DEFAULT_FIELDS), "REJECT", 600, "cloud-watch-logs", "Access error"),
        FlowLog("fl-3", *place, frozenset(), destination="s3"),
    )
    # It asks for no more than the collectors may.
    allowed = {a for s in POLICY["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    assert {call.action for call in aws.calls} == {*allowed, "sts:GetCallerIdentity"}


def test_each_account_and_region_is_looked_at_by_its_role(aws: Aws) -> None:
    aws.scripts["AssumeRole"] = lambda call: error("AccessDenied") if SECOND in call.params["RoleArn"] else None
    aws.scripts["DescribeNetworkInterfaces"] = lambda call: (
        error("UnauthorizedOperation", "no. Encoded authorization failure message: XYZ")
        if call.region == "eu-north-1"
        else None
    )
    accounts = [Account(i, ROLE.format(i), f"external-{i}") for i in (OWN, SECOND)]
    found = asked(*accounts, regions=("eu-west-1", "eu-north-1"))
    assert [(f.account_id, f.region, f.operation, f.code) for f in found.failures] == [
        (OWN, "eu-north-1", "describe_network_interfaces", "UnauthorizedOperation"),
        (SECOND, "eu-west-1, eu-north-1", "assume_role", "AccessDenied"),
    ]
    assert set(found.polled) == {(OWN, "eu-west-1"), (OWN, "eu-north-1")}
    assert {c["ExternalId"] for c in aws.asked("AssumeRole")} == {f"external-{i}" for i in (OWN, SECOND)}
    said = repr(found)
    for secret in (*aws.secrets, f"external-{OWN}", "XYZ"):
        assert secret not in said


def test_who_refuses_and_who_does_not_answer(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    date = (NOW - timedelta(seconds=400)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    aws.scripts["GetCallerIdentity"] = lambda _: {
        "Account": OWN, "ResponseMetadata": {"HTTPHeaders": {"date": date}},
    }  # fmt: skip
    assert asked().clock_seconds == 400
    aws.scripts["GetCallerIdentity"] = lambda _: (
        error("ExpiredToken") | {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
    )
    found = asked()
    assert found.refused and found.refused.advice.startswith("Renew the credentials") and found.clock_seconds == 400
    assert asked(Account(SECOND)).polled == ()

    aws.scripts["GetCallerIdentity"] = silent
    assert asked().unchecked == "AWS does not answer (ConnectTimeoutError)"
    del aws.scripts["GetCallerIdentity"]
    assert "no region to poll" in look(Settings(), now).no_region
    assert [f.code for f in asked(Account(SECOND)).failures] == ["WrongAccountError"]
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    refused = asked().refused
    assert refused and "nowhere" in refused.message and refused.advice == "Correct AWS_PROFILE"


def test_buckets(aws: Aws) -> None:
    keys = ["a/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/11/x.log.gz", "a/snapshots/list_functions/x.json.gz"]
    aws.scripts["ListObjectsV2"] = lambda call: {
        "Contents": [{"Key": key} for key in keys if key.startswith(call.params["Prefix"])], "IsTruncated": False,
    }  # fmt: skip
    found = bucket("s3://logs/a", Settings())
    assert (found.problem, found.kinds, found.whole) == ("", {"vpc_flow_logs", "list_functions"}, True)
    assert bucket("s3://logs/a/AWSLogs/", Settings()).kinds == {"vpc_flow_logs"}
    assert bucket("s3://logs/ab", Settings()).kinds == frozenset()
    assert {(c["Bucket"], c["MaxKeys"]) for c in aws.asked("ListObjectsV2")} == {("logs", 1_000)}
    aws.scripts["ListObjectsV2"] = lambda _: error("AccessDenied")
    denied = bucket("s3://logs/a", Settings())
    assert "cannot be listed: AccessDenied" in denied.problem and "s3:ListBucket on arn:aws:s3:::logs" in denied.remedy
    aws.scripts["ListObjectsV2"] = lambda _: error("NoSuchBucket")
    assert bucket("s3://logs/a", Settings()).remedy.endswith("aws s3 mb s3://logs")
    aws.scripts["ListObjectsV2"] = silent
    assert not bucket("s3://logs/a", Settings()).checked


HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202egnp.exe"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_says_what_blocks_first(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """A lake and a raw folder that are not there, a role that refuses with hostile words."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"raw: {tmp_path}/raw\nlake: {tmp_path}/lake\nregions: [eu-west-1]\n"
        f"accounts: [{{account_id: '{SECOND}', role_name: leasehold-read, external_id: correct-horse}}]\n"
    )
    aws.scripts["AssumeRole"] = lambda _: error("AccessDenied", HOSTILE)
    monkeypatch.setattr(sys, "argv", ["leasehold", "doctor", "--config", str(settings), *options])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (1, "")
    assert "\x1b[31m" not in out and "\u202e" not in out and "\r" not in out and "correct-horse" not in out
    if options:
        found = json.loads(out)
        blocking = [f["about"] for f in found["findings"] if f["severity"] == "blocks"]
        assert blocking == ["raw", "accounts", "lake"]
        assert found["findings"][1]["fix"].startswith("Allow the caller to assume this role")
    else:
        assert out.index("There is no raw folder") < out.index("cannot be entered") < out.index("There are no tables")
        assert "[bold red]x[/]" in out and "3 block, 0 cost something." in out


def test_what_is_on_s3_is_not_tried_without_credentials(aws: Aws) -> None:
    """The engines' own clients would try for minutes."""
    aws.scripts["GetCallerIdentity"] = lambda _: error("InvalidClientTokenId")
    findings, unchecked = examine(None, False, now, raw="s3://logs/raw", lake="s3://logs/lake")
    assert [(f.severity, f.about) for f in findings if f.severity != "fine"] == [("blocks", "credentials")]
    assert unchecked == [
        "the raw folder s3://logs/raw: there are no valid credentials",
        "the lake s3://logs/lake: there are no valid credentials",
    ]
    aws.scripts["GetCallerIdentity"] = silent
    findings, unchecked = examine(None, False, now, raw="s3://logs/raw", lake="s3://logs/lake")
    assert [f for f in findings if f.severity != "fine"] == []
    assert len(unchecked) == 3 and all("AWS does not answer" in what for what in unchecked)
    aws.scripts = {"ListObjectsV2": lambda _: error("AccessDenied")}
    findings, _ = examine(None, False, utc_now, raw="s3://logs/raw", lake="s3://logs/lake")
    assert [f.about for f in findings if f.severity == "blocks"] == ["regions", "raw", "lake"]
