"""From function_flows to rhythms: which windows, whose contacts, which connections, whose own runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from transforms.rhythms import rhythms, window_lengths, with_openings
from transforms.schemas import FUNCTION_FLOWS, INVOCATION_EVIDENCE

MINUTES = np.arange(0, 1_440, 7)


def flow(second: float, peer: str = "192.0.2.1", **overrides: Any) -> Row:
    """A conversation of f at this second of Monday, over a connection of its own, for two seconds."""
    start = at("0:00") + timedelta(seconds=int(second))
    row: Row = {
        "conversation_id": f"{overrides.get('interface_id', 'eni-1')} {peer} {second}",
        "window_start": start.replace(second=0),
        "start_time": start,
        "end_time": start + timedelta(seconds=2),
        "account_id": ACCOUNT,
        "region": REGION,
        "interface_id": "eni-1",
        "local_addr": "10.0.0.1",
        "local_port": 1_024 + int(second) // 2 % 60_000,
        "peer_addr": peer,
        "peer_port": 443,
        "protocol": 6,
        "peer_kind": "address",
        "peer_name": peer,
        "bytes_out": 0,
        "bytes_in": 400,
        "function_name": "f",
        "candidates": "f",
        "probability": 1.0,
        "date": start.date(),
    }
    return row | overrides


def beacon(jitter: int = 60, **overrides: Any) -> list[Row]:
    """A check-in every seven minutes, and up to `jitter` seconds."""
    late = np.random.default_rng(5).integers(0, jitter, len(MINUTES))
    return [flow(60 * m + s, **overrides) for m, s in zip(MINUTES, late, strict=True)]


def judged(spark: SparkSession, flows: Iterable[Row], evidence: Iterable[Row] = (), **more: Any) -> dict[str, Row]:
    told = frame(spark, INVOCATION_EVIDENCE, evidence)
    found = rows_of(rhythms(frame(spark, FUNCTION_FLOWS, flows), told, **more))
    by_name = {f"{row['candidates']} {row['peer_name']}": row for row in found}
    assert len(by_name) == len(found), "one row a series"
    return by_name


def test_each_series_is_judged_by_itself(spark: SparkSession) -> None:
    lots = np.random.default_rng(3)
    flows = beacon(local_addr="10.0.0.1")
    # By lot; three times; over one connection; in windows of ten minutes that give their own start; of two functions.
    flows += [flow(s, "192.0.2.2") for s in np.unique(lots.integers(0, 86_400, 150))]
    flows += [flow(900 * n, "192.0.2.3") for n in range(3)]
    flows += beacon(peer="192.0.2.4", local_port=40_000)
    edges = {"interface_id": "eni-2", "function_name": "g", "candidates": "g"}
    flows += [flow(600 * n, "192.0.2.5", **edges) for n in range(144)]
    both = {"interface_id": "eni-3", "candidates": "h, i"}
    shared = [r for n in ("h", "i") for r in beacon(peer="192.0.2.6", function_name=n, probability=0.5, **both)]
    # And a series that the function's runs explain.
    job = beacon(peer="192.0.2.7", interface_id="eni-4", function_name="job", candidates="job")
    ran = [
        {
            "account_id": ACCOUNT, "region": REGION, "function_name": "job", "source": "invocations",
            "evidence_id": str(n), "begins": r["window_start"], "ends": r["window_start"], "invocations": 1.0,
        }
        for n, r in enumerate(job)
    ]  # fmt: skip
    found = judged(spark, flows + shared + job, ran)
    assert {name: row["verdict"] for name, row in found.items()} == {
        "f 192.0.2.1": "beacon",
        "f 192.0.2.2": "irregular",
        "f 192.0.2.4": "keep_alive",
        "g 192.0.2.5": "hidden_by_window",
        "h, i 192.0.2.6": "beacon",
        "job 192.0.2.7": "explained_by_schedule",
    }
    row = found["f 192.0.2.1"]
    assert row["window_seconds"] == 60 and row["check_ins"] == len(MINUTES) and row["p_value"] < 1e-9
    assert row["period_seconds"] == pytest.approx(420, rel=0.02)
    assert row["first_time"] == at("0:00") and row["last_time"] == at("0:00") + timedelta(minutes=int(MINUTES[-1]) + 1)
    assert found["g 192.0.2.5"]["window_seconds"] == 600


@pytest.mark.sail_only
def test_copies_and_another_order_change_nothing(spark: SparkSession) -> None:
    flows = beacon()
    assert judged(spark, [*flows[::-1], *flows[:99]]) == judged(spark, flows)


@pytest.mark.sail_only
def test_rotating_addresses_are_one_destination_by_another_key(spark: SparkSession) -> None:
    flows = [
        row | {"peer_addr": f"203.0.113.{n % 50}", "peer_name": f"203.0.113.{n % 50}"} for n, row in enumerate(beacon())
    ]
    data = frame(spark, FUNCTION_FLOWS, flows)
    none = frame(spark, INVOCATION_EVIDENCE, [])
    assert rows_of(rhythms(data, none)) == []
    network = data.selectExpr("*", "substring_index(peer_addr, '.', 3) AS network")
    wanted = network.select("account_id", "region", "candidates", "network").distinct()
    (row,) = rows_of(rhythms(network, none, ["network"], wanted))
    assert (row["verdict"], row["network"]) == ("beacon", "203.0.113")
    assert rows_of(rhythms(network, none, ["network"], wanted.where("network = '192.0.2'"))) == []


@pytest.mark.sail_only
def test_the_functions_other_conversations_tell_when_it_ran(spark: SparkSession) -> None:
    """A job that talks to two peers each time; and one that is always busy with the other peer."""
    job = [*beacon(), *beacon(peer="192.0.2.2")]
    busy = {"interface_id": "eni-2", "function_name": "g", "candidates": "g"}
    always = [*beacon(**busy), *[flow(60 * n + 5, "192.0.2.2", **busy) for n in range(1_440)]]
    found = judged(spark, job + always)
    assert found["f 192.0.2.1"]["verdict"] == found["f 192.0.2.2"]["verdict"] == "explained_by_schedule"
    assert found["g 192.0.2.1"]["verdict"] == "beacon" and found["g 192.0.2.1"]["p_value_given_runs"] < 1e-9
    assert found["g 192.0.2.2"]["verdict"] == "hidden_by_window"


@pytest.mark.sail_only
def test_runs_that_last_reach_their_later_contacts(spark: SparkSession) -> None:
    """Invoked every seven minutes, running for four, the contact at the end. Data events tell of the end."""
    told = {"account_id": ACCOUNT, "region": REGION, "source": "invocations", "invocations": 1.0}
    begins = [at("0:00") + timedelta(minutes=int(m) - 4) for m in MINUTES[1:]]
    slow = [
        told | {"function_name": "f", "evidence_id": str(n), "begins": t, "ends": t + timedelta(minutes=5)}
        for n, t in enumerate(begins)
    ]
    events = [row | {"source": "data event", "function_name": "g"} for row in slow]
    g = {"interface_id": "eni-2", "function_name": "g", "candidates": "g"}
    found = judged(spark, beacon()[1:] + beacon(**g)[1:], slow + events)
    assert {n: r["verdict"] for n, r in found.items()} == dict.fromkeys(found, "explained_by_schedule"), found
    calls = [row | {"source": "api call"} for row in slow]
    assert judged(spark, beacon()[1:], calls)["f 192.0.2.1"]["verdict"] == "beacon"


def test_windows_as_the_records_show_them(spark: SparkSession) -> None:
    """Ten minutes: a long record. A minute: five rows of one connection within a few."""

    def connection(name: str, starts: Iterable[int], lasts: int) -> list[Row]:
        end = {"interface_id": name, "local_port": 5}
        return [flow(s, **end) | {"end_time": at("0:00") + timedelta(seconds=s + lasts)} for s in starts]

    cases = {
        "long": (connection("long", [7, 700], 500), (600, False)),
        "short": (connection("short", range(7, 400, 60), 50), (60, False)),
        "both directions": (connection("both directions", [590, 601, 1190, 1201], 9), (None, False)),
        "nothing tells": (connection("nothing tells", [7], 50), (None, False)),
        "a wrong time": (connection("a wrong time", [7], 5_000), (None, False)),
        "rounded": (connection("rounded", range(0, 6_000, 600), 60), (None, True)),
    }
    flows = frame(spark, FUNCTION_FLOWS, [row for rows, _ in cases.values() for row in rows])
    found = rows_of(window_lengths(with_openings(flows)))
    assert {r["interface_id"]: (r["window_seconds"], r["rounded"]) for r in found} == {
        k: v for k, (_, v) in cases.items()
    }
