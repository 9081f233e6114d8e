"""Plans from generated accounts: a thousand of them touch nothing that is protected, and block what they are to."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.settings import Settings
from jobs.errors import LeaseholdError
from jobs.respond.guarded import guarded, refusal
from jobs.respond.model import Case, FunctionPlace, History, Network, Row, Seen, Way, action_id
from jobs.respond.plan import case_of, destination_of, ways
from jobs.respond.radius import in_words, who_talks
from tests.jobs.respond.account import talker

POLICY = "arn:aws:network-firewall:eu-west-1:123456789012:firewall-policy/egress"
FIREWALL: Row = {"VpcId": "vpc-1", "FirewallPolicyArn": POLICY, "Policy": {}}
VPC, SUBNETS, GROUPS = "vpc-1", ("subnet-1", "subnet-2"), ("sg-1", "sg-2")
OWN_RANGES = ("10.7.0.0/16", "198.18.7.0/24", "2001:db8:7::/56")
LISTED = ("203.0.113.0/25", "198.51.100.8/32", "2001:db8:bbbb::/48")
NEVER = [
    # Written down again, so that a slip in the code's own list shows.
    "169.254.169.254", "169.254.169.253", "169.254.169.123", "fd00:ec2::254", "fd00:ec2::253", "fd00:ec2::123",
    "10.7.0.2", "10.7.1.9", "10.200.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1", "::1",
    "fd12::1", "fe80::1", "224.0.0.1", "255.255.255.255", "ff02::1", "0.0.0.0", "::", "::ffff:10.7.0.2",
    "64:ff9b::a07:2", "2002:a07:2::1", "198.18.7.200", "2001:db8:7::5", "203.0.113.1", "203.0.113.127",
    "198.51.100.8", "2001:db8:bbbb::9", "192.0.2.44", "192.0.2.200", "198.51.100.250",
]  # fmt: skip
"""Among them 192.0.2.44, an interface's own, 192.0.2.200, an Elastic IP, and 198.51.100.250, behind an endpoint."""


def in_network(low: str, high: str) -> st.SearchStrategy[int]:
    return st.integers(int(ip_address(low)), int(ip_address(high)))


destinations = st.one_of(
    st.sampled_from(NEVER).map(ip_network),
    st.tuples(in_network("198.51.100.0", "198.51.100.255"), st.integers(20, 32)).map(
        lambda t: IPv4Network((t[0], t[1]), strict=False)
    ),
    st.tuples(in_network("203.0.112.0", "203.0.113.255"), st.integers(22, 32)).map(
        lambda t: IPv4Network((t[0], t[1]), strict=False)
    ),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(23, 32)).map(lambda t: IPv4Network((t[0], t[1]), strict=False)),
    st.tuples(in_network("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), st.integers(46, 128)).map(
        lambda t: IPv6Network((t[0], t[1]), strict=False)
    ),
)
cidrs = st.one_of(
    st.sampled_from(["0.0.0.0/0", "::/0", "198.51.100.0/24", "203.0.0.0/8", "2001:db8::/32", "198.51.100.66/32"]),
    destinations.map(str),
)


@st.composite
def entries(draw: st.DrawFn) -> list[Row]:
    """Those of an ACL: numbers in one direction differ."""
    found = []
    for egress in (True, False):
        numbers = draw(st.lists(st.sampled_from([1, 2, 3, 90, 99, 100, 101, 110, 200, 32766]), unique=True))
        for number in numbers:
            cidr = draw(cidrs)
            found.append(
                {
                    "Egress": egress, "RuleNumber": number, "RuleAction": draw(st.sampled_from(["allow", "deny"])),
                    "Protocol": draw(st.sampled_from(["-1", "-1", "6"])),
                    "Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr,
                }
            )  # fmt: skip
        for number, key, cidr in ((32767, "CidrBlock", "0.0.0.0/0"), (32768, "Ipv6CidrBlock", "::/0")):
            last = {"Egress": egress, "RuleNumber": number, "RuleAction": "deny", "Protocol": "-1", key: cidr}
            found.append(last)
    return found


