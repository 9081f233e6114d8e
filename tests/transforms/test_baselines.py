"""What is normal: the docstrings' examples, and thousands of days against the oracle."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests import flow_oracles
from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, frame, rows_of
from transforms.baselines import Learning, daily_sightings, expected, judge, next_baseline
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, FUNCTION_BASELINES
from transforms.schemas.table import columns

TODAY = MONDAY.date()
DAY = timedelta(days=1)


def hour(**overrides: Any) -> Row:
    """f talks to orders-db at 10:00 on Monday."""
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "function_name": "f",
        "candidates": "f",
        "hour": at("10:00"),
        "peer_kind": "rds",
        "peer_name": "orders-db",
        "peer_internal": True,
        "peer_port": 5432,
        "protocol": 6,
        "behaviour": "peer",
        "events": 1,
        "bytes_out": 300,
        "bytes_in": 900,
        "first_time": at("10:05"),
        "last_time": at("10:05"),
        "first_evidence": "c1",
        "first_peer_addr": "10.0.9.9",
        "first_local_addr": "10.0.0.1",
    }
    row |= overrides
    return {"thing": thing_of(row)} | row | {"date": row["hour"].date()}


def thing_of(row: Row) -> str:
    """As `transforms.behaviours.peer_thing` makes it."""
    return f"{row['protocol']}|{row['peer_port']}|{row['peer_kind']}|{row['peer_name']}"


def known(**overrides: Any) -> Row:
    """f has met orders-db on each of ten days."""
    row: Row = {
        "as_of_date": TODAY,
        "account_id": ACCOUNT,
        "region": REGION,
        "function_name": "f",
        "behaviour": "peer",
        "peer_kind": "rds",
        "peer_name": "orders-db",
        "peer_internal": True,
        "peer_port": 5432,
        "protocol": 6,
        "first_seen": TODAY - 10 * DAY,
        "last_seen": TODAY - DAY,
        "days_seen": 10,
        "status": "normal",
        "learned_from": TODAY - 10 * DAY,
        "days_learned": 10,
        "thing_days": 10,
        "unseen_mass": 0.0,
        "strangers_per_day": 0.0,
    }
    row |= overrides
    return {"thing": thing_of(row)} | row


def test_a_day_of_hours(spark: SparkSession) -> None:
    """Hours of a day add up; the first conversation is the day's first; one internal hour makes it internal."""
    later = hour(hour=at("11:00"), first_time=at("11:01"), last_time=at("11:30"), peer_internal=False,
                 first_evidence="c2")  # fmt: skip
    tomorrow = hour(hour=at("6T0:00"), first_time=at("6T0:00"), last_time=at("6T0:00"))
    found = rows_of(daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, [later, tomorrow, hour()])))
    got = [
        (r["date"].day, r["events"], r["bytes_in"], r["first_time"], r["last_time"], r["first_evidence"],
         r["peer_internal"])
        for r in found
    ]  # fmt: skip
    assert sorted(got) == [
        (5, 2, 1800, at("10:05"), at("11:30"), "c1", True),
        (6, 1, 900, at("6T0:00"), at("6T0:00"), "c1", True),
    ]


OUTSIDE: Row = {"peer_kind": "address", "peer_name": "192.0.2.66", "peer_internal": False, "peer_port": 443}
ROTATES = [OUTSIDE | {"peer_name": f"192.0.2.{n}"} for n in (1, 2, 3)]
BESIDE: Row = {"bystanders": "g, h"}
THRICE: Row = {"function_name": "g", "candidates": "g", "events": 3}
CALLS: Row = {"behaviour": "api call", "thing": "iam:CreateUser", "peer_internal": None}
ABROAD: Row = OUTSIDE | {"peer_name": "198.51.100.1", "unseen_mass": 0.3}


