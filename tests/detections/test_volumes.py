"""Bytes that are far beyond what a function sends to a place that it knows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from detections import volume_outlier
from tests.rows import MONDAY, Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY, hour
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, OBSERVATIONS

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUCKET = {
    "peer_kind": "aws_service", "peer_name": "S3", "peer_internal": False, "peer_port": 443,
    "first_peer_addr": "198.51.100.1",
}  # fmt: skip


def sent(days: int = 37, each: float = 10e6 / 24, **overrides: Any) -> list[Row]:
    """An hour after the other, until the end of Monday, in which S3 gets something."""
    rows = []
    for n in range(days * 24):
        start = MONDAY + DAY - (n + 1) * HOUR
        row = hour(**BUCKET, hour=start, first_time=start, last_time=start, bytes_out=int(each))
        rows.append(row | overrides)
    return rows


def more(rows: list[Row], start: str, hours: int, bytes_out: float) -> list[Row]:
    begin = at(start)
    return [r | {"bytes_out": int(bytes_out)} if begin <= r["hour"] < begin + hours * HOUR else r for r in rows]


def found_by(spark: SparkSession, rows: list[Row]) -> list[Row]:
    table = frame(spark, FUNCTION_ACTIVITY_HOURLY, rows)
    return rows_of(OBSERVATIONS.filled(volume_outlier.detect([TODAY], table)))


def test_a_known_peer(spark: SparkSession) -> None:
    """The docstring's; of a shared interface once; not of a new peer, an internal one, or what it always sends."""
    rows = more(sent(), "5:00", 1, 1e9)
    shared = more(sent(candidates="g, h", function_name="g"), "5:00", 1, 1e9)
    rows += shared + [r | {"function_name": "h"} for r in shared]
    rows += more(sent(account_id="internal", peer_internal=True), "5:00", 1, 1e9)
    rows += sent(account_id="always", each=1e9)
    rows += more(sent(3, account_id="new"), "5:00", 1, 1e9)
    found = sorted(found_by(spark, rows), key=lambda r: str(r["functions"]))
    assert [(r["account_id"], r["functions"]) for r in found] == [("123456789012", "f"), ("123456789012", "g, h")]
    row = found[0]
    assert row["subject"] == "volume 6|443|aws_service|S3" and row["bytes_out"] >= 1e9
    assert (row["peer_name"], row["peer_addr"], row["local_addr"]) == ("S3", "198.51.100.1", "10.0.0.1")
    assert (row["first_time"], row["last_time"], row["evidence"]) == (at("5:00"), at("6:00"), "c1")
    assert row["summary"] == (
        "f sent 1 GB to the AWS service S3 (198.51.100.1) on port 443 in the hour from 2026-01-05 05:00; at that time "
        "it usually sends 417 kB. In the 36 days before it was at most 417 kB in an hour."
    )
    assert found[1]["summary"].startswith("One of g, h (they share an interface) sent 1 GB to ")


def test_all_peers_together(spark: SparkSession) -> None:
    """A hundred new peers, each of which gets a little: what a wide function may do, but not with so many bytes."""
    rows = sent()
    for n in range(100):
        name = {"peer_kind": "address", "peer_name": f"192.0.2.{n}", "thing": f"6|443|address|192.0.2.{n}"}
        rows += [r | name | {"bytes_out": 10_000_000} for r in sent(1)[12:13]]
    found = found_by(spark, rows)
    assert [(r["functions"], r["subject"]) for r in found] == [("f", "volume all external peers")]
    assert found[0]["summary"].startswith("f sent 1 GB to all its external peers together in the hour from ")


def test_several_peers_are_one_piece_of_news(spark: SparkSession) -> None:
    """Each of two alone would be told; where all together are no record, since others got less, both are."""
    other = {"peer_kind": "address", "peer_name": "192.0.2.1", "thing": "6|443|address|192.0.2.1"}
    rows = more(sent(), "5:00", 1, 2e7) + more(sent(**other), "5:00", 1, 1e7)
    least = {"account_id": "others less"}
    less = more(sent(each=1e8, peer_name="S4", thing="6|443|aws_service|S4"), "5:00", 1, 0)
    rows += [r | least for r in (*rows, *less)]
    found = sorted((r["account_id"], r["subject"]) for r in found_by(spark, rows))
    assert found == [
        ("123456789012", "volume all external peers"),
        ("others less", "volume 6|443|address|192.0.2.1"),
        ("others less", "volume 6|443|aws_service|S3"),
    ]


def test_more_and_more(spark: SparkSession) -> None:
    """A fifth more every day, from 0.1 MB to 78."""
    rows = sent(37, 0)
    ramp = [r | {"bytes_out": int(1e5 / 24 * 1.2 ** ((r["hour"] - MONDAY) / DAY + 36))} for r in rows]
    found = found_by(spark, ramp)
    assert len(found) == 1
    assert found[0]["summary"] == (
        "f sends more and more to the AWS service S3 (198.51.100.1) on port 443: 77.5 MB on 2026-01-05, after 677 kB a "
        "day 27 days earlier."
    )
    assert found[0]["events"] == 24
