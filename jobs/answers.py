"""What the commands show of the tables: `alerts`, `explain`."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from rich.text import Text

import detections
from jobs import conditions
from jobs.errors import LeaseholdError
from jobs.show import SEVERITY_STYLES, Row, as_json, days, facts, safe, table
from jobs.storage import Lake
from transforms.behaviours import label
from transforms.schemas import ALERTS, FLOW_LOGS, FUNCTION_BASELINES, FUNCTION_FLOWS

_SHOWN = 20
"""Rows of evidence on a screen; the tables have them all."""


def alerts(lake: Lake, console: Console, status: str | None, function: str | None, json: bool) -> None:
    """The alerts, the latest first."""
    frame = lake.read(ALERTS)
    if status:
        frame = frame.where(F.col("status") == F.lit(status))
    if function:
        frame = frame.where(F.array_contains(F.split("functions", ", "), F.lit(function)))
    rows = frame.orderBy(F.col("opened_at").desc(), "alert_id").toArrow().to_pylist()
    if json:
        print(as_json(rows))
    else:
        console.print(alert_table(rows))


def alert_table(rows: list[Row]) -> Table:
    """The alerts as a table for the eye: narrow facts on the left, the sentence on the right."""
    made = Table(
        title=f"Alerts ({len(rows)})", title_justify="left", title_style="bold", pad_edge=False, show_lines=True
    )
    made.add_column("alert", no_wrap=True)
    made.add_column("what", overflow="fold", ratio=1)
    for row in rows:
        style = SEVERITY_STYLES.get(row["severity"], "")
        head = Text(f"{safe(row['alert_id'])}\n", style="bold")
        head.append(f"{safe(row['severity'])}, {safe(row['status'])}\n", style=style)
        head.append(safe(row["opened_at"]), style="not bold")
        made.add_row(head, Text.assemble((safe(row["title"]), style), "\n", safe(row["summary"])))
    return made


def explain(lake: Lake, console: Console, prefix: str) -> None:
    """One alert with its baseline, its evidence and what to do."""
    alert = find_alert(lake, prefix)
    detection = next(d for d in detections.ALL if d.id == alert["detection_id"])
    console.print(Text(f"{alert['title']} · {alert['severity']} · {alert['status']}", style="bold"))
    console.print(Text(safe(alert["summary"])))
    console.print()
    facts(
        console,
        [
            ("alert", alert["alert_id"]),
            ("functions", alert["functions"]),
            *_about(alert),
            ("opened", alert["opened_at"]),
            ("last seen", alert["updated_at"]),
            ("closed", alert["closed_at"]),
            ("seen", _seen(alert)),
            ("baseline", f"{days(alert['baseline_from'], alert['baseline_to'])}, {alert['baseline_days']} active days"),
            ("verdict", f"{alert['verdict']} (by {alert['verdict_by']})" if alert["verdict"] else None),
            ("technique", f"{alert['technique']} (ATT&CK v{alert['attack_version']})"),
        ],
    )  # fmt: skip
    console.print(_baseline_table(lake, alert))
    if alert["evidence_table"] == FUNCTION_FLOWS.name:
        evidence = _evidence(lake, alert)
        console.print(_evidence_table(evidence))
        console.print(_record_table(lake, evidence[0]) if evidence else "")
    elif alert["evidence"]:
        facts(console, [("evidence", f"{alert['evidence']} in {alert['evidence_table']}")])
    for title, lines in (
        ("What to do", [f"{n}. {step}" for n, step in enumerate(detection.runbook, 1)]),
        ("How it can be a false alarm", [f"- {line}" for line in detection.false_positives]),
        ("What it cannot see", [f"- {line}" for line in detection.blind_spots]),
    ):
        console.print(Text(f"\n{title}", style="bold"))
        for line in lines:
            console.print(Text(line))


def find_alert(lake: Lake, prefix: str) -> Row:
    """The one alert whose id begins so; raises LeaseholdError for none and for several."""
    found = lake.read(ALERTS).where(F.col("alert_id").startswith(F.lit(prefix))).limit(2).toArrow().to_pylist()
    if not found:
        raise LeaseholdError(f"there is no alert {prefix!r}: `leasehold alerts` lists them")
    if len(found) > 1:
        raise LeaseholdError(f"several alerts begin with {prefix!r}: give more of the id")
    return dict(found[0])


def _about(alert: Row) -> list[tuple[str, str]]:
    """What the alert is about: a peer, or whatever its subject says."""
    if alert["peer_name"] is None:
        return [("about", alert["subject"])]
    return [("peer", f"{alert['peer_name']} ({alert['peer_kind']}), {alert['peer_addr']} port {alert['peer_port']}")]


def _seen(alert: Row) -> str:
    said = f"{alert['events'] or 0:,} times on {alert['days']} days"
    if alert["bytes_out"] is None:
        return said
    return f"{said}, {alert['bytes_out']:,} bytes sent, {alert['bytes_in'] or 0:,} received"


def _names(alert: Row) -> list[str]:
    return str(alert["functions"] or "").split(", ")


def _baseline_table(lake: Lake, alert: Row) -> Table:
    day = conditions.on_dates("as_of_date", [alert["baseline_to"]])
    scope = (F.col("account_id").eqNullSafe(F.lit(alert["account_id"]))) & (
        F.col("region").eqNullSafe(F.lit(alert["region"]))
    )
    rows = (
        lake.read(FUNCTION_BASELINES)
        .where(day)
        .where(scope & F.col("function_name").isin(_names(alert)))
        .withColumn("label", label())
        .orderBy("function_name", "behaviour", F.col("days_seen").desc(), "thing")
        .limit(_SHOWN)
        .toArrow()
        .to_pylist()
    )
    columns = ("function", "what", "which", "days seen", "first", "last", "status")
    cells = [
        (
            r["function_name"],
            r["behaviour"],
            r["label"],
            r["days_seen"],
            r["first_seen"],
            r["last_seen"],
            r["status"],
        )
        for r in rows
    ]
    return table("What was normal when it opened", columns, cells)


def _evidence(lake: Lake, alert: Row) -> list[Row]:
    first, last = alert["opened_at"], alert["updated_at"]
    on = conditions.on_dates(
        "date", {first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)}
    )
    same = F.lit(True)
    for column in ("peer_kind", "peer_name", "peer_port", "protocol"):
        same = same & F.col(column).eqNullSafe(F.lit(alert[column]))
    rows: list[Row] = (
        lake.read(FUNCTION_FLOWS)
        .where(on)
        .where(same & (F.col("plausible") == F.lit(alert["functions"])))
        .where(F.col("function_name") == F.lit(_names(alert)[0]))
        .orderBy("window_start", "conversation_id")
        .limit(_SHOWN)
        .toArrow()
        .to_pylist()
    )
    return rows


def _evidence_table(rows: list[Row]) -> Table:
    columns = ("conversation_id", "start", "from", "to", "sent", "received", "attribution", "probability")
    cells = [
        (
            r["conversation_id"],
            r["start_time"],
            f"{r['local_addr']}:{r['local_port']}",
            f"{r['peer_addr']}:{r['peer_port']}",
            r["bytes_out"],
            r["bytes_in"],
            "rejected" if r["rejected"] else r["attribution"],
            f"{r['probability']:.2f}",
        )
        for r in rows
    ]
    return table("The conversations (function_flows)", columns, cells)


def _record_table(lake: Lake, flow: Row) -> Table:
    """The flow-log records of one conversation, with where they stand."""
    local, peer = flow["local_addr"], flow["peer_addr"]
    begin, end = flow["start_time"], flow["end_time"]
    ports = {flow["local_port"], flow["peer_port"]}
    rows = (
        lake.read(FLOW_LOGS)
        .where(conditions.on_dates("date", {begin.date(), end.date()}))
        .where(
            (F.col("interface_id") == F.lit(flow["interface_id"]))
            & F.col("src_port").isin(*ports)
            & F.col("dst_port").isin(*ports)
        )
        .where(F.col("src_addr").isin(local, peer) | F.col("dst_addr").isin(local, peer))
        .where((F.col("start_time") >= F.lit(begin)) & (F.col("start_time") <= F.lit(end)))
        .orderBy("start_time", "source_file", "source_line")
        .limit(_SHOWN)
        .toArrow()
        .to_pylist()
    )
    columns = ("start", "source", "destination", "bytes", "action", "raw file", "line")
    cells = [
        (
            r["start_time"],
            f"{r['src_addr']}:{r['src_port']}",
            f"{r['dst_addr']}:{r['dst_port']}",
            r["bytes"],
            r["action"],
            r["source_file"],
            r["source_line"],
        )
        for r in rows
    ]
    return table("The flow-log records of the first one", columns, cells)
