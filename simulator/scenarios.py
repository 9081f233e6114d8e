"""What goes wrong, by name. Each scenario adds to what the account does on its last days and changes nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from simulator.account import Call
from simulator.effects import Effects, Scenario
from simulator.lifecycle import DAY, History
from simulator.traffic import Floats, perform


def last_day(history: History) -> float:
    """The midnight that begins the last whole day."""
    return (math.floor(history.days) - 1) * DAY


def _act(
    history: History,
    effects: Effects,
    rng: np.random.Generator,
    name: str,
    function: str,
    times: Floats,
    calls: Sequence[Call],
    text: str,
    families: Sequence[str],
) -> None:
    """Invocations of the function with these calls only, all of them the scenario's."""
    activity = perform(history, history.function(function), times, calls, rng, name)
    effects.activities.append(activity)
    invocations, conversations, _ = activity
    peer = calls[0].peer if len(set(conversations.peer)) == 1 else None
    start, end = float(invocations.start.min()), float(invocations.end.max())
    addresses = set(conversations.peer_addr.tolist()) if peer else ()
    effects.tell(name, [function], start, end, families, text, peer, addresses)


def third_resource(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """RDSQueryLogger, which knows two internal resources, talks to a third one morning."""
    morning = last_day(history) + 6.2 * 3_600
    call = Call(("10.0.1.60",), 22, "payroll-01", bytes_out=5_000, bytes_in=90_000)
    times = morning + np.array([0.0, 41.0, 97.0, 260.0])
    text = "talks to payroll-01, a third internal resource"
    _act(history, effects, rng, "third_resource", "RDSQueryLogger", times, [call], text, ["new_internal_connection"])


def beacon(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A foreign rule wakes SearchIndexer every 5 minutes ± 20 %, and it calls an unknown external address."""
    start = max(0.0, last_day(history) - DAY) + 3_000
    gaps = rng.uniform(240, 360, int((history.seconds - start) / 240))
    times: Floats = start + np.cumsum(gaps, dtype=np.float64)
    call = Call(("198.51.100.66",), 443, "198.51.100.66", bytes_out=400, bytes_in=300, seconds=0.5)
    text = "beacons to 198.51.100.66 every 5 minutes ± 20 %"
    families = ["beaconing", "new_external_connection"]
    _act(history, effects, rng, "beacon", "SearchIndexer", times[times < history.seconds - 3], [call], text, families)


def exfiltration(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """OrderIngest sends a lot to an unknown external address."""
    start = last_day(history) + 13.5 * 3_600
    call = Call(("203.0.113.77",), 443, "203.0.113.77", bytes_out=80_000_000, bytes_in=20_000, seconds=15)
    text = "sends about 1 GB to 203.0.113.77"
    times = start + np.arange(0.0, 600.0, 50.0)
    _act(
        history,
        effects,
        rng,
        "exfiltration",
        "OrderIngest",
        times,
        [call],
        text,
        ["new_external_connection", "volume_outlier"],
    )


def unusual_api_call(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Code injected into MailSender creates a user."""
    moment = last_day(history) + 10.4 * 3_600 + float(rng.uniform(0, 60))
    names = ("ListUsers", "CreateUser", "CreateAccessKey")
    api = tuple(("iam.amazonaws.com", name) for name in names)
    call = Call(("203.0.113.170",), 443, "AMAZON", seconds=9, service="AMAZON", api=api)
    text = "lists users, creates one and an access key for it"
    families = ["unusual_api_call"]
    _act(history, effects, rng, "unusual_api_call", "MailSender", np.array([moment]), [call], text, families)


def invocation_flood(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody outside invokes CartService thousands of times; it does what it always does."""
    start = last_day(history) + 15 * 3_600
    times = np.sort(start + rng.uniform(0, 1_800, 3_000))
    calls = history.function("CartService").calls
    text = "invoked 3,000 times in half an hour"
    _act(history, effects, rng, "invocation_flood", "CartService", times, calls, text, ["invocation_spike"])


SCENARIOS: dict[str, Scenario] = {
    "third_resource": third_resource,
    "beacon": beacon,
    "exfiltration": exfiltration,
    "unusual_api_call": unusual_api_call,
    "invocation_flood": invocation_flood,
}
"""Every scenario by name."""
