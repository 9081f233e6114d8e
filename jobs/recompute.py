"""An alert computed again from what it was computed from: is it, to the bit, what the tables say?"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

import detections
from detections.alerts import KEY, alerts
from detections.detection import Detection
from detections.triage import FLOOD, alert_id
from jobs import conditions, detect, judgements
from jobs.judgements import Judgement
from jobs.show import Row
from jobs.storage import Lake
from transforms.schemas import ALERTS, ALL, OBSERVATIONS

_TABLES = {table.name: table for table in ALL}
# People and later days decide these.
_LATER = ("status", "closed_at", "verdict", "verdict_by", "snoozed_until", "suppressed_by")
EQUAL = "equal"


def recompute(lake: Lake, alert: Row) -> list[str]:
    """`["equal"]`, or in words what differs or why it cannot be told.

    Each of the alert's days is judged again, by its detection, with the tables as they were and the parameters as they
    were when the day was last judged; every column of every observation is compared, and so is the alert that the
    observations make.
    """
    detection = next((d for d in detections.ALL if d.id == alert["detection_id"]), None)
    if detection is None:
        return [f"there is no detection {alert['detection_id']} any more"]
    recorded = _recorded(lake, alert).toArrow().to_pylist()
    if not recorded:
        return ["the observations that it was made of are not there any more"]
    days = sorted({row["date"] for row in recorded})
    by_day = judgements.of_days(lake, days)
    lacking = [day for day in days if by_day[day] is None]
    if lacking:
        return [f"{_said(lacking)}: it was not kept what they were judged with; run those days again, then it is"]
    again: list[Row] = []
    notes: list[str] = []
    for judgement in _distinct(by_day.values()):
        of_it = [day for day in days if by_day[day] == judgement]
        why_not = _why_not(lake, detection, judgement, of_it)
        if why_not:
            return [f"{_said(of_it)}: {why_not}"]
        if judgement.code != judgements.code():
            notes.append(f"{_said(of_it)}: judged by other code, {judgement.code}; this is {judgements.code()}")
        found = detect.observations(
            lake, detection, judgement.parameters[detection.id], of_it, judgement.table_versions
        )
        # Which of them are the alert's is asked here: Sail cannot push such a filter through some detections' plans.
        rows = found.where(conditions.on_dates("date", of_it)).toArrow().to_pylist()
        about = _about(alert)
        again += [row for row in rows if all(row[name] == alert[name] for name in about)]
    differences = _differences(recorded, again)
    if not differences and alert["subject"] != FLOOD:
        differences = _alert_differs(lake, alert, again)
    return [*differences, *notes] if differences else [EQUAL]


def _recorded(lake: Lake, alert: Row) -> DataFrame:
    """The observations that the alert is made of."""
    same = lake.read(OBSERVATIONS).where(_same(alert))
    if alert["subject"] == FLOOD:
        return same.where(F.col("date") == F.lit(alert["baseline_to"]))
    opened = same.where(alert_id(*[F.col(c) for c in (*KEY, "date")]) == F.lit(alert["alert_id"])).select("date")
    first = opened.first()
    return same.where(F.col("date") >= F.lit(first["date"] if first else date.max)).orderBy("date").limit(alert["days"])


def _about(alert: Row) -> tuple[str, ...]:
    """The columns in which the alert's observations are alike: a flood's are all of its detection, account, region."""
    return ("detection_id", "account_id", "region") if alert["subject"] == FLOOD else KEY


def _same(alert: Row) -> Column:
    same = F.lit(True)
    for name in _about(alert):
        same = same & F.col(name).eqNullSafe(F.lit(alert[name]))
    return same


def _distinct(found: Iterable[Judgement | None]) -> list[Judgement]:
    made: list[Judgement] = []
    for judgement in found:
        if judgement is not None and judgement not in made:
            made.append(judgement)
    return made


def _why_not(lake: Lake, detection: Detection, judgement: Judgement, days: list[date]) -> str | None:
    """Why these days cannot be judged again with what they were judged with."""
    parameters = judgement.parameters.get(detection.id)
    if parameters is None or set(parameters) != set(detection.parameters):
        return f"{detection.id} takes other parameters than it did"
    unread = sorted(set(detection.tables) - set(judgement.table_versions))
    if unread:
        return f"{detection.id} did not read {', '.join(unread)} then"
    since = days[0] - timedelta(days=detection.history_days)
    gone = [
        f"{name} at version {judgement.table_versions[name]}"
        for name in detection.tables
        if not lake.has_version(_TABLES[name], judgement.table_versions[name], since, days[-1])
    ]
    return f"the versions are gone (vacuumed, or past the log's retention): {', '.join(gone)}" if gone else None


def _differences(recorded: list[Row], again: list[Row]) -> list[str]:
    """What the tables say and what was computed now, where these differ by a bit."""
    key = (*KEY, "date")
    one, other = ({tuple(map(str, (row[c] for c in key))): row for row in rows} for rows in (recorded, again))
    found = []
    for name in sorted(one.keys() | other.keys()):
        day = (one.get(name) or other[name])["date"]
        if name not in other:
            found.append(f"{day}: observations has it, but it is not found again")
        elif name not in one:
            found.append(f"{day}: found now, but not in observations")
        else:
            found += [f"{day}: {said}" for said in _columns_that_differ(one[name], other[name])]
    return found


def _alert_differs(lake: Lake, alert: Row, again: list[Row]) -> list[str]:
    """Does what was found again make this alert?"""
    # It opens and ends with its days, however many of these lie between: that is what its id and `days` say.
    longest = max(row["date"] for row in again) - min(row["date"] for row in again)
    nobody = lake.spark.range(1).select(F.lit(None).cast("timestamp").alias("seen_until"))
    made = alerts(lake.frame(OBSERVATIONS, again), nobody, detections.ALL, longest.days + 1, longest.days + 1)
    row = ALERTS.filled(made).toArrow().to_pylist()[0]
    columns = [name for name in ALERTS.schema.names if name not in _LATER]
    return [f"alerts: {said}" for said in _columns_that_differ(alert, row, columns)]


def _columns_that_differ(kept: Row, now: Row, columns: Iterable[str] = OBSERVATIONS.schema.names) -> list[str]:
    return [
        f"{name}: {kept[name]!r} is kept, {now[name]!r} was computed now"
        for name in columns
        if _bits(kept[name]) != _bits(now[name])
    ]


def _bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def _said(days: list[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
