"""Silent interfaces and missed polls: the sentences of the docstrings, then many days against a slow reference."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, frame, lease, record, rows_of
from transforms.gaps import gaps, polled_on
from transforms.schemas import FLOW_LOGS, IP_LEASES, POLLS

DAY = MONDAY.date()
DAYS = [DAY + timedelta(days=n) for n in range(3)]
HOUR = 3_600


def poll(moment: datetime, operation: str = "describe_network_interfaces", **overrides: Any) -> Row:
    return {
        "operation": operation, "account_id": ACCOUNT, "region": REGION, "polled_at": moment, "complete": True,
        "date": moment.date(),
    } | overrides  # fmt: skip


def measured(spark: SparkSession, logs: list[Row], leases: list[Row], polls: list[Row]) -> list[Row]:
    """What `gaps` says of the three days."""
    polled = polled_on(frame(spark, POLLS, polls), DAYS)
    return rows_of(gaps(frame(spark, FLOW_LOGS, logs), frame(spark, IP_LEASES, leases), polled, DAYS))


def quiet(begin: datetime, end: datetime, step: int = 600, **overrides: Any) -> list[Row]:
    """A line of silence for each window in [begin, end)."""
    starts = [begin + timedelta(seconds=n) for n in range(0, int((end - begin).total_seconds()), step)]
    return [
        record(log_status="NODATA", src_addr=None, start_time=t, end_time=t + timedelta(seconds=step - 1), **overrides)
        for t in starts
    ]


def test_gaps_of_an_account(spark: SparkSession) -> None:
    """One account a case, with one Lambda interface all day; polls at 0:00 and 23:50: (interfaces, seconds)."""
    early, late = at("0:00"), at("6T00:00")
    idle_elsewhere = {"interface_id": "other", "flow_log_id": "fl-1"}
    cases: dict[str, tuple[list[Row], tuple[int | None, int | None]]] = {
        "no gap": (quiet(early, late), (0, 0)),
        "one window is missing": (quiet(early, at("10:00")) + quiet(at("10:10"), late), (0, 0)),
        "two windows and two minutes": (quiet(early, at("10:00")) + quiet(at("10:22"), late), (1, 1_321)),
        "two windows": (quiet(early, at("10:00")) + quiet(at("10:20"), late), (0, 0)),
        "windows of a minute": (quiet(early, at("10:00"), 60) + quiet(at("10:05"), late, 60), (1, 301)),
        "two gaps": (
            quiet(early, at("10:00")) + quiet(at("11:00"), at("12:00")) + quiet(at("13:00"), late), (1, 7_202),
        ),
        "records are signs of life, skipped windows too": (
            quiet(early, at("10:00"))
            + [record(start_time=at(t), log_status=s) for t, s in (("10:15", "OK"), ("10:30", "SKIPDATA"))]
            + quiet(at("10:45"), late), (0, 0),
        ),
        "a wild end hides nothing": (
            [*quiet(early, at("10:00")), record(start_time=at("10:00"), end_time=late), *quiet(at("12:00"), late)],
            (1, 6_600),
        ),
        "silent where another interface is not": (quiet(early, late, **idle_elsewhere), (1, 86_399)),
        "silent all day": ([], (1, 85_800)),
        "silent at both ends": (quiet(at("1:00"), at("23:00")), (1, 3_600 + 3_001)),
        "without lines of silence": ([record(start_time=at("9:00")), record(start_time=at("12:00"))], (None, None)),
        "one of two flow logs is lost": (
            quiet(early, late) + quiet(early, at("12:00"), flow_log_id="fl-2")
            + quiet(at("13:00"), late, flow_log_id="fl-2"), (1, 3_601),
        ),
    }  # fmt: skip
    logs, leases, polls = [], [], []
    for case, (rows, _) in cases.items():
        logs += [r | {"account_id": case, "interface_id": f"{case}/{r['interface_id']}"} for r in rows]
        began = at("1T00:00") - timedelta(days=1)
        leases.append(lease(account_id=case, interface_id=f"{case}/eni-1", valid_from=began))
        polls += [poll(t, account_id=case) for t in (early, at("23:50"))]
    found = {r["account_id"]: r for r in measured(spark, logs, leases, polls) if r["date"] == DAY}
    got = {case: (found[case]["gap_interfaces"], found[case]["gap_seconds"]) for case in cases}
    assert got == {case: expected for case, (_, expected) in cases.items()}


def test_records_are_counted_where_their_interface_belongs(spark: SparkSession) -> None:
    rows = [
        record(log_status="SKIPDATA"), record(log_status="NODATA"), record(log_status="NODATA", account_id="unknown"),
        record(log_status="NODATA", account_id=None, region=None, interface_id="eni-9"),
        record(log_status="NODATA", interface_id=None, account_id="210987654321"),
    ]  # fmt: skip
    ended = lease(valid_to=at("23:00"), to_uncertainty_seconds=0)
    found = measured(spark, rows, [ended], [])
    got = {(r["account_id"], r["region"]): (r["skipdata_records"], r["nodata_records"]) for r in found}
    assert got == {(ACCOUNT, REGION): (1, 2), ("unknown", "unknown"): (0, 1), ("210987654321", REGION): (0, 1)}


def test_lines_of_silence_that_name_no_interface_tell_nothing_of_any(spark: SparkSession) -> None:
    talk = [record(start_time=at(t)) for t in ("9:00", "12:00")]
    polls = [poll(at("0:00")), poll(at("23:50"))]
    began = lease(valid_from=at("1T00:00") - timedelta(days=1))
    for interface, gap_interfaces in (("eni-1", 1), (None, None)):
        silence = quiet(at("0:00"), at("9:00"), interface_id=interface)
        (found,) = [r for r in measured(spark, talk + silence, [began], polls) if r["date"] == DAY]
        assert (found["gap_interfaces"], found["nodata_records"]) == (gap_interfaces, 54)


def test_polls_and_those_missed(spark: SparkSession) -> None:
    """One account a case: on Monday and on Tuesday, (polls, missed)."""

    def every(minutes: int, begin: str, end: str, without: tuple[str, ...] = ()) -> list[datetime]:
        count = int((at(end) - at(begin)).total_seconds() // 60 // minutes)
        moments = [at(begin) + timedelta(minutes=n * minutes) for n in range(count)]
        return [m for m in moments if m not in {at(t) for t in without}]

    cases = {
        "regular": (every(30, "0:05", "7T00:05"), [(48, 0), (48, 0)]),
        "two missed at noon": (every(30, "0:05", "7T00:05", ("12:05", "12:35")), [(46, 2), (48, 0)]),
        "over midnight": (
            every(60, "0:05", "7T00:05", ("22:05", "23:05", "6T00:05", "6T01:05", "6T02:05")), [(22, 2), (21, 3)],
        ),
        "a day of nothing": (every(60, "0:05", "6T00:05") + every(60, "7T00:05", "7T06:05"), [(24, 0), (0, 24)]),
        "the last poll of all": (every(60, "0:05", "12:05"), [(12, 0), (0, 0)]),
        "twins": (
            [m + timedelta(seconds=s) for m in every(60, "0:05", "6T00:05") for s in (0, 20)], [(48, 0), (0, 0)],
        ),
        "once a day": ([at("6:00"), at("6T06:00")], [(1, 0), (1, 0)]),
    }  # fmt: skip
    polls = [poll(m, account_id=case) for case, (moments, _) in cases.items() for m in moments]
    polls += [poll(at("12:20"), account_id="regular", complete=False), poll(at("12:20"), "list_functions")]
    found = {(r["account_id"], r["date"]): r for r in measured(spark, [], [], polls)}
    for case, (_, expected) in cases.items():
        rows = [found.get((case, day)) for day in DAYS[:2]]
        got = [(r["interface_polls"], r["interface_polls_missed"]) if r else (0, 0) for r in rows]
        assert got == expected, case
    assert (found[ACCOUNT, DAY]["interface_polls"], found[ACCOUNT, DAY]["function_polls"]) == (0, 1)


def some_account(rng: random.Random, account: str) -> tuple[list[Row], list[Row], list[Row]]:
    """Flow-log records, leases and polls of three days, with everything that is odd."""
    logs, leases, polls = [], [], []
    begins = [MONDAY + timedelta(seconds=rng.randrange(-86_400, 2 * 86_400)) for _ in range(3)]
    for number, begin in enumerate(begins):
        end = rng.choice((None, begin + timedelta(seconds=rng.randrange(2 * 86_400))))
        first = rng.random() < 0.3
        leases.append(
            lease(
                account_id=account, interface_id=f"{account}/{number}", valid_from=begin,
                from_evidence="first snapshot" if first else "snapshot",
                from_uncertainty_seconds=None if first else rng.choice((0, 900)), valid_to=end,
                to_uncertainty_seconds=None if end is None else rng.choice((0, 900)),
                owner_kind=rng.choice(("lambda", "lambda", "rds")),
            )
        )  # fmt: skip
        for log in range(rng.choice((1, 1, 2))):
            moment, step = MONDAY + timedelta(seconds=rng.randrange(40_000)), rng.choice((60, 600, 600))
            while moment < MONDAY + timedelta(days=2) and rng.random() < 0.995:
                status = rng.choice(("OK", "OK", "NODATA", "SKIPDATA") if rng.random() < 0.9 or log else ("OK",))
                lasts = step - 1 if status == "NODATA" else rng.choice((0, 5, step - 1, 90_000))
                logs.append(
                    record(
                        account_id=rng.choice((account, account, account, None)), interface_id=f"{account}/{number}",
                        flow_log_id=f"fl-{log}", log_status=status, start_time=moment,
                        end_time=moment + timedelta(seconds=lasts),
                    )
                )  # fmt: skip
                moment += timedelta(seconds=rng.choice((step, step, 2 * step, rng.randrange(2 * HOUR))))
    if rng.random() < 0.3:
        logs = [row for row in logs if row["log_status"] != "NODATA"]
    moment = MONDAY + timedelta(seconds=rng.randrange(-HOUR, 20 * HOUR))
    while moment < MONDAY + timedelta(days=3):
        operation = rng.choice(("describe_network_interfaces", "list_functions"))
        polls.append(poll(moment, operation, account_id=account, complete=rng.random() < 0.9))
        moment += timedelta(seconds=rng.choice((20, 1_800, 1_800, 1_800, rng.randrange(8 * HOUR))))
    return logs, leases, polls


def slow_polls(polls: list[Row], day: date) -> dict[tuple[str, str], dict[str, Any]]:
    """Per account and operation: how many polls, how many missed, and when, one at a time."""
    by_poller: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in polls:
        if row["complete"]:
            by_poller[row["account_id"], row["operation"]].add(int(row["polled_at"].timestamp()))

    def on(second: float) -> date:
        return datetime.fromtimestamp(second, UTC).date()

    found = {}
    for poller, seconds in by_poller.items():
        line = sorted(seconds)
        apart = [b for a, b in zip([None, *line], line, strict=False) if a is None or b - a >= 60]
        pairs = [(a, b - a) for a, b in pairwise(apart) if b - a <= 7 * 86_400]
        missed = 0
        for begin, gap in pairs:
            usual = median(g for a, g in pairs if on(a) == on(begin))
            steps = int(gap / usual + 0.5)
            missed += sum(on(begin + gap * n // steps) == day for n in range(1, steps))
        found[poller] = {"polls": [s for s in line if on(s) == day], "missed": missed}
    return found


def slow_gaps(logs: list[Row], leases: list[Row], polled: list[int], day: date) -> tuple[int | None, int | None]:
    """(interfaces, seconds) of one account, interface by interface, record by record."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    lives = {}
    for row in leases:
        unsure = 0 if row["from_evidence"] == "first snapshot" else row["from_uncertainty_seconds"]
        since = int(row["valid_from"].timestamp()) - unsure
        until = None if row["valid_to"] is None else int(row["valid_to"].timestamp()) + row["to_uncertainty_seconds"]
        there = since < midnight + 86_400 and (until is None or until > midnight)
        if row["owner_kind"] == "lambda" and there:
            lives[row["interface_id"]] = since <= midnight and (until is None or until >= midnight + 86_400)
    records: dict[tuple[str, str], list[tuple[int, int, str]]] = defaultdict(list)
    named = {(r["interface_id"], r["flow_log_id"]) for r in logs if r["date"] == day and r["account_id"]}
    for row in logs:
        # Whose it is, the lease of the interface says, or a record of it.
        place = (row["interface_id"], row["flow_log_id"])
        if row["date"] == day and (place in named or row["interface_id"] in lives):
            start = int(row["start_time"].timestamp())
            end = min(int(row["end_time"].timestamp()), start + 600)
            records[place].append((start, end, row["log_status"]))
    every = [piece for pieces in records.values() for piece in pieces]
    tells = {log for (_, log), pieces in records.items() if any(status == "NODATA" for _, _, status in pieces)}
    begins = min([p[0] for p in every] + polled, default=0)
    ends = max([p[1] for p in every] + polled, default=0)

    def long(seconds: int) -> int:
        return seconds if seconds > 1_320 else 0

    lost: list[int] = []
    for interface, all_day in lives.items():
        worst = 0
        own = {log: sorted(p) for (eni, log), p in records.items() if eni == interface}
        for log, pieces in own.items():
            window = max([end - start + 1 for start, end, status in pieces if status == "NODATA"], default=600)
            reached, gap = pieces[0][1], 0
            for start, end, _ in pieces:
                gap += start - reached if start - reached > 2 * window + 120 else 0
                reached = max(reached, end)
            worst = max(worst, gap if log in tells else 0)
        if all_day:
            if not own:
                worst += long(ends - begins)
            elif every:
                worst += long(min(p[0] for p in every) - begins) + long(ends - max(p[1] for p in every))
        lost.append(worst)
    if lives and every and not tells:
        return None, None
    return sum(gap > 0 for gap in lost), sum(lost)