@st.composite
def egress_rules(draw: st.DrawFn) -> list[Row]:
    """Those of a security group."""
    blocks = draw(st.lists(st.one_of(st.sampled_from(["0.0.0.0/0", "::/0", "198.51.0.0/16"]), cidrs), unique=True))
    group = draw(st.sampled_from(GROUPS))
    return [
        {
            "SecurityGroupRuleId": f"sgr-{group}-{n}", "GroupId": group, "IsEgress": True, "IpProtocol": "-1",
            "FromPort": -1, "ToPort": -1, "CidrIpv6" if ":" in block else "CidrIpv4": block,
        }
        for n, block in enumerate(blocks)
    ]  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> tuple[Case, Seen]:
    acls = [
        {"NetworkAclId": f"acl-{n}", "Associations": [{"SubnetId": subnet}], "Entries": draw(entries())}
        for n, subnet in enumerate(SUBNETS, 1)
    ]
    seen = Seen(
        vpcs=(
            {
                "VpcId": VPC, "CidrBlock": OWN_RANGES[0],
                "CidrBlockAssociationSet": [{"CidrBlock": one} for one in OWN_RANGES[:2]],
                "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": OWN_RANGES[2]}],
            },
        ),
        acls=tuple(acls),
        endpoints=({"VpcEndpointType": "Gateway", "ServiceName": "com.amazonaws.eu-west-1.s3"},),
        prefix_lists=({"PrefixListName": "com.amazonaws.eu-west-1.s3", "Cidrs": ["198.51.100.248/29"]},),
        addresses=({"PublicIp": "192.0.2.200"},),
        rules=tuple(draw(egress_rules())),
        firewalls=draw(st.sampled_from([(), (FIREWALL,)])),
        concurrency={"f": draw(st.sampled_from([None, 0, 5]))},
    )  # fmt: skip
    role = "arn:aws:iam::123456789012:role/worker"
    past = History("2026-02-05", "2026-03-12", (talker(),), (FunctionPlace("f", VPC, SUBNETS, GROUPS, role),))
    guards = guarded([(cidr, "listed") for cidr in LISTED], ["192.0.2.44"], seen)
    network = draw(destinations)
    quota = draw(st.sampled_from([20, 20, 7]))
    case = Case("a1", "123456789012", "eu-west-1", ("f",), network, past, guards, network_acl_rules=quota)
    return case, seen


def decides(acl_entries: list[Row], egress: bool, address: str) -> str:
    """What an ACL does with a packet of all protocols: the first entry that matches decides."""
    for entry in sorted(acl_entries, key=lambda entry: entry["RuleNumber"]):
        block = entry.get("CidrBlock") or entry["Ipv6CidrBlock"]
        if entry["Egress"] == egress and ip_address(address) in ip_network(block) and entry["Protocol"] == "-1":
            return str(entry["RuleAction"])
    return "deny"


reached: Counter[str] = Counter()


@settings(max_examples=1_000, suppress_health_check=list(HealthCheck))
@given(situations())
def test_generated_plans(situation: tuple[Case, Seen]) -> None:
    case, seen = situation
    for way in ways(case, seen):
        reached[f"{way.name} {'possible' if way.changes else 'not'}"] += 1
        assert bool(way.changes) != bool(way.obstacle), way
        assert way.destination is None or not touches_protected(way.destination) or not way.changes
        json.dumps([change.row() for change in way.changes])
        assert action_id(case, way) == action_id(case, way)
        if way.name == "network acl" and way.changes:
            check_acls(case, seen, way)
        if way.name == "security group" and way.changes:
            check_groups(case, seen, way)
        if way.name == "network firewall" and way.changes:
            [rule] = way.changes[0].after["RuleGroup"]["RulesSource"]["StatefulRules"]
            assert rule["Header"]["Destination"] == str(case.destination)


def touches_protected(network: Network) -> bool:
    """By addresses alone."""
    assert network.prefixlen >= (24 if network.version == 4 else 48)
    known = [*OWN_RANGES, *LISTED, "198.51.100.248/29", "fc00::/7", "fe80::/10", "10.0.0.0/8", "172.16.0.0/12"]
    near = [ip_address(one) in network for one in NEVER]
    same = [ip_network(one) for one in known if ip_network(one).version == network.version]
    return any(near) or any(one.overlaps(network) for one in same)  # type: ignore[arg-type]