def test_verdicts(spark: SparkSession) -> None:
    """One account a case: what the function has met before, and what a new peer is called."""
    both = {"candidates": "f, g"}
    young = {"learned_from": TODAY - 6 * DAY, "days_learned": 6}
    cases: dict[str, tuple[list[Row], list[Row], str]] = {
        "two peers, each on all of eight days": (
            [{"learned_from": TODAY - 8 * DAY, "days_learned": 8, "days_seen": 8, "thing_days": 16}], [{}], "novel",
        ),
        "a week has not passed": ([young], [{}], "learning"),
        "a week, but two active days": ([{"days_learned": 2}], [{}], "learning"),
        "never seen before": ([], [{}], "learning"),
        "one that meets strangers": ([{"unseen_mass": 0.12}], [{}], "learning"),
        "one that meets hundreds a day": ([{"unseen_mass": 0.01, "strangers_per_day": 1.4}], [{}], "learning"),
        "just within the limits": (
            [{"unseen_mass": 0.05, "strangers_per_day": 0.05, "thing_days": 40}], [{}], "novel",
        ),
        "too few days to say": ([{"thing_days": 8, "days_learned": 8}], [{}], "learning"),
        "flagged before": ([{}, {"peer_name": "payroll-01", "status": "flagged"}], [{}], "flagged"),
        "normal before": ([{}, {"peer_name": "payroll-01"}], [{}], "explained"),
        "known on another port": ([{}, {"peer_name": "payroll-01", "peer_port": 443}], [{}], "novel"),
        "normal for the other candidate": (
            [{}, {"function_name": "g", "peer_name": "payroll-01"}], [both, both | {"function_name": "g"}], "explained",
        ),
        "never outside before": ([{}], [OUTSIDE], "novel"),
        "static inside, all over the world": ([{}, ABROAD], [{}], "novel"),
        "all over the world": ([{}, ABROAD], [OUTSIDE], "learning"),
        "one of a service that rotates": ([{}, *ROTATES], [OUTSIDE], "explained"),
        "a neighbour of two": ([{}, *ROTATES[:2]], [OUTSIDE], "novel"),
        "a neighbour of flagged ones": ([{}, *[r | {"status": "flagged"} for r in ROTATES]], [OUTSIDE], "novel"),
        "on another port than the service": ([{}, *ROTATES], [OUTSIDE | {"peer_port": 22}], "novel"),
        "its first call, where others call": ([{}, CALLS | {"function_name": "g"}], [CALLS], "novel"),
        "its first call, where none was recorded": ([{}], [CALLS], "learning"),
        "its first call, recorded since yesterday": (
            [{}, CALLS | {"function_name": "g", "learned_from": TODAY - DAY}], [CALLS], "learning",
        ),
        "normal for a bystander": ([{}, {"function_name": "g", "peer_name": "payroll-01"}], [BESIDE], "explained"),
        "flagged for a bystander": (
            [{}, {"function_name": "h", "peer_name": "payroll-01", "status": "flagged"}], [BESIDE], "explained",
        ),
        "new for the bystanders, too": ([{}, {"function_name": "g"}], [BESIDE], "novel"),
        "a bystander did it more often": ([{}, {"function_name": "g"}], [BESIDE, THRICE], "explained"),
        "a bystander did it as often": ([{}, {"function_name": "g"}], [BESIDE, THRICE | {"events": 1}], "novel"),
        "another one did it more often": ([{}], [BESIDE, THRICE | {"function_name": "i", "candidates": "i"}], "novel"),
        "it or a bystander did it more often": ([{}], [BESIDE, THRICE | {"candidates": "f, g"}], "novel"),
        "flagged, and a bystander did it more often": (
            [{"peer_name": "payroll-01", "status": "flagged"}], [BESIDE, THRICE], "explained",
        ),
        "flagged, and normal for a bystander": (
            [{"peer_name": "payroll-01", "status": "flagged"}, {"function_name": "g", "peer_name": "payroll-01"}],
            [BESIDE], "flagged",
        ),
        "new for both": ([{}, {"function_name": "g"}], [both, both | {"function_name": "g"}], "novel"),
        "the other is young": ([{}, {"function_name": "g"} | young], [both, both | {"function_name": "g"}], "learning"),
        "flagged for one": (
            [{}, {"function_name": "g"}, {"function_name": "g", "peer_name": "payroll-01", "status": "flagged"}],
            [both, both | {"function_name": "g"}], "flagged",
        ),
    }  # fmt: skip
    baseline = [known(account_id=case, **b) for case, (before, _, _) in cases.items() for b in before]
    hours = [
        hour(**{"account_id": case, "peer_name": "payroll-01"} | s)
        for case, (_, seen, _) in cases.items()
        for s in seen
    ]
    sightings = daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, hours))
    found = rows_of(judge(sightings, frame(spark, FUNCTION_BASELINES, baseline), Learning()))
    assert len(found) == len(hours)
    assert {r["account_id"]: r["verdict"] for r in found if r["function_name"] == "f"} == {
        case: verdict for case, (_, _, verdict) in cases.items()
    }


