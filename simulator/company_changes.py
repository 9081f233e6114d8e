"""What changes at the company without anything being wrong: releases, moves, outages, campaigns, slow days."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simulator.account import Account, Call, Change, Function, Quiet, Spell
from simulator.company_peers import Peers
from simulator.lifecycle import DAY
from simulator.randomness import stream

HOUR = 3_600
OPERATOR = ("operator", "jane", "198.51.100.210", "aws-cli/2.33.2 md/awscrt#0.29.2 ua/2.1 os/linux lang/python#3.13.11")
_NEW_PEER = ("new_internal_connection", "new_external_connection", "change_then_new_behaviour")


def changed(account: Account, known: Peers, seed: int, seconds: float, weekday: int) -> Account:
    """The account with all that happens to it over time."""
    workdays = [
        d for d in range(math.floor(seconds / DAY)) if (weekday + d) % 7 < 5 and d not in account.calendar.holidays
    ]

    def at_work(rng: np.random.Generator, first: float = 0.0, last: float = 1.0) -> float:
        """A moment in working hours, in that part of the time."""
        fit = [d for d in workdays if first <= d * DAY / seconds <= last] or [0]
        return fit[int(rng.integers(len(fit)))] * DAY + float(rng.uniform(8, 16.5)) * HOUR

    functions = list(account.functions)
    steady = [n for n, f in enumerate(functions) if f.life == (0.0, 1.0)]
    releases = _releases(functions, seed, seconds, at_work)
    rng = stream(seed, "company", "new dependencies")
    told: list[Quiet] = []
    for n, place in enumerate(rng.permutation(steady)[:5].tolist()):
        moment = at_work(rng, 0.62, 0.95)
        functions[place], release, what = _dependency(functions[place], known, moment, n, rng)
        releases.append(release)
        told.append(what)
    account = replace(account, functions=tuple(functions))
    told += _moves(account, known)
    spells, passing = _spells(account, known, seed, seconds, at_work)
    return replace(account, changes=tuple(releases), spells=spells, quiet=(*told, *passing))


def _release(function: Function, moment: float, by: tuple[str, str, str, str] | None = None) -> Change:
    return Change(moment, moment + 7, function.name, "code", by=by)


def _releases(
    functions: Sequence[Function], seed: int, seconds: float, at_work: Callable[[np.random.Generator], float]
) -> list[Change]:
    """New code every ten days or so for half of the functions, more memory now and then; rarely by hand."""
    made = []
    for function in functions:
        rng = stream(seed, "company", "releases", function.name)
        born, dead = (fraction * seconds for fraction in function.life)
        often = rng.random() < 0.5
        for _ in range(rng.poisson(seconds / DAY / 10 * often)):
            made.append(_release(function, at_work(rng), OPERATOR if rng.random() < 0.05 else None))
        for _ in range(rng.poisson(seconds / DAY / 40)):
            moment, size = at_work(rng), int(rng.choice([512, 1_024, 2_048]))
            settings = json.dumps({"MemorySize": size, "Timeout": function.timeout})
            made.append(Change(moment, moment + 5, function.name, "configuration", settings=settings))
        made = [c for c in made if c.function != function.name or born + DAY < c.time < dead - DAY]
    return made


def _dependency(
    function: Function, known: Peers, moment: float, number: int, rng: np.random.Generator
) -> tuple[Function, Change, Quiet]:
    """A release after which a function talks to somebody new: a partner, a host, or AWS in another region."""
    since, have = moment + 40, {call.peer for call in function.calls}
    vpc = (
        int(function.subnets[0].startswith("subnet-0c") or function.subnets[0].startswith("subnet-0d"))
        if (function.in_vpc)
        else 0
    )
    kind = "new_dependency"
    acceptable: tuple[str, ...] = _NEW_PEER
    if number == 0 or not function.in_vpc:
        source, name = (("bedrock", "InvokeModel"), ("textract", "AnalyzeDocument"))[int(rng.integers(2))]
        api = ((f"{source}.amazonaws.com", name),)
        call = replace(known.buckets[2][0], peer="AMAZON elsewhere", api=api, api_region="eu-central-1")
        text = f"a release of {function.name} asks {source} in eu-central-1"
        kind, acceptable = "new_region", (*_NEW_PEER, "api_new_region")
    else:
        places = known.inside[vpc] if number % 2 else known.partners
        fresh = [habit for habit in places if habit[0].peer not in have and len(habit) == 1]
        call = fresh[int(rng.integers(len(fresh)))][0]
        text = f"a release of {function.name} brings {call.peer}"
    if call.api:
        acceptable = (*acceptable, "unusual_api_call")
    call = replace(call, share=float(rng.uniform(0.2, 1.0)), api_share=0.3, life=(since, math.inf))
    quiet = Quiet(kind, function.name, moment, moment + 5 * DAY, acceptable, text)
    return replace(function, calls=(*function.calls, call)), _release(function, moment), quiet


def _moves(account: Account, known: Peers) -> list[Quiet]:
    """A peer's new address concerns everybody who talks to it."""
    told = []
    for name, move in known.moves.items():
        for function in account.functions:
            if any(call.peer == name for call in _all_calls(function)):
                told.append(Quiet(move.kind, function.name, move.time, move.time + 5 * DAY, (), move.text))
    return told


