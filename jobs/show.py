"""Tables and texts for a terminal. What comes from logs is hostile: it is shown, never obeyed."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]
SEVERITY_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}


def safe(value: Any) -> str:
    """A value as one line of text without control, escape or direction characters."""
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return moment(value)
    text = str(value)
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(c):04x}" for c in text
    )


def safe_lines(text: str) -> str:
    """The same line by line: a text that may have several."""
    return "\n".join(safe(line) for line in text.split("\n"))


def moment(value: datetime) -> str:
    """2026-03-11 06:12:00Z"""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: int) -> str:
    """A duration in its two largest units: 45 s, 8 min, 1 h 30 min, 2 d 4 h."""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, name in units:
        if seconds >= size:
            parts.append(f"{seconds // size} {name}")
        seconds %= size
    return " ".join(parts[:2]) or "0 s"


def boundary(row: Row, side: str) -> str:
    """A lease's start (`from`) or end (`to`) with how far the truth may be from it, and its evidence."""
    value, evidence = row[f"valid_{side}"], row[f"{side}_evidence"]
    spread = row[f"{side}_uncertainty_seconds"]
    if value is None:
        return "unknown" if side == "from" or row["valid_from"] is None else "still so at the last evidence"
    about = " or earlier" if spread is None else f" ± {span(spread)}" if spread else ""
    return f"{moment(value)}{about} ({evidence})"


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], styles: dict[int, str] | None = None
) -> Table:
    """Rows below their headings; every cell is plain text, whatever markup stands in it."""
    made = Table(title=Text(safe(title)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        made.add_row(*[Text(safe(cell)) for cell in row], style=(styles or {}).get(number))
    return made


def facts(console: Console, pairs: Iterable[tuple[str, Any]]) -> None:
    """Name and value a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(safe(name)), Text(safe(value)))
    console.print(grid)


def as_json(rows: list[Row]) -> str:
    """Rows as a JSON array, one row a line; times as ISO text."""
    return "[" + ",\n ".join(json.dumps(row, default=_plain, ensure_ascii=True) for row in rows) + "]"


def document(value: Row) -> str:
    """An answer of several parts as a JSON object; times as ISO text."""
    return json.dumps(value, default=_plain, ensure_ascii=True, indent=1)


def _plain(value: Any) -> str:
    return moment(value).replace(" ", "T") if isinstance(value, datetime) else str(value)


def days(first: date | None, last: date | None) -> str:
    """2026-02-01 to 2026-03-11"""
    return f"{first or 'unknown'} to {last or 'unknown'}"