def test_expected_peers_in_words(spark: SparkSession) -> None:
    rows = [
        known(),
        known(peer_kind="vpc_endpoint", peer_name="vpce-1", peer_port=443),
        known(peer_name="payroll-01", status="flagged"),
        known(peer_kind="address", peer_name="192.0.2.1", peer_port=53, protocol=17, peer_internal=False),
        known(peer_kind="address", peer_name="192.0.2.2", peer_port=0, protocol=1, peer_internal=False),
        known(peer_kind="aws_service", peer_name="S3", peer_port=443, peer_internal=False),
        known(peer_kind="network", peer_name="a; b", peer_port=0, protocol=47, peer_internal=False),
    ]
    found = rows_of(expected(frame(spark, FUNCTION_BASELINES, rows)))
    assert {r["peer_internal"]: r["normal"] for r in found} == {
        True: ["orders-db (rds, port 5432)", "vpce-1 (vpc endpoint, port 443)"],
        False: [
            "192.0.2.1 (port 53/udp)", "192.0.2.2 (icmp)", "S3 (aws service, port 443)", "a; b (network, protocol 47)",
        ],
    }  # fmt: skip


def test_what_people_accept_becomes_normal(spark: SparkSession) -> None:
    flagged = [known(peer_name=name, status="flagged") for name in ("payroll-01", "mail-01")]
    flagged += [known(**OUTSIDE | {"peer_port": port, "status": "flagged"}) for port in (443, 22)]
    before = frame(spark, FUNCTION_BASELINES, [known(), *flagged])
    judged = judge(daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, [hour()])), before, Learning())
    about = {"account_id": ACCOUNT, "region": REGION, "function_name": "f", "thing": flagged[0]["thing"]}
    whole = about | {"thing": "6|443|network|192.0.2.0/24"}
    accepted = frame(spark, columns(*[(name, "string", "") for name in about]), [about, about, whole])
    after = rows_of(FUNCTION_BASELINES.conform(next_baseline(before, judged, TODAY, Learning(), accepted)))
    assert {(r["peer_name"], r["peer_port"]): r["status"] for r in after} == {
        ("orders-db", 5432): "normal", ("payroll-01", 5432): "normal", ("mail-01", 5432): "flagged",
        ("192.0.2.66", 443): "normal", ("192.0.2.66", 22): "flagged",
    } and len(after) == 5  # fmt: skip


CALL = {"behaviour": "api call", "peer_kind": None, "peer_name": None, "peer_port": None, "protocol": None,
        "peer_internal": None, "thing": "iam:CreateUser"}  # fmt: skip


def test_all_of_a_day_are_accepted_at_once(spark: SparkSession) -> None:
    flagged = [
        known(**CALL | {"thing": f"iam:{name}"}, status="flagged", first_seen=TODAY - n * DAY)
        for name, n in (("ListUsers", 1), ("GetUser", 1), ("GetRole", 2))
    ]
    before = frame(spark, FUNCTION_BASELINES, flagged)
    judged = judge(daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, [hour()])), before, Learning())
    about = {"account_id": ACCOUNT, "region": REGION, "function_name": "f", "thing": f"api call since {TODAY - DAY}"}
    accepted = frame(spark, columns(*[(name, "string", "") for name in about]), [about])
    after = rows_of(FUNCTION_BASELINES.conform(next_baseline(before, judged, TODAY, Learning(), accepted)))
    assert {r["thing"]: r["status"] for r in after if r["behaviour"] == "api call"} == {
        "iam:ListUsers": "normal", "iam:GetUser": "normal", "iam:GetRole": "flagged",
    }  # fmt: skip


