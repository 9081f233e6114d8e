"""The account on paper: its network, its resources, its functions, and what happens to them over time."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field

ACCOUNT = "123456789012"
REGION = "eu-west-1"
VPC = "vpc-0a1b2c3d4e5f60718"
SUBNETS = {"subnet-0aaa0000000000001": "eu-west-1a", "subnet-0bbb0000000000002": "eu-west-1b"}
SUBNET_A, SUBNET_B = SUBNETS
FLOW_LOG = "fl-0f1e2d3c4b5a69788"
DAY = 86_400


def stable_id(prefix: str, *parts: object, length: int = 17) -> str:
    """An AWS-like id that depends on nothing but its parts: `eni-0…`."""
    return prefix + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:length]


@dataclass(frozen=True)
class Resource:
    """A thing with an interface that functions talk to. EC2 says whose it is in description and type only."""

    name: str
    address: str
    description: str
    interface_type: str = "interface"
    requester: str | None = None
    instance: bool = False

    @property
    def interface_id(self) -> str:
        return stable_id("eni-0", "resource", self.name, length=16)


@dataclass(frozen=True)
class Call:
    """A habit: in this share of its invocations a function opens one connection."""

    addresses: tuple[str, ...]
    """one is picked each time"""
    port: int
    peer: str
    share: float = 1.0
    bytes_out: float = 900.0
    bytes_in: float = 4_000.0
    service: str | None = None
    """AWS's tag on the packets, for its own services"""
    from_day: float = 0.0
    """when the habit begins"""


@dataclass(frozen=True)
class Function:
    """A Lambda function: its network configuration, when it runs, what it does each time."""

    name: str
    groups: tuple[str, ...]
    calls: tuple[Call, ...]
    schedule: tuple[str, float]
    """("every", seconds), ("diurnal", invocations a day) or ("bursts", bursts a week)"""
    subnets: tuple[str, ...] = (SUBNET_A,)
    moves: tuple[float, tuple[str, ...]] | None = None
    """(day, security groups): a deployment changes the groups, and with them the interface"""
    api: tuple[tuple[str, str, float], ...] = ()
    """(event source, event name, share of the invocations)"""
    in_vpc: bool = True

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def role(self) -> str:
        return f"{self.name}-role"

    @property
    def role_id(self) -> str:
        return "AROA" + stable_id("", "role", self.name, length=17).upper()

    def groups_at(self, day: float) -> tuple[str, ...]:
        """The security groups in force."""
        return self.moves[1] if self.moves and day >= self.moves[0] else self.groups


@dataclass(frozen=True)
class Interface:
    """One Hyperplane interface over its life [start, end), in seconds from the simulation's start."""

    interface_id: str
    address: str
    subnet: str
    groups: tuple[str, ...]
    creator: str
    start: float
    end: float
    description_uuid: str = field(default="")


def group(name: str) -> tuple[str, ...]:
    """A security group of that name."""
    return (stable_id("sg-0", name, length=16),)


def resources() -> tuple[Resource, ...]:
    """Everything in the VPC that is not a function."""
    alb = "ELB app/payments/50dc6c495c0c9188"
    return (
        Resource("orders-db", "10.0.1.10", "RDSNetworkInterface", requester="amazon-rds"),
        Resource("reports-db", "10.0.1.11", "RDSNetworkInterface", requester="amazon-rds"),
        Resource(
            "session-cache", "10.0.1.20", "ElastiCache session-cache-001", requester="amazon-elasticache"
        ),
        Resource("payments-a", "10.0.1.30", alb, requester="amazon-elb"),
        Resource("payments-b", "10.0.2.30", alb, requester="amazon-elb"),
        Resource(
            "secrets-endpoint",
            "10.0.1.40",
            "VPC Endpoint Interface vpce-0aa11bb22cc33dd44",
            "vpc_endpoint",
            "123456789012",
        ),
        Resource(
            "nat", "10.0.1.50", "Interface for NAT Gateway nat-0123456789abcdef0", "nat_gateway", "amazon-nat"
        ),
        Resource("payroll-01", "10.0.1.60", "", instance=True),
        Resource("search-01", "10.0.1.61", "", instance=True),
    )


