"""Evidence brought to the right interface and hour, and what it makes of shared conversations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, frame, lease, record, rows_of
from transforms import attribution
from transforms.conversations import conversations
from transforms.schemas import FLOW_LOGS, FUNCTION_FLOWS, INVOCATION_EVIDENCE, IP_LEASES


def ran(function: str, moment: str, seconds: float = 3, source: str = "data event", **overrides: Any) -> Row:
    row: Row = {
        "account_id": ACCOUNT,
        "region": REGION,
        "function_name": function,
        "source": source,
        "evidence_id": moment,
        "interface_id": "eni-1" if source == "data event" else None,
        "begins": at(moment),
        "ends": at(moment) + timedelta(seconds=seconds),
        "invocations": 1.0,
        "date": at(moment).date(),
    }
    return row | overrides


def attributed(spark: SparkSession, records: list[Row], leases: list[Row], evidence: list[Row]) -> list[Row]:
    held = frame(spark, IP_LEASES, leases)
    spoken = conversations(frame(spark, FLOW_LOGS, records), held)
    told = frame(spark, INVOCATION_EVIDENCE, evidence)
    return rows_of(FUNCTION_FLOWS.conform(attribution.attribute(spoken, held, told, (), 60)))


def test_what_evidence_makes_of_a_shared_conversation(spark: SparkSession) -> None:
    """f and g share eni-1; one conversation at 10:00:05. The likeliest one, how it is called, what it rests on."""
    both = [{"owner_name": "f"}, {"owner_name": "g"}]
    cases: dict[str, tuple[list[Row], list[Row], tuple[str | None, str, str | None]]] = {
        "nothing is known": (both, [], (None, "shared", "")),
        "a data event": (both, [ran("g", "10:00:03")], ("g", "weighted", "data events")),
        "a data event elsewhere": (both, [ran("g", "10:00:03", interface_id="eni-other")], (None, "shared", "")),
        "a minute": (
            both, [ran("g", "10:00:00", 62, "invocations"), ran("f", "10:40:00", 62, "invocations")],
            ("g", "weighted", "invocations"),
        ),
        "an API call from its address": (
            both, [ran("g", "10:00:00", 9, "api call", address="10.0.0.1")], ("g", "weighted", "api calls"),
        ),
        "an API call from another address": (
            both, [ran("g", "10:00:00", 9, "api call", address="10.0.0.9")], (None, "shared", ""),
        ),
        "another hour": (both, [ran("g", "14:00:00")], (None, "shared", "")),
        "another account's function of that name": (
            both, [ran("g", "10:00:00", 62, "invocations", account_id="210987654321")], (None, "shared", ""),
        ),
        "CloudWatch counts no more than the data events": (
            both, [ran("g", "10:00:03"), ran("g", "10:00", 62, "invocations"), ran("f", "10:40", 9, "invocations")],
            ("g", "weighted", "data events, invocations"),
        ),
        "one candidate": (both[:1], [ran("g", "10:00:03", 62, "invocations")], ("f", "unique", "sole candidate")),
        "the creator's name alone": ([{"basis": "creator"}], [], ("f", "unique", "creator name")),
        "the creator's name, and a data event of another": (
            [{"basis": "creator"}], [ran("g", "10:00:03")], ("g", "weighted", "data events"),
        ),
        "no lease at all, and a data event": (
            [{"owner_name": None, "basis": "creator"}], [ran("g", "10:00:03")], ("g", "unique", "data events"),
        ),
        "before the first snapshot": (
            [{"valid_from": at("12:00"), "from_evidence": "first snapshot", "from_uncertainty_seconds": None,
              "owner_name": n} for n in ("f", "g")],
            [ran("g", "10:00:03")], ("g", "presumed", "data events"),
        ),
    }  # fmt: skip
    records, leases, evidence = [], [], []
    for case, (held, told, _) in cases.items():
        place = {"interface_id": case}
        records.append(record(**place))
        leases += [lease(**(row | place)) for row in held]
        for row in told:
            here = {"interface_id": case} if row["interface_id"] == "eni-1" else {}
            # Functions of two cases are two functions: their evidence is not tied to an interface.
            name = {"function_name": f"{row['function_name']} of {case}"}
            evidence.append(row | here | name)
    leases = [
        row | ({} if row["owner_name"] is None else {"owner_name": f"{row['owner_name']} of {row['interface_id']}"})
        for row in leases
    ]
    found: dict[str, list[Row]] = {}
    for row in attributed(spark, records, leases, evidence):
        found.setdefault(row["interface_id"], []).append(row)
    for case, (_, _, (name, called, rests_on)) in cases.items():
        rows = sorted(found[case], key=lambda r: r["probability"])
        assert abs(sum(r["probability"] for r in rows) - 1) < 1e-9, case
        likeliest = None if rows[0]["probability"] == rows[-1]["probability"] < 1 else rows[-1]["function_name"]
        assert likeliest == (name and f"{name} of {case}"), case
        assert {(r["attribution"], r["evidence"]) for r in rows} == {(called, rests_on)}, case
        if len(rows) > 1:
            assert rows[-1]["probability"] < 1, case
            assert name is None or rows[-1]["probability"] > 0.8, case


def test_order_does_not_matter_and_nothing_is_lost(spark: SparkSession) -> None:
    leases = [lease(owner_name=n) for n in ("f", "g", "h")] + [lease(interface_id="eni-2", address="10.0.0.2")]
    records = [
        record(start_time=at("10:00") + timedelta(seconds=7 * n), src_port=n, dst_port=n % 3) for n in range(400)
    ]
    records += [record(interface_id="eni-2", src_addr="10.0.0.2", src_port=n) for n in range(50)]
    evidence = [
        ran("fgh"[n % 3], "10:00", begins=at("10:00") + timedelta(seconds=31 * n), ends=at("10:00:05")
            + timedelta(seconds=31 * n), evidence_id=str(n))
        for n in range(110)
    ]  # fmt: skip
    key = lambda r: (r["conversation_id"], r["function_name"])  # noqa: E731
    first = sorted(attributed(spark, records, leases, evidence), key=key)
    second = sorted(attributed(spark, records[::-1], leases[::-1], evidence[::-1]), key=key)
    assert first == second
    assert len(first) == 400 * 3 + 50
    assert len({r["conversation_id"] for r in first}) == 450