SETTINGS = (3, 5, 0.2, 0.4, 0.3)
PEERS = [*"ABCDE", *(f"192.0.2.{n}" for n in range(1, 8)), "198.51.100.1", *"FG"]


def life(rng: random.Random) -> list[tuple[date, list[Row], list[Row], list[Row], list[Row]]]:
    """Twelve days of three functions, two of which share an interface at times:
    (day, baseline, sightings, judged, the next baseline) of each.
    """
    found = []
    baseline: list[Row] = []
    habits = {name: rng.sample(PEERS[:9], rng.randrange(1, 6)) for name in "fgh"}
    for n in range(12):
        day = TODAY + n * DAY
        sightings = {}
        for names in (["f"], ["g"], ["h"], ["f", "g"]):
            if rng.random() < 0.7:
                wild = rng.random() < 0.3
                for peer in rng.sample(PEERS, 2) if wild else {rng.choice(habits[name]) for name in names}:
                    for name in names:
                        sightings[name, ", ".join(names), peer] = {
                            "function": name, "candidates": ", ".join(names), "peer": peer,
                        }  # fmt: skip
        rows = list(sightings.values())
        judged = flow_oracles.judge(rows, baseline, day, SETTINGS)
        following = flow_oracles.next_baseline(baseline, judged, day, SETTINGS)
        found.append((day, baseline, rows, judged, following))
        baseline = following
    return found


def test_thousands_of_days_against_the_oracle(spark: SparkSession) -> None:
    """Every day of every life is an account of its own, moved to one date: so that one action judges them all."""
    rng = random.Random(9)
    learning = Learning(*SETTINGS)
    baselines, hours, verdicts, wanted = [], [], [], []
    for number in range(150):
        for day, before, sightings, judged, after in life(rng):
            account, shift = f"{number}/{day}", TODAY - day
            baselines += [_as_row(b, account, shift, TODAY) for b in before]
            wanted += [_as_row(b, account, shift, TODAY + DAY) for b in after]
            hours += [
                hour(account_id=account, function_name=s["function"], candidates=s["candidates"], **peer(s["peer"]))
                for s in sightings
            ]
            verdicts += [(account, j["function"], j["candidates"], j["peer"], j["verdict"], j["ready"]) for j in judged]
    before = frame(spark, FUNCTION_BASELINES, baselines)
    judged_frame = judge(daily_sightings(frame(spark, FUNCTION_ACTIVITY_HOURLY, hours)), before, learning)
    found = rows_of(judged_frame)
    got = [
        (r["account_id"], r["function_name"], r["candidates"], r["peer_name"], r["verdict"], r["ready"]) for r in found
    ]
    assert sorted(got) == sorted(verdicts)
    following = rows_of(FUNCTION_BASELINES.conform(next_baseline(before, judged_frame, TODAY, learning)))
    assert sorted([tuple(r.values()) for r in following], key=str) == sorted(
        [tuple(r.values()) for r in wanted], key=str
    )
    assert {v[4] for v in verdicts} == {"explained", "flagged", "novel", "learning"} and len(wanted) > 5_000


def peer(name: str) -> Row:
    inside = not name[0].isdigit()
    return {"peer_kind": "rds" if inside else "address", "peer_name": name, "peer_internal": inside}


def _as_row(row: Row, account: str, shift: timedelta, as_of: date) -> Row:
    moved = {k: row[k] + shift for k in ("first_seen", "last_seen", "learned_from")}
    counts = ("days_seen", "status", "days_learned", "thing_days", "unseen_mass", "strangers_per_day")
    numbers = {k: row[k] for k in counts}
    made = known(account_id=account, function_name=row["function"], **peer(row["peer"]), **moved, **numbers)
    return {name: (made | {"as_of_date": as_of})[name] for name in FUNCTION_BASELINES.schema.names}
