"""The words of `leasehold coverage`. They hold names from logs: `show` makes them safe before a terminal sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.collect.advice import NOT_ASKED
from jobs.show import Row, days, moment, safe, span
from transforms.columns import UNKNOWN

KINDS = ("unique", "weighted", "shared", "presumed", "unknown")
"""The values of `attribution`."""

_SHOWN = 40
"""Functions on a screen; --json has them all."""

_NAMES = 8
"""Names in a sentence."""

_NOTHING = "Nothing is known to be missing. (Files that were lost entirely leave no trace.)"
_COUNTS = {
    "sure": "unique", "by\nevidence": "weighted", "equal\nparts": "shared", "presumed": "presumed", "undecided": "gain",
}  # fmt: skip


def not_seen(functions: list[Row], accounts: list[Row], failed: list[Row], stopped: list[str]) -> list[str]:
    """A sentence, without its full stop, on everything that the tables cannot show; none: nothing is known to lack."""

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
        never = [_place(row) for row in accounts if not row[name] and row["account_id"] != UNKNOWN]
        if never:
            parts.append(f"no poll of {what} that lists everything is of {_listed(never)}")
    parts += failures(failed)
    if total("unknown_conversations"):
        parts.append(
            f"{_count(total('unknown_conversations'), 'conversation')} on interfaces without a lease are nobody's"
        )
    return parts + stopped


def failures(failed: list[Row]) -> list[str]:
    """A sentence for each operation and code of polls that failed, with what to do; `failed` as in the answer."""
    told: dict[tuple[str, str], list[Row]] = {}
    for row in failed:
        # What was not even tried says nothing new.
        if row["error_code"] != NOT_ASKED:
            told.setdefault((row["operation"], row["error_code"]), []).append(row)
    parts = []
    for (operation, code), rows in told.items():
        name = "".join(word.capitalize() for word in operation.split("_"))
        last = max((row["last_at"] for row in rows if row["last_at"]), default=None)
        ended = f", the last one at {moment(last)}" if last else ""
        advice = f": {rows[0]['what_to_do']}" if rows[0]["what_to_do"] else ""
        parts.append(
            f"{_count(sum(row['failed'] for row in rows), 'poll')} failed at {name} ({code}; "
            f"{_listed(_place(row) for row in rows)}{ended}){advice}"
        )
    return parts


def _place(row: Row) -> str:
    return f"{row['account_id'] or UNKNOWN} {row['region'] or UNKNOWN}"


def would_settle(gain: Row) -> str:
    """What data events would settle, as a sentence."""
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
    """The answer for the eye; it reads well on 80 columns."""
    for note in found["notes"]:
        console.print(Text(safe(note)))
    if "functions" not in found:
        return
    console.print(Text(f"{period(found['from'], found['until'])}: {_count(found['days'], 'day')}", style="bold"))
    if found["not_seen"]:
        missing = Table.grid(padding=(0, 1))
        for part in found["not_seen"]:
            missing.add_row("-", _line(f"{part[:1].upper()}{part[1:]}."))
        console.print(Text("Not seen:"), missing)
    else:
        console.print(Text(_NOTHING))
    if found["functions"]:
        first = found["functions"][0]
        order = f"{first['function_name']}, day by day" if "date" in first else "the worst first"
        console.print()
        console.print(_line(f"How sure ({order}; conversations)", "bold"))
        console.print(_functions(found["functions"][:_SHOWN], len(found["accounts"]) > 1))
    if len(found["functions"]) > _SHOWN:
        console.print(Text(f"… and {len(found['functions']) - _SHOWN:,} functions more: --json has them all."))
    console.print(_line(would_settle(found["would_settle"]), "bold"))
    console.print()
    console.print(_line("Accounts", "bold"))
    console.print(_accounts(found["accounts"]))


def _functions(rows: list[Row], several: bool) -> Table:
    """A row a function, or a day of one; columns without any figure are left out."""
    by_day = any("date" in row for row in rows)
    made = _table()
    counted = [title for title, kind in _COUNTS.items() if any(row[f"{kind}_conversations"] for row in rows)]
    made.add_column("day" if by_day else "function", overflow="fold")
    for title in (*counted, "bytes"):
        made.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        remark = "outside any VPC: not seen" if row["outside_vpc"] else "data events" if row["data_events"] else ""
        below = [part for part in (_place(row) if several else "", remark) if part]
        first = str(row["date"]) if by_day else row["function_name"]
        counts = [_short(row[f"{_COUNTS[title]}_conversations"] or 0) for title in counted]
        made.add_row(_lines(first, *below), *counts, _size(sum(row[f"{kind}_bytes"] for kind in KINDS)))
    return made


def _accounts(rows: list[Row]) -> Table:
    made = _table()
    made.add_column("account", no_wrap=True)
    for title in ("polls of\ninterfaces", "of\nfunctions", "of\nmetrics", "fell\nsilent"):
        made.add_column(title)
    for title in ("windows\nskipped", "without\nlease"):
        made.add_column(title, justify="right")
    for row in rows:
        silent, metrics = row["gap_interfaces"], row["metric_polls_failed"]
        made.add_row(
            _lines(row["account_id"], row["region"]),
            _polls(row, "interface"),
            _polls(row, "function"),
            f"{metrics:,} failed" if metrics else "",
            "not told" if silent is None else _lines(f"{silent:,}", *([span(row["gap_seconds"])] if silent else [])),
            f"{row['skipdata_records']:,}",
            f"{row['unleased_interfaces']:,}",
        )
    return made


def _polls(row: Row, what: str) -> Text:
    """48, ~2 missed, 3 failed: a line each."""
    missed, failed = row[f"{what}_polls_missed"], row[f"{what}_polls_failed"]
    below = [*([f"~{missed:,} missed"] if missed else []), *([f"{failed:,} failed"] if failed else [])]
    return _lines(f"{row[f'{what}_polls']:,}", *below)


def _short(number: float) -> str:
    """7, 17.4, 1,234, 12.3 k, 4.6 M: the eye compares; --json has all digits."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= size:
            return f"{number / (1e3 if unit == ' k' else size):,.1f}{unit}"
    return f"{number:,.0f}" if number >= 1_000 else f"{number:.1f}".removesuffix(".0")


def _size(number: int) -> str:
    """7 B, 1.0 KiB, 234 MiB."""
    size, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1_024:
            break
        size, unit = size / 1_024, larger
    return f"{number:,} B" if unit == "B" else f"{size:,.{0 if size >= 100 else 1}f} {unit}"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)


def _line(text: Any, style: str = "") -> Text:
    return Text(safe(text), style=style)


def _lines(first: Any, *below: Any) -> Text:
    """A cell of several lines, what is below the first one dim."""
    return Text("\n").join([_line(first), *(_line(text, "dim") for text in below)])
