"""The account on paper: its network, its resources, its functions and their habits."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.randomness import stable_id

ACCOUNT = "123456789012"
REGION = "eu-west-1"
VPC = "vpc-0a1b2c3d4e5f60718"
SUBNETS = {"subnet-0aaa0000000000001": "eu-west-1a", "subnet-0bbb0000000000002": "eu-west-1b"}
SUBNET_A, SUBNET_B = SUBNETS
FLOW_LOG = "fl-0f1e2d3c4b5a69788"
NAT_PUBLIC_ADDRESS = "203.0.113.5"
GATEWAY_ENDPOINTS = {"S3": "vpce-0c5a1d2e3f4051627", "DYNAMODB": "vpce-0d6b2e3f405162738"}
"""What is reached through a gateway endpoint, not through the NAT gateway; by AWS's tag on the packets."""
RUNTIME = "python3.12"


@dataclass(frozen=True)
class Resource:
    """A thing with an interface that functions talk to. EC2 says whose it is in description and type only."""

    name: str
    address: str
    description: str
    interface_type: str = "interface"
    requester: str | None = None
    owner: str | None = None
    """who attached the interface; None: an instance of the account's"""

    @property
    def interface_id(self) -> str:
        return stable_id("eni-0", "resource", self.name, length=16)

    @property
    def endpoint_id(self) -> str:
        """Of a VPC endpoint's interface: the endpoint, which is the last word of its description."""
        return self.description.split()[-1]


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
    seconds: float = 4.0
    """how long the connection lasts, on average"""
    service: str | None = None
    """AWS's tag on the packets, for its own services"""
    api: tuple[tuple[str, str], ...] = ()
    """(event source, event name) of the API calls that are made over it"""
    api_share: float = 1.0


@dataclass(frozen=True)
class Function:
    """A Lambda function: its network configuration, when it runs, what it does each time, how it changes.

    Fractions are of the simulated time: whatever its length, everything happens in it.
    """

    name: str
    groups: tuple[str, ...]
    calls: tuple[Call, ...]
    schedule: tuple[str, float]
    """("every", seconds), ("diurnal", invocations a day) or ("bursts", bursts a week)"""
    subnets: tuple[str, ...] = (SUBNET_A,)
    life: tuple[float, float] = (0.0, 1.0)
    """created and deleted at these fractions"""
    moves: tuple[float, tuple[str, ...]] | None = None
    """(fraction, security groups): a deployment changes the groups, and with them the interface"""
    deploys: tuple[float, ...] = ()
    """fractions at which new code is deployed and a version published; without any, only $LATEST exists"""
    in_vpc: bool = True
    timeout: int = 60

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def role(self) -> str:
        return f"{self.name}-role"

    @property
    def role_id(self) -> str:
        return stable_id("AROA", "role", self.name).upper()


def group(name: str) -> tuple[str, ...]:
    """A security group of that name."""
    return (stable_id("sg-0", name, length=16),)


def resources() -> tuple[Resource, ...]:
    """Everything in the VPC that is not a function."""
    balancer = "ELB app/payments/50dc6c495c0c9188"
    elb = {"requester": "amazon-elb", "owner": "amazon-elb"}
    rds = {"requester": "amazon-rds", "owner": "amazon-rds"}
    cache = {"requester": "amazon-elasticache", "owner": "amazon-elasticache"}
    aws = {"requester": ACCOUNT, "owner": "amazon-aws"}
    endpoint = "VPC Endpoint Interface vpce-0aa11bb22cc33dd44"
    nat = "Interface for NAT Gateway nat-0123456789abcdef0"
    return (
        Resource("orders-db", "10.0.1.10", "RDSNetworkInterface", **rds),
        Resource("reports-db", "10.0.1.11", "RDSNetworkInterface", **rds),
        Resource("session-cache", "10.0.1.20", "ElastiCache session-cache-001", **cache),
        Resource("payments-a", "10.0.1.30", balancer, **elb),
        Resource("payments-b", "10.0.2.30", balancer, **elb),
        Resource("secrets-endpoint", "10.0.1.40", endpoint, "vpc_endpoint", **aws),
        Resource("nat", "10.0.1.50", nat, "nat_gateway", **aws),
        Resource("payroll-01", "10.0.1.60", ""),
        Resource("search-01", "10.0.1.61", ""),
    )


