"""The company: made by the seed, functions of every sort over months, to evaluate detections with.

Most functions are static; some are wide. Nothing is wrong by itself, but much changes: releases bring new
dependencies, databases fail over, partners are down, load grows, people go on holiday. What of this a detection
should keep quiet about is told in the account's `quiet`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from simulator.account import (
    SUBNET_A,
    SUBNET_B,
    SUBNET_C,
    SUBNET_D,
    Account,
    Calendar,
    Call,
    Function,
    Handover,
    Task,
    group,
)
from simulator.company_changes import changed
from simulator.company_peers import Habit, Peers, peers, the_web
from simulator.lifecycle import DAY
from simulator.randomness import stream

_NETWORKS = (
    (SUBNET_A, "10.0.16.0/20", 256), (SUBNET_B, "10.0.32.0/20", 256),
    (SUBNET_C, "10.1.16.0/20", 256), (SUBNET_D, "10.1.32.0/20", 256),
)  # fmt: skip
_PLACES = (((SUBNET_A,), (SUBNET_B,), (SUBNET_A, SUBNET_B)), ((SUBNET_C,), (SUBNET_D,), (SUBNET_C, SUBNET_D)))
_SORTS = {
    "scheduled": 0.36, "diurnal": 0.26, "bursts": 0.07, "weekly": 0.06, "monthly": 0.04, "asked": 0.1, "wide": 0.07,
    "pinging": 0.04,
}  # fmt: skip
_PERIODS = (300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400)
_OFTEN = (0.07, 0.1, 0.1, 0.2, 0.3, 0.1, 0.07, 0.06)
_WHAT = (
    "Order", "Invoice", "Cart", "Customer", "Stock", "Price", "Report", "Refund", "Shipment", "Mail", "Image",
    "Catalogue", "Session", "Audit", "Ledger", "Coupon", "Search", "Feed", "Tenant", "Device", "Quote", "Payout",
)  # fmt: skip
_DOES = ("Sync", "Export", "Import", "Handler", "Indexer", "Notifier", "Cleanup", "Rollup", "Api", "Worker", "Check")
_APIS = (
    ("ssm", "GetParameter"), ("ssm", "GetParametersByPath"), ("states", "StartExecution"), ("ecs", "ListTasks"),
    ("rekognition", "DetectLabels"), ("ecs", "RunTask"), ("athena", "StartQueryExecution"),
    ("athena", "GetQueryExecution"), ("glue", "StartJobRun"), ("ec2", "DescribeInstances"), ("logs", "CreateLogStream"),
    ("cloudwatch", "DescribeAlarms"), ("textract", "DetectDocumentText"), ("kms", "GenerateDataKey"),
    ("cognito-idp", "AdminGetUser"), ("sqs", "GetQueueUrl"), ("events", "PutRule"), ("sns", "ListTopics"),
)  # fmt: skip
_RARE_APIS = (("iam", "ListRoles"), ("ce", "GetCostAndUsage"), ("rds", "CreateDBSnapshot"), ("ec2", "CreateSnapshot"))


def company(seed: int, functions: int, seconds: float, weekday: int) -> Account:
    """So many functions over so many seconds; `weekday` is that of the first day, Monday 0."""
    rng = stream(seed, "company", "calendar")
    known = peers(seed, seconds)
    days = math.floor(seconds / DAY)
    sorts = list(np.repeat(list(_SORTS), np.diff(np.round(np.cumsum([0.0, *_SORTS.values()]) * functions).astype(int))))
    order = stream(seed, "company", "sorts").permutation(len(sorts))
    made = [_function(n, str(sorts[i]), seed, known) for n, i in enumerate(order)]
    calendar = Calendar(
        holidays=tuple(sorted({int(d) for d in rng.integers(0, max(days, 1), max(1, days // 20))})),
        clock_change=float(rng.integers(max(1, round(0.6 * days)), max(2, days))),
    )
    account = Account(tuple(made), known.resources, _handovers(made, seconds, rng), _NETWORKS, calendar)
    return changed(account, known, seed, seconds, weekday)


def _function(number: int, sort: str, seed: int, known: Peers) -> Function:
    """What one function does is up to (seed, number, sort) alone."""
    rng = stream(seed, "company", "function", number)
    name = f"{rng.choice(_WHAT)}{rng.choice(_DOES)}{number:02}"
    where = int(rng.choice([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]))
    vpc = min(where, 1)
    # Four in ten share their interface: there are six such groups in one VPC and two in the other.
    shared = int(rng.integers(6 if vpc == 0 else 2)) if rng.random() < 0.4 else None
    place = _PLACES[vpc][int(rng.choice([0, 0, 1, 1, 2])) if shared is None else shared % 3]
    label = f"company {seed} {number}" if shared is None else f"company {seed} {vpc} shared {shared}"
    pace = float(np.exp(rng.uniform(np.log(0.05), np.log(8))))
    habits = _habits(sort, known, vpc, rng)
    main = _calls(habits, pace, rng)
    if where == 2:
        # Only what it asks of AWS leaves a trace.
        main = tuple(call for call in main if call.api) or _calls([known.buckets[2]], pace, rng)
    return Function(
        name=name,
        groups=() if where == 2 else group(label),
        calls=main,
        schedule=_schedule(sort, rng),
        subnets=() if where == 2 else place,
        in_vpc=where != 2,
        timeout=next(t for t in (3, 10, 30, 60, 300, 900) if t > 12 * pace),
        pace=pace,
        keeps_open=sort != "pinging" and bool(rng.random() < 0.15),
        growth=float(rng.choice([1.0, 1.0, rng.uniform(0.8, 1.7)])),
        deploys=tuple(sorted(rng.uniform(0.05, 0.95, 2).tolist())) if rng.random() < 0.15 else (),
        tasks=_tasks(known, vpc, where == 2, pace, rng),
        late_hours=float(rng.uniform(0, 4)),
        life=_life(sort, rng),
    )


def _life(sort: str, rng: np.random.Generator) -> tuple[float, float]:
    lot, when = rng.random(), float(rng.uniform(0.2, 0.8))
    if sort in ("weekly", "monthly") or lot > 0.07:
        return (0.0, 1.0)
    return (when, 1.0) if lot < 0.04 else (0.0, when)


def _schedule(sort: str, rng: np.random.Generator) -> tuple[str, float]:
    often = {"diurnal": (12, 110), "wide": (30, 90), "asked": (2, 25), "bursts": (2, 9)}
    if sort in often:
        value = float(np.exp(rng.uniform(*np.log(often[sort]))))
        return ("diurnal" if sort == "wide" else sort), value
    if sort == "pinging":
        return "every", float(rng.choice([240, 300, 600]))
    if sort in ("weekly", "monthly"):
        return "every", (7 if sort == "weekly" else 30) * float(DAY)
    return "every", float(rng.choice(_PERIODS, p=_OFTEN))


def _habits(sort: str, known: Peers, vpc: int, rng: np.random.Generator) -> list[Habit]:
    """One to five peers; the wide ones talk to hundreds of addresses, or to a service that rotates."""
    inner, outer = known.inside[vpc], (*known.partners, *known.buckets, known.buckets[0], known.buckets[2])
    if sort == "pinging":
        # A heartbeat, at a fixed period and for ever, and what a pool of connections does.
        return [known.telemetry, inner[int(rng.integers(3))]][: int(rng.integers(1, 3))]
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.2, 0.3, 0.25, 0.15, 0.1]))
    inside = int(rng.binomial(count, 0.55))
    chosen = [inner[i] for i in rng.choice(len(inner), inside, False)]
    chosen += [outer[i] for i in rng.choice(len(outer), count - inside, False)]
    if sort == "wide":
        hundreds = Call(the_web(rng, int(rng.integers(60, 1_500))), 443, "the web", bytes_in=60_000)
        chosen.append((hundreds,) if rng.random() < 0.6 else known.services[int(rng.integers(len(known.services)))])
    elif rng.random() < 0.12:
        chosen.append(known.services[int(rng.integers(len(known.services)))])
    if rng.random() < 0.15:
        chosen.append(known.telemetry)
    if rng.random() < 0.4:
        chosen.append(known.buckets[2])
    return list({habit[0].peer: habit for habit in chosen}.values())


def _calls(habits: Sequence[Habit], pace: float, rng: np.random.Generator) -> tuple[Call, ...]:
    """As this function does it: how often, how much, how long, and what it asks of AWS on the way."""
    made: list[Call] = []
    for n, habit in enumerate(habits):
        heartbeat = habit[0].peer == "telemetry"
        share = 1.0 if n == 0 or heartbeat else float(rng.choice([rng.uniform(0.3, 1), rng.uniform(0.02, 0.3)]))
        api = habit[0].api
        if habit[0].service == "AMAZON" and not api:
            picked = rng.choice(len(_APIS), int(rng.integers(1, 4)), False)
            api = tuple((f"{_APIS[i][0]}.amazonaws.com", _APIS[i][1]) for i in picked)
        scale, back = float(np.exp(rng.uniform(np.log(0.2), np.log(40)))), float(np.exp(rng.uniform(-1.5, 3.5)))
        own: dict[str, Any] = {
            "share": share,
            "bytes_out": habit[0].bytes_out * (1 if heartbeat else scale),
            "bytes_in": habit[0].bytes_in * (1 if heartbeat else back),
            "seconds": pace * float(rng.uniform(0.1, 1.5)),
            "api": api,
            # Credentials and parameters are cached; most work is not.
            "api_share": float(rng.choice([0.05, 0.2, 0.7])),
            "api_denied": float(rng.choice([0.0, 0.003, 0.02, 0.06])),
            "spread": 0.05 if heartbeat else float(rng.uniform(0.15, 1.2)),
        }
        made += [replace(call, **own) for call in habit]
    return tuple(made)


def _tasks(known: Peers, vpc: int, outside: bool, pace: float, rng: np.random.Generator) -> tuple[Task, ...]:
    """One function in four also does something weekly or monthly, with a peer that it needs for nothing else."""
    if rng.random() > 0.25:
        return ()
    schedule = ("every", float(DAY * rng.choice([7, 7, 30])))
    places = (*known.partners, *known.inside[vpc])
    calls = [] if outside else list(_calls([places[int(rng.integers(len(places)))]], pace, rng))
    if outside or rng.random() < 0.5:
        source, name = _RARE_APIS[int(rng.integers(len(_RARE_APIS)))]
        api = ((f"{source}.amazonaws.com", name),)
        calls.append(replace(known.buckets[2][0], api=api, seconds=pace))
    return (Task(schedule, tuple(calls), pace),)


def _handovers(functions: Sequence[Function], seconds: float, rng: np.random.Generator) -> tuple[Handover, ...]:
    """Every ten days or so Lambda re-creates two interfaces, and one gets the address that the other had."""
    steady = [f for f in functions if f.in_vpc and f.life == (0.0, 1.0)]
    count = round(seconds / DAY / 10)
    made = []
    for n in range(count):
        gone = round((n + float(rng.uniform(0.2, 0.8))) * seconds / count)
        subnet = (SUBNET_A, SUBNET_B)[int(rng.integers(2))]
        there = sorted({f.groups for f in steady if subnet in f.subnets})
        if len(there) < 2:
            continue
        giver, heir = (there[i] for i in rng.choice(len(there), 2, False))
        made.append(Handover(subnet, giver, heir, float(gone), float(rng.integers(60, 300))))
    return tuple(made)
