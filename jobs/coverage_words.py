"""The words of `leasehold coverage`. They hold names from logs: `show` makes them safe before a terminal sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.show import Row, days, safe, span, table
from transforms.columns import UNKNOWN

KINDS = ("unique", "weighted", "shared", "presumed", "unknown")
"""The values of `attribution`."""

_SHOWN = 40
"""Functions on a screen; --json has them all."""

_NAMES = 8
"""Names in a sentence."""


def not_seen(functions: list[Row], accounts: list[Row], stopped: list[str]) -> str:
    """One sentence on everything that the tables cannot show."""

    def total(name: str) -> int:
        return sum(row[name] or 0 for row in accounts)

    outside = sorted({row["function_name"] for row in functions if row["outside_vpc"]})
    parts = []
    if outside:
        are = f"{len(outside)} functions are" if len(outside) > 1 else "1 function is"
        parts.append(f"{are} outside any VPC, where flow logs do not reach ({_listed(outside)})")
    if total("skipdata_records"):
        parts.append(f"AWS says that it skipped {_count(total('skipdata_records'), 'window')} of records (SKIPDATA)")
    if total("gap_interfaces"):
        parts.append(
            f"{_count(total('gap_interfaces'), 'interface')} of Lambda fell silent without a NODATA line, for "
            f"{span(total('gap_seconds'))} together"
        )
    if total("untold_days"):
        parts.append("flow logs without NODATA lines do not tell silence from loss")
    for name, what in (("interface_polls", "interfaces"), ("function_polls", "functions")):
        if total(f"{name}_missed"):
            parts.append(f"about {_count(total(f'{name}_missed'), 'poll')} of {what} are missing")
        never = [f"{r['account_id']} {r['region']}" for r in accounts if not r[name] and r["account_id"] != UNKNOWN]
        if never:
            parts.append(f"no poll of {what} that lists everything is of {_listed(never)}")
    if total("unknown_conversations"):
        parts.append(
            f"{_count(total('unknown_conversations'), 'conversation')} on interfaces without a lease are nobody's"
        )
    parts += stopped
    if not parts:
        return "Nothing is known to be missing. (Files that were lost entirely leave no trace.)"
    return f"Not seen: {'; '.join(parts)}."


def _would_settle(gain: Row) -> str:
    if not gain["functions"]:
        return "Data events on further functions would settle nothing."
    who = [f"{row['function_name']} ({row['conversations_a_day']:,.1f})" for row in gain["functions"]]
    return (
        f"Data events on these functions would settle {gain['conversations_a_day']:,.1f} conversations a day: "
        f"{_listed(who)}."
    )


def period(first: Any, last: Any) -> str:
    """2026-01-05, or 2026-01-05 to 2026-01-09."""
    return str(first) if first == last else days(first, last)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def show(console: Console, found: Row) -> None:
    """The answer for the eye."""
    for note in found["notes"]:
        console.print(Text(safe(note)))
    if "functions" not in found:
        return
    console.print(Text(f"{period(found['from'], found['until'])}: {_count(found['days'], 'day')}", style="bold"))
    console.print(Text(safe(found["not_seen"])))
    by_day = any("date" in row for row in found["functions"])
    title = "How sure, the worst first (conversations)"
    console.print(table(title, *_function_cells(found["functions"][:_SHOWN], by_day, len(found["accounts"]) > 1)))
    if len(found["functions"]) > _SHOWN:
        console.print(Text(f"… and {len(found['functions']) - _SHOWN:,} functions more: --json has them all."))
    console.print(Text(safe(_would_settle(found["would_settle"])), style="bold"))
    columns = (
        "account",
        "region",
        "skipped",
        "silent interfaces",
        "for",
        "polls of interfaces",
        "of functions",
        "no lease",
    )
    cells = [
        (
            row["account_id"],
            row["region"],
            row["skipdata_records"],
            "not told" if row["gap_interfaces"] is None else row["gap_interfaces"],
            span(row["gap_seconds"] or 0),
            _polls(row, "interface_polls"),
            _polls(row, "function_polls"),
            row["unleased_interfaces"],
        )
        for row in found["accounts"]
    ]
    console.print(table("Accounts", columns, cells))


def _polls(row: Row, name: str) -> str:
    missed = row[f"{name}_missed"]
    return f"{row[name]:,}" + (f", about {missed:,} missed" if missed else "")


def _function_cells(rows: list[Row], by_day: bool, several: bool) -> tuple[list[str], list[tuple[Any, ...]]]:
    place = ["account", "region"] if several else []
    headings = [
        *(["day"] if by_day else []),
        "function",
        *place,
        "sure",
        "by evidence",
        "equal parts",
        "presumed",
        "undecided",
        "bytes",
        "",
    ]
    cells = []
    for row in rows:
        counts = [row[f"{kind}_conversations"] for kind in ("unique", "weighted", "shared", "presumed", "gain")]
        sent = sum(row[f"{kind}_bytes"] for kind in KINDS)
        remark = "outside any VPC: not seen" if row["outside_vpc"] else "data events" if row["data_events"] else ""
        cells.append(
            (
                *((row["date"],) if by_day else ()),
                row["function_name"],
                *((row["account_id"], row["region"]) if several else ()),
                *[f"{count:,.1f}".removesuffix(".0") for count in counts],
                f"{sent:,}",
                remark,
            )
        )
    return headings, cells