def functions() -> tuple[Function, ...]:
    """A small company's functions: static and bursty ones, shared interfaces, some that deployments change."""
    orders = Call(("10.0.1.10",), 5432, "orders-db", bytes_in=12_000)
    reports = Call(("10.0.1.11",), 5432, "reports-db", bytes_in=60_000, seconds=15)
    cache = Call(("10.0.1.20",), 6379, "session-cache", bytes_in=800)
    balancer = Call(("10.0.1.30", "10.0.2.30"), 443, "payments")
    search = Call(("10.0.1.61",), 9200, "search-01", bytes_out=6_000)
    s3 = Call(_net("203.0.113", 128, 140), 443, "S3", service="S3", bytes_out=20_000)
    dynamo = Call(_net("203.0.113", 192, 200), 443, "DYNAMODB", service="DYNAMODB")
    tables = _api(dynamo, "dynamodb.amazonaws.com", "DescribeTable", 0.1)
    mail = Call(_net("198.51.100", 16, 24), 443, "mail-saas")
    partner = Call(("203.0.113.10",), 443, "partner-api", bytes_out=3_000)
    web = Call(_net("192.0.2", 1, 255), 443, "the web", bytes_in=40_000)
    both = (SUBNET_A, SUBNET_B)
    return (
        Function("RDSQueryLogger", group("rds-query-logger"), (orders, _secrets(0.1)), ("every", 300)),
        Function(
            "OrderIngest",
            group("order-ingest"),
            (orders, cache, dynamo, _secrets(0.05)),
            ("diurnal", 300),
            both,
            deploys=(0.2, 0.5, 0.8),
        ),
        Function(
            "NightlyReport",
            group("nightly"),
            (reports, s3),
            ("every", 3_600),
            moves=(0.45, group("nightly-v2")),
        ),
        Function("MailSender", group("mail"), (mail, cache, parameters(0.2)), ("diurnal", 150)),
        Function("LinkPreview", group("preview"), (web, cache), ("diurnal", 200)),
        # These three share one interface: same subnet, same groups.
        Function("CartService", group("shop"), (cache, balancer, parameters(0.1)), ("diurnal", 250)),
        Function("PriceSync", group("shop"), (partner, orders), ("every", 900)),
        Function("StockCheck", group("shop"), (balancer, orders), ("every", 600)),
        # And these two share one in each of their subnets.
        Function("ThumbnailMaker", group("media"), (s3,), ("bursts", 10), both),
        Function(
            "VideoTagger",
            group("media"),
            (_labels(), dynamo),
            ("every", 1_800),
            both,
            deploys=(0.3,),
            timeout=900,
        ),
        # One that is retired early, and one that is new.
        Function("LegacyExport", group("legacy"), (reports, partner), ("every", 3_600), life=(0.0, 0.25)),
        Function("RefundHandler", group("refunds"), (orders, balancer), ("diurnal", 60), life=(0.6, 1.0)),
        Function("SearchIndexer", group("search"), (search, tables), ("every", 600)),
        Function("Webhook", (), (_workflow(),), ("diurnal", 100), (), in_vpc=False),
    )


def subnet_of(address: str) -> str:
    """The subnet that holds a private address of the VPC."""
    return SUBNET_B if address.startswith("10.0.2.") else SUBNET_A


def _net(prefix: str, first: int, after: int) -> tuple[str, ...]:
    return tuple(f"{prefix}.{n}" for n in range(first, after))


def _api(call: Call, source: str, name: str, share: float) -> Call:
    fields = {**vars(call), "api": ((source, name),), "api_share": share}
    return Call(**fields)


def _secrets(share: float) -> Call:
    api = (("secretsmanager.amazonaws.com", "GetSecretValue"),)
    return Call(("10.0.1.40",), 443, "secrets-endpoint", share, bytes_in=2_500, seconds=0.4, api=api)


def parameters(share: float) -> Call:
    """Systems Manager, over the internet: it has no endpoint in this VPC."""
    api = (("ssm.amazonaws.com", "GetParameter"),)
    addresses = _net("203.0.113", 160, 164)
    return Call(addresses, 443, "AMAZON", share, seconds=0.4, service="AMAZON", api=api)


def _labels() -> Call:
    """Long calls: they reach over several windows of the flow log."""
    api = (("rekognition.amazonaws.com", "DetectLabels"),)
    addresses = _net("203.0.113", 176, 180)
    return Call(addresses, 443, "AMAZON", bytes_out=4_000_000, seconds=180, service="AMAZON", api=api, api_share=0.5)


def _workflow() -> Call:
    api = (("states.amazonaws.com", "StartExecution"),)
    return Call(("203.0.113.181",), 443, "AMAZON", service="AMAZON", api=api, api_share=0.25)
