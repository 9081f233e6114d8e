"""The policies of conf/iam allow what the collectors call, and nothing besides."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from conf.settings import Account, Settings
from jobs.collect.run import collect
from tests.jobs.collect.aws import NOW, OWN, SECOND, Aws, make_function

IAM = Path(__file__).parents[3] / "conf" / "iam"
ROLE = f"arn:aws:iam::{SECOND}:role/leasehold-read"


class _Template(yaml.SafeLoader):
    """CloudFormation's YAML: `!Sub x` is read as x."""


_Template.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))


def _actions(policy: dict[str, Any]) -> set[str]:
    """All that a policy allows."""
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}
    actions = [statement["Action"] for statement in policy["Statement"]]
    return {a for some in actions for a in (some if isinstance(some, list) else [some])}


def _policy(name: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads((IAM / name).read_text())
    return policy


def _role() -> dict[str, Any]:
    template = yaml.load((IAM / "read-role.yaml").read_text(), _Template)
    role: dict[str, Any] = template["Resources"]["ReadRole"]["Properties"]
    return role


def test_every_call_is_allowed_and_nothing_besides(aws: Aws, tmp_path: Path) -> None:
    """What is called with the role's keys is in the read policy, what with the caller's own in the collector's."""
    make_function("orders", "eu-west-1", SECOND)
    make_function("orders", "eu-west-1", OWN)
    aws.calls.clear()
    accounts = (Account(OWN), Account(SECOND, ROLE, "an-external-id"))
    _, failed = collect(Settings(raw=str(tmp_path), accounts=accounts, regions=("eu-west-1",)), now=lambda: NOW)
    assert failed == []
    read, collector = _actions(_policy("read-policy.json")), _actions(_policy("collector-policy.json"))
    assert {call.action for call in aws.calls if call.assumed} == read
    # Its own account the caller polls by itself: for that it needs the read policy, too.
    assert {call.action for call in aws.calls if not call.assumed} == read | collector
    assert not any("*" in action for action in read | collector)


def test_the_collector_may_assume_the_role_of_the_template() -> None:
    statements = {s["Sid"]: s for s in _policy("collector-policy.json")["Statement"]}
    template = yaml.load((IAM / "read-role.yaml").read_text(), _Template)
    name = template["Parameters"]["RoleName"]["Default"]
    assert statements["BecomeTheReadRole"]["Resource"] == f"arn:aws:iam::*:role/{name}"
    assert ROLE.endswith(f"role/{name}")


def test_the_template_has_the_read_policy() -> None:
    [inline] = _role()["Policies"]
    text = json.dumps(inline["PolicyDocument"]).replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", "*")
    assert json.loads(text) == _policy("read-policy.json")


def test_only_the_collectors_account_with_the_external_id_is_trusted() -> None:
    [statement] = _role()["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": "arn:${AWS::Partition}:iam::${CollectorAccountId}:root"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "ExternalId"}}
    template = yaml.load((IAM / "read-role.yaml").read_text(), _Template)
    external = template["Parameters"]["ExternalId"]
    assert external["NoEcho"] is True
    assert "Default" not in external  # else all would share one
    assert re.fullmatch(external["AllowedPattern"], "5f1c-9a:team@x")


def test_the_template_passes_cfn_lint() -> None:
    program = Path(sys.executable).with_name("cfn-lint")
    lint = [program, "--regions", "eu-west-1", "--include-checks", "I", "--", IAM / "read-role.yaml"]
    done = subprocess.run(lint, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
