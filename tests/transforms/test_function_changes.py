"""What was changed, by whom: shapes of calls as CloudTrail writes them, and what they are taken for."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, config, event, frame, rows_of
from transforms.function_changes import FOREIGN, PUBLIC, function_changes
from transforms.schemas import CLOUDTRAIL_EVENTS, FUNCTION_CHANGES, FUNCTION_CONFIGS

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/role-f"
DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/run-17"
CONFIGURATION = "UpdateFunctionConfiguration20150331v2"
PERMISSION = "AddPermission20150331v2"

Told = tuple[str | None, str, str | None, str | None]


def built(spark: SparkSession, events: list[Row], configs: list[Row] | None = None) -> list[Row]:
    known = [config(role=ROLE)] if configs is None else configs
    rows = [{"date": e["event_time"].date()} | e for e in events]
    made = function_changes(frame(spark, CLOUDTRAIL_EVENTS, rows), frame(spark, FUNCTION_CONFIGS, known))
    return rows_of(FUNCTION_CHANGES.conform(made))


def call(name: str, request: Any, response: Any = None, source: str = "lambda", **more: Any) -> Row:
    return event(name, at("10:02"), request, response, event_source=f"{source}.amazonaws.com", **more)


def configured(*parts: str, **request: Any) -> Row:
    values = {"layers": [f"{ARN.rsplit(':', 1)[0]}:layer:b:1", "layer-a"], "role": ROLE, "vpcConfig": {"subnetIds": []},
              "environment": {}, "timeout": 3}  # fmt: skip
    return call(CONFIGURATION, {"functionName": "f", **{part: values[part] for part in parts}, **request})


def allowed(**request: Any) -> Row:
    return call(PERMISSION, {"functionName": "f", "action": "lambda:InvokeFunction", "statementId": "s", **request})


INVOKE = "lambda:InvokeFunction for"
LAYERS = f"{ARN.rsplit(':', 1)[0]}:layer:b:1, layer-a"
CASES: dict[str, tuple[Row, list[Told]]] = {
    "code": (
        call("UpdateFunctionCode20150331v2", {"functionName": "f", "dryRun": False, "publish": True},
             {"codeSha256": "abc="}),
        [("f", "code", "code hash abc=", None)],
    ),
    "code from a bucket": (
        call("UpdateFunctionCode20150331v2", {"functionName": f"{ARN}:f:live", "s3Bucket": "b", "s3Key": "k.zip"}),
        [("f", "code", "from s3://b/k.zip", None)],
    ),
    "a dry run": (call("UpdateFunctionCode20150331v2", {"functionName": "f", "dryRun": True}), []),
    # As CloudTrail writes it, with an environment that nobody sent.
    "a layer": (configured("layers", "environment"), [("f", "layer", LAYERS, None)]),
    "no layers any more": (configured(layers=[]), [("f", "layer", "no layers", None)]),
    "a role": (configured("role"), [("f", "role", ROLE, None)]),
    "a vpc": (configured("vpcConfig"), [("f", "vpc", '{"subnetIds":[]}', None)]),
    "variables": (configured("environment"), [("f", "environment", None, None)]),
    "a timeout": (configured("timeout", revisionId="r"), [("f", "configuration", None, None)]),
    "nothing": (configured(revisionId="r"), [("f", "configuration", None, None)]),
    "all at once": (
        configured("layers", "role", "vpcConfig", "environment", "timeout"),
        [("f", "configuration", None, None), ("f", "layer", LAYERS, None), ("f", "role", ROLE, None),
         ("f", "vpc", '{"subnetIds":[]}', None)],
    ),
    "a request that is too large": (call(CONFIGURATION, None, {"functionArn": f"{ARN}:f"}),
                                    [("f", "configuration", None, None)]),
    "created": (call("CreateFunction20150331", {"functionName": "f", "role": ROLE}),
                [("f", "created", f"role {ROLE}", None)]),
    "a version deleted": (call("DeleteFunction20150331", {"functionName": "f", "qualifier": "3"}),
                          [("f", "deleted", "version 3", None)]),
    "published": (call("PublishVersion20150331", {"functionName": "f"}), [("f", "published", None, None)]),
    "an alias": (call("UpdateAlias20150331", {"functionName": "f", "name": "live", "functionVersion": "7"}),
                 [("f", "alias", "live to version 7", None)]),
    "a public url": (call("CreateFunctionUrlConfig", {"functionName": "f", "authType": "NONE"}),
                     [("f", "url", "anybody may call it (AuthType NONE)", PUBLIC)]),
    "a url with IAM": (call("UpdateFunctionUrlConfig", {"functionName": "f", "authType": "AWS_IAM"}),
                       [("f", "url", "AuthType AWS_IAM", None)]),
    "a url removed": (call("DeleteFunctionUrlConfig", {"functionName": "f"}), [("f", "url", "removed", None)]),
    "everybody": (allowed(principal="*"), [("f", "permission", f"{INVOKE} anybody", PUBLIC)]),
    "everybody by url": (allowed(principal="*", functionUrlAuthType="NONE"),
                         [("f", "permission", f"{INVOKE} anybody", PUBLIC)]),
    "an organization": (allowed(principal="*", principalOrgID="o-1"),
                        [("f", "permission", f"{INVOKE} anybody", FOREIGN)]),
    "one source": (allowed(principal="*", sourceAccount=ACCOUNT), [("f", "permission", f"{INVOKE} anybody", None)]),
    "a service": (allowed(principal="s3.amazonaws.com"), [("f", "permission", f"{INVOKE} s3.amazonaws.com", None)]),
    "another account": (allowed(principal="210987654321"),
                        [("f", "permission", f"{INVOKE} 210987654321", FOREIGN)]),
    "a role of another account": (
        allowed(principal="arn:aws:iam::210987654321:role/x"),
        [("f", "permission", f"{INVOKE} arn:aws:iam::210987654321:role/x", FOREIGN)],
    ),
    "the own account": (allowed(principal=f"arn:aws:iam::{ACCOUNT}:root"),
                        [("f", "permission", f"{INVOKE} arn:aws:iam::{ACCOUNT}:root", None)]),
    "a permission removed": (call("RemovePermission20150331v2", {"functionName": "f", "statementId": "s"}),
                             [("f", "permission", "removed statement s", None)]),
    "a trigger": (
        call("CreateEventSourceMapping20150331", {"functionName": "f", "eventSourceArn": "arn:aws:sqs:x"}),
        [("f", "trigger", "arn:aws:sqs:x", None)],
    ),
    "a trigger by its id": (
        call("DeleteEventSourceMapping20150331", {"uUID": "1"},
             {"functionArn": f"{ARN}:f", "eventSourceArn": "arn:aws:sqs:x"}),
        [("f", "trigger", "removed arn:aws:sqs:x", None)],
    ),
    "concurrency": (
        call("PutFunctionConcurrency20171031", {"functionName": "f", "reservedConcurrentExecutions": 0}),
        [("f", "concurrency", "at most 0", None)],
    ),
    "destinations": (call("PutFunctionEventInvokeConfig", {"functionName": "f"}), [("f", "configuration", None, None)]),
    "a read": (call("GetFunction20150331v2", {"functionName": "f"}), []),
    "an invocation": (call("Invoke", {"functionName": "f"}), []),
    "the role's policy": (
        call("AttachRolePolicy", {"roleName": "role-f", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
             source="iam", region="us-east-1"),
        [("f", "role policy", "attach role policy arn:aws:iam::aws:policy/AdministratorAccess of role-f", None)],
    ),
    "the role's trust": (call("UpdateAssumeRolePolicy", {"roleName": "role-f"}, source="iam"),
                         [("f", "role policy", "update assume role policy of role-f", None)]),
    "a role of nobody": (call("AttachRolePolicy", {"roleName": "admin", "policyArn": "p"}, source="iam"), []),
    "a namesake elsewhere": (
        call("PutRolePolicy", {"roleName": "role-f", "policyName": "p"}, source="iam", account_id="210987654321"), []),
    "flow logs": (
        call("DeleteFlowLogs", {"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-0e17", "tag": 1}}},
             source="ec2"),
        [(None, "flow logs", "fl-0e17", None)],
    ),
    "a trail stopped": (call("StopLogging", {"name": "t"}, source="cloudtrail"),
                        [(None, "trail", "stopped t", None)]),
    "a trail deleted": (call("DeleteTrail", {"name": "t"}, source="cloudtrail"), [(None, "trail", "stopped t", None)]),
    "a trail of one region": (
        call("UpdateTrail", {"name": "t", "isMultiRegionTrail": False}, source="cloudtrail"),
        [(None, "trail", "narrowed t: other regions are not written any more", None)],
    ),
    "a trail to another bucket": (
        call("UpdateTrail", {"name": "t", "s3BucketName": "b"}, source="cloudtrail"),
        [(None, "trail", "narrowed t: it is written to the bucket b", None)],
    ),
    "a trail that gains": (call("UpdateTrail", {"name": "t", "isMultiRegionTrail": True}, source="cloudtrail"), []),
    "data events only": (
        call("PutEventSelectors", {"trailName": "t", "eventSelectors": [
            {"dataResources": [{"type": "AWS::S3::Object", "values": []}], "includeManagementEvents": False,
             "readWriteType": "ReadOnly", "excludeManagementEventSources": []}]}, source="cloudtrail"),
        [(None, "trail", "narrowed t: management events are not written any more", None)],
    ),
    "reads only": (
        call("PutEventSelectors", {"trailName": "t", "eventSelectors": [
            {"includeManagementEvents": True, "readWriteType": "ReadOnly"}]}, source="cloudtrail"),
        [(None, "trail", "narrowed t: calls that change are not written any more", None)],
    ),
    "without KMS": (
        call("PutEventSelectors", {"trailName": "t", "eventSelectors": [
            {"includeManagementEvents": True, "readWriteType": "All",
             "excludeManagementEventSources": ["kms.amazonaws.com"]}]}, source="cloudtrail"),
        [(None, "trail", "narrowed t: calls of kms.amazonaws.com are not written any more", None)],
    ),
    "all events": (
        call("PutEventSelectors", {"trailName": "t", "eventSelectors": [
            {"includeManagementEvents": True, "readWriteType": "All", "dataResources": []}]}, source="cloudtrail"), []),
    "advanced, all": (
        call("PutEventSelectors", {"trailName": "t", "advancedEventSelectors": [
            {"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}]}, source="cloudtrail"), []),
    "advanced, data only": (
        call("PutEventSelectors", {"trailName": "t", "advancedEventSelectors": [
            {"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]}]}, source="cloudtrail"),
        [(None, "trail", "narrowed t: management events are not written any more", None)],
    ),
    "guard off": (call("UpdateDetector", {"detectorId": "d", "enable": False}, source="guardduty"),
                  [(None, "guardduty", "UpdateDetector", None)]),
    "guard tuned": (call("UpdateDetector", {"detectorId": "d", "enable": True}, source="guardduty"), []),
    "a function's log group": (call("DeleteLogGroup", {"logGroupName": "/aws/lambda/f"}, source="logs"),
                               [("f", "log group", "/aws/lambda/f", None)]),
    "a log group": (call("DeleteLogGroup", {"logGroupName": "audit"}, source="logs"),
                    [(None, "log group", "audit", None)]),
    "another service's call of that name": (call("StopLogging", {"name": "t"}, source="redshift"), []),
    "hostile": (
        call("UpdateAlias20150331", {"functionName": "f", "name": "\x1b[31m'; DROP--\n", "functionVersion": "x" * 500}),
        [("f", "alias", ("\x1b[31m'; DROP--\n to version " + "x" * 500)[:300], None)],
    ),
    "no name": (call("DeleteFunction20150331", {"functionName": "../../etc; rm"}), []),
    "not an object": (call("DeleteFunction20150331", ["f"]), []),
}  # fmt: skip


def test_what_calls_are_taken_for(spark: SparkSession) -> None:
    """Each case is an event of its own; its changes are as said, and so is what they open."""
    events = [row | {"event_id": name} for name, (row, _) in CASES.items()]
    found: dict[str, list[Told]] = {name: [] for name in CASES}
    for row in built(spark, events):
        found[row["event_id"]].append((row["function_name"], row["change"], row["detail"], row["opens_to"]))
    assert {name: sorted(rows, key=str) for name, rows in found.items()} == {
        name: sorted(rows, key=str) for name, (_, rows) in CASES.items()
    }


def test_who(spark: SparkSession) -> None:
    """The role without the session; a user; a service; nobody that is known. A refused call keeps its code."""
    code = ("UpdateFunctionCode20150331v2", {"functionName": "f"})
    cases = {
        "session": ({"user_arn": DEPLOY, "user_type": "AssumedRole"}, f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy"),
        "user": ({"user_arn": f"arn:aws:iam::{ACCOUNT}:user/a", "invoked_by": "cloudformation.amazonaws.com"},
                 f"arn:aws:iam::{ACCOUNT}:user/a"),
        "service": ({"invoked_by": "apigateway.amazonaws.com", "user_type": "AWSService"}, "apigateway.amazonaws.com"),
        "account": ({"user_account_id": "210987654321", "user_type": "AWSAccount"}, "210987654321"),
        "nobody": ({}, "unknown"),
    }  # fmt: skip
    events = [call(*code, event_id=name, error_code="AccessDenied", **who) for name, (who, _) in cases.items()]
    found = {row["event_id"]: row for row in built(spark, events)}
    assert {name: row["principal"] for name, row in found.items()} == {name: p for name, (_, p) in cases.items()}
    assert {row["error_code"] for row in found.values()} == {"AccessDenied"}


def test_whose(spark: SparkSession) -> None:
    """Names, partial and whole ARNs; a call from another account is in both trails, and counts once."""
    other = "210987654321"
    names = {
        "name": ("f", ACCOUNT, REGION),
        "partial": (f"{ACCOUNT}:function:f", ACCOUNT, "us-east-1"),
        "partial, of another": (f"{other}:function:f:live", other, "us-east-1"),
        "whole": (f"{ARN}:f", ACCOUNT, REGION),
        "of another": (f"arn:aws-cn:lambda:cn-north-1:{other}:function:f:7", other, "cn-north-1"),
    }
    events = [
        call("PublishVersion20150331", {"functionName": named}, event_id=name, region=region if name == "name" else
             "us-east-1") for name, (named, _, region) in names.items()
    ]  # fmt: skip
    shared = {"raw": json.dumps({"sharedEventID": "s"})}
    events += [
        call("DeleteFunction20150331", {"functionName": f"{ARN}:f"}, event_id=f"copy {n}", account_id=account, **shared)
        for n, account in enumerate((ACCOUNT, other))
    ]
    found = {row["event_id"]: (row["account_id"], row["region"]) for row in built(spark, events)}
    assert found.pop("copy 0") == (ACCOUNT, REGION)
    assert found == {name: (account, region) for name, (_, account, region) in names.items()}


def test_a_role_of_many(spark: SparkSession) -> None:
    """Each function that has the role, or had it, is changed: also one of the same name in another region."""
    configs = [config(role=ROLE), config(role=ROLE, version="1"), config(role=ROLE, region="us-east-1"),
               config(role=ROLE, function_name="g", valid_to=at("9:30")), config(role="r", function_name="h"),
               config(role=None, function_name="i")]  # fmt: skip
    events = [call("PutRolePolicy", {"roleName": "role-f", "policyName": "p"}, source="iam", region="us-east-1")]
    found = built(spark, events, configs)
    assert sorted((r["function_name"], r["region"]) for r in found) == [
        ("f", REGION),
        ("f", "us-east-1"),
        ("g", REGION),
    ]
    assert len({tuple(r[name] for name in FUNCTION_CHANGES.key) for r in found}) == 3
