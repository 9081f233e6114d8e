"""What people decide about alerts: verdicts, snoozes, suppressions; and what it says of each detection."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import functions as F
from rich.console import Console
from rich.text import Text

import detections
from conf.settings import Settings
from jobs.answers import find_alert
from jobs.detect import raise_alerts
from jobs.errors import LeaseholdError
from jobs.show import Row, as_json, moment, table
from jobs.storage import Lake
from transforms.schemas import ALERTS, DECISIONS, OBSERVATIONS

VERDICTS = {"true": "true", "attempt": "attempt", "benign": "benign trigger", "false": "false"}
"""As they are typed → as they are kept. Benign: what was seen is so, and nothing is wrong."""


def verdict(lake: Lake, settings: Settings, console: Console, prefix: str, word: str, by: str, why: str) -> None:
    """Say what an alert was. After `benign` and `false` what it was about becomes normal from the next day on."""
    if word not in VERDICTS:
        raise LeaseholdError(f"a verdict is one of {', '.join(VERDICTS)}, not {word!r}")
    alert = find_alert(lake, prefix)
    _decide(lake, settings, by, why, kind="verdict", verdict=VERDICTS[word], **_of(alert))
    console.print(Text(f"{alert['alert_id']}: {VERDICTS[word]}"))


def snooze(lake: Lake, settings: Settings, console: Console, prefix: str, until: datetime, by: str, why: str) -> None:
    """Do not show an alert among the open ones until the data have reached a time."""
    alert = find_alert(lake, prefix)
    _decide(lake, settings, by, why, kind="snooze", until=until, **_of(alert))
    console.print(Text(f"{alert['alert_id']}: snoozed until {moment(until)}"))


def suppress(
    lake: Lake, settings: Settings, console: Console, until: datetime, by: str, why: str, rule: dict[str, str | None]
) -> None:
    """Suppress alerts that match all that `rule` names (detection_id, function_name, peer_name), until it expires."""
    if not any(rule.values()):
        raise LeaseholdError("a suppression names at least one of --detection, --function and --peer")
    known = {detection.id for detection in detections.ALL}
    if rule["detection_id"] and rule["detection_id"] not in known:
        raise LeaseholdError(f"there is no detection {rule['detection_id']!r}: `leasehold detections` lists them")
    made = _decide(lake, settings, by, why, kind="suppress", until=until, **rule)
    hit = lake.read(ALERTS).where(F.col("suppressed_by") == F.lit(made)).count()
    console.print(Text(f"{made}: suppresses {hit} alerts so far, and those that open before {moment(until)}"))


def lift(lake: Lake, settings: Settings, console: Console, decision_id: str, by: str, why: str) -> None:
    """End a suppression."""
    rules = lake.read(DECISIONS).where((F.col("kind") == "suppress") & (F.col("decision_id") == F.lit(decision_id)))
    if not rules.count():
        raise LeaseholdError(f"there is no suppression {decision_id!r}: `leasehold detections` lists them")
    _decide(lake, settings, by, why, kind="lift", lifts=decision_id)
    console.print(Text(f"{decision_id}: lifted"))


def overview(lake: Lake, settings: Settings, console: Console, json: bool) -> None:
    """Each detection: its mode, what it raised, what people made of it, and its precision by their verdicts."""
    counts = _by_detection(lake)
    dry = {tuning.detection_id for tuning in settings.detections if tuning.dry_run}
    rows = [
        {
            "detection": detection.id,
            "title": detection.title,
            "severity": detection.severity,
            "mode": "dry run" if detection.id in dry else "alerts",
            **counts.get(detection.id, _NOTHING),
            "precision": _precision(counts.get(detection.id, _NOTHING)),
        }
        for detection in detections.ALL
    ]
    if json:
        print(as_json(rows))
        return
    columns = ("detection", "mode", "observations", "alerts", "open", "true", "attempt", "benign", "false", "precision")
    cells = [[row[c] if row[c] is not None else "no verdicts" for c in columns] for row in rows]
    console.print(table("Detections", columns, cells))
    console.print(table("Suppressions in force", _RULE, [[r[c] for c in _RULE] for r in _rules(lake)]))


_RULE = ("decision_id", "detection_id", "function_name", "peer_name", "until", "made_by", "reason")
_NOTHING: Row = dict.fromkeys(("observations", "alerts", "open", "true", "attempt", "benign", "false"), 0)


def _precision(counts: Row) -> float | None:
    """Of the judged alerts those that were worth it: what was true, or tried. None without verdicts."""
    good, judged = counts["true"] + counts["attempt"], sum(counts[word] for word in VERDICTS)
    return round(good / judged, 3) if judged else None


def _by_detection(lake: Lake) -> dict[str, Row]:
    seen = lake.read(OBSERVATIONS).groupBy("detection_id").agg(F.count(F.lit(1)).alias("observations"))
    raised = (
        lake.read(ALERTS)
        .groupBy("detection_id")
        .agg(
            F.count(F.lit(1)).alias("alerts"),
            F.count_if(F.col("status") == "open").alias("open"),
            *[F.count_if(F.col("verdict") == kept).alias(word) for word, kept in VERDICTS.items()],
        )
    )
    rows = seen.join(raised, "detection_id", "full").na.fill(0).toArrow().to_pylist()
    return {row.pop("detection_id"): row for row in rows}


def _rules(lake: Lake) -> list[Row]:
    decisions = lake.read(DECISIONS)
    lifted = decisions.where(F.col("kind") == "lift").select(F.col("lifts").alias("decision_id"))
    rules = decisions.where(F.col("kind") == "suppress").join(lifted, "decision_id", "left_anti")
    found: list[Row] = rules.orderBy("until", "decision_id").toArrow().to_pylist()
    return found


def _of(alert: Row) -> Row:
    return {k: alert[k] for k in ("alert_id", "detection_id", "account_id", "region", "functions", "subject")}


def _decide(lake: Lake, settings: Settings, by: str, why: str, **what: Any) -> str:
    """Add a decision, and let the alerts show it; returns its id."""
    if not by.strip() or not why.strip():
        raise LeaseholdError("a decision needs somebody who makes it (--by) and a reason (--why)")
    made = uuid.uuid4().hex[:12]
    row = {"decision_id": made, "made_at": datetime.now(UTC), "made_by": by, "reason": why, **what}
    lake.append(DECISIONS, lake.frame(DECISIONS, [row]))
    raise_alerts(lake, settings)
    return made
