"""The report of an alert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

import detections
from detections.detection import Detection
from jobs import alert_evidence, report_reads
from jobs import report_parts as parts
from jobs.answers import find_alert
from jobs.report_page import Block, Grid, Moment, Page, Points, Prose, Section
from jobs.report_parts import SHOWN, counted
from jobs.report_reads import Who
from jobs.show import Row, days
from jobs.storage import Lake
from transforms.behaviours import API_CALL, API_ERROR, PEER

_DAY = timedelta(days=1)
_NEAR = timedelta(days=3)
_COUNTS = ("events", "invocations", "peak_invocations", "errors", "throttles", "surprise", "probability", "line")


def of_alert(lake: Lake, prefix: str) -> Page:
    """Everything about the alert whose id begins so; raises LeaseholdError for none and for several."""
    alert = find_alert(lake, prefix)
    detection = next((d for d in detections.ALL if d.id == alert["detection_id"]), None)
    who = Who(alert["account_id"], alert["region"], tuple(n for n in str(alert["functions"] or "").split(", ") if n))
    opened, seen = alert["opened_at"], alert["updated_at"] or alert["opened_at"]
    blind = [Points(detection.blind_spots)] if detection else []
    sections = [
        Section("happened", "What happened", _happened(alert)),
        Section("expected", "What was expected", _expected(lake, alert, who)),
        Section("timeline", "Timeline", _history(lake, alert, who)),
        Section("picture", "What it does, as a picture", [
            *_number(lake, alert, who),
            *(parts.pictures(lake, who, opened.date(), seen.date(), _behaviours(alert)) if who.names else []),
        ]),
        Section("evidence", "Evidence", _evidence(lake, alert)),
        Section("whose", "Whose address it was, and how sure", _whose(lake, alert, who)),
        Section("unseen", "What could not be seen", [
            *parts.not_seen(lake, who, opened.date()),
            *([Prose("What this detection cannot see:")] if blind else []), *blind,
        ]),
        Section("next", "What to do next", _next(alert, detection)),
    ]  # fmt: skip
    return Page(
        title=str(alert["title"] or alert["detection_id"]),
        lead=str(alert["summary"] or alert["subject"] or ""),
        badges=[("severity", alert["severity"]), ("status", alert["status"]),
                *([("verdict", alert["verdict"])] if alert["verdict"] else [])],
        facts=[("function", alert["functions"] or "(the account)"), ("account", parts.place(who)),
               ("first seen", opened), ("last seen", seen), ("alert", alert["alert_id"])],
        sections=[section for section in sections if section.blocks],
        source=parts.source(lake),
    )  # fmt: skip


def _happened(alert: Row) -> list[Block]:
    peer = None
    if alert["peer_name"] is not None:
        peer = f"{alert['peer_name']} ({alert['peer_kind']}), {alert['peer_addr']}, port {alert['peer_port']}"
    seen = f"{counted(alert['events'] or 0, 'time')} on {counted(alert['days'] or 0, 'day')}"
    moved = None
    if alert["bytes_out"] is not None:
        received = "" if alert["bytes_in"] is None else f", {parts.size(alert['bytes_in'])} received"
        moved = f"{parts.size(alert['bytes_out'])} sent{received}"
    numbers = None
    if alert["observed"] is not None:
        say = parts.size if alert["detection_id"] == "volume_outlier" else parts.short
        usual = f", usually {say(alert['usual'])}" if alert["usual"] is not None else ""
        numbers = f"{say(alert['observed'])}{usual}"
    technique = alert["technique"] and f"{alert['technique']} (MITRE ATT&CK v{alert['attack_version']})"
    return [
        parts.facts(
            ("about", peer or alert["subject"]), ("seen", seen), ("traffic", moved), ("number", numbers),
            ("called by", alert["principal"]), ("last change before it", alert["change"]), ("technique", technique),
            ("verdict", alert["verdict"] and f"{alert['verdict']}, by {alert['verdict_by']}"),
            ("snoozed until", alert["snoozed_until"]), ("closed", alert["closed_at"]),
        ),
    ]  # fmt: skip


def _expected(lake: Lake, alert: Row, who: Who) -> list[Block]:
    learned = (
        f"Learned from {days(alert['baseline_from'], alert['baseline_to'])}, on {alert['baseline_days']} active days."
    )
    made: list[Block] = [parts.facts(("expected", alert["expected"]), ("how unlikely", _surprise(alert)))]
    if alert["baseline_to"]:
        made += [Prose(learned), *(parts.normal(lake, who, alert["baseline_to"]) if who.names else [])]
    else:
        made.append(Prose("This detection compares with a rule, and not with a baseline."))
    return made


def _surprise(alert: Row) -> str | None:
    if alert["surprise"] is None:
        return None
    if not alert["surprise"] < 6:
        return "a chance of less than 1 in 1,000,000 if nothing is wrong"
    return f"a chance of about 1 in {10 ** max(float(alert['surprise']), 0):,.0f} if nothing is wrong"


def _history(lake: Lake, alert: Row, who: Who) -> list[Block]:
    opened, seen = alert["opened_at"], alert["updated_at"] or alert["opened_at"]
    changed = report_reads.changes(lake, who, opened - _NEAR, seen + _DAY, SHOWN)
    others = report_reads.alerts(lake, who, opened - _NEAR, seen + _NEAR, SHOWN, but=alert["alert_id"])
    daily = report_reads.days_of(lake, alert, SHOWN)
    decided = report_reads.decisions(lake, alert, SHOWN)
    moments = [
        Moment(opened, "First seen", "alert"),
        *parts.change_moments(changed),
        *[Moment(row["opened_at"], f"Another: {row['alert_id']}: {row['summary']}", "alert") for row in others.rows],
        *[
            Moment(row["first_time"], f"Seen again: {row['summary']}")
            for row in daily.rows
            if row["first_time"] and row["first_time"] > opened
        ],
        *[Moment(row["made_at"], _decision(row), "decided") for row in decided.rows if row["made_at"]],
        Moment(seen, "Last seen"),
    ]  # fmt: skip
    if alert["closed_at"]:
        moments.append(Moment(alert["closed_at"], "Closed: it has been quiet for long enough"))
    return parts.timeline(moments, changed.more + others.more + daily.more + decided.more)


def _decision(row: Row) -> str:
    said = f"{row['kind']} {row['verdict']}" if row["verdict"] else row["kind"]
    return f"{said} by {row['made_by']}: {row['reason']}"


def _number(lake: Lake, alert: Row, who: Who) -> list[Block]:
    """The number that it is about, over time."""
    measure = report_reads.measured(alert)
    if measure is None or not who.names:
        return []
    opened, seen = alert["opened_at"], alert["updated_at"] or alert["opened_at"]
    hourly = "in the hour" in str(alert["summary"]) or alert["detection_id"] in ("function_silent", "api_error_burst")
    before = 14 if hourly else 30
    about = (opened, seen if hourly else max(seen, opened + _DAY - timedelta(seconds=1)))
    first = opened.date() - before * _DAY
    return parts.number_over_time(lake, who, measure, first, seen.date() + _DAY, hourly, about, alert["usual"])


def _behaviours(alert: Row) -> Sequence[str]:
    of_calls = ("function_api_calls", "function_changes", "cloudtrail_events")
    return (API_CALL, API_ERROR) if alert["evidence_table"] in of_calls else (PEER,)


def _evidence(lake: Lake, alert: Row) -> list[Block]:
    found = alert_evidence.found(lake, alert)
    if not found:
        return [Prose("No single row shows it: the numbers above are sums over hours.")]
    return [Grid(one.title, [c.replace("_", " ") for c in one.columns], one.rows, one.more,
                 numbers=frozenset(n for n, c in enumerate(one.columns) if c.startswith("bytes") or c in _COUNTS))
            for one in found]  # fmt: skip


def _whose(lake: Lake, alert: Row, who: Who) -> list[Block]:
    if not who.names:
        return []
    at = alert["opened_at"].replace(tzinfo=UTC)
    if alert["local_addr"]:
        return parts.holders(lake, who, at, ip=alert["local_addr"])
    return parts.holders(lake, who, at, function=who.names[0])


def _next(alert: Row, detection: Detection | None) -> list[Block]:
    id = alert["alert_id"]
    made: list[Block] = []
    if detection:
        made += [Points(detection.runbook, numbered=True), Prose("How it can be a false alarm:"),
                 Points(detection.false_positives)]  # fmt: skip
    made.append(
        parts.commands(
            (["leasehold", "respond", "plan", id], "the ways to contain it, and whom each would hit"),
            (["leasehold", "explain", id], "all of this in a terminal; --recompute computes it again"),
            (
                ["leasehold", "verdict", id, "benign", "--by", "ME", "--why", "…"],
                "it was nothing: true, attempt, false",
            ),
            (["leasehold", "snooze", id, "--until", "DAY", "--by", "ME", "--why", "…"], "not now"),
        )
    )
    return made
