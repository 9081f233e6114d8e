"""What goes wrong, by name. Each scenario adds to what the account does on its last days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from simulator.account import DAY, Call, Function, Interface
from simulator.traffic import Conversations, Times, connect


@dataclass
class Effects:
    """What a scenario adds, and the truth about it."""

    conversations: list[Conversations] = field(default_factory=list)
    api_calls: list[tuple[float, str, str, str, str]] = field(default_factory=list)
    """(time, function, event source, event name, scenario)"""
    invocations: dict[str, list[Times]] = field(default_factory=dict)
    story: list[dict[str, object]] = field(default_factory=list)


World = tuple[tuple[Function, ...], tuple[Interface, ...], float]
Scenario = Callable[[World, np.random.Generator, Effects], None]


def _function(world: World, name: str) -> Function:
    return next(f for f in world[0] if f.name == name)


def _add(
    world: World,
    effects: Effects,
    rng: np.random.Generator,
    name: str,
    function: str,
    times: Times,
    call: Call,
    text: str,
) -> None:
    made = connect(times, _function(world, function), call, world[1], rng, scenario=name)
    effects.conversations.append(made)
    effects.story.append(
        {
            "scenario": name,
            "function_name": function,
            "start": float(times.min()),
            "end": float(times.max()),
            "peer": call.peer,
            "description": text,
        }
    )


def third_resource(world: World, rng: np.random.Generator, effects: Effects) -> None:
    """RDSQueryLogger, which knows two internal resources, talks to a third one morning."""
    morning = (world[2] - 1) * DAY + 6.2 * 3_600
    call = Call(("10.0.1.60",), 22, "payroll-01", bytes_out=5_000, bytes_in=90_000)
    _add(
        world,
        effects,
        rng,
        "third_resource",
        "RDSQueryLogger",
        morning + np.array([0.0, 41.0, 97.0, 260.0]),
        call,
        "talks to payroll-01",
    )


def beacon(world: World, rng: np.random.Generator, effects: Effects) -> None:
    """SearchIndexer calls an unknown external address every 5 minutes ± 20 %."""
    start = max(0.0, world[2] - 2) * DAY + 3_000
    gaps = rng.uniform(240, 360, int((world[2] * DAY - start) / 300))
    times = start + np.cumsum(gaps)
    call = Call(("192.0.2.66",), 443, "192.0.2.66", bytes_out=400, bytes_in=300)
    _add(world, effects, rng, "beacon", "SearchIndexer", times[times < world[2] * DAY], call, "beacons")


def exfiltration(world: World, rng: np.random.Generator, effects: Effects) -> None:
    """OrderIngest sends a lot to an unknown external address."""
    start = (world[2] - 1) * DAY + 13.5 * 3_600
    call = Call(("203.0.113.77",), 443, "203.0.113.77", bytes_out=80_000_000, bytes_in=20_000)
    _add(
        world,
        effects,
        rng,
        "exfiltration",
        "OrderIngest",
        start + np.arange(12) * 50.0,
        call,
        "sends out about 1 GB",
    )


def unusual_api_call(world: World, rng: np.random.Generator, effects: Effects) -> None:
    """Code injected into MailSender creates a user."""
    moment = (world[2] - 1) * DAY + 10.4 * 3_600 + float(rng.uniform(0, 60))
    for offset, name in enumerate(("ListUsers", "CreateUser", "CreateAccessKey")):
        effects.api_calls.append(
            (moment + offset * 4, "MailSender", "iam.amazonaws.com", name, "unusual_api_call")
        )
    effects.story.append(
        {
            "scenario": "unusual_api_call",
            "function_name": "MailSender",
            "start": moment,
            "end": moment + 8,
            "peer": None,
            "description": "creates a user",
        }
    )


def invocation_flood(world: World, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody outside invokes CartService thousands of times."""
    start = (world[2] - 1) * DAY + 15 * 3_600
    times = np.sort(start + rng.uniform(0, 1_800, 3_000))
    effects.invocations.setdefault("CartService", []).append(times)
    effects.story.append(
        {
            "scenario": "invocation_flood",
            "function_name": "CartService",
            "start": float(times[0]),
            "end": float(times[-1]),
            "peer": None,
            "description": "invoked 3,000 times in half an hour",
        }
    )


SCENARIOS: dict[str, Scenario] = {
    "third_resource": third_resource,
    "beacon": beacon,
    "exfiltration": exfiltration,
    "unusual_api_call": unusual_api_call,
    "invocation_flood": invocation_flood,
}
"""Every scenario by name."""
