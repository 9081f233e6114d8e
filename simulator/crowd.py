"""The crowd: an account made by the seed, in which addresses are hard to attribute, as a measure of attribution.

Functions share interfaces, one with nobody up to ten together, and within such a group many peers; some come
late, leave early or change groups; Lambda re-creates interfaces, and passes their addresses on within 5 minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulator.account import ACCOUNT, SUBNET_A, SUBNET_B, Account, Call, Function, Handover, Resource, group, hosts
from simulator.randomness import stable_id, stream

_NETWORKS = ((SUBNET_A, "10.0.16.0/20", 256), (SUBNET_B, "10.0.32.0/20", 256))
_MOST = 10
"""functions of a group"""
_WORDS = (
    "Amber", "Basalt", "Cobalt", "Delta", "Ember", "Fjord", "Garnet", "Heron", "Indigo", "Jasper", "Kestrel",
    "Linden", "Maple", "Nimbus", "Onyx", "Plover", "Quartz", "Raven", "Sable", "Thistle", "Umber", "Violet",
    "Willow", "Zephyr",
)  # fmt: skip
_TIMEOUTS = (3, 10, 30, 60, 300, 900)
_LATE, _EARLY, _MOVES, _DEPLOYS = 0.06, 0.06, 0.08, 0.08
"""shares of the functions that are created late, deleted early, go to another group, get new code"""


@dataclass(frozen=True)
class _Group:
    """Functions that share subnets and security groups, and with them an interface in each of the subnets."""

    number: int
    size: int
    subnets: tuple[str, ...]
    groups: tuple[str, ...]


def crowd(seed: int, interfaces: int, seconds: float, keep_alive: float) -> Account:
    """So many groups over so many seconds; this share of the functions keeps connections open.

    The first function of a group of several stays all the time.
    """
    resources, inner = _inside()
    outer = _outside()
    groups = _groups(seed, interfaces)
    made = [function for one in groups for function in _functions(one, groups, inner, outer, seed)]
    steady = [one for one in groups if any(f.groups == one.groups and _stays(f) for f in made)]
    kept = stream(seed, "crowd", "keep-alive").random(len(made)) < keep_alive
    made = [replace(function, keeps_open=bool(keeps)) for function, keeps in zip(made, kept, strict=True)]
    handovers = _handovers(steady, interfaces, seconds, stream(seed, "crowd", "hand-overs"))
    return Account((*made, *_without_vpc(seed)), resources, handovers, _NETWORKS)


def _groups(seed: int, interfaces: int) -> list[_Group]:
    """Sizes are spread evenly over 1 to 10; every fourth group or so is in both subnets."""
    rng = stream(seed, "crowd", "groups")
    sizes = rng.permutation(1 + np.arange(interfaces) * _MOST // interfaces)
    both = rng.random(interfaces) < 0.25
    second = rng.random(interfaces) < 0.4
    return [
        _Group(
            number=n,
            size=int(sizes[n]),
            subnets=(SUBNET_A, SUBNET_B) if both[n] else (SUBNET_B,) if second[n] else (SUBNET_A,),
            groups=group(f"crowd {seed} {n}"),
        )
        for n in range(interfaces)
    ]


def _functions(
    own: _Group, groups: Sequence[_Group], inner: Sequence[Call], outer: Sequence[Call], seed: int
) -> list[Function]:
    """A group's functions. What one does is up to (seed, group, place in it) alone."""
    rng = stream(seed, "crowd", "peers", own.number)
    common = [inner[i] for i in rng.choice(len(inner), 4, replace=False)]
    return [_function(own, place, groups, common, (*inner, *outer), seed) for place in range(own.size)]


def _function(
    own: _Group, place: int, groups: Sequence[_Group], common: Sequence[Call], peers: Sequence[Call], seed: int
) -> Function:
    rng = stream(seed, "crowd", "function", own.number, place)
    # From tens of milliseconds to minutes.
    pace = _between(rng, 0.05, 60)
    function = Function(
        _name(seed, own.number, place), own.groups, _calls(common, peers, pace, rng), _schedule(rng), own.subnets,
        timeout=next(t for t in _TIMEOUTS if t > 12 * pace), pace=pace, late_hours=float(rng.uniform(0, 3)),
    )  # fmt: skip
    others = [one for one in groups if one.size > 1 and one.subnets == own.subnets and one != own]
    lot, when = rng.random(), float(rng.uniform(0.2, 0.8))
    # Somebody has to stay, or the others would have nobody to share with.
    if place == 0 and own.size > 1:
        return function
    if lot < _LATE:
        return replace(function, life=(when, 1.0))
    if lot < _LATE + _EARLY:
        return replace(function, life=(0.0, when))
    if lot < _LATE + _EARLY + _MOVES and others:
        return replace(function, moves=(when, others[int(rng.integers(len(others)))].groups))
    if lot > 1 - _DEPLOYS:
        return replace(function, deploys=(when,))
    return function


def _stays(function: Function) -> bool:
    return function.life == (0.0, 1.0) and not function.moves


def _calls(common: Sequence[Call], peers: Sequence[Call], pace: float, rng: np.random.Generator) -> tuple[Call, ...]:
    """One to four: most of what the group has in common, and some of its own."""
    chosen = [call for call in common if rng.random() < 0.5][:3]
    own = rng.choice(len(peers), 4, replace=False)
    wanted = int(rng.integers(len(chosen) + (not chosen), 5))
    known = {call.peer for call in chosen}
    chosen += [call for call in (peers[i] for i in own) if call.peer not in known][: wanted - len(chosen)]
    return tuple(
        replace(
            call,
            share=float(rng.uniform(0.05, 0.3 if call.api else 1.0)),
            bytes_out=_between(rng, 200, 100_000),
            bytes_in=_between(rng, 500, 1_000_000),
            seconds=pace * float(rng.uniform(0.2, 2.0)),
        )
        for call in chosen
    )


