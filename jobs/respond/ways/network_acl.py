"""Deny entries in the network ACLs of the functions' subnets."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from botocore.exceptions import ClientError

from jobs.respond.model import Aws, Case, Change, Network, Row, Seen, State, Talker, Way
from jobs.respond.radius import in_words, who_talks

NAME = "network acl"
ENTRY = "network acl entry"
_LAST = 32766
"""Numbers above are the default rules'."""
_CIDR = {4: "CidrBlock", 6: "Ipv6CidrBlock"}
_COMPARED = ("Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock", "PortRange", "IcmpTypeCode")


def plan(case: Case, seen: Seen | None) -> Way:
    """A deny entry a direction in the ACL of each subnet that a function of the alert is in, before all that allows."""
    network = case.destination
    does = "Deny all traffic with the destination, in both directions, at the border of the functions' subnets."
    base = Way(NAME, "Deny in the subnets' network ACLs", does, destination=network, cannot=_CANNOT)
    if network is None:
        return replace(base, obstacle=case.no_destination)
    subnets = {subnet for place in case.places for subnet in place.subnet_ids}
    if not subnets:
        return replace(base, obstacle=case.without("subnet"))
    acls = [acl for acl in (seen.acls if seen else ()) if subnets & _subnets(acl)]
    reached = subnets.union(*[_subnets(acl) for acl in acls])
    rows = who_talks(case.history, network, lambda one: _from(one, reached))
    shared = sorted({place.function_name for place in case.history.functions if reached & set(place.subnet_ids)})
    costs = (
        in_words(case, rows),
        f"It holds for everything in {', '.join(sorted(reached))}: functions {', '.join(shared)}, and machines there.",
        "It takes one rule of the quota in each direction.",
    )
    base = replace(base, radius=rows, costs=costs)
    if seen is None:
        return base
    missing = subnets.difference(*[_subnets(acl) for acl in acls])
    if missing:
        return replace(base, obstacle=f"no network ACL of {', '.join(sorted(missing))} was found")
    changes: list[Change] = []
    for acl in sorted(acls, key=lambda acl: str(acl["NetworkAclId"])):
        for egress in (True, False):
            made = _deny(acl, egress, network, case.network_acl_rules)
            if isinstance(made, str):
                return replace(base, obstacle=made)
            changes += [made] if made else []
    if not changes:
        return replace(base, obstacle=f"their network ACLs already deny {network}")
    return replace(base, changes=tuple(changes))


_CANNOT = (
    "Traffic within one subnet does not pass its ACL.",
    "DNS through the VPC's resolver is not filtered: data in DNS queries still gets out.",
    "The destination may move to another address; a service behind many addresses does so all the time.",
    "Functions outside a VPC have no subnet.",
)


def _subnets(acl: Row) -> set[str]:
    return {one["SubnetId"] for one in acl.get("Associations", ()) if one.get("SubnetId")}


def _from(one: Talker, subnets: set[str]) -> bool:
    return one.subnet_id is None or one.subnet_id in subnets


def _deny(acl: Row, egress: bool, network: Network, quota: int) -> Change | str | None:
    """The entry to make; in words why none can be; None: it is denied already.

    The free number next below the first entry that allows any of the network: numbers count upwards.
    """
    name, way = acl["NetworkAclId"], "outbound" if egress else "inbound"
    there = [entry for entry in acl["Entries"] if entry["Egress"] == egress]
    key = _CIDR[network.version]
    family = [(entry, ip_network(entry[key])) for entry in there if entry.get(key)]
    allows = [
        e["RuleNumber"] for e, cidr in family if e["RuleAction"] == "allow" and cidr.overlaps(network)
    ]  # fmt: skip
    if not allows:
        return None
    first = min(allows)
    whole = [
        entry["RuleNumber"]
        for entry, cidr in family
        if entry["RuleAction"] == "deny" and entry["Protocol"] == "-1" and network.subnet_of(cidr)  # type: ignore[arg-type]
    ]  # fmt: skip
    if any(number < first for number in whole):
        return None
    if len(family) >= quota:
        return (
            f"{name} has {len(family)} {way} rules for IPv{network.version} of {quota} (network_acl_rules): "
            "remove one, or have AWS raise the quota"
        )
    taken = {entry["RuleNumber"] for entry in there}
    number = next((n for n in range(min(first, _LAST + 1) - 1, 0, -1) if n not in taken), None)
    if number is None:
        return f"{name} has no free {way} rule number before {first}, which allows it: renumber that rule"
    entry = {
        "Egress": egress, "RuleNumber": number, "Protocol": "-1", "RuleAction": "deny", key: str(network),
    }  # fmt: skip
    side = "to" if egress else "from"
    return Change(ENTRY, name, f"{name}: {way} rule {number} denies all traffic {side} {network}", None, entry)


def look(aws: Aws, change: Change, action_id: str) -> State:
    """How the entry's number is taken in its ACL. An entry has no tags: it is ours if it is the same in all."""
    del action_id
    try:
        answer = aws("ec2").describe_network_acls(NetworkAclIds=[change.resource])
    except ClientError as error:
        if "NotFound" in error.response["Error"]["Code"]:
            return State.other
        raise
    place = {name: change.after[name] for name in ("Egress", "RuleNumber")}
    for acl in answer["NetworkAcls"]:
        for entry in acl["Entries"]:
            if all(entry[name] == value for name, value in place.items()):
                same = all(entry.get(name) == change.after.get(name) for name in _COMPARED)
                return State.ours if same else State.other
    return State.before


def do(aws: Aws, change: Change, action_id: str) -> None:
    """Create the entry."""
    del action_id
    aws("ec2").create_network_acl_entry(NetworkAclId=change.resource, **change.after)


def undo(aws: Aws, change: Change, action_id: str) -> None:
    """Delete it again."""
    del action_id
    place = {name: change.after[name] for name in ("Egress", "RuleNumber")}
    aws("ec2").delete_network_acl_entry(NetworkAclId=change.resource, **place)
