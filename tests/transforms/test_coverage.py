"""What was seen of functions, how surely, and what was not; gaps have tests of their own."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, config, frame, rows_of
from tests.transforms.test_gaps import poll, some_account
from transforms.coverage import coverage, stale_days
from transforms.schemas import (
    COVERAGE,
    FAILED_POLLS,
    FLOW_LOGS,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    INVOCATION_EVIDENCE,
    IP_LEASES,
    POLLS,
)

DAY = MONDAY.date()
DAYS = [DAY + timedelta(days=n) for n in range(3)]
KINDS = ("unique", "weighted", "shared", "presumed", "unknown")


def flow(conversation: str, function: str | None, probability: float, attribution: str, **overrides: Any) -> Row:
    """A row of function_flows: 100 bytes out, 200 in."""
    return {
        "conversation_id": conversation, "account_id": ACCOUNT, "region": REGION, "date": DAY, "interface_id": "eni-1",
        "function_name": function, "probability": probability, "attribution": attribution, "bytes_out": 100,
        "bytes_in": 200, "evidence": "",
    } | overrides  # fmt: skip


def failed(operation: str, moment: datetime, code: str = "AccessDenied", **overrides: Any) -> Row:
    """A poll that failed."""
    return {
        "account_id": ACCOUNT, "region": REGION, "operation": operation, "polled_at": moment, "error_code": code,
        "date": moment.date(),
    } | overrides  # fmt: skip


def covered(spark: SparkSession, days: Iterable[date] = (DAY,), **tables: list[Row]) -> list[Row]:
    def made(name: str, table: Any) -> DataFrame:
        return frame(spark, table, tables.get(name, []))

    found = coverage(
        made("flows", FUNCTION_FLOWS), made("logs", FLOW_LOGS), made("leases", IP_LEASES),
        made("configs", FUNCTION_CONFIGS), made("evidence", INVOCATION_EVIDENCE), made("polls", POLLS),
        made("failed", FAILED_POLLS), list(days),
    )  # fmt: skip
    return rows_of(COVERAGE.conform(found))


def test_how_sure_conversations_and_bytes_were(spark: SparkSession) -> None:
    """Three equal parts add up to one; bytes are shared out conversation by conversation."""
    third = {"bytes_out": 1, "bytes_in": 1}
    rows = [
        flow("a", "f", 1.0, "unique"), flow("b", "f", 1.0, "unique", bytes_in=None),
        *[flow(c, n, 1 / 3, "shared", **third) for c in ("c", "d", "e") for n in ("f", "g", "h")],
        flow("i", "f", 0.9, "weighted"), flow("i", "g", 0.1, "weighted"),
        flow("j", "g", 0.5, "presumed"), flow("j", "f", 0.5, "presumed"),
        flow("k", None, 1.0, "unknown", bytes_out=7), flow("l", None, 1.0, "unknown", interface_id="eni-2"),
        flow("m", None, 1.0, "unknown", interface_id="eni-2"),
        flow("a", "f", 1.0, "unique", date=DAYS[1]),
    ]  # fmt: skip
    found = {(r["date"], r["function_name"]): r for r in covered(spark, DAYS, flows=rows)}
    got = {
        key[1]: tuple((row[f"{kind}_conversations"], row[f"{kind}_bytes"]) for kind in KINDS)
        for key, row in found.items()
        if key[0] == DAY
    }
    assert got == {
        "f": ((2, 400), (0.9, 270), (1.0, 3), (0.5, 150), (0, 0)),
        "g": ((0, 0), (0.1, 30), (1.0, 3), (0.5, 150), (0, 0)),
        "h": ((0, 0), (0.0, 0), (1.0, 3), (0.0, 0), (0, 0)),
        None: ((0, 0), (0.0, 0), (0.0, 0), (0.0, 0), (3, 807)),
    }
    assert found[DAYS[1], "f"]["unique_conversations"] == 1
    assert found[DAY, None]["unleased_interfaces"] == 2 and found[DAY, "f"]["unleased_interfaces"] is None


def test_what_data_events_would_settle(spark: SparkSession) -> None:
    """probability × (1 − the highest of the conversation), where several are candidates and no data event told."""
    rows = [
        flow("a", "f", 0.5, "shared"), flow("a", "g", 0.5, "shared"),
        flow("b", "f", 0.75, "weighted", evidence="invocations"),
        flow("b", "g", 0.25, "weighted", evidence="invocations"),
        flow("c", "f", 0.9, "weighted", evidence="data events,invocations"),
        flow("c", "g", 0.1, "weighted", evidence="data events,invocations"),
        flow("d", "f", 0.5, "presumed"), flow("d", "g", 0.5, "presumed"),
        flow("e", "h", 1.0, "unique", evidence=None), flow("z", None, 1.0, "unknown"),
    ]  # fmt: skip
    told = {"account_id": ACCOUNT, "region": REGION, "date": DAY, "source": "data event", "evidence_id": "1"}
    evidence = [
        told | {"function_name": "f"}, told | {"function_name": "f", "evidence_id": "2"},
        told | {"function_name": "g", "source": "invocations"}, told | {"function_name": "h", "date": DAYS[1]},
        told | {"function_name": "h", "account_id": "210987654321"},
    ]  # fmt: skip
    found = {r["function_name"]: r for r in covered(spark, flows=rows, evidence=evidence)}
    assert {name: row["gain_conversations"] for name, row in found.items()} == {
        "f": 0.5 * 0.5 + 0.75 * 0.25, "g": 0.5 * 0.5 + 0.25 * 0.25, "h": 0.0, None: None,
    }  # fmt: skip
    assert {n: r["data_events"] for n, r in found.items()} == {"f": True, "g": False, "h": False, None: None}


def test_functions_that_no_flow_log_can_show_have_a_row(spark: SparkSession) -> None:
    ended = {"to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    outside = {"vpc_id": None, "subnet_ids": "", "security_group_ids": ""}
    configs = [
        config(function_name="outside", **outside),
        config(function_name="outside", version="3", **outside),
        config(function_name="one version inside", **outside),
        config(function_name="one version inside", version="2"),
        config(function_name="inside, idle"),
        config(function_name="f"),
        config(function_name="gone before", valid_from=at("4T10:00"), valid_to=at("0:00"), **ended, **outside),
        config(function_name="gone that day", valid_from=at("4T10:00"), valid_to=at("0:00:01"), **ended, **outside),
        config(function_name="later", valid_from=at("6T00:00"), **outside),
        config(function_name="undated", valid_from=None, **outside),
    ]
    rows = [flow("a", "f", 1.0, "unique"), flow("b", "never heard of", 1.0, "unique")]
    found = covered(spark, DAYS[:2], flows=rows, configs=configs)
    got: dict[Any, dict[str, Any]] = {
        d: {r["function_name"]: r["in_vpc"] for r in found if r["date"] == d} for d in DAYS
    }
    assert got[DAY] == {"outside": False, "gone that day": False, "f": True, "never heard of": None}
    assert got[DAYS[1]] == {"outside": False, "later": False}
    nothing = next(r for r in found if r["function_name"] == "outside")
    assert (nothing["unique_conversations"], nothing["shared_bytes"], nothing["gain_conversations"]) == (0, 0, 0.0)
    assert nothing["data_events"] is False and nothing["interface_polls"] is None


def test_polls_that_failed_are_counted_where_they_failed(spark: SparkSession) -> None:
    """One account is polled and partly denied, one was never entered, one has nothing to tell."""
    never, region = "210987654321", "us-east-1"
    told = [
        failed("describe_network_interfaces", at("10:00"), "RequestLimitExceeded"),
        failed("describe_network_interfaces", at("11:00")),
        failed("list_functions", at("11:00"), "Throttling"),
        failed("get_metric_data", at("11:00:01"), "NotAsked"),
        failed("get_function_configuration", at("12:00"), "NotAsked"),
        failed("describe_flow_logs", at("0:30"), "SlowDown", region=region),
        *[failed("assume_role", at(f"{n}:00"), account_id=never) for n in range(3)],
        failed("get_metric_data", at("6T00:00"), "Last"),
        failed("list_functions", at("10:00"), date=date(1970, 1, 1), account_id="undated") | {"polled_at": None},
        failed("list_functions", at("10:00"), account_id=None, region=None),
    ]  # fmt: skip
    rows = covered(spark, DAYS[:2], polls=[poll(at("10:30"))], failed=told)
    names = ("interface_polls", "interface_polls_failed", "function_polls_failed", "metric_polls_failed")
    found = {(r["date"], r["account_id"], r["region"]): (*(r[n] for n in names), r["last_poll_error"]) for r in rows}
    assert found == {
        (DAY, ACCOUNT, REGION): (1, 2, 2, 1, "Throttling"),
        (DAY, never, REGION): (0, 3, 3, 3, "AccessDenied"),
        (DAY, "unknown", "unknown"): (0, 0, 1, 0, "AccessDenied"),
        (DAYS[1], ACCOUNT, REGION): (0, 0, 0, 1, "Last"),
    }
    assert all(r["function_name"] is None and r["gap_interfaces"] == 0 for r in rows)


def test_a_day_does_not_depend_on_the_others_that_are_asked_for(spark: SparkSession) -> None:
    rng = random.Random(6)
    histories = [some_account(rng, f"{n:012}") for n in range(8)]
    logs, leases, polls = ([row for history in histories for row in history[n]] for n in range(3))
    outside = [config(account_id="000000000001", vpc_id=None, valid_from=at("6T10:00"))]
    together = covered(spark, DAYS, logs=logs, leases=leases, polls=polls, configs=outside)
    alone = [
        row
        for day in DAYS
        for row in covered(
            spark, [day], logs=[r for r in logs if r["date"] == day], leases=leases, polls=polls, configs=outside
        )
    ]
    assert sorted(map(repr, together)) == sorted(map(repr, alone))
    assert len(together) > 20


def test_days_that_polls_or_configurations_have_come_to_contradict(spark: SparkSession) -> None:
    """Each case adds to the evidence that two stored days rest on: the days that it makes stale."""
    monday, tuesday = DAYS[:2]
    polls = [poll(at("0:05") + timedelta(hours=n)) for n in range(22)]
    configs = [config(), config(function_name="w", vpc_id=None, valid_from=at("2T10:00"))]
    flows = [flow("a", "f", 1.0, "unique"), flow("b", "nobody", 1.0, "unique", date=tuesday)]
    denied = [failed("list_functions", at("3:00")), failed("list_functions", at("6T03:00"))]
    stored = covered(spark, DAYS[:2], flows=flows, polls=polls, configs=configs, failed=denied)
    ended = {"valid_to": at("20:00"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    cases: dict[str, tuple[list[Row], list[Row], set[date]]] = {
        "nothing": (polls, configs, set()),
        "a poll comes late": ([*polls, poll(at("6T02:00"))], configs, {monday, tuesday}),
        "of another account": ([*polls, poll(at("6T02:00"), account_id="210987654321")], configs, {tuesday}),
        "a poll is withdrawn": (polls[:-1], configs, {monday}),
        "a function outside turns out to be gone": (polls, [configs[0], configs[1] | ended], {tuesday}),
        "one turns out to have been there": (
            polls, [*configs, config(function_name="x", vpc_id=None, valid_from=at("6T10:00"))], {tuesday},
        ),
        "one turns out to be in a VPC": (polls, [*configs, config(function_name="nobody")], {tuesday}),
        "an idle one in a VPC says nothing": (polls, [*configs, config(function_name="idle")], set()),
        "what is later is not stored": (polls, [*configs, config(function_name="x", valid_from=at("7T10:00"))], set()),
    }  # fmt: skip
    for case, (told, known, expected) in cases.items():
        found = stale_days(
            frame(spark, COVERAGE, stored), frame(spark, POLLS, told), frame(spark, FAILED_POLLS, denied),
            frame(spark, FUNCTION_CONFIGS, known), DAYS[:2],
        )  # fmt: skip
        assert {r["date"] for r in rows_of(found)} == expected, case
    late: dict[str, tuple[list[Row], set[date]]] = {
        "word of a failure comes late": ([*denied, failed("list_functions", at("6T02:00"))], {tuesday}),
        "with another code": ([denied[0], denied[1] | {"error_code": "Throttling"}], {tuesday}),
        "of an account that was never polled": ([*denied, failed("assume_role", at("1:00"), account_id="x")], {monday}),
        "of what coverage does not count": ([*denied, failed("describe_flow_logs", at("23:00"), "SlowDown")], set()),
        "one is withdrawn": (denied[1:], {monday}),
        "of a later day": ([*denied, failed("list_functions", at("7T02:00"))], set()),
    }
    for case, (noted, expected) in late.items():
        found = stale_days(
            frame(spark, COVERAGE, stored), frame(spark, POLLS, polls), frame(spark, FAILED_POLLS, noted),
            frame(spark, FUNCTION_CONFIGS, configs), DAYS[:2],
        )  # fmt: skip
        assert {r["date"] for r in rows_of(found)} == expected, case
