"""The company's scenarios that flow logs show: new peers, scans, and what is carried away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.account import Call, Change, Function, Resource
from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.stage import (
    HOUR,
    chosen,
    hang_on,
    judged_end,
    moment,
    ride,
    runs,
    short,
    static,
    stranger,
    vpc_number,
    working_time,
)

_MEGABYTE = 1_000_000
_INTERNAL, _EXTERNAL = "new_internal_connection", "new_external_connection"


def third_internal_resource(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A static function talks to an internal resource that it has no business with."""
    function, name = chosen(history, rng, effects, static), "third_internal_resource"
    target = _targets(history, function)[int(rng.integers(3))]
    start = moment(history, rng, 6 * HOUR)
    call = short(target.address, int(rng.choice([22, 5432, 443, 445])), peer=target.name, bytes_in=60_000)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 6 * HOUR), [call], 6)
    text = f"{function.name} talks to {target.name}"
    effects.tell(name, [function.name], begin, end, [_INTERNAL], text, target.name, addresses)


def new_external_destination(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A static function talks to an address outside that nobody knows, a few times."""
    function, name, there = chosen(history, rng, effects, static), "new_external_destination", stranger(rng)
    start = moment(history, rng, 12 * HOUR)
    call = short(there, bytes_out=3_000, bytes_in=9_000)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 12 * HOUR), [call], 4)
    effects.tell(name, [function.name], begin, end, [_EXTERNAL], f"{function.name} talks to {there}", there, addresses)


def known_peer_new_port(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function talks to a peer of its own on a port that it never used."""
    function = chosen(history, rng, effects, lambda f: static(f) and bool(_inside(f)))
    inside = _inside(function) or list(function.calls)
    call, name = inside[int(rng.integers(len(inside)))], "known_peer_new_port"
    start = moment(history, rng, 6 * HOUR)
    call = short(call.addresses, int(rng.choice([22, 3389, 5985, 111])), peer=call.peer, bytes_in=20_000)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 6 * HOUR), [call], 5)
    text = f"{function.name} talks to {call.peer}, which it knows, on port {call.port}"
    effects.tell(name, [function.name], begin, end, ["new_port", _INTERNAL, _EXTERNAL], text, call.peer, addresses)


def port_scan(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Within minutes a function knocks at a hundred doors inside, and hardly any opens."""
    function, name = chosen(history, rng, effects, static), "port_scan"
    start = moment(history, rng, HOUR)
    own = effects.background[function.name]
    there = np.flatnonzero((own.start >= start) & (own.interface >= 0))[:2]
    knocks = np.repeat(there, int(rng.integers(40, 120)))
    calls = _knocks(function, rng, int(rng.choice([1, 2])), share=0.35)
    over = float(rng.uniform(5, 60))
    begin, end, addresses = hang_on(history, effects, rng, name, function, own.where(knocks), calls, over)
    families = ["scan", _INTERNAL, "new_port"]
    effects.tell(name, [function.name], begin, end, families, f"{function.name} scans its network", None, addresses)


def slow_scan(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """For days a function knocks at another door inside every now and then."""
    function, name = chosen(history, rng, effects, static), "slow_scan"
    start = moment(history, rng, 6 * DAY)
    calls = _knocks(function, rng, int(rng.choice([1, 2])), share=0.2)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 6 * DAY), calls, 90)
    families = ["scan", _INTERNAL, "new_port"]
    text = f"{function.name} tries {len(addresses)} addresses of its network in six days"
    effects.tell(name, [function.name], begin, end, families, text, None, addresses)


def exfiltration_new(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A static function sends a lot to an address that nobody knows."""
    function, name, there = chosen(history, rng, effects, static), "exfiltration_new", stranger(rng)
    start = moment(history, rng, 8 * HOUR)
    call = short(there, bytes_out=float(rng.uniform(5, 60)) * _MEGABYTE, bytes_in=20_000, seconds=10)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 8 * HOUR), [call], 40)
    families = [_EXTERNAL, "volume_outlier"]
    effects.tell(
        name, [function.name], begin, end, families, f"{function.name} sends a lot to {there}", there, addresses
    )


