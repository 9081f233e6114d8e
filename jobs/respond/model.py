"""What the parts of a response hand to each other. All of it is plain values, so that plans can be stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Any

Row = dict[str, Any]
Network = IPv4Network | IPv6Network
Aws = Callable[[str], Any]
"""by service (`ec2`, `lambda`, …) a boto3 client of the account and region that are acted on"""


class State(StrEnum):
    """How a resource stands to a change that was planned for it."""

    before = "before"
    """as it was when it was planned"""
    ours = "ours"
    """as the change makes it"""
    other = "other"
    """neither: somebody else has changed it"""


@dataclass(frozen=True)
class Change:
    """One change of one resource, by one call."""

    kind: str
    resource: str
    says: str
    """in words"""
    before: Any
    """what was there; None: nothing"""
    after: Any
    """what is made of it"""

    def row(self) -> Row:
        """As it is stored."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Way:
    """One way to contain an alert."""

    name: str
    title: str
    does: str
    """in a sentence"""
    changes: tuple[Change, ...] = ()
    obstacle: str = ""
    """why it cannot be done; empty: it can, or nobody asked the account"""
    destination: Network | None = None
    """what is blocked; None: no network is"""
    costs: tuple[str, ...] = ()
    """whom else it hits, and what it takes"""
    cannot: tuple[str, ...] = ()
    """what it does not stop"""
    radius: tuple[Row, ...] = ()
    """who would notice: rows for a table"""


@dataclass(frozen=True)
class Talker:
    """Somebody who talked to an address, from somewhere, within the days that were looked at."""

    who: str
    kind: str
    address: str
    normal: bool | None
    conversations: int
    bytes_out: int
    bytes_in: int
    days: int
    first_time: datetime
    last_time: datetime
    vpc_id: str | None = None
    subnet_id: str | None = None
    security_group_ids: str | None = None


@dataclass(frozen=True)
class FunctionPlace:
    """A function as it is configured at last."""

    function_name: str
    vpc_id: str | None
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    role: str | None


@dataclass(frozen=True)
class History:
    """What the lake knows of the last days."""

    first_day: str
    last_day: str
    talkers: tuple[Talker, ...] = ()
    """with any address of the /24 or /48 around the destination"""
    functions: tuple[FunctionPlace, ...] = ()
    """all of the account and region"""
    work: Mapping[str, Row] = field(default_factory=dict)
    """by function: invocations, busy_days, api_calls, apis, peers"""
    own_addresses: tuple[str, ...] = ()
    """private and public ones of the account's interfaces"""


@dataclass(frozen=True)
class Guarded:
    """A network that is never blocked, and why."""

    network: Network
    why: str


@dataclass(frozen=True)
class Case:
    """What is to be contained, and all that is known of it without asking AWS."""

    alert_id: str
    account_id: str
    region: str
    functions: tuple[str, ...]
    destination: Network | None
    history: History
    guarded: tuple[Guarded, ...]
    network_acl_rules: int = 20
    security_group_rules: int = 60
    service: str = ""
    """the AWS service that the destination is an address of"""
    no_destination: str = "the alert names no destination"

    @property
    def places(self) -> tuple[FunctionPlace, ...]:
        """The functions' configurations, as far as they are known."""
        return tuple(one for one in self.history.functions if one.function_name in self.functions)

    def without(self, what: str) -> str:
        """Why there is nothing to act on: none is known of the functions' subnets, roles …"""
        if not self.functions:
            return "the alert is about no function"
        return f"no {what} of {', '.join(self.functions)} is known"


@dataclass(frozen=True)
class Seen:
    """What AWS answered: lists of boto3's items."""

    vpcs: tuple[Row, ...] = ()
    acls: tuple[Row, ...] = ()
    rules: tuple[Row, ...] = ()
    """of the functions' security groups"""
    endpoints: tuple[Row, ...] = ()
    prefix_lists: tuple[Row, ...] = ()
    addresses: tuple[Row, ...] = ()
    """Elastic IPs"""
    concurrency: Mapping[str, int | None] = field(default_factory=dict)
    """by function what is reserved; None: nothing"""
    firewalls: tuple[Row, ...] = ()
    """DescribeFirewall's Firewall, with its Policy and PolicyResponse"""
    failures: Mapping[str, str] = field(default_factory=dict)
    """by part (`concurrency`, `firewalls`) why it could not be read"""


def action_id(case: Case, way: Way) -> str:
    """Names a plan: the same for the same changes in the same place, so that planning twice is planning once."""
    what = [case.alert_id, way.name, case.account_id, case.region, str(way.destination), [c.row() for c in way.changes]]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