def functions() -> tuple[Function, ...]:
    """A small company's functions: static ones, shared interfaces, a wide one, one that a deployment moves."""
    orders = Call(("10.0.1.10",), 5432, "orders-db", bytes_in=12_000)
    reports = Call(("10.0.1.11",), 5432, "reports-db", bytes_in=60_000)
    cache = Call(("10.0.1.20",), 6379, "session-cache", bytes_in=800)
    balancer = Call(("10.0.1.30", "10.0.2.30"), 443, "payments")
    secrets = Call(("10.0.1.40",), 443, "secrets-endpoint", bytes_in=2_500)
    s3 = Call(tuple(f"203.0.113.{n}" for n in range(128, 140)), 443, "S3", service="S3", bytes_out=20_000)
    dynamo = Call(tuple(f"203.0.113.{n}" for n in range(192, 200)), 443, "DYNAMODB", service="DYNAMODB")
    mail = Call(tuple(f"198.51.100.{n}" for n in range(16, 24)), 443, "mail-saas")
    partner = Call(("203.0.113.10",), 443, "partner-api", bytes_out=3_000)
    web = Call(tuple(f"192.0.2.{n}" for n in range(1, 255)), 443, "the web", bytes_in=40_000)
    both = (SUBNET_A, SUBNET_B)
    sm = "secretsmanager.amazonaws.com"
    return (
        Function(
            "RDSQueryLogger",
            group("rds-query-logger"),
            (orders, secrets),
            ("every", 300),
            api=((sm, "GetSecretValue", 0.1),),
        ),
        Function(
            "OrderIngest",
            group("order-ingest"),
            (orders, cache, dynamo),
            ("diurnal", 300),
            both,
            api=(("dynamodb.amazonaws.com", "PutItem", 0.2),),
        ),
        Function(
            "NightlyReport",
            group("nightly"),
            (reports, s3),
            ("every", 3_600),
            moves=(18.0, group("nightly-v2")),
        ),
        Function("MailSender", group("mail"), (mail, cache), ("diurnal", 150)),
        Function("LinkPreview", group("preview"), (web, cache), ("diurnal", 200)),
        # These three share one interface a subnet: same subnets, same groups.
        Function("CartService", group("shop"), (cache, balancer), ("diurnal", 250)),
        Function("PriceSync", group("shop"), (partner, orders), ("every", 900)),
        Function("StockCheck", group("shop"), (balancer, orders), ("every", 600)),
        # And these two.
        Function("ThumbnailMaker", group("media"), (s3,), ("bursts", 10), both),
        Function("VideoTagger", group("media"), (s3, dynamo), ("every", 1_800), both),
        Function(
            "SearchIndexer",
            group("search"),
            (Call(("10.0.1.61",), 9200, "search-01"), dynamo),
            ("every", 600),
        ),
        Function("Webhook", (), (), ("diurnal", 100), (), in_vpc=False),
    )


def interfaces(functions: tuple[Function, ...], days: float) -> tuple[Interface, ...]:
    """The Hyperplane interfaces: one per (subnet, groups) in use, some re-created.

    The interface of the first group is deleted after a third of the time, and re-created with another
    address; two minutes after, its old address goes to an interface of the last group.
    """
    spans: dict[tuple[str, tuple[str, ...]], list[tuple[float, float, str]]] = {}
    for function in functions:
        edges = [0.0, function.moves[0], days] if function.moves and function.moves[0] < days else [0.0, days]
        for start, end in zip(edges, edges[1:], strict=False):
            for subnet in function.subnets:
                key = (subnet, function.groups_at(start))
                spans.setdefault(key, []).append((start, end, function.name))
    made = []
    address = 100
    reused_from, handed_over = days / 3, ""
    for index, ((subnet, groups), uses) in enumerate(spans.items()):
        start, end, creator = min(s for s, _, _ in uses), max(e for _, e, _ in uses), uses[0][2]
        # Lambda keeps an interface a while after its last user has gone.
        end_seconds = end * DAY + (1_200 if end < days else 0)
        cuts = [start * DAY, end_seconds]
        if index == 0 or index == len(spans) - 1:
            cuts.insert(1, reused_from * DAY + (0 if index == 0 else 120))
        for part, (begin, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
            address += 1
            third = "1" if subnet == SUBNET_A else "2"
            ip = f"10.0.{third}.{address}"
            if index == 0 and part == 0:
                handed_over = ip
            elif index == len(spans) - 1 and part == 1 and subnet == SUBNET_A:
                ip = handed_over
            seed = stable_id("", subnet, groups, part, length=32)
            made.append(
                Interface(
                    stable_id("eni-0", subnet, groups, part, length=16),
                    ip,
                    subnet,
                    groups,
                    creator,
                    begin,
                    stop,
                    str(uuid.UUID(seed)),
                )
            )
    return tuple(made)