def check_acls(case: Case, seen: Seen, way: Way) -> None:
    """The destination is denied, for all else nothing changes, and no number is used twice."""
    assert case.destination is not None
    after = {str(acl["NetworkAclId"]): list(acl["Entries"]) for acl in seen.acls}
    for change in way.changes:
        after[change.resource].append(change.after)
    for acl in seen.acls:
        rules = after[str(acl["NetworkAclId"])]
        for egress in (True, False):
            mine = [entry for entry in rules if entry["Egress"] == egress]
            assert len({entry["RuleNumber"] for entry in mine}) == len(mine)
            for key in ("CidrBlock", "Ipv6CidrBlock"):
                grown = sum(key in e for e in mine) > sum(key in e for e in acl["Entries"] if e["Egress"] == egress)
                assert not grown or sum(key in e for e in mine) <= case.network_acl_rules
            for address in (case.destination[0], case.destination[-1]):
                assert decides(rules, egress, str(address)) == "deny"
            for other in (*NEVER, "198.51.100.77", "203.0.113.200", "2001:db8:9::1", "192.0.2.1"):
                if ip_address(other) not in case.destination:
                    assert decides(rules, egress, other) == decides(acl["Entries"], egress, other)


def check_groups(case: Case, seen: Seen, way: Way) -> None:
    """What is left out cannot be reached any more, all else can as before, within the quota."""
    assert case.destination is not None and way.destination is not None
    assert case.destination.subnet_of(way.destination)  # type: ignore[arg-type]
    changed = {one.resource.partition("/")[2]: one.after for one in way.changes if one.before is not None}
    rules = [{**rule, **changed.get(str(rule["SecurityGroupRuleId"]), {})} for rule in seen.rules]
    for change in way.changes:
        for cidr in change.after.get("Cidrs", []):
            rules.append({"GroupId": change.resource, "CidrIpv6" if ":" in cidr else "CidrIpv4": cidr})
    for key in ("CidrIpv4", "CidrIpv6"):
        assert sum(key in rule for rule in rules) <= max(60, sum(key in rule for rule in seen.rules))
    for address in (case.destination[0], case.destination[-1]):
        assert not allowed(rules, str(address))
    for other in (*NEVER, "198.51.100.77", "203.0.113.200", "2001:db8:9::1", "192.0.2.1", "8.0.0.1", "2600::1"):
        if ip_address(other) not in way.destination:
            assert allowed(rules, other) == allowed(list(seen.rules), other)


def allowed(rules: list[Row], address: str) -> bool:
    return any(ip_address(address) in ip_network(rule.get("CidrIpv4") or rule["CidrIpv6"]) for rule in rules)


def test_generated_plans_were_of_all_sorts() -> None:
    """Else the thousand would say little."""
    if not reached:  # run alone
        test_generated_plans()
    for name in ("network acl", "network firewall", "security group", "reserved concurrency"):
        assert min(reached[f"{name} possible"], reached[f"{name} not"]) > 50, reached


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("10.0.1.60/32", "within 10.0.0.0/8, a private range"),
        ("169.254.169.254/32", "the instance metadata service"),
        ("fd00:ec2::253/128", "the Route 53 Resolver"),
        ("64:ff9b::a9fe:a9fe/128", "the instance metadata service"),
        ("64:ff9b::/96", "protected"),
        ("2002:a00:1::/48", "private range"),
        ("198.51.0.0/16", "too wide"),
        ("2001:db8::/32", "too wide"),
        ("192.0.2.0/24", "holds 192.0.2.44/32, ours"),
    ],
)
def test_what_is_refused(network: str, why: str) -> None:
    assert why in refusal(ip_network(network), guarded([("192.0.2.44", "ours")], (), None))


@pytest.mark.parametrize("network", ["198.51.100.66/32", "64:ff9b::c633:6442/128", "2001:db8::1/128", "192.0.2.43/32"])
def test_what_is_not(network: str) -> None:
    assert refusal(ip_network(network), guarded([("192.0.2.44", "ours")], (), None)) == ""


