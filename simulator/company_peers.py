"""What the company's functions talk to: databases, balancers, AWS, partners, services behind many addresses.

A habit is one peer as a function sees it over time: one call, or several that follow each other where the peer's
address changes. The company's internet is 198.18.0.0/15, which belongs to nobody (RFC 2544): three documentation
networks would be too few to tell a service that rotates within its /24 from a stranger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from simulator.account import ACCOUNT, Call, Resource, hosts
from simulator.lifecycle import DAY
from simulator.randomness import stable_id, stream

Habit = tuple[Call, ...]

_RDS: dict[str, Any] = {"requester": "amazon-rds", "owner": "amazon-rds"}
_CACHE: dict[str, Any] = {"requester": "amazon-elasticache", "owner": "amazon-elasticache"}
_ELB: dict[str, Any] = {"requester": "amazon-elb", "owner": "amazon-elb"}
_AWS: dict[str, Any] = {"requester": ACCOUNT, "owner": "amazon-aws"}
_ENDPOINTS = ((("secretsmanager", "GetSecretValue"), ("sts", "AssumeRole")), (("kms", "Decrypt"),))
"""(service, call) with an endpoint, of the first VPC and of the second"""
_NIGHT = 3.2 * 3_600


@dataclass(frozen=True)
class Move:
    """A peer that gets another address."""

    time: float
    kind: str
    text: str


@dataclass(frozen=True)
class Peers:
    """Everything that functions may talk to."""

    resources: tuple[Resource, ...]
    inside: tuple[tuple[Habit, ...], tuple[Habit, ...]]
    """of each VPC"""
    strangers: tuple[tuple[Resource, ...], tuple[Resource, ...]]
    """resources of each VPC that no function has any business with"""
    buckets: tuple[Habit, ...]
    """AWS services by their tag"""
    partners: tuple[Habit, ...]
    services: tuple[Habit, ...]
    """behind addresses that rotate"""
    telemetry: Habit
    moves: dict[str, Move]
    """by the name of the peer"""


def peers(seed: int, seconds: float) -> Peers:
    """Made by the seed; fail-overs and new addresses are spread over the time."""
    rng = stream(seed, "company", "peers")
    first, second = _inside(0, (6, 3, 3, 4), seconds, rng), _inside(1, (3, 1, 1, 2), seconds, rng)
    resources = (*first[0], *second[0])
    return Peers(
        resources=resources,
        inside=(first[1], second[1]),
        strangers=(first[2], second[2]),
        buckets=_amazon(),
        partners=tuple(_partner(n, rng) for n in range(28)),
        services=tuple(_rotating(n, seconds, rng) for n in range(5)),
        telemetry=(_external("telemetry", internet(230, rng, 3), rng, bytes_in=300, seconds=0.3),),
        moves=first[3] | second[3],
    )


def internet(block: int, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """So many addresses of one /24 of the company's internet."""
    return tuple(f"198.{18 + block // 256}.{block % 256}.{n}" for n in sorted(rng.choice(254, count, False) + 1))


