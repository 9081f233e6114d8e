"""An account in moto that is acted on, what it answers, and calls that fail or are the last."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.ec2.models.security_groups import SecurityGroupBackend

from jobs.respond.account import read
from jobs.respond.guarded import guarded
from jobs.respond.journal import Action, find
from jobs.respond.journal import plan as keep
from jobs.respond.model import Case, FunctionPlace, History, Row, Talker, Way
from jobs.respond.plan import ways
from tests.jobs.collect.aws import OWN, Aws, client
from tests.jobs.respond.firewall import Firewall

REGION = "eu-west-1"
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
FUNCTIONS = ("orders", "refunds")
WATCHED, STRANGER = "198.51.100.66/32", "203.0.113.9/32"
ALLOW_ALL = {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}


class Killed(BaseException):
    """The process is no more: nothing catches it."""


class Perilous(Aws):
    """Calls are counted; one of them may fail, and one may be the process' last."""

    def __init__(self) -> None:
        super().__init__()
        _MADE.clear()
        self.firewall: Firewall | None = None
        self.fails_at = 0
        self.lost_at = 0
        self.last = 0
        self.made = 0

    def safely(self) -> None:
        """From now on nothing happens any more."""
        self.fails_at = self.lost_at = self.last = self.made = 0

    def handlers(self) -> list[tuple[str, Any]]:
        return [*super().handlers(), ("after-call", self._after_call)]

    def _before_call(self, **kwargs: Any) -> Any:
        self.made += 1
        if self.made == self.fails_at:
            return AWSResponse("", 403, {}, None), {"Error": {"Code": "AccessDenied", "Message": "not this one"}}
        return super()._before_call(**kwargs)

    def _after_call(self, **_: Any) -> None:
        if self.made == self.last:
            raise Killed
        if self.made == self.lost_at:  # it was done, but nobody hears of it
            raise ReadTimeoutError(endpoint_url="https://ec2.example")


class Memory:
    """A journal whose rows survive; after some of them the process does not."""

    def __init__(self, *rows: Row) -> None:
        self.kept: list[Row] = list(rows)
        self.last = 0

    def rows(self, prefix: str = "") -> list[Row]:
        return [dict(row) for row in self.kept if row["action_id"].startswith(prefix)]

    def add(self, row: Row) -> None:
        json.dumps(row, default=str)  # else it could not be stored
        self.kept.append(dict(row))
        if len(self.kept) == self.last:
            raise Killed


@dataclass(frozen=True)
class Account:
    """Names of what is in it."""

    vpc: str
    subnets: tuple[str, str]
    acls: tuple[str, str]
    """of each subnet its own"""
    group: str

    def places(self) -> tuple[FunctionPlace, ...]:
        role = f"arn:aws:iam::{OWN}:role/service/worker"
        return tuple(FunctionPlace(name, self.vpc, self.subnets, (self.group,), role) for name in FUNCTIONS)


def make_account() -> Account:
    """A VPC for IPv4 and IPv6 with three ACLs: its first, one for the second subnet, and one without subnets."""
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    one, two = (ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2))
    [first] = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    ec2.create_network_acl(VpcId=vpc)
    second = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    for egress in (True, False):
        six = {"RuleNumber": 101, "Protocol": "-1", "RuleAction": "allow", "Ipv6CidrBlock": "::/0"}
        for acl in (first["NetworkAclId"], second):
            ec2.create_network_acl_entry(NetworkAclId=acl, Egress=egress, **six)
        ec2.create_network_acl_entry(NetworkAclId=second, Egress=egress, **ALLOW_ALL)
        theirs = {"RuleNumber": 99, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": STRANGER}
        ec2.create_network_acl_entry(NetworkAclId=second, Egress=egress, **theirs)
    [moved] = [a for a in first["Associations"] if a["SubnetId"] == two]
    ec2.replace_network_acl_association(AssociationId=moved["NetworkAclAssociationId"], NetworkAclId=second)
    # Of IPv4 two rules, so that calls that list them stay short; of IPv6 all is allowed.
    tcp = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    nearby = {**tcp, "IpRanges": [{"CidrIp": "198.51.100.64/29", "Description": "partners"}]}
    region = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "198.51.100.64/28"}]}
    all_of_ipv4 = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = ec2.create_security_group(GroupName="orders", Description="of orders", VpcId=vpc)["GroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[all_of_ipv4])
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[nearby, region])
    clients("iam").create_role(RoleName="worker", Path="/service/", AssumeRolePolicyDocument="{}")
    theirs_too = {"RoleName": "worker", "PolicyName": "theirs", "PolicyDocument": json.dumps(_THEIRS)}
    clients("iam").put_role_policy(**theirs_too)
    for name in FUNCTIONS:
        clients("lambda").create_function(
            FunctionName=name, Runtime="python3.12", Role=f"arn:aws:iam::{OWN}:role/service/worker", Handler="a.b",
            Code={"ZipFile": b"no zip is opened"},
        )  # fmt: skip
    clients("lambda").put_function_concurrency(FunctionName="refunds", ReservedConcurrentExecutions=7)
    return Account(vpc, (one, two), (first["NetworkAclId"], second), group)


