"""What the commands show of the tables: `alerts`, `explain`."""

from __future__ import annotations

from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from rich.text import Text

import detections
from jobs import alert_evidence, conditions
from jobs.errors import LeaseholdError
from jobs.recompute import EQUAL, recompute
from jobs.show import SEVERITY_STYLES, Row, as_json, days, facts, safe, table
from jobs.storage import Lake
from transforms.behaviours import label
from transforms.schemas import ALERTS, FUNCTION_BASELINES

_SHORT = 8
"""Characters of an alert's id that tell it from others."""
_SHOWN = 20
"""Rows of a baseline on a screen; the table has them all."""


def alerts(
    lake: Lake, console: Console, status: str | None, function: str | None, json: bool, options: str = ""
) -> None:
    """The alerts, the latest first. `options` are those of this command that the next one needs, too."""
    frame = lake.read(ALERTS)
    if status:
        frame = frame.where(F.col("status") == F.lit(status))
    if function:
        frame = frame.where(F.array_contains(F.split("functions", ", "), F.lit(function)))
    rows = frame.orderBy(F.col("opened_at").desc(), "alert_id").toArrow().to_pylist()
    if json:
        print(as_json(rows))
    else:
        console.print(alert_table(rows, options))


def alert_table(rows: list[Row], options: str = "") -> Table:
    """The alerts as a table for the eye: narrow facts on the left, on the right the sentence, and what to type next."""
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
        next_ones = Text("\n".join(next_steps(row, options)), style="dim")
        made.add_row(head, Text.assemble((safe(row["title"]), style), "\n", safe(row["summary"]), "\n", next_ones))
    return made


def next_steps(alert: Row, options: str) -> list[str]:
    """What to type to understand an alert, and to contain it."""
    short = safe(alert["alert_id"])[:_SHORT]
    return [f"leasehold {command} {short}{options}" for command in ("explain", "respond plan")]


def explain(lake: Lake, console: Console, prefix: str, again: bool = False, options: str = "") -> bool:
    """One alert with its baseline, its evidence and what to do.

    Computed `again`: whether it is the same; returns False if it is not, or if that cannot be told.
    """
    alert = find_alert(lake, prefix)
    detection = next((d for d in detections.ALL if d.id == alert["detection_id"]), None)
    title = alert["title"] or alert["detection_id"]
    console.print(Text(f"{title} · {alert['severity']} · {alert['status']}", style="bold"))
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
            ("expected", alert["expected"]),
            *_numbers(alert),
            ("verdict", f"{alert['verdict']} (by {alert['verdict_by']})" if alert["verdict"] else None),
            ("technique", f"{alert['technique']} (ATT&CK v{alert['attack_version']})" if alert["technique"] else None),
        ],
    )  # fmt: skip
    if again:
        said = recompute(lake, alert)
        facts(console, [("computed again", line) for line in said])
        return said == [EQUAL]
    if alert["baseline_to"]:
        console.print(_baseline_table(lake, alert))
    for shown in alert_evidence.tables(lake, alert):
        console.print(shown)
    contain = ["See who would notice, and how to block it for a time:", f"  {next_steps(alert, options)[-1]}"]
    if detection is None:
        _printed(console, "To contain it", contain)
        return True
    for title, lines in (
        ("What to do", [f"{n}. {step}" for n, step in enumerate(detection.runbook, 1)]),
        ("To contain it", contain),
        ("How it can be a false alarm", [f"- {line}" for line in detection.false_positives]),
        ("What it cannot see", [f"- {line}" for line in detection.blind_spots]),
    ):
        _printed(console, title, lines)
    return True


def _printed(console: Console, title: str, lines: list[str]) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    for line in lines:
        console.print(Text(line), soft_wrap=line.startswith("  "))


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


def _numbers(alert: Row) -> list[tuple[str, str]]:
    """What was counted or measured, and what is usual, where these are numbers."""
    if alert["observed"] is None:
        return []
    usual = f", usually {alert['usual']:g}" if alert["usual"] is not None else ""
    return [("observed", f"{alert['observed']:g}{usual}")]


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