def the_web(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """So many addresses from all over it: blocks 256 to 499."""
    blocks, last = rng.integers(256, 500, count), rng.integers(1, 255, count)
    return tuple(f"198.19.{block - 256}.{n}" for block, n in zip(blocks.tolist(), last.tolist(), strict=True))


def _inside(
    vpc: int, counts: tuple[int, int, int, int], seconds: float, rng: np.random.Generator
) -> tuple[tuple[Resource, ...], tuple[Habit, ...], tuple[Resource, ...], dict[str, Move]]:
    """Databases, caches, balancers, hosts; one of each of the first three gets another address some day."""
    tag = "" if vpc == 0 else "b-"
    free = iter(range(10, 250))

    def address(zone: int = 0) -> str:
        return f"10.{vpc}.{16 + 16 * zone}.{next(free)}"

    resources: list[Resource] = []
    habits: list[Habit] = []
    moves: dict[str, Move] = {}
    databases, caches, balancers, machines = counts
    for n in range(databases):
        name, port = f"{tag}db-{n:02}", (5432, 3306)[n % 2]
        main = Resource(name, address(), "RDSNetworkInterface", **_RDS)
        resources.append(main)
        habit: Habit = (Call((main.address,), port, name),)
        if n == 0:
            standby = Resource(f"{name}-standby", address(1), "RDSNetworkInterface", **_RDS)
            resources.append(standby)
            moves[name] = Move(_night(rng, seconds), "database_failover", f"{name} fails over to {standby.address}")
            habit = _moved(habit[0], (standby.address,), moves[name].time)
        habits.append(habit)
    for n in range(caches):
        name, text = f"{tag}cache-{n:02}", f"ElastiCache {tag}cache-{n:02}-001"
        old = Resource(name, address(), text, **_CACHE)
        habit = (Call((old.address,), 6379, name, bytes_in=900, seconds=0.5),)
        if n == 0:
            there = address()
            move = Move(_night(rng, seconds), "cache_replaced", f"the node of {name} is replaced, now {there}")
            moves[name], old = move, replace(old, life=(0.0, move.time + 600))
            resources.append(Resource(f"{name} anew", there, text, **_CACHE, life=(move.time - 300, math.inf)))
            habit = _moved(habit[0], (there,), move.time)
        resources.append(old)
        habits.append(habit)
    for n in range(balancers):
        name = f"{tag}balancer-{n:02}"
        text = f"ELB app/{name}/{stable_id('', name, length=16)}"
        sides = [Resource(f"{name}-{'ab'[z]}", address(z), text, **_ELB) for z in range(2)]
        habit = (Call(tuple(r.address for r in sides), 443, name, seconds=1.0),)
        if n == 0:
            there = address()
            move = Move(_night(rng, seconds), "balancer_readdressed", f"AWS gives {name} another node, {there}")
            moves[name], sides[0] = move, replace(sides[0], life=(0.0, move.time + 3_600))
            resources.append(Resource(f"{name}-c", there, text, **_ELB, life=(move.time - 300, math.inf)))
            habit = _moved(habit[0], (there, sides[1].address), move.time)
        resources += sides
        habits.append(habit)
    for n in range(machines):
        name = f"{tag}host-{n:02}"
        resources.append(Resource(name, address(1), ""))
        habits.append((Call((resources[-1].address,), (9200, 8080, 5671, 443)[n % 4], name),))
    for service, api in _ENDPOINTS[vpc]:
        source, name = f"{service}.amazonaws.com", f"{service}-endpoint"
        text = f"VPC Endpoint Interface {stable_id('vpce-0', name, length=16)}"
        resources.append(Resource(name, address(), text, "vpc_endpoint", **_AWS, source=source))
        call = Call((resources[-1].address,), 443, name, bytes_in=2_500, seconds=0.4, api=((source, api),))
        habits.append((call,))
    gateway = f"Interface for NAT Gateway {stable_id('nat-0', tag, length=16)}"
    resources.append(Resource(f"{tag}nat", address(), gateway, "nat_gateway", **_AWS))
    strangers = [
        Resource(f"{tag}payroll-01", address(), ""),
        Resource(f"{tag}backup-01", address(1), ""),
        Resource(f"{tag}hr-db", address(), "RDSNetworkInterface", **_RDS),
    ]
    return (*resources, *strangers), tuple(habits), tuple(strangers), moves


def _night(rng: np.random.Generator, seconds: float) -> float:
    """Of a day in the second half."""
    return math.floor(float(rng.uniform(0.55, 0.92)) * seconds / DAY) * DAY + _NIGHT + float(rng.uniform(0, 3_600))


def _moved(call: Call, addresses: tuple[str, ...], moment: float) -> Habit:
    return (replace(call, life=(0.0, moment)), replace(call, addresses=addresses, life=(moment, math.inf)))


def _external(
    name: str, addresses: Sequence[str], rng: np.random.Generator, bytes_in: float = 5_000, seconds: float = 1.0
) -> Call:
    tag = "EC2" if rng.random() < 0.2 else None
    return Call(tuple(addresses), 443, name, bytes_in=bytes_in, seconds=seconds, service=tag)


def _partner(number: int, rng: np.random.Generator) -> Habit:
    """One to four addresses; a few listen on a port of their own. One in five lives at AWS."""
    call = _external(f"partner-{number:02}", internet(10 + number, rng, int(rng.integers(1, 5))), rng)
    return (replace(call, port=int(rng.choice([443, 443, 443, 8443, 22, 587]))),)


def _rotating(number: int, seconds: float, rng: np.random.Generator) -> Habit:
    """A service in one /24 that is always behind six addresses, others each three or four days."""
    name, edges = f"service-{number:02}", [0.0]
    while edges[-1] < seconds:
        edges.append(edges[-1] + float(rng.uniform(2.5, 4.5)) * DAY)
    return tuple(
        replace(_external(name, internet(60 + number, rng, 6), rng), service=None, life=(begin, end))
        for begin, end in pairwise(edges)
    )


def _amazon() -> tuple[Habit, ...]:
    """Storage and tables through gateways; everything else without an endpoint over the internet."""
    return (
        (Call(hosts("203.0.113", 128, 140), 443, "S3", service="S3", bytes_out=30_000),),
        (Call(hosts("203.0.113", 192, 200), 443, "DYNAMODB", service="DYNAMODB", seconds=0.5),),
        (Call(hosts("203.0.113", 160, 184), 443, "AMAZON", service="AMAZON", seconds=0.8),),
    )