def _schedule(rng: np.random.Generator) -> tuple[str, float]:
    kind = rng.choice(["every", "diurnal", "bursts"], p=[0.4, 0.45, 0.15])
    if kind == "every":
        return "every", round(_between(rng, 60, 6 * 3_600))
    if kind == "diurnal":
        return "diurnal", float(rng.integers(20, 2_001))
    return "bursts", float(rng.integers(5, 60))


def _between(rng: np.random.Generator, least: float, most: float) -> float:
    """A number of any magnitude between these."""
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def _name(seed: int, *parts: object) -> str:
    """Says nothing about who it is."""
    text = stable_id("", "crowd", seed, *parts, length=8)
    return _WORDS[int(text[:2], 16) % len(_WORDS)] + text[2:]


def _without_vpc(seed: int) -> list[Function]:
    """One or two that leave no trace in the flow log."""
    count = int(stream(seed, "crowd", "outside").integers(1, 3))
    api = (("states.amazonaws.com", "StartExecution"),)
    call = Call(("203.0.113.181",), 443, "AMAZON", service="AMAZON", api=api, api_share=0.25)
    return [
        Function(_name(seed, "outside", n), (), (call,), ("diurnal", 100), (), in_vpc=False, late_hours=1.0)
        for n in range(count)
    ]


def _handovers(
    steady: Sequence[_Group], interfaces: int, seconds: float, rng: np.random.Generator
) -> tuple[Handover, ...]:
    """Spread over time, at least 20 minutes apart; on a day one for about eight interfaces."""
    days = seconds / 86_400
    count = min(max(2, round(interfaces * days / 8)), int(48 * days), 500)
    made = []
    for n in range(count):
        subnet = (SUBNET_A, SUBNET_B)[int(rng.integers(2))]
        there = [one for one in steady if subnet in one.subnets]
        gone = round((n + float(rng.uniform(0.2, 0.8))) * seconds / count)
        pause = int(rng.integers(60, 300))
        if len(there) < 2:
            continue
        giver, heir = (there[i].groups for i in rng.choice(len(there), 2, replace=False))
        made.append(Handover(subnet, giver, heir, float(gone), float(pause)))
    return tuple(made)


def _inside() -> tuple[tuple[Resource, ...], tuple[Call, ...]]:
    """Forty resources with a private address, and the call to each; the NAT gateway comes on top."""
    rds: dict[str, Any] = {"requester": "amazon-rds", "owner": "amazon-rds"}
    cache: dict[str, Any] = {"requester": "amazon-elasticache", "owner": "amazon-elasticache"}
    elb: dict[str, Any] = {"requester": "amazon-elb", "owner": "amazon-elb"}
    aws: dict[str, Any] = {"requester": ACCOUNT, "owner": "amazon-aws"}
    resources, calls = [], []
    for n in range(12):
        address = f"10.0.16.{10 + n}"
        resources.append(Resource(f"db-{n:02}", address, "RDSNetworkInterface", **rds))
        calls.append(Call((address,), (5432, 3306)[n % 2], f"db-{n:02}"))
    for n in range(8):
        address = f"10.0.16.{30 + n}"
        resources.append(Resource(f"cache-{n:02}", address, f"ElastiCache cache-{n:02}-001", **cache))
        calls.append(Call((address,), 6379, f"cache-{n:02}"))
    for n in range(6):
        name, here, there = f"balancer-{n:02}", f"10.0.16.{50 + n}", f"10.0.32.{50 + n}"
        text = f"ELB app/{name}/{stable_id('', name, length=16)}"
        resources += [Resource(f"{name}-a", here, text, **elb), Resource(f"{name}-b", there, text, **elb)]
        calls.append(Call((here, there), 443, name))
    for n in range(11):
        address = f"10.0.32.{70 + n}"
        resources.append(Resource(f"host-{n:02}", address, ""))
        calls.append(Call((address,), (9200, 8080, 5671)[n % 3], f"host-{n:02}"))
    for n, (name, api) in enumerate((("secretsmanager", "GetSecretValue"), ("ssm", "GetParameter"),
                                     ("sts", "GetCallerIdentity"))):  # fmt: skip
        address, source = f"10.0.16.{90 + n}", f"{name}.amazonaws.com"
        text = f"VPC Endpoint Interface {stable_id('vpce-0', name, length=16)}"
        resources.append(Resource(f"{name}-endpoint", address, text, "vpc_endpoint", **aws, source=source))
        calls.append(Call((address,), 443, f"{name}-endpoint", api=((source, api),)))
    nat = "Interface for NAT Gateway nat-0123456789abcdef0"
    resources.append(Resource("nat", "10.0.16.100", nat, "nat_gateway", **aws))
    return tuple(resources), tuple(calls)


def _outside() -> tuple[Call, ...]:
    """AWS services without an endpoint, partners with one to four addresses, and the web."""
    return (
        Call(hosts("203.0.113", 128, 140), 443, "S3", service="S3"),
        Call(hosts("203.0.113", 192, 200), 443, "DYNAMODB", service="DYNAMODB"),
        Call(hosts("203.0.113", 176, 180), 443, "AMAZON", service="AMAZON"),
        Call(hosts("192.0.2", 1, 255), 443, "the web"),
        *(Call(hosts("198.51.100", 10 + 6 * n, 11 + 6 * n + n % 4), 443, f"partner-{n:02}") for n in range(24)),
    )