_THEIRS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
_WORK = {"invocations": 7, "busy_days": 1, "api_calls": 3, "apis": 1, "peers": 1}
_MADE: dict[str, Any] = {}


_modify = SecurityGroupBackend.modify_security_group_rules


def modified_as_aws_does(self: Any, group_id: str, rules: dict[str, Row]) -> None:
    """What moto leaves undone: the network of an IPv6 rule; and a rule for all protocols has no ports."""
    _modify(self, group_id, rules)
    group = self.get_security_group_by_name_or_id(group_id)
    for rule_id, rule in rules.items():
        kept = group.get_rule(rule_id)
        if rule.get("CidrIpv6"):
            kept.ip_range["CidrIpv6"] = rule["CidrIpv6"]
        if rule["IpProtocol"] == "-1":
            kept.from_port = kept.to_port = None


def clients(service: str) -> Any:
    """The test's boto3 client of a service: to make one takes longer than a hundred calls."""
    if service not in _MADE:
        _MADE[service] = client(service, REGION)
    return _MADE[service]


def talker(**fields: Any) -> Talker:
    """Who talked to the watched address."""
    usual: Row = {
        "who": "orders", "kind": "lambda", "address": WATCHED.partition("/")[0], "normal": False, "conversations": 3,
        "bytes_out": 900, "bytes_in": 90, "days": 1, "first_time": NOON, "last_time": NOON,
    }  # fmt: skip
    return Talker(**{**usual, **fields})


def case_in(account: Account, destination: str | None = WATCHED, **fields: Any) -> Case:
    """An alert about `orders`."""
    past = History("2026-02-05", "2026-03-12", (talker(),), account.places(), {"orders": _WORK})
    network = ip_network(destination) if destination else None
    seen = read(clients, FUNCTIONS, account.places())
    usual: Row = {
        "alert_id": "3817659373e098d0", "account_id": OWN, "region": REGION, "functions": ("orders",),
        "destination": network, "history": past, "guarded": guarded((), (), seen),
    }  # fmt: skip
    return Case(**{**usual, **fields})


def planned(account: Account, name: str, **fields: Any) -> Way:
    """One way for it, planned from what the account answers."""
    case = case_in(account, **fields)
    return next(way for way in ways(case, read(clients, FUNCTIONS, account.places())) if way.name == name)


def kept(journal: Memory, account: Account, name: str, **fields: Any) -> Action:
    """The way as an action in a journal."""
    case, way = case_in(account, **fields), planned(account, name, **fields)
    assert not way.obstacle
    [made] = keep(journal, case, [way], NOON, "ann").values()
    return find(journal, made)


_CONCERNS = {
    "network acl": ("acls",),
    "security group": ("groups", "rules"),
    "network firewall": ("firewall",),
    "reserved concurrency": ("concurrency",),
    "role policy": ("policies",),
}


def answers(aws: Perilous | None = None, way: str = "") -> str:
    """All that the account answers to Describe* and Get*, whatever the order; of the firewall, too, with `aws`.

    Of one way only what it may change, which is quicker.
    """
    ec2 = clients("ec2")
    ask: dict[str, Callable[[], Any]] = {
        "acls": lambda: ec2.describe_network_acls()["NetworkAcls"],
        "groups": lambda: ec2.describe_security_groups()["SecurityGroups"],
        "rules": lambda: ec2.describe_security_group_rules()["SecurityGroupRules"],
        "concurrency": lambda: [
            _without_metadata("lambda", "get_function_concurrency", FunctionName=name) for name in FUNCTIONS
        ],
        "policies": lambda: [
            _without_metadata("iam", "get_role_policy", RoleName="worker", PolicyName=name)
            for name in clients("iam").list_role_policies(RoleName="worker")["PolicyNames"]
        ],
    }
    if aws is not None and aws.firewall is not None:
        ask["firewall"] = aws.firewall.answers
    found = {name: ask[name]() for name in (_CONCERNS[way] if way else ask)}
    return json.dumps(_sorted(found), sort_keys=True, default=str, indent=1)


def _without_metadata(service: str, operation: str, **asked: str) -> Row:
    answer: Row = getattr(clients(service), operation)(**asked)
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value
