"""The template of conf/cloudformation is one that AWS takes, and grants what conf/iam says, and nothing besides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from jobs import spark_conf
from jobs.doctor_checks import CREATE

CONF = Path(__file__).parents[2] / "conf"
TEMPLATE = CONF / "cloudformation" / "leasehold.yaml"


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML: `!Ref x` and `!GetAtt x.Arn` are read as x and x.Arn, `!If [c, a, b]` as the list."""


def _plain(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_Template.add_multi_constructor("!", _plain)
RESOURCES: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Template)["Resources"]


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def inline(role: str) -> dict[str, list[dict[str, Any]]]:
    """A role's own policies by name; those under a condition, too."""
    policies = [one[1] if isinstance(one, list) else one for one in properties(role)["Policies"]]
    return {one["PolicyName"]: one["PolicyDocument"]["Statement"] for one in policies}


def kept(name: str) -> dict[str, dict[str, Any]]:
    """Statements of a file of conf/iam by their id, with the template's names for what stands there in capitals."""
    text = (CONF / "iam" / name).read_text()
    for ours, its in (
        ("arn:aws:s3:::RAW-BUCKET/RAW-PREFIX", "${RawBucket.Arn}/raw"),
        ("arn:aws:s3:::LAKE-BUCKET/LAKE-PREFIX", "${LakeBucket.Arn}/lake"),
        ("arn:aws:s3:::RAW-BUCKET", "RawBucket.Arn"),
        ("arn:aws:s3:::LAKE-BUCKET", "LakeBucket.Arn"),
        ("arn:aws:lambda:*:*:", "arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:"),
        ("arn:aws:iam::", "arn:${AWS::Partition}:iam::"),
    ):
        text = text.replace(ours, its)
    return {statement["Sid"]: statement for statement in json.loads(text)["Statement"]}


def test_cfn_lint_has_nothing_to_say() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    lint = [program, "--regions", "eu-west-1", "--include-checks", "I", "--", TEMPLATE]
    done = subprocess.run(lint, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_roles_have_the_policies_of_conf_iam() -> None:
    pipeline = kept("pipeline-policy.json")
    polls = pipeline.pop("StorePolls")
    assert properties("PipelinePolicy")["PolicyDocument"]["Statement"] == list(pipeline.values())
    assert [properties(role)["ManagedPolicyArns"] for role in ("PipelineRole", "OperatorRole")] == [
        ["PipelinePolicy"],
        ["PipelinePolicy"],
    ]
    operator = inline("OperatorRole")
    assert operator["polls"] == [polls]
    assert operator["collector"] == list(kept("collector-policy.json").values())
    assert operator["read"] == list(kept("read-policy.json").values())
    # What is beyond these: where the package lies, and, for the machine, starting runs as this pipeline.
    assert set(inline("PipelineRole")) == {"package"}
    assert set(operator) == {"polls", "collector", "read", "package", "runs"}
    assert [s["Resource"] for s in inline("PipelineRole")["package"]] == ["${LakeBucket.Arn}/package/*"]
    assert all("Application" in s["Resource"] or s["Resource"] == "PipelineRole.Arn" for s in operator["runs"])


def test_no_role_may_do_all_of_anything() -> None:
    documents = [properties("PipelinePolicy")["PolicyDocument"]["Statement"]]
    documents += [statements for role in ("PipelineRole", "OperatorRole") for statements in inline(role).values()]
    actions = [s["Action"] for document in documents for s in document]
    named = {a for some in actions for a in ([some] if isinstance(some, str) else some)}
    assert len(named) > 10 and not any("*" in action for action in named)
    for role, service in (("PipelineRole", "emr-serverless"), ("OperatorRole", "ec2")):
        [trusted] = properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_buckets_are_private_encrypted_versioned_and_outlive_the_stack() -> None:
    buckets = {name: one for name, one in RESOURCES.items() if one["Type"] == "AWS::S3::Bucket"}
    assert set(buckets) == {"RawBucket", "LakeBucket"}
    for name, bucket in buckets.items():
        has = bucket["Properties"]
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
        assert set(has["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(has["PublicAccessBlockConfiguration"]) == 4
        assert has["VersioningConfiguration"] == {"Status": "Enabled"}
        # With SSE-KMS copies of logs would not be known as such.
        [rule] = has["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        [deny] = [s for s in properties(f"{name}Policy")["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    # Of the lake no rule may delete what is current: only a table's log knows what it needs.
    rules = properties("LakeBucket")["LifecycleConfiguration"]["Rules"]
    assert not any("ExpirationInDays" in rule for rule in rules)


def test_the_flow_log_has_the_fields_that_the_doctor_recommends() -> None:
    recommended = CREATE.split("--log-format '")[1].rstrip("'")
    assert properties("FlowLog")["LogFormat"] == recommended


def test_runs_are_told_where_the_package_is() -> None:
    [defaults] = properties("Application")["RuntimeConfiguration"]
    told = defaults["Properties"]
    package, prefix = spark_conf.of_package("${Version}"), "s3://${LakeBucket}/package/"
    assert told["spark.submit.pyFiles"] == prefix + package["spark.submit.pyFiles"]
    archives = told["spark.archives"].split(",")
    assert archives == [prefix + package["spark.archives"], f"{prefix}settings.tar.gz#settings"]
    pythons = {value for name, value in told.items() if "PYTHON" in name}
    assert pythons == {package["spark.pyspark.python"]}
    # What the session says itself stands in one place.
    assert not set(told) & set(spark_conf.ALWAYS)
