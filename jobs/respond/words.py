"""Plans and actions for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.respond.journal import Action
from jobs.respond.model import Case, Change, Row, State, Way
from jobs.show import document, facts, safe, table

_SHOWN = 12
"""Rows on a screen; `--json` has them all."""
_TALK_HEADS = ("who", "baseline", "talks", "sent", "received", "on days", "last")
_WORK = ("who", "invocations", "busy_days", "api_calls", "apis", "peers")
_NORMAL = {True: "yes", False: "no", None: "not learned"}


def show_plan(
    console: Console, case: Case, ways: Sequence[Way], ids: dict[str, str], not_asked: str, options: str
) -> None:
    """The ways, each with its blast radius, its costs, what it cannot do, and how it is applied."""
    what = f"traffic with {case.destination}" if case.destination else f"what {', '.join(case.functions)} does"
    console.print(Text(f"To contain alert {safe(case.alert_id)}: {safe(what)}", style="bold"))
    days = f"{case.history.first_day} to {case.history.last_day}"
    place = f"account {case.account_id}, {case.region}"
    facts(console, [("where", place), ("functions", ", ".join(case.functions) or None), ("history", days)])
    if not_asked:
        _lines(console, [f"The account was not asked, so nothing can be applied yet: {not_asked}.", "Then plan again."])
    for number, way in enumerate(ways, 1):
        _way(console, number, way, ids.get(way.name), options)


def _way(console: Console, number: int, way: Way, action_id: str | None, options: str) -> None:
    console.print(Text(f"\n{number}. {way.title}", style="bold"))
    if way.obstacle:
        _lines(console, [f"Not possible: {way.obstacle}."])
        return
    _lines(console, [way.does])
    if way.radius:
        talk = "conversations" in way.radius[0]
        console.print(_talk_table(way) if talk else _work_table(way))
    _titled(console, "What it costs", way.costs)
    _titled(console, "What it cannot do", way.cannot)
    if action_id:
        _titled(console, "The changes", [change.says for change in way.changes])
        console.print(Text(f"Apply it: leasehold respond apply {action_id}{options}"), soft_wrap=True)


def _talk_table(way: Way) -> Any:
    rows = [
        (
            f"{row['who']} ({row['kind']})", _NORMAL[row["normal"]], f"{row['conversations']:,}",
            f"{row['bytes_out']:,} B", f"{row['bytes_in']:,} B", row["days"], row["last"].date(),
        )
        for row in way.radius[:_SHOWN]
    ]  # fmt: skip
    more = f", the first {_SHOWN} of {len(way.radius)}" if len(way.radius) > _SHOWN else ""
    return table(f"Who talked to it from there{more}", _TALK_HEADS, rows)


def _work_table(way: Way) -> Any:
    heads = ("function", "invocations", "on days", "API calls", "APIs", "peers")
    return table("What it stops", heads, [[row[c] for c in _WORK] for row in way.radius])


def _titled(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(Text(title, style="italic"))
        _lines(console, [f"- {line}" for line in lines])


def _lines(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Text(safe(line)))


def plan_document(case: Case, ways: Sequence[Way], ids: dict[str, str], not_asked: str) -> str:
    """The same as JSON."""
    return document(
        {
            "alert_id": case.alert_id,
            "account_id": case.account_id,
            "region": case.region,
            "functions": list(case.functions),
            "destination": str(case.destination) if case.destination else None,
            "history": {"first_day": case.history.first_day, "last_day": case.history.last_day},
            "account_asked": not not_asked,
            "not_asked_because": not_asked or None,
            "ways": [_way_row(way, ids.get(way.name)) for way in ways],
        }
    )


def _way_row(way: Way, action_id: str | None) -> Row:
    return {
        "way": way.name,
        "action_id": action_id,
        "does": way.does,
        "obstacle": way.obstacle or None,
        "blocks": str(way.destination) if way.destination else None,
        "blast_radius": list(way.radius),
        "costs": list(way.costs),
        "cannot": list(way.cannot),
        "changes": [change.row() for change in way.changes],
    }


def show_action(console: Console, action: Action) -> None:
    """One action as it stands, with its changes."""
    row = action.row
    facts(
        console,
        [
            ("action", action.id), ("stands", action.event), ("way", row["way"]), ("alert", row["alert_id"]),
            ("where", f"account {row['account_id']}, {row['region']}"), ("blocks", row["destination"]),
            ("expires", row["expires_at"] or ("never" if action.applied_at else None)), ("note", row["note"]),
        ],
    )  # fmt: skip
    _titled(console, "The changes", [change.says for change in action.changes])


def show_standing(console: Console, found: Sequence[tuple[Change, State]]) -> None:
    """How each change stands in the account."""
    words = {State.ours: "in force", State.before: "not there", State.other: "changed by somebody else"}
    console.print(table("In the account", ("change", "state"), [(c.says, words[s]) for c, s in found]))


def list_actions(console: Console, found: Sequence[Action], json: bool) -> None:
    """All actions, the latest first."""
    rows = [{**one.row, "stands": one.event, "applied_at": one.applied_at} for one in reversed(found)]
    if json:
        from jobs.show import as_json

        print(as_json(rows))
        return
    columns = ("action_id", "stands", "way", "destination", "functions", "alert_id", "expires_at", "principal")
    heads = ("action", "stands", "way", "blocks", "functions", "alert", "expires", "by")
    console.print(table(f"Actions ({len(rows)})", heads, [[row[c] for c in columns] for row in rows]))
