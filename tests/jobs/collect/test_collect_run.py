"""The collectors over accounts and regions: what is stored, what the readers make of it, and what fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from conf.settings import Account, Settings
from jobs.cli import main
from jobs.collect.run import KINDS, Polled, collect
from jobs.errors import LeaseholdError
from jobs.sources.classify import classify
from jobs.sources.files import Receipt
from jobs.sources.snapshot_json import read_snapshots
from tests.jobs.collect.aws import (
    NOW,
    OWN,
    SECOND,
    THIRD,
    Aws,
    Call,
    Row,
    client,
    envelope,
    files,
    make_function,
    recorded_interfaces,
)

REGIONS = ("eu-central-1", "eu-west-1")
ROLE = "arn:aws:iam::{}:role/leasehold-read"
ACCOUNTS = tuple(Account(i, ROLE.format(i), f"external-{i}") for i in (OWN, SECOND, THIRD))


def now() -> datetime:
    return NOW


def settings(raw: Path, *accounts: Account, regions: tuple[str, ...] = REGIONS) -> Settings:
    return Settings(raw=str(raw), accounts=accounts, regions=regions, collect_attempts=3, collect_threads=4)


def read(raw: Path, operation: str) -> list[Row]:
    """What the reader makes of the stored files; nothing may be rejected."""
    rows = []
    for path in files(raw, operation):
        source_file = str(path.relative_to(raw))
        assert classify(str(path), source_file) == (operation, "")
        receipt = Receipt(source_file)
        rows += [r for b in read_snapshots(operation, [(str(path), receipt)]) for r in b.to_pylist()]
        assert (receipt.outcome, receipt.reason, receipt.rejected) == ("read", None, [])
    return rows


def lambda_interfaces(call: Call) -> Row | None:
    """The first account's, in Ireland, in two pages; the others' come from moto."""
    if (call.account_id, call.region) != (OWN, "eu-west-1"):
        return None
    found = recorded_interfaces()
    if "NextToken" in call.params:
        assert call.params["NextToken"] == "page-2"
        return {"NetworkInterfaces": found[3:]}
    return {"NetworkInterfaces": found[:3], "NextToken": "page-2"}


def put_invocations(account_id: str, minute: datetime) -> None:
    dimensions = [{"Name": "FunctionName", "Value": f"orders-{account_id}"}]
    client("cloudwatch", "eu-west-1", account_id).put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[{"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": minute, "Value": 3}],
    )


def test_one_account_is_denied_and_one_throttled_and_the_third_is_stored(aws: Aws, tmp_path: Path) -> None:
    for account_id in (OWN, THIRD):
        make_function(f"orders-{account_id}", "eu-west-1", account_id, publish=True)
        put_invocations(account_id, NOW - timedelta(minutes=30))
    aws.calls.clear()
    aws.scripts["DescribeNetworkInterfaces"] = lambda_interfaces
    aws.scripts["AssumeRole"] = lambda call: (
        {"Error": {"Code": "AccessDenied", "Message": "not authorized to perform: sts:AssumeRole"}}
        if SECOND in call.params["RoleArn"]
        else None
    )
    once, ever = (OWN, "eu-central-1", "DescribeFlowLogs"), (THIRD, "eu-west-1", "DescribeNetworkInterfaces")
    aws.throttled = {once: 2, ever: 1_000}

    polled, failed = collect(settings(tmp_path, *ACCOUNTS), now=now)

    assert [(f.account_id, f.region, f.operation, f.code) for f in failed] == [
        (SECOND, "eu-central-1, eu-west-1", "assume_role", "AccessDenied"),
        (THIRD, "eu-west-1", "describe_network_interfaces", "RequestLimitExceeded"),
    ]
    assert "conf/iam/read-role.yaml" in str(failed[0])
    assert "raise collect_attempts" in str(failed[1])
    assert (aws.attempts[once], aws.attempts[ever]) == (3, 3)

    every = {(a, r, k) for a in (OWN, THIRD) for r in REGIONS for k in KINDS}
    assert {(p.account_id, p.region, p.kind) for p in polled} == every - {(THIRD, "eu-west-1", "interfaces")}
    for operation in KINDS.values():
        places = {(e["account_id"], e["region"]) for e in map(envelope, files(tmp_path, operation))}
        metrics = {(OWN, "eu-west-1"), (THIRD, "eu-west-1")}  # elsewhere there are no functions
        whole = metrics if operation == "get_metric_data" else {(a, r) for a in (OWN, THIRD) for r in REGIONS}
        assert places == whole - ({(THIRD, "eu-west-1")} if operation == "describe_network_interfaces" else set())
    noted = {(r["account_id"], r["region"], r["operation"], r["error_code"]) for r in read(tmp_path, "failed_polls")}
    assert noted == {
        (SECOND, "eu-central-1", "assume_role", "AccessDenied"),
        (SECOND, "eu-west-1", "assume_role", "AccessDenied"),
        (THIRD, "eu-west-1", "describe_network_interfaces", "RequestLimitExceeded"),
    }
    # Roles are assumed with the external id, once an account.
    assert sorted((c["RoleArn"], c["ExternalId"]) for c in aws.asked("AssumeRole")) == sorted(
        (a.role_arn, a.external_id) for a in ACCOUNTS
    )


def test_the_readers_take_what_is_stored(aws: Aws, tmp_path: Path) -> None:
    make_function(f"orders-{OWN}", "eu-west-1", publish=True)
    put_invocations(OWN, NOW.replace(minute=1, second=0))
    vpc = client("ec2", "eu-west-1").describe_vpcs()["Vpcs"][0]["VpcId"]
    client("iam", "eu-west-1").create_role(RoleName="logs", AssumeRolePolicyDocument="{}")
    client("ec2", "eu-west-1").create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="flows",
        DeliverLogsPermissionArn=f"arn:aws:iam::{OWN}:role/logs",
    )
    aws.scripts["DescribeNetworkInterfaces"] = lambda_interfaces
    aws.calls.clear()
    polled, failed = collect(settings(tmp_path, ACCOUNTS[0], regions=("eu-west-1",)), now=now)
    assert failed == []
    assert polled == [
        Polled(OWN, "eu-west-1", "interfaces", 7, 1),
        Polled(OWN, "eu-west-1", "functions", 2, 1),
        Polled(OWN, "eu-west-1", "metrics", 1, 1),
        Polled(OWN, "eu-west-1", "flow-logs", 1, 1),
    ]
    [path] = files(tmp_path, "describe_network_interfaces")
    name = f"{OWN}_describe_network_interfaces_eu-west-1_20260302T102030Z.json.gz"
    assert str(path.relative_to(tmp_path)) == f"snapshots/describe_network_interfaces/2026/03/02/{name}"

    interfaces = read(tmp_path, "describe_network_interfaces")
    assert [row["interface_id"] for row in interfaces] == [i["NetworkInterfaceId"] for i in recorded_interfaces()]
    assert "lambda" in {row["interface_type"] for row in interfaces}
    assert {(row["polled_at"], row["complete"]) for row in interfaces} == {(NOW, True)}
    assert any(row["attach_time"] for row in interfaces)

    versions = read(tmp_path, "list_functions")
    assert sorted(row["version"] for row in versions) == ["$LATEST", "1"]
    for row in versions:
        assert (row["account_id"], row["region"], row["function_name"]) == (OWN, "eu-west-1", f"orders-{OWN}")
        assert (row["state"], row["last_update_status"], row["complete"]) == ("Active", "Successful", True)
        assert row["subnet_ids"]
        assert row["security_group_ids"]

    [point] = read(tmp_path, "get_metric_data")
    assert (point["function_name"], point["metric_name"], point["stat"]) == (f"orders-{OWN}", "Invocations", "Sum")
    assert (point["minute"], point["value"], point["period_seconds"]) == (NOW.replace(minute=1, second=0), 3.0, 60)

    [flow_logs] = map(envelope, files(tmp_path, "describe_flow_logs"))
    assert flow_logs["responses"][0]["FlowLogs"][0]["ResourceId"] == vpc
    # The readers pass over it instead of taking it for something else.
    path = files(tmp_path, "describe_flow_logs")[0]
    assert classify(str(path), str(path.relative_to(tmp_path)))[0] is None


def test_nothing_secret_is_stored_or_said(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    make_function("orders", "eu-west-1")
    leaked = {"NetworkInterfaceId": "eni-1", "Description": "password=correct-horse", "TagSet": []}
    aws.scripts["DescribeNetworkInterfaces"] = lambda _: {"NetworkInterfaces": [leaked]}
    aws.scripts["DescribeFlowLogs"] = lambda _: {
        "Error": {
            "Code": "UnauthorizedOperation",
            "Message": f"{aws.secrets[-3]}. Encoded authorization failure message: XYZ",
        }
    }
    caplog.set_level("INFO")
    _, failed = collect(settings(tmp_path, *ACCOUNTS[:1]), now=now)
    assert len(failed) == 2
    said = "".join(
        [*map(str, failed), caplog.text, *capsys.readouterr(), *(repr(envelope(p)) for p in files(tmp_path))]
    )
    assert "Allow ec2:DescribeFlowLogs (conf/iam/read-policy.json)" in said
    assert "UnauthorizedOperation: REDACTED. Allow" in said
    assert "XYZ" not in said
    assert len(aws.secrets) > 2
    for secret in ("correct-horse", "DATABASE_PASSWORD", ACCOUNTS[0].external_id, *aws.secrets):
        assert secret not in said


@pytest.fixture
def run(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`leasehold collect …` → (exit code, stdout, stderr)."""
    del aws

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["leasehold", "collect", "--raw", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def test_without_accounts_the_callers_own_is_polled(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, err = run()
    assert code == 1
    assert "no region to poll" in err
    code, out, _ = run("--regions", "eu-west-1,eu-north-1", "--only", "interfaces")
    assert code == 0
    assert OWN in out
    assert {path.parts[-5] for path in files(tmp_path)} == {"describe_network_interfaces"}
    assert {envelope(path)["region"] for path in files(tmp_path)} == {"eu-west-1", "eu-north-1"}


def test_the_environment_names_the_region(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert run("--only", "flow-logs")[0] == 0
    assert [envelope(path)["region"] for path in files(tmp_path)] == ["eu-north-1"]


def test_a_failure_is_said_and_ends_with_1(run: Callable[..., tuple[int, str, str]], aws: Aws, tmp_path: Path) -> None:
    aws.scripts["ListFunctions"] = lambda _: {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    code, out, err = run("--regions", "eu-west-1")
    assert code == 1
    assert "Polled" in out
    assert f"account {OWN}, eu-west-1, list_functions: AccessDeniedException: no. Allow lambda:ListFunctions" in err
    # Nor can metrics be asked for; but all else is there.
    assert "get_metric_data: NotAsked: its functions are not known" in err
    assert {p.parts[-5] for p in files(tmp_path)} == {
        "describe_network_interfaces",
        "describe_flow_logs",
        "failed_polls",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "interfaces,lambdas"], "--only takes interfaces,functions,metrics,flow-logs, not lambdas"),
        (["--regions", "Ireland"], "--regions takes regions as eu-west-1,eu-central-1, not 'Ireland'"),
    ],
)
def test_wrong_options(run: Callable[..., tuple[int, str, str]], arguments: list[str], said: str) -> None:
    code, _, err = run(*arguments)
    assert (code, said in err) == (1, True)


def test_credentials_of_another_account_poll_nothing(aws: Aws, tmp_path: Path) -> None:
    polled, [failed] = collect(settings(tmp_path, Account(SECOND)), now=now)
    assert polled == []
    assert f"only {OWN}, the caller's own account, can be entered" in str(failed)
    assert {call.operation for call in aws.calls} == {"GetCallerIdentity"}


@pytest.mark.usefixtures("aws")
def test_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            without.delenv(name, raising=False)
        with pytest.raises(LeaseholdError, match=r"NoCredentialsError: .*Give credentials as for the AWS CLI"):
            collect(settings(tmp_path), now=now)


def test_raw_folders_that_cannot_be_written_to(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for raw, said in (("s3://no-such-bucket/raw", "NoSuchBucket"), (str(tmp_path / "file"), "cannot be written to")):
        with pytest.raises(LeaseholdError, match=said):
            collect(Settings(raw=raw), now=now)
    assert {call.action for call in aws.calls} <= {"s3:ListObjectsV2"}
