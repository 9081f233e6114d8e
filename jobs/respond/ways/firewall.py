"""A rule group of AWS Network Firewall that drops what goes to the destination, in the policy of the VPC's firewall."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from jobs.respond.model import Aws, Case, Change, Network, Row, Seen, State, Way
from jobs.respond.radius import in_words, who_talks

NAME = "network firewall"
GROUP, REFERENCE = "firewall rule group", "rule group in a firewall policy"
TAG = "leasehold:action"
_SERVICE = "network-firewall"
_REFERENCES = "StatefulRuleGroupReferences"
_TRIES = 3
_CANNOT = (
    "Only what is routed through the firewall passes it.",
    "Under action order a rule of the policy that passes the destination comes first.",
    "Connections that the firewall knows may go on until they are closed.",
    "The function's own flow logs still say ACCEPT: what is dropped is seen by the firewall's.",
)


def plan(case: Case, seen: Seen | None) -> Way:
    """A rule group of its own for each policy of a firewall in the functions' VPCs."""
    network = case.destination
    does = "Drop all that goes to the destination, in the firewall of the functions' VPC."
    base = Way(NAME, "Drop it in the VPC's Network Firewall", does, destination=network, cannot=_CANNOT)
    if network is None:
        return replace(base, obstacle=case.no_destination)
    vpcs = sorted({place.vpc_id for place in case.places if place.vpc_id})
    if not vpcs:
        return replace(base, obstacle=case.without("VPC"))
    rows = who_talks(case.history, network, lambda one: one.vpc_id is None or one.vpc_id in vpcs)
    costs = (
        in_words(case, rows),
        f"It holds for all that is routed through the firewall of {', '.join(vpcs)}, and wherever its policy is used.",
        "It takes one of the 20 stateful rule groups of a policy.",
    )
    base = replace(base, radius=rows, costs=costs)
    if seen is None:
        return base
    if "firewalls" in seen.failures:
        return replace(base, obstacle=seen.failures["firewalls"])
    here = [one for one in seen.firewalls if one["VpcId"] in vpcs]
    if not here:
        return replace(base, obstacle=f"there is no Network Firewall in {', '.join(vpcs)}")
    changes: list[Change] = []
    for arn, one in sorted({one["FirewallPolicyArn"]: one for one in here}.items()):
        made = _in_policy(case, network, arn, one["Policy"])
        if isinstance(made, str):
            return replace(base, obstacle=made)
        changes += made
    return replace(base, changes=tuple(changes))


def _in_policy(case: Case, network: Network, policy_arn: str, policy: Row) -> list[Change] | str:
    """The rule group, then its place in the policy: before all others where there is an order."""
    order = policy.get("StatefulEngineOptions", {}).get("RuleOrder", "DEFAULT_ACTION_ORDER")
    there = policy.get(_REFERENCES, [])
    digest = hashlib.sha256(f"{case.alert_id} {network} {policy_arn}".encode()).hexdigest()[:12]
    name = f"leasehold-{digest}"
    arn = f"{policy_arn.partition(':firewall-policy/')[0]}:stateful-rulegroup/{name}"
    reference: Row = {"ResourceArn": arn}
    if order == "STRICT_ORDER":
        reference["Priority"] = min((one["Priority"] for one in there), default=101) - 1
        if reference["Priority"] < 1:
            return f"no priority is free before the first rule group of {policy_arn}: renumber them"
    source = {"StatefulRules": [_drop(network)]}
    group = {"RulesSource": source, "StatefulRuleOptions": {"RuleOrder": order}}
    made = {"RuleGroupName": name, "Type": "STATEFUL", "Capacity": 1, "RuleGroup": group}
    policy_name = policy_arn.rpartition("/")[2]
    return [
        Change(GROUP, arn, f"{name}: a rule group that drops all traffic to {network}", None, made),
        Change(REFERENCE, policy_arn, f"{policy_name}: the firewall policy has it first", None, reference),
    ]


def _drop(network: Network) -> Row:
    header = {
        "Protocol": "IP", "Source": "ANY", "SourcePort": "ANY", "Direction": "FORWARD", "Destination": str(network),
        "DestinationPort": "ANY",
    }  # fmt: skip
    return {"Action": "DROP", "Header": header, "RuleOptions": [{"Keyword": "sid", "Settings": ["1"]}]}


def look_group(aws: Aws, change: Change, action_id: str) -> State:
    """Is there a rule group of that name, with our tag? One that is being deleted is gone."""
    try:
        answer = aws(_SERVICE).describe_rule_group(RuleGroupArn=change.resource)["RuleGroupResponse"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return State.before
        raise
    if answer.get("RuleGroupStatus") == "DELETING":
        return State.before
    return State.ours if {"Key": TAG, "Value": action_id} in answer.get("Tags", []) else State.other


def do_group(aws: Aws, change: Change, action_id: str) -> None:
    """Create it, tagged."""
    tags = [{"Key": TAG, "Value": action_id}]
    aws(_SERVICE).create_rule_group(**change.after, Description="made by leasehold respond", Tags=tags)


def undo_group(aws: Aws, change: Change, action_id: str) -> None:
    """Delete it."""
    del action_id
    aws(_SERVICE).delete_rule_group(RuleGroupArn=change.resource)


def look_reference(aws: Aws, change: Change, action_id: str) -> State:
    """Does the policy have it? Its name is ours alone."""
    del action_id
    _, policy = _policy(aws, change.resource)
    there = policy.get(_REFERENCES, [])
    if any(one["ResourceArn"] == change.after["ResourceArn"] for one in there):
        return State.ours
    taken = "Priority" in change.after and any(one.get("Priority") == change.after["Priority"] for one in there)
    return State.other if taken else State.before


def do_reference(aws: Aws, change: Change, action_id: str) -> None:
    """Put it among the policy's."""
    del action_id
    _update(aws, change, add=True)


def undo_reference(aws: Aws, change: Change, action_id: str) -> None:
    """Take it out; all else in the policy stays as it is now."""
    del action_id
    _update(aws, change, add=False)


def _policy(aws: Aws, arn: str) -> tuple[Row, Row]:
    answer: Row = aws(_SERVICE).describe_firewall_policy(FirewallPolicyArn=arn)
    return answer, answer["FirewallPolicy"]


def _update(aws: Aws, change: Change, add: bool) -> None:
    for attempt in range(1, _TRIES + 1):
        answer, policy = _policy(aws, change.resource)
        about = answer["FirewallPolicyResponse"]
        there = [one for one in policy.get(_REFERENCES, []) if one["ResourceArn"] != change.after["ResourceArn"]]
        there += [change.after] if add else []
        changed: dict[str, Any] = {key: value for key, value in policy.items() if key != _REFERENCES}
        if there:
            changed[_REFERENCES] = there
        # What an update does not name is forgotten.
        kept = {key: about[key] for key in ("Description", "EncryptionConfiguration") if about.get(key)}
        try:
            aws(_SERVICE).update_firewall_policy(
                FirewallPolicyArn=change.resource, UpdateToken=answer["UpdateToken"], FirewallPolicy=changed, **kept
            )
            return
        except ClientError as error:
            # Somebody else was quicker.
            if error.response["Error"]["Code"] != "InvalidTokenException" or attempt == _TRIES:
                raise
