"""When functions ran: one case a function."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, event, frame, function_snapshot, rows_of
from transforms.evidence import changed_hours, invocation_evidence
from transforms.schemas import CLOUDTRAIL_EVENTS, FUNCTION_METRICS, FUNCTION_SNAPSHOTS, INVOCATION_EVIDENCE

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


def invoke(function: str, moment: str, eni: str | None = "eni-1", name: str = "Invoke", **overrides: Any) -> Row:
    """A data event as AWS writes it."""
    work = {"functionVersion": f"{ARN}:{function}:7"} | ({} if eni is None else {"customerEniId": eni})
    row = event(name, at(moment), None, None, event_category="Data", request_id=f"request of {function}")
    row["event_id"] = f"{name} {function} {moment}"
    return row | {"additional_event_data": json.dumps(work)} | overrides


def api_call(function: str, moment: str, **overrides: Any) -> Row:
    row = event("GetSecretValue", at(moment), event_source="secretsmanager.amazonaws.com")
    inside = {"in_scope_of_type": "AWS::Lambda::Function", "in_scope_of_arn": f"{ARN}:{function}"}
    return row | inside | {"event_id": f"call {function} {moment}", "source_ip_address": "10.0.0.1"} | overrides


def minute(function: str, moment: str, count: float, longest: float | None = None, **overrides: Any) -> list[Row]:
    """Invocations, and the longest one in seconds."""
    row: Row = {
        "account_id": ACCOUNT, "region": REGION, "function_name": function, "metric_name": "Invocations",
        "stat": "Sum", "period_seconds": 60, "minute": at(moment), "value": count, "polled_at": at(moment),
    }  # fmt: skip
    row |= overrides
    if longest is None:
        return [row]
    return [row, row | {"metric_name": "Duration", "stat": "Maximum", "value": longest * 1_000}]


def built(spark: SparkSession, events: list[Row], metrics: list[Row], functions: list[Row]) -> list[Row]:
    made = invocation_evidence(
        frame(spark, CLOUDTRAIL_EVENTS, events),
        frame(spark, FUNCTION_METRICS, metrics),
        frame(spark, FUNCTION_SNAPSHOTS, functions),
    )
    return rows_of(INVOCATION_EVIDENCE.conform(made))


def test_what_each_source_says(spark: SparkSession) -> None:
    """The function is the case: (events, metrics, timeouts, what they say: source, interface, address, from, to, n)."""
    quick = [("10:00", 3.0, 2.0)]
    cases: dict[str, tuple[list[Row], list[tuple[Any, ...]], list[int], list[tuple[Any, ...]]]] = {
        "nothing-known-of-its-length": (
            [invoke("nothing-known-of-its-length", "10:30:00")], [], [],
            [("data event", "eni-1", None, "10:15:00", "10:30:01", 1)],
        ),
        "its-timeout": (
            [invoke("its-timeout", "10:30:00")], [], [30], [("data event", "eni-1", None, "10:29:30", "10:30:01", 1)],
        ),
        "the-minute-says": (
            [invoke("the-minute-says", "10:00:05")], quick, [30],
            [("data event", "eni-1", None, "10:00:03", "10:00:06", 1),
             ("invocations", None, None, "10:00:00", "10:01:02", 3)],
        ),
        "it-began-in-that-minute": (
            [invoke("it-began-in-that-minute", "10:03:04")], [("10:00", 1.0, 200.0), ("10:05", 1.0, 900.0)], [900],
            [("data event", "eni-1", None, "10:00:00", "10:03:05", 1),
             ("invocations", None, None, "10:00:00", "10:04:20", 1),
             ("invocations", None, None, "10:05:00", "10:21:00", 1)],
        ),
        "asynchronous": (
            [invoke("asynchronous", "10:29:50", None), invoke("asynchronous", "10:30:00", name="InvokeExecution")],
            [], [30], [("data event", "eni-1", None, "10:29:50", "10:30:01", 1)],
        ),
        "told-of-twice-and-tried-again": (
            [invoke("told-of-twice-and-tried-again", "10:30:00", event_id=id) for id in ("a", "b")]
            + [invoke("told-of-twice-and-tried-again", "10:32:00")],
            [], [30], [("data event", "eni-1", None, "10:29:30", "10:30:01", 1),
                       ("data event", "eni-1", None, "10:31:30", "10:32:01", 1)],
        ),
        "no-interface-named": ([invoke("no-interface-named", "10:30:00", "")], [], [], []),
        "it-failed": ([invoke("it-failed", "10:30:00", error_code="TooManyRequestsException")], [], [], []),
        "other-data-events": ([invoke("other-data-events", "10:30", name="InvokeAgent")], [], [], []),
        "through-an-endpoint": (
            [api_call("through-an-endpoint", "10:30:00", vpc_endpoint_id="vpce-1")], [], [],
            [("api call", None, "10.0.0.1", "10:29:00", "10:31:01", 1)],
        ),
        "over-the-internet": (
            [api_call("over-the-internet", "10:00:30")], quick, [],
            [("api call", None, None, "10:00:28", "10:00:33", 1),
             ("invocations", None, None, "10:00:00", "10:01:02", 3)],
        ),
        "idle": ([], [("10:00", 0.0, None)], [], []),
    }  # fmt: skip
    events = [row for case in cases.values() for row in case[0]]
    metrics = [row for name, case in cases.items() for m in case[1] for row in minute(name, *m)]
    functions = [
        function_snapshot(function_name=name, timeout_seconds=limit)
        for name, case in cases.items()
        for limit in case[2]
    ]
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in cases}
    for row in built(spark, events, metrics, functions):
        edges = (row["begins"].strftime("%H:%M:%S"), row["ends"].strftime("%H:%M:%S"))
        found[row["function_name"]].append(
            (row["source"], row["interface_id"], row["address"], *edges, row["invocations"])
        )
    for name, case in cases.items():
        assert sorted(found[name], key=str) == sorted(case[3], key=str), name


def test_the_newest_answer_about_a_minute_counts(spark: SparkSession) -> None:
    """CloudWatch completes its minutes for a quarter of an hour."""
    rows = [*minute("f", "10:00", 2.0, 1.0), *minute("f", "10:00", 5.0, 3.0, polled_at=at("10:30"))]
    found = built(spark, [], rows, [])
    assert [(r["invocations"], r["ends"]) for r in found] == [(5.0, at("10:01:03"))]


def test_names_and_accounts_come_from_the_arn(spark: SparkSession) -> None:
    other = "arn:aws:lambda:us-east-1:210987654321:function:g:live"
    rows = [
        invoke("x", "10:00", additional_event_data=json.dumps({"customerEniId": "eni-1", "functionVersion": other})),
        invoke("x", "10:01", request_parameters='{"functionName":"h"}',
               additional_event_data=json.dumps({"customerEniId": "eni-1"})),
        invoke("x", "10:02", additional_event_data=json.dumps({"customerEniId": "eni-1"}),
               resources=json.dumps([{"type": "AWS::Lambda::Function", "ARN": f"{ARN}:k"}], separators=(",", ":"))),
        invoke("x", "10:03", additional_event_data=json.dumps({"customerEniId": "eni-1"})),
    ]  # fmt: skip
    found = {(r["account_id"], r["region"], r["function_name"]) for r in built(spark, rows, [], [])}
    assert found == {
        ("210987654321", "us-east-1", "g"), (ACCOUNT, REGION, "h"), (ACCOUNT, REGION, "k"),
    }  # fmt: skip


def test_hours_that_new_evidence_touches(spark: SparkSession) -> None:
    """A conversation may begin eleven minutes before it reaches into the evidence, by clocks a minute apart."""

    def row(begins: datetime, seconds: int, **overrides: Any) -> Row:
        made: Row = {
            "account_id": ACCOUNT, "region": REGION, "function_name": "f", "source": "data event", "evidence_id": "1",
            "begins": begins, "ends": begins + timedelta(seconds=seconds), "invocations": 1.0, "date": begins.date(),
        }  # fmt: skip
        return made | overrides

    kept, gone, new = row(at("8:30"), 9), row(at("10:12"), 9), row(at("13:11"), 2_880, evidence_id="2")
    before = frame(spark, INVOCATION_EVIDENCE, [kept, gone])
    after = frame(spark, INVOCATION_EVIDENCE, [new, kept])
    touched = {r["hour"] for r in rows_of(changed_hours(before, after, 60))}
    assert touched == {at("9:00"), at("10:00"), at("12:00"), at("13:00"), at("14:00")} - {at("9:00")}
    assert rows_of(changed_hours(after, after, 60)) == []
