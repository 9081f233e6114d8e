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


def moment(value: datetime) -> str:
    """2026-03-11 06:12:00Z"""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%SZ")


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

    def plain(value: Any) -> str:
        return moment(value).replace(" ", "T") if isinstance(value, datetime) else str(value)

    lines = [json.dumps(row, default=plain, ensure_ascii=True) for row in rows]
    return "[" + ",\n ".join(lines) + "]"


def days(first: date | None, last: date | None) -> str:
    """2026-02-01 to 2026-03-11"""
    return f"{first or 'unknown'} to {last or 'unknown'}"