def alert(**fields: Any) -> Row:
    return {"peer_kind": "address", "peer_addr": "198.51.100.66", **fields}


def test_the_destination() -> None:
    assert destination_of(alert(), None) == ip_network("198.51.100.66/32")
    assert destination_of(alert(), "198.51.100.0/24") == ip_network("198.51.100.0/24")
    assert destination_of(alert(peer_kind=None), None) is None  # of an API call
    assert destination_of(alert(peer_addr="[red]x"), None) is None
    with pytest.raises(LeaseholdError, match="--destination takes an address"):
        destination_of(alert(), "198.51.100.1/24")


def test_an_address_of_an_aws_service_is_one_of_many() -> None:
    past = History("2026-02-05", "2026-03-12", (talker(),))
    of_s3 = {"alert_id": "a1", "account_id": "1", "region": "r", "peer_name": "S3", **alert(peer_kind="aws_service")}
    for instead, service in ((None, "S3"), ("198.51.100.0/24", "")):
        case = case_of(of_s3, ("f",), destination_of(of_s3, instead), past, Settings())
        assert case.service == service
        assert ("one of many addresses of S3" in in_words(case, ())) == bool(service)
    assert "in nobody's baseline. It is one of many" in in_words(
        case_of(of_s3, ("f",), destination_of(of_s3, None), past, Settings()),
        who_talks(past, ip_network("198.51.100.66/32"), lambda _: True),
    )


def test_a_shared_acl_and_a_full_one() -> None:
    """Whoever shares the subnets is named; a full ACL, and one without a free number, are obstacles."""
    whole: Row = {"RuleNumber": 1, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
    allow = [{"Egress": egress, **whole} for egress in (True, False)]
    role, wide = "arn:aws:iam::123456789012:role/worker", [{"SubnetId": one} for one in (*SUBNETS, "subnet-9")]
    places = (FunctionPlace("f", VPC, SUBNETS, GROUPS, role), FunctionPlace("g", VPC, ("subnet-9",), GROUPS, role))
    far = talker(who="h", subnet_id="subnet-8")
    past = History("2026-02-05", "2026-03-12", (talker(who="g", subnet_id="subnet-9", normal=True), far), places)
    case = Case("a1", "123456789012", "eu-west-1", ("f",), ip_network("198.51.100.66/32"), past, ())
    acl = {"NetworkAclId": "acl-1", "Associations": wide, "Entries": allow}
    [way] = [way for way in ways(case, Seen(acls=(acl,))) if way.name == "network acl"]
    assert way.obstacle == "acl-1 has no free outbound rule number before 1, which allows it: renumber that rule"
    assert [row["who"] for row in way.radius] == ["g"]
    assert "it is in the baseline of g" in way.costs[0] and "functions f, g" in way.costs[1]
    full = [{**e, "RuleNumber": n} for e in allow for n in range(100, 120)]
    [way] = [w for w in ways(case, Seen(acls=({**acl, "Entries": full},))) if w.name == "network acl"]
    assert way.obstacle.startswith("acl-1 has 20 outbound rules for IPv4 of 20 (network_acl_rules)")
    [way] = [w for w in ways(case, Seen()) if w.name == "network acl"]
    assert way.obstacle == "no network ACL of subnet-1, subnet-2 was found"


def test_of_whom_nothing_is_known() -> None:
    """As an alert on what several unrelated functions do, or one on a function that was never polled."""

    def obstacles(*functions: str) -> dict[str, str]:
        past = History("2026-02-01", "2026-03-08")
        case = Case("a1", "123456789012", "eu-west-1", functions, ip_network("198.51.100.66"), past, ())
        return {way.name: way.obstacle for way in ways(case, None)}

    assert set(obstacles().values()) == {"the alert is about no function"}
    assert obstacles("f", "g") == {
        "network acl": "no subnet of f, g is known",
        "network firewall": "no VPC of f, g is known",
        "security group": "no security group of f, g is known",
        "role policy": "no role of f, g is known",
        "reserved concurrency": "",
    }
