"""What scenarios do to the account, and the truth about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.account import Change, Spell
from simulator.cloudtrail_shapes import Event
from simulator.lifecycle import History
from simulator.traffic import Activity, ApiCalls, Conversations, Invocations

_NO_VPC_SECONDS = 1_200
"""Lambda keeps an interface so long after its last user has left"""


@dataclass
class Effects:
    """What scenarios add and take away. They see what functions normally do, and leave it as it is."""

    seed: int = 0
    start: int = 0
    """the simulation's, in Unix seconds: CloudTrail events have absolute times"""
    background: dict[str, Invocations] = field(default_factory=dict)
    """each function's normal invocations"""
    activities: list[Activity] = field(default_factory=list)
    story: list[dict[str, object]] = field(default_factory=list)
    """the rows of the truth's `scenarios`; times in seconds from the simulation's start"""
    taken: set[str] = field(default_factory=set)
    """functions that something happens to already"""
    spells: list[Spell] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    silent: dict[str, float] = field(default_factory=dict)
    """functions that do nothing any more, and since when"""
    without_vpc: dict[str, float] = field(default_factory=dict)
    """functions that leave their VPC, and when"""
    no_flow_log: list[tuple[float, float]] = field(default_factory=list)
    no_trail: list[tuple[float, float]] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    """addresses on the threat list"""

    def tell(
        self,
        name: str,
        functions: Iterable[str],
        start: float,
        end: float,
        families: Sequence[str],
        text: str,
        peer: str | None = None,
        addresses: Iterable[str] = (),
    ) -> None:
        """A row for each function; one without a function when it concerns the account."""
        told: Sequence[str | None] = list(functions) or [None]
        for function in told:
            self.story.append(
                {
                    "scenario": name,
                    "function_name": function,
                    "start": start,
                    "end": end,
                    "peer": peer,
                    "description": text,
                    "families": list(families),
                    "addresses": sorted(set(addresses)),
                }
            )


Scenario = Callable[[History, np.random.Generator, Effects], None]


def after(world: History, effects: Effects) -> History:
    """The account with the changes that scenarios make to it."""
    changes = tuple(sorted((*world.changes, *effects.changes), key=lambda c: (c.time, c.function)))
    configurations = tuple(
        replace(c, end=min(c.end, effects.without_vpc.get(c.function, math.inf))) for c in world.configurations
    )
    interfaces = list(world.interfaces)
    for n, interface in enumerate(interfaces):
        users = [
            c for c in configurations
            if c.groups == interface.groups and interface.subnet in world.function(c.function).subnets
        ]  # fmt: skip
        if any(c.function in effects.without_vpc for c in users):
            last = max(c.end for c in users) + _NO_VPC_SECONDS
            interfaces[n] = replace(interface, end=min(interface.end, last if last < world.seconds else math.inf))
    return replace(world, changes=changes, configurations=configurations, interfaces=tuple(interfaces))


def without(
    effects: Effects, invocations: Invocations, conversations: Conversations, api_calls: ApiCalls
) -> tuple[Invocations, Conversations, ApiCalls]:
    """What is left of it where functions fall silent or leave their VPC."""
    for name, since in effects.silent.items():
        invocations = invocations.where((invocations.function != name) | (invocations.start < since))
        conversations = conversations.where((conversations.function != name) | (conversations.start < since))
        api_calls = api_calls.where((api_calls.function != name) | (api_calls.time < since))
        known = np.isin(conversations.invocation, invocations.key)
        conversations, api_calls = (
            conversations.where(known),
            api_calls.where(np.isin(api_calls.invocation, invocations.key)),
        )
    for name, since in effects.without_vpc.items():
        invocations.interface[(invocations.function == name) & (invocations.start >= since)] = -1
        conversations = conversations.where((conversations.function != name) | (conversations.start < since))
        gone = (api_calls.function == name) & (api_calls.time >= since)
        api_calls.interface[gone] = -1
        api_calls.via = np.where(gone, "internet", api_calls.via)
    return invocations, conversations, api_calls
