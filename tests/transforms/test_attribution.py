"""Conversations and whose they are: the sentences of the docstrings, then thousands of records against the oracle."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.security_lake import FLOW_LOG_ID
from tests import flow_oracles
from tests.rows import MONDAY, Row, at, frame, lease, record, reply, resource, rows_of
from transforms import attribution
from transforms.conversations import conversations
from transforms.schemas import (
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_FLOWS,
    INVOCATION_EVIDENCE,
    IP_LEASES,
)

NETWORKS = [
    ("198.51.100.0/24", "mail provider", False),
    ("203.0.113.0/24", "data centre", True),
    ("2001:db8::/32", "six", True),
]


def spoken(spark: SparkSession, records: list[Row], leases: list[Row]) -> DataFrame:
    return conversations(frame(spark, FLOW_LOGS, records), frame(spark, IP_LEASES, leases))


def attributed(spark: SparkSession, records: list[Row], leases: list[Row], tolerance: int = 60) -> list[Row]:
    held, told = frame(spark, IP_LEASES, leases), frame(spark, INVOCATION_EVIDENCE, [])
    flows = attribution.attribute(spoken(spark, records, leases), held, told, NETWORKS, tolerance)
    return rows_of(FUNCTION_FLOWS.conform(flows))


def test_which_records_make_which_conversations(spark: SparkSession) -> None:
    """One interface a case, with the records on it and the conversations to expect: (peer, port, out, in)."""
    v6 = {"src_addr": "2600:1f::1", "dst_addr": "2600:1f::9"}
    both = [record(), reply(start_time=at("10:00:06"))]
    cases: dict[str, tuple[list[Row], list[tuple[Any, ...]]]] = {
        "both directions": (both, [("10.0.9.9", 5432, 300, 900)]),
        "delivered twice": (both + both, [("10.0.9.9", 5432, 300, 900)]),
        "two windows of one minute": (
            [record(), record(start_time=at("10:00:40"))], [("10.0.9.9", 5432, 600, 0)],
        ),
        "two minutes": (
            [record(), record(start_time=at("10:01:05"))], [("10.0.9.9", 5432, 300, 0), ("10.0.9.9", 5432, 300, 0)],
        ),
        "never answered": ([reply()], []),
        "answered ten minutes later": (
            [reply(start_time=at("9:50:30")), record(start_time=at("10:00:30"))],
            [("10.0.9.9", 5432, 0, 900), ("10.0.9.9", 5432, 300, 0)],
        ),
        "answered too late": (
            [reply(start_time=at("9:49:30")), record(start_time=at("10:00:30"))], [("10.0.9.9", 5432, 300, 0)],
        ),
        "silence and gaps": ([record(log_status=s, src_addr=None) for s in ("NODATA", "SKIPDATA")], []),
        "a format without log-status": ([record(log_status=None)], [("10.0.9.9", 5432, 300, 0)]),
        "through a gateway": (
            [record(dst_addr="10.0.0.250", pkt_dst_addr="192.0.2.7")], [("192.0.2.7", 5432, 300, 0)],
        ),
        "the address is not known, the direction is": (
            [record(src_addr="10.0.0.77", flow_direction="egress"), record(src_addr="10.0.0.78")],
            [("10.0.9.9", 5432, 300, 0)],
        ),
        "IPv6": ([record(**v6)], [("2600:1f::9", 5432, 300, 0)]),
        "IPv6 in capitals, IPv4 inside IPv6": (
            [record(src_addr="2600:1F::1", dst_addr="2600:1F::9"), record(dst_addr="::FFFF:10.0.9.9")],
            [("10.0.9.9", 5432, 300, 0), ("2600:1f::9", 5432, 300, 0)],
        ),
        "ICMP has no ports": ([record(protocol=1, src_port=None, dst_port=None)], [("10.0.9.9", 0, 300, 0)]),
        "two flow logs saw it: the one with more fields counts": (
            [*both, record(version=2, flow_log_id="fl-9", bytes=299)], [("10.0.9.9", 5432, 300, 900)],
        ),
        "two flow logs with equal fields": (
            [*both, record(flow_log_id="fl-9", bytes=299)], [("10.0.9.9", 5432, 299, 0)],
        ),
        "Security Lake saw it, too, with equal fields": (
            [*both, record(flow_log_id=FLOW_LOG_ID, bytes=299)], [("10.0.9.9", 5432, 300, 900)],
        ),
        "Security Lake saw it, too, with more": (
            [record(version=2), record(flow_log_id=FLOW_LOG_ID, bytes=299), record(flow_log_id=FLOW_LOG_ID, bytes=299)],
            [("10.0.9.9", 5432, 299, 0)],
        ),
        "only Security Lake saw it": (
            [record(), record(flow_log_id=FLOW_LOG_ID, dst_port=22, bytes=40)],
            [("10.0.9.9", 22, 40, 0), ("10.0.9.9", 5432, 300, 0)],
        ),
        "one flow log takes what was accepted, another what was rejected": (
            [record(), record(flow_log_id="fl-9", version=7, action="REJECT", dst_port=22, bytes=40)],
            [("10.0.9.9", 22, 40, 0), ("10.0.9.9", 5432, 300, 0)],
        ),
        "a flow log that begins within the hour": (
            [record(version=2), record(version=7, flow_log_id="fl-9", start_time=at("10:40"), src_port=40_001)],
            [("10.0.9.9", 5432, 300, 0), ("10.0.9.9", 5432, 300, 0)],
        ),
        "no flow-log id, no version, no action, no counts": (
            [record(flow_log_id=None, version=None, action=None, bytes=None, packets=None)], [("10.0.9.9", 5432, 0, 0)],
        ),
    }  # fmt: skip
    records, leases = [], []
    for case, (rows, _) in cases.items():
        records += [r | {"interface_id": case} for r in rows]
        leases += [lease(interface_id=case), lease(interface_id=case, address="2600:1f::1")]
        # A NAT gateway repeats what passes through it; an interface that nobody knows says nothing.
        records += [r | {"interface_id": f"nat {case}"} for r in rows]
        leases.append(resource("nat", "10.0.0.1", "nat_gateway", interface_id=f"nat {case}"))
    found = defaultdict(list)
    for row in rows_of(spoken(spark, records, leases)):
        found[row["interface_id"]].append((row["peer_addr"], row["peer_port"], row["bytes_out"], row["bytes_in"]))
    for case, (_, expected) in cases.items():
        assert sorted(found.pop(case, [])) == sorted(expected), case
    assert not found


def test_rejected_means_every_record_was(spark: SparkSession) -> None:
    rows = [
        record(action="REJECT"), reply(action="REJECT"),
        record(src_port=2, action="REJECT"), reply(dst_port=2),
    ]  # fmt: skip
    found = rows_of(spoken(spark, rows, [lease()]))
    assert {r["local_port"]: r["rejected"] for r in found} == {40_000: True, 2: False}


def test_an_interface_outside_its_life(spark: SparkSession) -> None:
    """A little outside the evidence a record is still counted, as unknown; far outside it contradicts it."""
    held = lease(valid_from=at("10:00"), valid_to=at("11:00"), to_evidence="cloudtrail", to_uncertainty_seconds=0)
    moments = ("9:48", "9:51", "10:30", "11:09", "11:11")
    rows = [record(start_time=at(t), src_port=n) for n, t in enumerate(moments)]
    found = {r["local_port"]: r["attribution"] for r in attributed(spark, rows, [held])}
    assert found == {1: "unknown", 2: "unique", 3: "unknown"}


def test_whose_it_is(spark: SparkSession) -> None:
    """f until 12:00, g from 12:00; a conversation is theirs whose time it may have been."""
    until = {"valid_to": at("12:00"), "to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    since = {"owner_name": "g", "valid_from": at("12:00")}
    first = {"from_evidence": "first snapshot", "from_uncertainty_seconds": None}
    unsure = {"from_evidence": "snapshot", "from_uncertainty_seconds": 300}
    cases: dict[str, tuple[list[Row], str, int, tuple[list[str], str]]] = {
        "before": ([until, since], "11:30", 60, (["f"], "unique")),
        "after": ([until, since], "12:30", 60, (["g"], "unique")),
        "within the tolerance": ([until, since], "12:00:20", 60, (["f", "g"], "shared")),
        "at the very instant, without tolerance": ([until, since], "12:00", 0, (["g"], "unique")),
        "just before, without tolerance": ([until, since], "11:59:59", 0, (["f"], "unique")),
        "within an uncertain start": ([until, since | unsure], "12:04", 0, (["g"], "unique")),
        "before an uncertain start": ([until, since | unsure], "11:56", 0, (["f", "g"], "shared")),
        "nobody": ([until], "12:05", 60, ([], "unknown")),
        "two versions of one function": ([{}, {"valid_from": at("9:30")}], "11:30", 60, (["f"], "unique")),
        "the creator's name is not known": ([{"owner_name": None, "basis": "creator"}], "11:30", 60, ([], "unknown")),
        "undated": ([{"valid_from": None, "from_evidence": "undated snapshot"}], "11:30", 60, ([], "unknown")),
        "before the first snapshot": ([since | first], "10:00", 60, (["g"], "presumed")),
        "before the first snapshot of two": ([since | first, {"valid_from": at("11:00")} | first], "10:00", 60,
                                             (["f", "g"], "presumed")),
        "before one's first snapshot, in the other's time": ([since | first, {}], "10:00", 60, (["f", "g"], "shared")),
        "after the first snapshot": ([since | first], "12:30", 60, (["g"], "unique")),
        "hostile names": ([{"owner_name": "a, b"}, {"owner_name": "x' OR 1=1 --"}], "11:00", 0,
                          (["a, b", "x' OR 1=1 --"], "shared")),
    }  # fmt: skip
    for tolerance in (0, 60):
        chosen = {n: c for n, c in cases.items() if c[2] == tolerance}
        rows = [record(interface_id=n, start_time=at(t), end_time=at(t)) for n, (_, t, _, _) in chosen.items()]
        leases = [lease(interface_id=n, **overrides) for n, (many, *_) in chosen.items() for overrides in many]
        found = defaultdict(list)
        for row in attributed(spark, rows, leases, tolerance):
            found[row["interface_id"]].append(row)
        for name, (_, _, _, (names, sure)) in chosen.items():
            got = found[name]
            assert sorted(r["function_name"] for r in got) == names if names else got[0]["function_name"] is None, name
            assert {r["attribution"] for r in got} == {sure}, name
            assert {r["candidates"] for r in got} == {", ".join(names) or None}, name
            assert abs(sum(r["probability"] for r in got) - 1) < 1e-9, name


def test_a_wild_end_reaches_for_nobody(spark: SparkSession) -> None:
    """No record lasts a day, whatever it says; and one that ends before it begins is a moment."""
    later = lease(owner_name="g", valid_from=at("15:00"))
    now = lease(valid_to=at("12:00"), to_evidence="cloudtrail", to_uncertainty_seconds=0)
    rows = [record(end_time=at("6T10:00")), record(src_port=2, end_time=at("3:00"))]
    assert {r["candidates"] for r in attributed(spark, rows, [now, later])} == {"f"}


def test_what_is_missing_is_called_unknown(spark: SparkSession) -> None:
    """Real samples lack the account: what follows joins on it, so it is never NULL."""
    blank = {"account_id": None, "region": None, "vpc_id": None}
    nameless = lease(account_id="unknown", region="unknown", vpc_id=None)
    found = attributed(spark, [record(**blank), record(src_port=2, account_id="unknown")], [nameless])
    assert {(r["local_port"], r["account_id"], r["region"], r["vpc_id"]) for r in found} == {
        (40_000, "unknown", "unknown", None), (2, "unknown", "eu-west-1", "vpc-1"),
    }  # fmt: skip
    owned = attributed(spark, [record(**blank), record(account_id="unknown")], [lease()])
    assert {(r["account_id"], r["region"], r["vpc_id"]) for r in owned} == {("123456789012", "eu-west-1", "vpc-1")}


def test_hourly_activity(spark: SparkSession) -> None:
    """Per function, hour and peer; a name with addresses on both sides is internal; unknown belongs to nobody."""
    shared = [lease(), lease(owner_name="g")]
    networks = [("192.0.2.0/25", "partner", False), ("192.0.2.128/25", "partner", True)]
    rows = [
        record(dst_addr="192.0.2.1"), record(dst_addr="192.0.2.200", start_time=at("10:30")),
        record(dst_addr="192.0.2.1", start_time=at("11:00")),
        record(interface_id="eni-2", src_addr="10.0.0.2"),
    ]  # fmt: skip
    old = lease(interface_id="eni-2", address="10.0.0.2", owner_name=None, basis="creator")
    leases = frame(spark, IP_LEASES, [*shared, old])
    logs = frame(spark, FLOW_LOGS, rows)
    told = frame(spark, INVOCATION_EVIDENCE, [])
    flows = attribution.attribute(conversations(logs, leases), leases, told, networks, 60)
    activity = rows_of(FUNCTION_ACTIVITY_HOURLY.conform(attribution.hourly_activity(flows)))
    assert sorted((r["function_name"], r["hour"], r["peer_internal"], r["events"]) for r in activity) == [
        ("f", at("10:00"), True, 2), ("f", at("11:00"), False, 1),
        ("g", at("10:00"), True, 2), ("g", at("11:00"), False, 1),
    ]  # fmt: skip
    first = next(r for r in activity if r["hour"] == at("10:00"))
    assert (first["first_peer_addr"], first["first_time"], first["last_time"]) == (
        "192.0.2.1",
        at("10:00"),
        at("10:30"),
    )
    assert first["candidates"] == "f, g" and first["bytes_out"] == 600
    assert first["behaviour"] == "peer" and first["thing"].startswith("6|")
    # What evidence has as good as ruled out is nobody's behaviour.
    surely = flows.withColumn("plausible", F.lit("f"))
    activity = rows_of(FUNCTION_ACTIVITY_HOURLY.conform(attribution.hourly_activity(surely)))
    assert {(r["function_name"], r["candidates"], r["bystanders"]) for r in activity} == {("f", "f", "g")}
    out = surely.withColumn("probability", F.when(F.col("function_name") == "g", 0.0009).otherwise(0.9991))
    activity = rows_of(FUNCTION_ACTIVITY_HOURLY.conform(attribution.hourly_activity(out)))
    assert {(r["function_name"], r["candidates"], r["bystanders"]) for r in activity} == {("f", "f", None)}


def test_who_is_plausible(spark: SparkSession) -> None:
    """f ran then, g hours before; without evidence both; of thirty with equal parts all."""
    pair = [lease(), lease(owner_name="g")]
    ran = {
        "account_id": "123456789012", "region": "eu-west-1", "source": "invocations", "invocations": 1.0,
        "date": MONDAY.date(),
    }  # fmt: skip
    times = [("f", f"{hour}:{minute:02}") for hour in (9, 10) for minute in range(0, 60, 2)]
    times += [("g", f"7:{minute:02}") for minute in range(0, 60, 2)]
    told = [
        ran | {"function_name": name, "evidence_id": f"{name}{time}", "begins": at(f"{time}:00"),
               "ends": at(f"{time}:30")}
        for name, time in times
    ]  # fmt: skip
    logs = frame(spark, FLOW_LOGS, [record(start_time=at("10:00:10"), end_time=at("10:00:20"))])
    for leases, evidence, wanted in (
        (pair, told, "f"),
        (pair, [], "f, g"),
        ([lease(owner_name=f"h{n:02}") for n in range(30)], [], ", ".join(f"h{n:02}" for n in range(30))),
    ):
        held = frame(spark, IP_LEASES, leases)
        flows = attribution.attribute(
            conversations(logs, held), held, frame(spark, INVOCATION_EVIDENCE, evidence), [], 60
        )
        rows = rows_of(flows.select("plausible", "candidates", "function_name", "probability"))
        assert {r["plausible"] for r in rows} == {wanted} and len(rows) == len(leases), rows


def some_lease(rng: random.Random, case: str, eni: str, address: str, kind: str, name: str | None) -> Row:
    begin = MONDAY + timedelta(seconds=rng.randrange(-10, 120) * 60)
    first = rng.random() < 0.3
    row = lease(
        account_id=case, vpc_id=case, interface_id=f"{case}/{eni}", address=address, owner_kind=kind, owner_name=name,
        valid_from=begin, from_evidence="first snapshot" if first else "snapshot",
        from_uncertainty_seconds=None if first and rng.random() < 0.8 else rng.choice((0, 60, 600)),
        valid_to=None, to_uncertainty_seconds=None,
    )  # fmt: skip
    if rng.random() < 0.7:
        row |= {"valid_to": begin + timedelta(seconds=rng.randrange(1, 60) * 60), "to_evidence": "snapshot"}
        row["to_uncertainty_seconds"] = rng.choice((0, 60, 600))
    return row


def some_history(rng: random.Random, case: str) -> tuple[list[Row], list[Row]]:
    """Leases of two Lambda interfaces and of resources, and records of two hours, with everything that is odd."""
    peers = ("10.1.0.1", "10.1.0.2", "198.51.100.3", "203.0.113.4", "192.0.2.5", "2001:db8::6", "2600::7", "fd00::8")
    leases = [some_lease(rng, case, "1", "10.0.0.1", "lambda", rng.choice(("f", "g", "h", None))) for _ in range(3)]
    leases += [
        some_lease(rng, case, "2", "10.0.0.2", "lambda", rng.choice(("f", "g"))) for _ in range(rng.choice((1, 2)))
    ]
    for n in range(rng.randrange(4)):
        kind = rng.choice(("rds", "ec2"))
        leases.append(some_lease(rng, case, f"peer {n}", rng.choice(peers[:6]), kind, rng.choice(("db", "box"))))
    records = []
    for _ in range(rng.randrange(1, 12)):
        own, eni = rng.choice((("10.0.0.1", "1"), ("10.0.0.2", "2"), ("10.0.0.3", "1")))
        start = MONDAY + timedelta(seconds=rng.randrange(7_200))
        out = rng.random() < 0.6
        here, there = (own, rng.choice((40_000, 40_001))), (rng.choice(peers[: rng.choice((2, 8))]), 443)
        source, target = (here, there) if out else (there, here)
        row = record(
            account_id=case, vpc_id=None, interface_id=f"{case}/{eni}", start_time=start, bytes=rng.randrange(9),
            end_time=start + timedelta(seconds=rng.choice((0, 30, 59, 600, 5_000))),
            src_addr=source[0], src_port=source[1], dst_addr=target[0], dst_port=target[1],
            version=rng.choice((2, 5, 5, 10)), flow_log_id=rng.choice(("fl-1", "fl-2")),
            action=rng.choice(("ACCEPT", "REJECT")),
            flow_direction=rng.choice((None, "egress" if out else "ingress")),
            pkt_dst_aws_service=rng.choice((None, None, "S3")) if out else None,
        )  # fmt: skip
        records += [row] * rng.choice((1, 1, 2))
    return records, leases


def test_thousands_of_records_against_the_oracle(spark: SparkSession) -> None:
    rng = random.Random(7)
    records, leases, wanted, owned = [], [], [], []
    for number in range(700):
        some, held = some_history(rng, f"vpc {number}")
        records, leases = records + some, leases + held
        for row in flow_oracles.conversations(some, held):
            key = tuple(row[k] for k in sorted(row))
            wanted.append(key)
            names, sure = flow_oracles.owners(row, held, 60)
            who = flow_oracles.peer(row | {"vpc_id": f"vpc {number}"}, held, NETWORKS)
            owned += [(*_key(row), name, sure, round(1 / max(len(names), 1), 9), *who) for name in names or [None]]
    rng.shuffle(records)
    rng.shuffle(leases)
    conversed = rows_of(spoken(spark, records, leases))
    names = sorted(set(flow_oracles.conversations(*some_history(random.Random(1), "x"))[0]))
    assert sorted([tuple(r[k] for k in names) for r in conversed], key=str) == sorted(wanted, key=str)
    flows = attributed(spark, records, leases)
    got = [
        (*_key(r), r["function_name"], r["attribution"], round(r["probability"], 9), r["peer_kind"], r["peer_name"],
         r["peer_internal"])
        for r in flows
    ]  # fmt: skip
    assert sorted(got, key=str) == sorted(owned, key=str)
    assert {r["attribution"] for r in flows} == {"unique", "shared", "presumed", "unknown"}
    assert len({(r["conversation_id"], r["function_name"]) for r in flows}) == len(flows) > 1_500


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[k] for k in ("interface_id", "local_addr", "local_port", "peer_addr", "peer_port", "window_start"))
