"""Checking in by the clock with a stranger; what of the like is quiet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from detections import beaconing
from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, known
from transforms.schemas import FUNCTION_BASELINES, FUNCTION_CHANGES, FUNCTION_FLOWS, INVOCATION_EVIDENCE, OBSERVATIONS

DAY = timedelta(days=1)
SERVICE = {"peer_kind": "aws_service", "peer_name": "S3", "peer_addr": "198.51.100.1"}


def contacts(every: int, count: int, begin: str = "0:00", **overrides: Any) -> list[Row]:
    """A connection of its own every so many minutes."""
    rows = []
    for n in range(count):
        start = at(begin) + timedelta(minutes=every * n)
        row: Row = {
            "window_start": start, "start_time": start, "end_time": start + timedelta(seconds=20),
            "account_id": ACCOUNT, "region": REGION, "vpc_id": "vpc-1", "interface_id": "eni-1",
            "local_addr": "10.0.0.1", "local_port": 2000 + n, "peer_addr": "192.0.2.9", "peer_port": 443, "protocol": 6,
            "peer_kind": "address", "peer_name": "192.0.2.9", "peer_internal": False, "bytes_out": 300, "bytes_in": 0,
            "function_name": "f", "candidates": "f", "date": start.date(),
        } | overrides  # fmt: skip
        row["conversation_id"] = f"{row['account_id']}/{row['peer_addr']}/{start}"
        rows.append(row)
    return rows


def test_by_the_clock(spark: SparkSession) -> None:
    """The docstring's; a rotating address; and the trusted, the explained and the young."""
    busy = {"every": 1, "count": 1_000}
    outside = {"peer_kind": "address", "peer_name": "192.0.2.7", "peer_port": 443, "peer_internal": False}
    flows, baseline = [], []
    for case in (ACCOUNT, "rotates", "trusted", "in the first week", "irregular", "yesterday"):
        flows += contacts(**busy, **SERVICE, account_id=case, interface_id=case)
        baseline.append(known(account_id=case, learned_from=TODAY - 30 * DAY))
    flows += contacts(10, 80, interface_id=ACCOUNT)
    for n, row in enumerate(contacts(10, 80, account_id="rotates", interface_id="rotates")):
        flows.append(row | {"peer_addr": f"192.0.2.{n}", "peer_name": f"192.0.2.{n}"})
    flows += contacts(10, 80, account_id="trusted", interface_id="trusted")
    baseline.append(known(account_id="trusted", **outside, first_seen=TODAY - 20 * DAY, learned_from=TODAY - 30 * DAY))
    flows += contacts(10, 80, account_id="in the first week", interface_id="in the first week")
    baseline.append(
        known(account_id="in the first week", **outside, first_seen=TODAY - 9 * DAY, learned_from=TODAY - 10 * DAY)
    )
    for n, row in enumerate(contacts(1, 80, account_id="irregular", interface_id="irregular")):
        start = at("0:00") + timedelta(minutes=(n * 7919 * (n + 3)) % 1_000)
        flows.append(row | {"window_start": start, "start_time": start, "end_time": start})
    flows += contacts(10, 80, "4T0:00", account_id="yesterday", interface_id="yesterday")
    tenant = {"peer_kind": "aws_service", "peer_name": "EC2"}
    for case, before in (("a tenant", None), ("a tenant for a week", 7), ("a tenant for six days", 6)):
        flows += contacts(**busy, **SERVICE, account_id=case, interface_id=case)
        baseline.append(known(account_id=case, learned_from=TODAY - 30 * DAY))
        flows += contacts(10, 80, **tenant, account_id=case, interface_id=case)
        for row in contacts(10, 1, **tenant, account_id=case, interface_id=case) if before else []:
            earlier = {name: row[name] - before * DAY for name in ("window_start", "start_time", "end_time", "date")}
            flows.append(row | earlier | {"conversation_id": f"{case}, earlier"})
    # It runs each ten minutes, and talks to both whenever it does.
    flows += contacts(10, 80, account_id="scheduled", interface_id="scheduled")
    flows += contacts(10, 80, **SERVICE, account_id="scheduled", interface_id="scheduled")
    baseline.append(known(account_id="scheduled", learned_from=TODAY - 30 * DAY))
    flows += [*contacts(10, 80, account_id="young"), *contacts(**busy, **SERVICE, account_id="young")]
    baseline.append(known(account_id="young", learned_from=TODAY - 3 * DAY))
    found = beaconing.detect(
        [TODAY],
        frame(spark, FUNCTION_FLOWS, flows),
        frame(spark, INVOCATION_EVIDENCE, []),
        frame(spark, FUNCTION_BASELINES, baseline),
        frame(spark, FUNCTION_CHANGES, []),
        **beaconing.DETECTION.parameters,
    )
    rows = {r["account_id"]: r for r in rows_of(OBSERVATIONS.filled(found))}
    assert set(rows) == {ACCOUNT, "rotates", "a tenant", "a tenant for six days"}
    row = rows[ACCOUNT]
    assert (row["region"], row["functions"], row["subject"]) == (REGION, "f", "rhythm 6 443 192.0.2.0/24")
    assert 590 < row["observed"] < 610 and row["surprise"] > 2 and row["date"] == TODAY
    assert (row["peer_addr"], row["events"], row["bytes_out"]) == ("192.0.2.9", 80, 80 * 300)
    assert row["summary"].startswith("f checks in with 192.0.2.9 on port 443 by the clock. ")
    assert rows["rotates"]["summary"].startswith("f checks in with 192.0.2.0/24 (80 addresses) on port 443")


def test_each_judged_day_for_itself(spark: SparkSession) -> None:
    flows = contacts(10, 250, "4T0:00") + contacts(1, 2_500, "4T0:00", **SERVICE)
    baseline = [known(as_of_date=day, learned_from=TODAY - 30 * DAY) for day in (TODAY - DAY, TODAY)]
    inputs = (
        frame(spark, FUNCTION_FLOWS, flows),
        frame(spark, INVOCATION_EVIDENCE, []),
        frame(spark, FUNCTION_BASELINES, baseline),
        frame(spark, FUNCTION_CHANGES, []),
    )
    together = rows_of(OBSERVATIONS.filled(beaconing.detect([TODAY - DAY, TODAY], *inputs)))
    alone = [r for day in (TODAY - DAY, TODAY) for r in rows_of(OBSERVATIONS.filled(beaconing.detect([day], *inputs)))]
    assert len(together) == 2 and {r["subject"] for r in together} == {"rhythm 6 443 192.0.2.0/24"}

    # The frames hold the day after as well: a judged day does not look ahead.
    def by_date(rows: list[Row]) -> list[Row]:
        return sorted(rows, key=lambda r: str(r["date"]))

    assert by_date(together) == by_date(alone)
