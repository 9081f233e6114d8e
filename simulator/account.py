"""What an account on paper is made of: its network, its resources, its functions and their habits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import ip_network

from simulator.randomness import stable_id

ACCOUNT = "123456789012"
REGION = "eu-west-1"
VPC = "vpc-0a1b2c3d4e5f60718"
SUBNETS = {"subnet-0aaa0000000000001": "eu-west-1a", "subnet-0bbb0000000000002": "eu-west-1b"}
SUBNET_A, SUBNET_B = SUBNETS
SECOND_VPC = "vpc-0f9e8d7c6b5a40312"
SECOND_SUBNETS = {"subnet-0ccc0000000000003": "eu-west-1a", "subnet-0ddd0000000000004": "eu-west-1b"}
SUBNET_C, SUBNET_D = SECOND_SUBNETS
ZONES = SUBNETS | SECOND_SUBNETS
FLOW_LOG = "fl-0f1e2d3c4b5a69788"
NAT_PUBLIC_ADDRESS = "203.0.113.5"
NAT_PUBLIC_ADDRESSES = {VPC: NAT_PUBLIC_ADDRESS, SECOND_VPC: "203.0.113.6"}
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
    source: str | None = None
    """of a VPC endpoint: the event source of the service behind it"""
    life: tuple[float, float] = (0.0, math.inf)
    """it is there from then to then, in seconds from the simulation's start"""

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
    api_region: str | None = None
    """where these are made; None: here"""
    api_denied: float = 0.0
    """share of them that AWS refuses"""
    life: tuple[float, float] = (0.0, math.inf)
    """the habit lasts from then to then, in seconds from the simulation's start"""
    spread: float = 0.25
    """of the sizes: the standard deviation of their logarithm"""
    refused: int = 0
    """1: the function's own network refuses the packets; 2: the peer's does"""


@dataclass(frozen=True)
class Task:
    """Something else that a function is there for, now and then."""

    schedule: tuple[str, float]
    calls: tuple[Call, ...]
    pace: float = 1.0


@dataclass(frozen=True)
class Function:
    """A Lambda function: its network configuration, when it runs, what it does each time, how it changes.

    Fractions are of the simulated time: whatever its length, everything happens in it.
    """

    name: str
    groups: tuple[str, ...]
    calls: tuple[Call, ...]
    schedule: tuple[str, float]
    """("every", seconds), ("diurnal", invocations a day), ("bursts", bursts a week) or ("asked", times a week)"""
    subnets: tuple[str, ...] = (SUBNET_A,)
    life: tuple[float, float] = (0.0, 1.0)
    """created and deleted at these fractions"""
    moves: tuple[float, tuple[str, ...]] | None = None
    """(fraction, security groups): a deployment changes the groups, and with them the interface"""
    deploys: tuple[float, ...] = ()
    """fractions at which new code is deployed and a version published; without any, only $LATEST exists"""
    in_vpc: bool = True
    timeout: int = 60
    pace: float = 1.0
    """multiplies what an invocation takes besides waiting for its peers; at 1 that is up to 0.4 s"""
    late_hours: float = 0.0
    """how long after the company's usual hours its changes are made"""
    keeps_open: bool = False
    """its execution environments keep connections open for their next invocation"""
    tasks: tuple[Task, ...] = ()
    growth: float = 1.0
    """how often it runs at the end, of how often it ran in the beginning"""

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @property
    def role(self) -> str:
        return f"{self.name}-role"

    @property
    def role_id(self) -> str:
        return stable_id("AROA", "role", self.name).upper()


@dataclass(frozen=True)
class Handover:
    """Lambda re-creates two interfaces: the address that the giver's old one leaves goes to the heir's new one."""

    subnet: str
    giver: tuple[str, ...]
    heir: tuple[str, ...]
    """security groups"""
    gone: float
    """when the giver's old interface is deleted, in seconds from the simulation's start"""
    pause: float
    """how long nobody holds the address, in seconds"""


@dataclass(frozen=True)
class Calendar:
    """What the days do to functions that serve people (diurnal ones, and those that are asked)."""

    holidays: tuple[int, ...] = ()
    """days on which there is as little to do as on Sundays, and half of that"""
    clock_change: float = math.inf
    """from this day on everything is an hour earlier, as UTC has it"""


NO_CALENDAR = Calendar()


@dataclass(frozen=True)
class Spell:
    """What a function goes through from then to then (seconds from the simulation's start)."""

    function: str
    start: float
    end: float
    load: float = 1.0
    """it runs so many times as often"""
    slower: float = 1.0
    """and takes so many times as long, up to its timeout, at which it fails"""
    failing: float = 0.0
    """share that fails besides"""
    throttled: float = 0.0
    """invocations a minute that Lambda does not let in"""
    volume: float = 1.0
    """multiplies what it sends and receives"""


@dataclass(frozen=True)
class Change:
    """A call that changes a function; times in seconds from the simulation's start."""

    time: float
    done: float
    """when it has taken effect: until then what was before goes on serving"""
    function: str
    kind: str
    """create, code, publish, configuration or delete"""
    groups: tuple[str, ...] = ()
    """of a configuration: the security groups asked for; none: they stay"""
    version: str = "$LATEST"
    error: tuple[str, str] | None = None
    """(code, message) of a call that failed and changed nothing"""
    settings: str = ""
    """of a configuration: what ListFunctions shows otherwise from then on, as a JSON object"""
    by: tuple[str, str, str, str] | None = None
    """(role, session, address, user agent) of who asked; None: the deployment pipeline"""


@dataclass(frozen=True)
class Quiet:
    """A benign change: what a detection should keep quiet about, and of what kinds it may speak nevertheless."""

    name: str
    function: str
    start: float
    end: float
    acceptable: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class Account:
    """All that is there, and what Lambda will do with it."""

    functions: tuple[Function, ...]
    resources: tuple[Resource, ...]
    handovers: tuple[Handover, ...]
    networks: tuple[tuple[str, str, int], ...]
    """(subnet, its addresses in CIDR notation, number of the host that the first interface gets)"""
    calendar: Calendar = NO_CALENDAR
    spells: tuple[Spell, ...] = ()
    changes: tuple[Change, ...] = ()
    """besides those that functions' own fractions give"""
    quiet: tuple[Quiet, ...] = ()

    def address(self, subnet: str, number: int) -> str:
        """Of the interface with that number, counted over all subnets."""
        network, first = next((network, first) for name, network, first in self.networks if name == subnet)
        return str(ip_network(network)[first + number])


def group(name: str) -> tuple[str, ...]:
    """A security group of that name."""
    return (stable_id("sg-0", name, length=16),)


def hosts(prefix: str, first: int, after: int) -> tuple[str, ...]:
    """The public addresses prefix.first to before prefix.after."""
    return tuple(f"{prefix}.{n}" for n in range(first, after))


def subnet_of(address: str) -> str:
    """The subnet that holds a private address: 10.0.2.0/24 and 10.0.32.0/20 are the second's, 10.1… another VPC's."""
    _, second, third, _ = map(int, address.split("."))
    first_half, second_half = (SUBNET_C, SUBNET_D) if second == 1 else (SUBNET_A, SUBNET_B)
    return second_half if third == 2 or third >= 32 else first_half


def vpc_of(subnet: str) -> str:
    """The VPC that a subnet belongs to."""
    return SECOND_VPC if subnet in SECOND_SUBNETS else VPC