def test_many_accounts_against_the_slow_reference(spark: SparkSession) -> None:
    rng = random.Random(5)
    accounts = [f"{n:012}" for n in range(120)]
    histories = {account: some_account(rng, account) for account in accounts}
    logs, leases, polls = ([row for history in histories.values() for row in history[n]] for n in range(3))
    rng.shuffle(logs)
    got = {(r["account_id"], r["date"]): r for r in measured(spark, logs, leases, polls)}
    some_gaps = unclear = missed = 0
    for day in DAYS:
        told = slow_polls(polls, day)
        for account in accounts:
            row = got.get((account, day), defaultdict(int))
            own_polls = []
            for operation, name in (("describe_network_interfaces", "interface"), ("list_functions", "function")):
                expected = told.get((account, operation), {"polls": [], "missed": 0})
                own_polls += expected["polls"]
                assert (row[f"{name}_polls"] or 0) == len(expected["polls"]), (account, day)
                assert (row[f"{name}_polls_missed"] or 0) == expected["missed"], (account, day)
                missed += expected["missed"]
            expected_gaps = slow_gaps(histories[account][0], histories[account][1], own_polls, day)
            assert (row["gap_interfaces"], row["gap_seconds"]) == expected_gaps, (account, day)
            some_gaps += (expected_gaps[0] or 0) > 0
            unclear += expected_gaps[0] is None
    assert min(some_gaps, unclear, missed) > 20
