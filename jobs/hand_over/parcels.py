"""What is handed over: an alert in a state, under an id that is the same whenever that state is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.sinks import SEVERITIES, Sink
from jobs.export import events_of
from jobs.ocsf_findings import finding
from jobs.show import Row
from jobs.storage import Lake
from transforms.schemas import ALERTS, DELIVERIES

_TIMES = ("opened_at", "updated_at", "closed_at", "snoozed_until")
_STATE = (
    "status", "severity", "verdict", "verdict_by", "suppressed_by", "functions", "summary", "days", "events",
    "bytes_out", "bytes_in",
)  # fmt: skip
_WAKES = ("sns", "webhook")
"""Kinds that wake people: they hear of an alert for the first time while it is open, or not at all."""


@dataclass(frozen=True)
class Parcel:
    """An alert in a state."""

    id: str
    """the alert's id and a digest of its state: who got it twice can tell"""
    alert: Row
    finding: Row = field(repr=False)
    """as OCSF, with the id as metadata.uid"""

    def text(self, limit: int) -> str:
        """The finding as ASCII JSON of at most so many bytes; long texts in it are cut where they must be."""
        return fitting(self.finding, limit)


Outcome = tuple[Parcel, str]
"""A parcel, and why it did not arrive; empty: it did."""

NOT_TRIED = "not tried: "
"""So begins why a parcel did not arrive where the sink is down: the next run tries again."""

Deliver = Callable[[Sequence[Parcel]], Iterator[Outcome]]
"""Hands parcels over, one outcome for each, as they come. Raises nothing but for what fails all that is left."""


def pending(lake: Lake, sink: Sink) -> DataFrame:
    """Alerts that the sink has not got in the state that they are in: ALERTS' columns, delivery_id, had, failures.

    The digest is computed by the engine from numbers and texts only, so that both engines make the same.
    """
    parts = [F.coalesce(F.unix_timestamp(name).cast("string"), F.lit("")) for name in _TIMES]
    parts += [F.coalesce(F.col(name).cast("string"), F.lit("")) for name in _STATE]
    digest = F.substring(F.sha2(F.concat_ws("\x1f", *parts), 256), 1, 12)
    sent = lake.read(DELIVERIES).where(F.col("sink") == F.lit(sink.name))
    sent = sent.select(
        "alert_id", F.col("delivery_id").alias("had"), F.col("delivered_at").alias("had_at"), "failures", "failed_at"
    )
    loud = SEVERITIES[SEVERITIES.index(sink.severity) :]
    # A severity that nobody knows is not silent.
    wanted = F.col("severity").isin(*loud) | ~F.coalesce(F.col("severity").isin(*SEVERITIES), F.lit(False))
    alerts = lake.read(ALERTS).withColumn("delivery_id", F.concat_ws("-", "alert_id", digest))
    found = alerts.join(sent, "alert_id", "left").where(F.col("had").isNull() | (F.col("had") != F.col("delivery_id")))
    if sink.kind in _WAKES:
        wanted = wanted & (F.col("had").isNotNull() | (F.col("status") == "open"))
    # What was sent is followed up, even if it has become less severe.
    return found.where(wanted | F.col("had").isNotNull())


def next_rows(lake: Lake, sink: Sink, started: datetime, count: int) -> list[Row]:
    """The next alerts that wait and were not tried since the run started: what never failed first, then the oldest.

    So what a sink never takes keeps nothing else from it.
    """
    untried = F.col("failed_at").isNull() | (F.col("failed_at") != F.lit(started))
    waiting = pending(lake, sink).where(untried)
    order = (F.coalesce("failures", F.lit(0)), "opened_at", "alert_id")
    rows: list[Row] = waiting.orderBy(*order).limit(count).toArrow().to_pylist()
    return rows


def packed(lake: Lake, rows: list[Row], version: str) -> list[Parcel]:
    """The alerts as parcels."""
    events = events_of(lake, rows)
    made = []
    for row in rows:
        ocsf = finding(row, version, events.get(row["evidence"]))
        ocsf["metadata"] = ocsf["metadata"] | {"uid": row["delivery_id"]}
        made.append(Parcel(row["delivery_id"], row, ocsf))
    return made


def record(lake: Lake, sink: Sink, outcomes: Sequence[Outcome], started: datetime, now: datetime) -> None:
    """Keep what arrived, now, and what did not in the run that started then, in one commit."""
    rows = []
    for parcel, error in outcomes:
        alert = parcel.alert
        kept = {"sink": sink.name, "alert_id": alert["alert_id"]}
        if error:
            # What it got before it still has.
            before = {"delivery_id": alert["had"], "delivered_at": _utc(alert["had_at"])}
            rows.append(
                kept | before | {"failures": (alert["failures"] or 0) + 1, "failed_at": started, "error": error}
            )
        else:
            rows.append(kept | {"delivery_id": parcel.id, "delivered_at": now, "failures": 0})
    if rows:
        lake.upsert(DELIVERIES, lake.frame(DELIVERIES, rows))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def fitting(value: Row, limit: int) -> str:
    """JSON in ASCII of at most `limit` bytes: long texts are cut, evenly, and lists after that.

    `{"a": "xxxx…"}` of 300 kB, 256 kB → the same with a shorter `a` that ends in `…`.
    """
    text = json.dumps(value, ensure_ascii=True)
    longest, most = 16_384, 64
    while len(text) > limit and longest > 16:
        text = json.dumps(_cut(value, longest, most), ensure_ascii=True)
        longest, most = longest // 2, max(most // 2, 2)
    if len(text) > limit:
        raise ValueError(f"cannot be made shorter than {len(text):,} bytes")
    return text


def _cut(value: Any, longest: int, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"{value[: longest - 1]}…"
    if isinstance(value, list):
        return [_cut(one, longest, most) for one in value[:most]]
    if isinstance(value, dict):
        return {name: _cut(one, longest, most) for name, one in value.items()}
    return value