def exfiltration_known(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A function sends much more than usual to a service that it has always talked to."""
    function = chosen(history, rng, effects, lambda f: f.in_vpc and runs(f) and bool(_outside(f)))
    usual, name = (_outside(function) or list(function.calls))[0], "exfiltration_known"
    start = moment(history, rng, 6 * HOUR)
    sends = max(40 * usual.bytes_out, 2 * _MEGABYTE) * float(rng.uniform(1, 4))
    call = replace(usual, share=1.0, bytes_out=sends, seconds=6.0, api=(), life=(0.0, np.inf))
    call = replace(call, addresses=_current(function, usual.peer, start))
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 6 * HOUR), [call], 60)
    text = f"{function.name} sends far more than ever to {usual.peer}"
    effects.tell(name, [function.name], begin, end, ["volume_outlier"], text, usual.peer, addresses)


def exfiltration_ramp(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """From while all is being learned on a function sends a little more every day to a place that it knows since."""
    function, name, there = chosen(history, rng, effects, static), "exfiltration_ramp", stranger(rng)
    first, last = 0.3 * history.seconds, judged_end(history)
    own = effects.background[function.name]
    daily = 10 ** (3.0 / ((last - first) / DAY))
    begin, end = last, first
    addresses: set[str] = set()
    for day in range(int((last - first) // DAY)):
        since = first + day * DAY
        if not ((own.start >= since) & (own.start < since + DAY)).any():
            continue
        call = short(there, bytes_out=8_000 * daily**day, seconds=1.0)
        part = ride(history, effects, rng, name, function, (since, since + DAY), [call], 12)
        begin, end, addresses = min(begin, part[0]), max(end, part[1]), addresses | part[2]
    text = f"{function.name} sends {100 * (daily - 1):.0f} % more every day to {there}, from 0.1 MB a day to 100"
    effects.tell(name, [function.name], begin, end, ["volume_outlier", _EXTERNAL], text, there, addresses)


def threat_list_destination(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """A wide function, which talks to strangers all day, talks to an address on a threat list."""
    wide = {c.peer for f in history.functions for c in f.calls if len(c.addresses) > 40}
    function = chosen(history, rng, effects, lambda f: f.in_vpc and any(c.peer in wide for c in f.calls))
    name, there = "threat_list_destination", stranger(rng)
    effects.listed.append(there)
    start = moment(history, rng, 12 * HOUR)
    call = short(there, int(rng.choice([443, 9001])), bytes_out=2_000)
    begin, end, addresses = ride(history, effects, rng, name, function, (start, start + 12 * HOUR), [call], 3)
    text = f"{function.name} talks to {there}, a Tor exit"
    effects.tell(name, [function.name], begin, end, ["threat_list", _EXTERNAL], text, there, addresses)


def common_destination(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Several functions that have nothing in common talk to one unknown address within half a day."""
    name, there, start = "common_destination", stranger(rng), moment(history, rng, 12 * HOUR)
    begin, end = start + DAY, start
    hit: list[str] = []
    for _ in range(4):
        function = chosen(history, rng, effects, lambda f: f.in_vpc and runs(f))
        own = ride(history, effects, rng, name, function, (start, start + 12 * HOUR), [short(there)], 2)
        hit, begin, end = [*hit, function.name], min(begin, own[0]), max(end, own[1])
    text = f"{', '.join(hit)} talk to {there}"
    effects.tell(name, hit, begin, end, ["common_destination", _EXTERNAL], text, there, [there])


def change_then_new_peer(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """The usual pipeline brings new code, and with it somebody else's: minutes later it talks to a stranger."""
    function, name, there = chosen(history, rng, effects, static), "change_then_new_peer", stranger(rng)
    start = working_time(rng, moment(history, rng, 2 * DAY))
    effects.changes.append(Change(start, start + 7, function.name, "code"))
    call = short(there, bytes_out=6_000, share=0.5)
    _, end, addresses = ride(history, effects, rng, name, function, (start + 60, start + DAY), [call], 20)
    families = [_EXTERNAL, "change_then_new_behaviour"]  # the usual pipeline's changes are told with what is new
    text = f"new code of {function.name} talks to {there}"
    effects.tell(name, [function.name], start, end, families, text, there, addresses)


def _targets(history: History, function: Function) -> list[Resource]:
    """Internal resources of its VPC that no function has any business with."""
    known = {call.peer for f in history.functions for call in f.calls}
    prefix = f"10.{vpc_number(function)}."
    apart = ("payroll-01", "backup-01", "hr-db")
    return [
        r for r in history.resources if r.address.startswith(prefix) and r.name.endswith(apart) and r.name not in known
    ]


def _inside(function: Function) -> list[Call]:
    return [
        c
        for c in function.calls
        if c.addresses[0].startswith("10.") and not c.peer.endswith("endpoint") and c.life[1] == np.inf
    ]


def _outside(function: Function) -> list[Call]:
    return [c for c in function.calls if c.service in (None, "EC2") and not c.addresses[0].startswith("10.")]


def _current(function: Function, peer: str, at: float) -> tuple[str, ...]:
    return next(c.addresses for c in function.calls if c.peer == peer and c.life[0] <= at < c.life[1])


def _knocks(function: Function, rng: np.random.Generator, refused: int, share: float) -> list[Call]:
    """At addresses all over the VPC, on six ports; one in fifty lets it in."""
    vpc = vpc_number(function)
    doors = [f"10.{vpc}.{int(rng.choice([16, 32]))}.{n}" for n in range(4, 250)]
    calls = [
        short(
            doors,
            port,
            peer="scanned",
            bytes_out=40,
            bytes_in=0,
            seconds=0.02,
            spread=0.0,
            share=share,
            refused=refused,
        )
        for port in (22, 445, 1433, 3306, 5432, 6379)
    ]
    return [*calls, short(doors, 443, peer="scanned", share=0.02)]
