"""The responder's policy allows what is called, and nothing besides."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from conf.settings import Account as Entry
from conf.settings import Settings
from jobs.respond import execute
from jobs.respond.account import NotAskedError, door, protections
from jobs.respond.execute import Hand
from tests.jobs.collect.aws import OWN, SECOND
from tests.jobs.respond.account import NOON, REGION, Account, Memory, Perilous, clients, kept
from tests.jobs.respond.test_respond_execute import WAYS

IAM = Path(__file__).parents[3] / "conf" / "iam"
WITHOUT_A_CALL = {"AuthorizeSecurityGroupEgress": "ec2:CreateTags", "CreateRuleGroup": "network-firewall:TagResource"}
"""What a call needs beside its own permission when it makes something with tags."""


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML: `!Sub x` is read as x."""


_Template.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def policy() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((IAM / "responder-policy.json").read_text())
    return found


def actions_of(statements: list[dict[str, Any]]) -> set[str]:
    actions = [statement["Action"] for statement in statements]
    return {a for some in actions for a in (some if isinstance(some, list) else [some])}


def test_every_call_is_allowed_and_nothing_besides(aws: Perilous, account: Account) -> None:
    door(Settings(), OWN, REGION)
    protections(clients)
    for name, fields in WAYS.values():
        journal = Memory()
        hand = Hand(clients, journal, lambda: NOON, "ann")
        action = execute.apply(hand, kept(journal, account, name, **fields), timedelta(days=1), ())
        execute.rollback(hand, action, "by hand")
    called = {call.action for call in aws.calls}
    called |= {WITHOUT_A_CALL[call.operation] for call in aws.calls if call.operation in WITHOUT_A_CALL}
    allowed = [statement for statement in policy()["Statement"] if statement["Effect"] == "Allow"]
    assert called == actions_of(allowed)
    assert not any("*" in action for action in called)


def test_reading_and_acting_are_apart() -> None:
    """Neither role may what is the other's but for what asks for nothing."""
    reader = json.loads((IAM / "read-policy.json").read_text())
    assert actions_of(policy()["Statement"]) & actions_of(reader["Statement"]) == set()


def test_the_role_is_assumed_with_its_external_id(aws: Perilous, account: Account) -> None:
    del account
    role = f"arn:aws:iam::{SECOND}:role/leasehold-respond"
    settings = Settings(responders=(Entry(SECOND, role, "an-external-id"),))
    found, arn = door(settings, SECOND, REGION)
    assert arn.endswith(":assumed-role/leasehold-respond/leasehold-respond")
    found("ec2").describe_vpcs()
    assert aws.calls[-1].account_id == SECOND
    assert aws.asked("AssumeRole")[0]["ExternalId"] == "an-external-id"


def test_an_account_that_cannot_be_entered(aws: Perilous, account: Account) -> None:
    del account
    for fields, said in (
        (("111122223333", REGION), "list the account in `responders`"),
        (("unknown", REGION), "does not say of which account"),
    ):
        try:
            door(Settings(), *fields)
        except NotAskedError as error:
            assert said in str(error)
        else:
            raise AssertionError(fields)
    aws.answer("DescribeVpcs", {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}})
    try:
        protections(clients)
    except NotAskedError as error:
        assert "AWS denied DescribeVpcs: conf/iam/respond-role.yaml" in str(error)
    else:
        raise AssertionError


def test_the_template_has_the_policy_and_passes_cfn_lint() -> None:
    path = IAM / "respond-role.yaml"
    template = yaml.load(path.read_text(), _Template)
    role = template["Resources"]["RespondRole"]["Properties"]
    [inline] = role["Policies"]
    text = json.dumps(inline["PolicyDocument"])
    for name, value in (("AWS::Partition", "aws"), ("AWS::AccountId", "*"), ("FunctionRoles", "FUNCTION-ROLES")):
        text = text.replace(f"${{{name}}}", value)
    assert json.loads(text) == policy()
    [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"AWS": "arn:${AWS::Partition}:iam::${ResponderAccountId}:root"}
    assert trusted["Condition"] == {"StringEquals": {"sts:ExternalId": "ExternalId"}}
    lint = [Path(sys.executable).with_name("cfn-lint"), "--regions", "eu-west-1", "--include-checks", "I", "--", path]
    done = subprocess.run(lint, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