def _all_calls(function: Function) -> list[Call]:
    return [*function.calls, *(call for task in function.tasks for call in task.calls)]


def _spells(
    account: Account, known: Peers, seed: int, seconds: float, at_work: Callable[..., float]
) -> tuple[tuple[Spell, ...], list[Quiet]]:
    """What passes over functions for a while, or since a release; and how often each fails at the best of times."""
    rng = stream(seed, "company", "spells")
    spells: list[Spell] = []
    told: list[Quiet] = []
    whole = [f for f in account.functions if f.life == (0.0, 1.0)]
    for function in account.functions:
        usual = float(min(0.06, np.exp(rng.normal(-5.5, 1.2))))
        spells.append(Spell(function.name, 0.0, seconds, failing=usual))
        if function.schedule[0] == "bursts" and rng.random() < 0.5:
            for _ in range(max(1, round(seconds / DAY / 9))):
                start = float(rng.uniform(0, seconds))
                spells.append(
                    Spell(function.name, start, start + rng.uniform(60, 600), throttled=float(rng.uniform(0.5, 6)))
                )
        for _ in range(rng.poisson(seconds / DAY / 25)):
            # A slow hour that nobody ever explains.
            start = float(rng.uniform(0, seconds))
            spells.append(
                Spell(function.name, start, start + rng.uniform(300, 7_200), slower=float(rng.uniform(1.3, 4)))
            )

    def passing(kind: str, text: str, functions: Sequence[Function], spell: Spell) -> None:
        for function in functions:
            spells.append(replace(spell, function=function.name))
            told.append(Quiet(kind, function.name, spell.start, min(spell.end, spell.start + 5 * DAY), (), text))

    used = sorted(
        {c.peer for f in account.functions for c in _all_calls(f)}
        & {h[0].peer for h in (*known.partners, *known.inside[0])}
    )
    for n in range(4):
        # Two while everything is being learned, two later.
        peer = used[int(rng.integers(len(used)))]
        start = float(rng.uniform(0.1, 0.55) if n < 2 else rng.uniform(0.62, 0.95)) * seconds
        hurt = [f for f in account.functions if any(c.peer == peer for c in f.calls)]
        spell = Spell("", start, start + float(rng.uniform(900, 5_400)), load=2.5, slower=8, failing=0.6)
        passing("outage", f"{peer} is down: time-outs and retries", hurt, spell)
    busy = [f for f in whole if f.schedule[0] == "diurnal"]
    for first, last in ((0.1, 0.5), (0.62, 0.95)):
        start = at_work(rng, first, last)
        lucky = [busy[i] for i in rng.choice(len(busy), min(3, len(busy)), False)]
        passing(
            "campaign", "a campaign brings three times the load", lucky, Spell("", start, start + 5 * HOUR, load=3.0)
        )
    batch = [f for f in whole if f.schedule[0] == "every" and f.schedule[1] <= DAY and f.in_vpc]
    filler, slowed = (batch[int(i)] for i in rng.choice(len(batch), 2, False))
    start = at_work(rng, 0.62, 0.92)
    passing(
        "backfill", f"{filler.name} fills in what was missing", [filler], Spell("", start, start + 6 * HOUR, volume=10)
    )
    start = at_work(rng, 0.62, 0.92)
    passing("slower_release", f"a release makes {slowed.name} slower", [slowed], Spell("", start, seconds, slower=1.5))
    return tuple(spells), told
