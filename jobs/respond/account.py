"""Entering the account that is acted on, and reading what plans are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from conf.settings import Account, Settings
from jobs.collect.access import Clients, WrongAccountError, enter
from jobs.collect.advice import advice
from jobs.errors import LeaseholdError
from jobs.respond.model import Aws, FunctionPlace, Row, Seen
from jobs.show import safe

SESSION_NAME = "leasehold-respond"
"""as CloudTrail of the account will show it"""
FAILURES = (ClientError, BotoCoreError, WrongAccountError)
_ATTEMPTS = 5


class NotAskedError(LeaseholdError):
    """The account could not be entered, or not be read."""


def door(settings: Settings, account_id: str | None, region: str | None) -> tuple[Aws, str]:
    """Clients for an account and region, and the ARN of whoever acts by them.

    By the role that `responders` in the settings has for the account, else by the caller's own credentials if they are
    of it. Raises NotAskedError if it cannot be entered.
    """
    if not account_id or not region or "unknown" in (account_id, region):
        raise NotAskedError("the alert does not say of which account and region it is")
    account = next((one for one in settings.responders if one.account_id == account_id), Account(account_id))
    try:
        clients = Clients(_ATTEMPTS, connect_seconds=5, read_seconds=30)
        access = enter(clients, account, region, SESSION_NAME)
        arn = str(clients.client("sts", region, access).get_caller_identity()["Arn"])
    except FAILURES as error:
        raise NotAskedError(_in_words(error, "assume_role" if account.role_arn else "get_caller_identity")) from None

    @cache
    def client(service: str) -> Any:
        return clients.client(service, region, access)

    return client, arn


def protections(aws: Aws) -> Seen:
    """What tells the account's own networks, of the whole region: those of a peered VPC are own ones, too.

    Raises NotAskedError if EC2 does not answer.
    """
    try:
        ec2 = _Pages(aws("ec2"))
        return Seen(
            vpcs=ec2("describe_vpcs", "Vpcs"),
            endpoints=ec2("describe_vpc_endpoints", "VpcEndpoints"),
            prefix_lists=ec2("describe_prefix_lists", "PrefixLists"),
            addresses=tuple(aws("ec2").describe_addresses()["Addresses"]),
        )
    except FAILURES as error:
        raise NotAskedError(_in_words(error, getattr(error, "operation_name", "EC2"))) from None


def read(aws: Aws, functions: Sequence[str], places: Iterable[FunctionPlace]) -> Seen:
    """What plans for these functions are made from. Raises NotAskedError if EC2 does not answer."""
    here = list(places)
    vpcs = sorted({place.vpc_id for place in here if place.vpc_id})
    seen = protections(aws)
    try:
        ec2 = _Pages(aws("ec2"))
        in_vpcs = [{"Name": "vpc-id", "Values": vpcs}]
        acls = ec2("describe_network_acls", "NetworkAcls", Filters=in_vpcs) if vpcs else ()
    except FAILURES as error:
        raise NotAskedError(_in_words(error, getattr(error, "operation_name", "EC2"))) from None
    failures: dict[str, str] = {}

    def concurrency() -> dict[str, int | None]:
        ask = aws("lambda").get_function_concurrency
        return {name: ask(FunctionName=name).get("ReservedConcurrentExecutions") for name in functions}

    def rules() -> tuple[Row, ...]:
        groups = sorted({group for place in here for group in place.security_group_ids})
        of_groups = [{"Name": "group-id", "Values": groups}]
        return ec2("describe_security_group_rules", "SecurityGroupRules", Filters=of_groups) if groups else ()

    return replace(
        seen,
        acls=acls,
        rules=_part(failures, "rules", rules, ()),
        concurrency=_part(failures, "concurrency", concurrency, {}),
        firewalls=_part(failures, "firewalls", lambda: _firewalls(aws, vpcs), ()) if vpcs else (),
        failures=failures,
    )


def _firewalls(aws: Aws, vpcs: list[str]) -> tuple[Row, ...]:
    """The firewalls of VPCs, each with its Policy."""
    client, found = aws("network-firewall"), []
    for one in _Pages(client)("list_firewalls", "Firewalls", VpcIds=vpcs):
        firewall: Row = client.describe_firewall(FirewallArn=one["FirewallArn"])["Firewall"]
        policy = client.describe_firewall_policy(FirewallPolicyArn=firewall["FirewallPolicyArn"])["FirewallPolicy"]
        found.append({**firewall, "Policy": policy})
    return tuple(found)


class _Pages:
    """All items of an operation that answers in pages."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __call__(self, operation: str, items: str, **asked: Any) -> tuple[Row, ...]:
        pages = self._client.get_paginator(operation).paginate(**asked)
        return tuple(item for page in pages for item in page[items])


def _part(failures: dict[str, str], name: str, ask: Callable[[], Any], otherwise: Any) -> Any:
    """What one way needs; without it only that way cannot be planned."""
    try:
        return ask()
    except FAILURES as error:
        failures[name] = _in_words(error, getattr(error, "operation_name", name))
        return otherwise


def _in_words(error: Exception, operation: str) -> str:
    code, message = type(error).__name__, str(error)
    if isinstance(error, ClientError):
        about = error.response.get("Error", {})
        code, message = str(about.get("Code", "Unknown")), str(about.get("Message", ""))
        if code in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"):
            hint = "conf/iam/respond-role.yaml has the role that may, conf/iam/responder-policy.json what it needs"
            return safe(f"AWS denied {operation}: {hint}")
    known = advice(code, operation)
    if isinstance(error, WrongAccountError):
        known = "list the account in `responders` in the settings, with a role_name (conf/iam/respond-role.yaml)"
    return safe(f"{operation}: {code}: {message.strip().rstrip('.')[:200]}" + (f". {known}" if known else ""))
