"""A security group's egress made narrower: all that it allowed, but the destination.

A security group only allows. So a rule that reaches the destination is made into rules for everything around it: the
rule itself is changed to the first part and keeps its id; the other parts are added before, with a tag. That way
nothing is cut off in between, and undoing it leaves the rule as it was, id and all.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from botocore.exceptions import ClientError

from jobs.respond.guarded import WIDEST, refusal
from jobs.respond.model import Aws, Case, Change, Network, Row, Seen, State, Talker, Way
from jobs.respond.radius import in_words, who_talks

NAME = "security group"
ADDED, NARROWED = "added security group rules", "narrowed security group rule"
TAG = "leasehold:action"
_CIDR = {4: "CidrIpv4", 6: "CidrIpv6"}
_RANGES = {4: ("IpRanges", "CidrIp"), 6: ("Ipv6Ranges", "CidrIpv6")}
_REACH = ("IpProtocol", "FromPort", "ToPort")
_CANNOT = (
    "Connections that are open may go on until they are closed: EC2 tracks them.",
    "Rules that allow a prefix list or another group are not looked into.",
    "DNS through the VPC's resolver is not filtered: data in DNS queries still gets out.",
    "The destination may move to another address.",
)


def plan(case: Case, seen: Seen | None) -> Way:
    """All egress rules of the functions' groups that reach the destination, made narrower.

    Where the quota has no room for the parts, a wider network around the destination is left out instead.
    """
    network = case.destination
    does = "Allow the functions' security groups what they allowed, but not the destination."
    base = Way(NAME, "Make the security groups' egress narrower", does, destination=network, cannot=_CANNOT)
    if network is None:
        return replace(base, obstacle=case.no_destination)
    groups = {group for place in case.places for group in place.security_group_ids}
    if not groups:
        return replace(base, obstacle=case.without("security group"))
    if seen is None:
        return _told(base, case, groups, network)
    if "rules" in seen.failures:
        return replace(_told(base, case, groups, network), obstacle=seen.failures["rules"])
    tried = ""
    for length in range(network.prefixlen, WIDEST[network.version] - 1, -1):
        wide: Network = network.supernet(new_prefix=length)
        way = replace(_told(base, case, groups, wide), destination=wide)
        refused = refusal(wide, case.guarded)
        if refused:
            return replace(way, obstacle=f"{tried}; and {refused}" if tried else refused)
        made = [_narrowed(seen.rules, group, wide, case.security_group_rules) for group in sorted(groups)]
        obstacle = next((one for one in made if isinstance(one, str)), "")
        changes = tuple(change for one in made if not isinstance(one, str) for change in one)
        if not obstacle:
            return replace(way, changes=changes, obstacle="" if changes else f"they do not allow {network}")
        tried = tried or obstacle
    return replace(_told(base, case, groups, network), obstacle=tried)


def _told(base: Way, case: Case, groups: set[str], network: Network) -> Way:
    rows = who_talks(case.history, network, lambda one: _has(one, groups))
    sharing = sorted({p.function_name for p in case.history.functions if groups & set(p.security_group_ids)})
    costs: tuple[str, ...] = (
        in_words(case, rows),
        f"It holds for everything with {', '.join(sorted(groups))}: functions {', '.join(sharing)}, and whatever else.",
    )
    if network != case.destination:
        costs += (f"All of {network} is left out: to leave out {case.destination} alone takes more rules than fit.",)
    return replace(base, radius=rows, costs=costs)


def _has(one: Talker, groups: set[str]) -> bool:
    return one.security_group_ids is None or bool(groups & {g.strip() for g in one.security_group_ids.split(",")})


def _narrowed(rules: tuple[Row, ...], group: str, network: Network, quota: int) -> list[Change] | str:
    """The changes of one group, those that add before those that narrow; in words why there are none."""
    key = _CIDR[network.version]
    there = [one for one in rules if one["GroupId"] == group and one["IsEgress"] and one.get(key)]
    reaching = [ip_network(one[key]) for one in there]
    # A block without a network in it is as many parts as the one's prefix is longer than the other's.
    parts = sum(network.prefixlen - block.prefixlen - 1 for block in reaching if _holds(block, network))
    if len(there) + parts > quota:
        return f"{group} would have {len(there) + parts} egress rules of {quota} (security_group_rules)"
    adds: list[Change] = []
    narrows: list[Change] = []
    for rule in sorted(there, key=lambda one: str(one["SecurityGroupRuleId"])):
        block = ip_network(rule[key])
        if not block.overlaps(network):
            continue
        if block.subnet_of(network):  # type: ignore[arg-type]
            return f"{group} has a rule for {block} alone ({rule['SecurityGroupRuleId']}): revoke it by hand"
        same = {ip_network(one[key]) for one in there if _reach(one) == _reach(rule)}
        around: list[Any] = sorted(block.address_exclude(network), key=lambda one: (one.prefixlen, one))  # type: ignore[arg-type]
        first = next((one for one in around if one not in same), None)
        if first is None:
            return f"{group} has rules for all around {network}: revoke {rule['SecurityGroupRuleId']} by hand"
        rest = [str(one) for one in around if one not in same and one != first]
        before = {name: rule[name] for name in (*_REACH, key, "Description") if rule.get(name) is not None}
        what = f"{rule['IpProtocol']} {rule.get('FromPort')}-{rule.get('ToPort')}".replace("-1 -1--1", "all traffic")
        if rest:
            added = {**_reach(rule), "Cidrs": rest, "Version": network.version}
            says = f"{group}: {len(rest)} more egress rules for {what} to all else in {block}"
            adds.append(Change(ADDED, group, says, None, added))
        says = f"{group}: egress rule {rule['SecurityGroupRuleId']} allows {what} to {first} instead of {block}"
        after = {**before, key: str(first)}
        narrows.append(Change(NARROWED, f"{group}/{rule['SecurityGroupRuleId']}", says, before, after))
    return [*adds, *narrows]


def _holds(block: Network, network: Network) -> bool:
    return block.overlaps(network) and block.prefixlen < network.prefixlen


def _reach(rule: Row) -> Row:
    return {name: rule.get(name) for name in _REACH}


def look_added(aws: Aws, change: Change, action_id: str) -> State:
    """Are there rules with our tag? Rules of somebody else for the same networks are in their way."""
    mine, others = _added(aws, change, action_id)
    if mine:
        return State.ours
    return State.other if others else State.before


def _added(aws: Aws, change: Change, action_id: str) -> tuple[list[Row], list[Row]]:
    key, wanted = _CIDR[change.after["Version"]], set(change.after["Cidrs"])
    found = [one for one in _rules(aws, [{"Name": "group-id", "Values": [change.resource]}]) if one["IsEgress"]]
    alike = [one for one in found if one.get(key) in wanted and _reach(one) == _reach(change.after)]
    mine = [one for one in alike if {"Key": TAG, "Value": action_id} in one.get("Tags", [])]
    return mine, [one for one in alike if one not in mine]


def do_added(aws: Aws, change: Change, action_id: str) -> None:
    """Add them all in one call, tagged."""
    name, key = _RANGES[change.after["Version"]]
    ranges = [{key: cidr, "Description": f"leasehold {action_id}"} for cidr in change.after["Cidrs"]]
    reach = {k: v for k, v in _reach(change.after).items() if v is not None}
    tags = [{"ResourceType": "security-group-rule", "Tags": [{"Key": TAG, "Value": action_id}]}]
    permission = {**reach, name: ranges}
    aws("ec2").authorize_security_group_egress(
        GroupId=change.resource, IpPermissions=[permission], TagSpecifications=tags
    )


def undo_added(aws: Aws, change: Change, action_id: str) -> None:
    """Revoke those with our tag."""
    mine, _ = _added(aws, change, action_id)
    ids = [one["SecurityGroupRuleId"] for one in mine]
    aws("ec2").revoke_security_group_egress(GroupId=change.resource, SecurityGroupRuleIds=ids)


def look_narrowed(aws: Aws, change: Change, action_id: str) -> State:
    """What the rule with this id allows now."""
    del action_id
    group, _, rule_id = change.resource.partition("/")
    found = [
        one for one in _rules(aws, [{"Name": "group-id", "Values": [group]}]) if one["SecurityGroupRuleId"] == rule_id
    ]
    if not found:
        return State.other
    now = {name: found[0][name] for name in (*_REACH, *_CIDR.values(), "Description") if found[0].get(name) is not None}
    if now == change.after:
        return State.ours
    return State.before if now == change.before else State.other


def do_narrowed(aws: Aws, change: Change, action_id: str) -> None:
    """Let the rule allow less."""
    del action_id
    _modify(aws, change.resource, change.after)


def undo_narrowed(aws: Aws, change: Change, action_id: str) -> None:
    """Let it allow again what it allowed."""
    del action_id
    _modify(aws, change.resource, change.before)


def _modify(aws: Aws, resource: str, rule: Row) -> None:
    group, _, rule_id = resource.partition("/")
    update = {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": rule}
    aws("ec2").modify_security_group_rules(GroupId=group, SecurityGroupRules=[update])


def _rules(aws: Aws, filters: list[Row]) -> list[Row]:
    try:
        pages = aws("ec2").get_paginator("describe_security_group_rules").paginate(Filters=filters)
        return [rule for page in pages for rule in page["SecurityGroupRules"]]
    except ClientError as error:
        if "NotFound" in error.response["Error"]["Code"]:
            return []
        raise
