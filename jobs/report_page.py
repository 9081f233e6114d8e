"""A report as one HTML page that stands alone: its parts, and how they are written. Nothing in it is ever obeyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobs.show import safe

_LONGEST = 1_000
"""Characters of one value that the page shows; the tables have them all."""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    kind = "prose"


@dataclass(frozen=True)
class Points:
    """A list; numbered where the order counts."""

    items: Sequence[str]
    numbered: bool = False
    kind = "points"


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    pairs: Sequence[tuple[str, Any]]
    kind = "facts"


@dataclass(frozen=True)
class Grid:
    """A table: its first column heads the rows; `marked` rows stand out, and `more` rows are not shown."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    more: int = 0
    marked: frozenset[int] = frozenset()
    numbers: frozenset[int] = frozenset()
    """columns that are set to the right"""
    folded: bool = False
    """behind its caption until somebody opens it, or prints"""
    kind = "grid"


@dataclass(frozen=True)
class Figure:
    """A picture (SVG of `jobs.report_charts`), and the numbers in it as a table."""

    caption: str
    svg: Markup
    numbers: Grid | None = None
    plain: str = ""
    marked: str = ""
    """what its two colours mean"""
    kind = "figure"


@dataclass(frozen=True)
class Moment:
    """An entry of a timeline."""

    at: datetime
    text: str
    sort: str = ""
    """alert, change, decided or nothing"""


@dataclass(frozen=True)
class Timeline:
    """What happened when; `more` entries are not shown."""

    moments: Sequence[Moment]
    more: int = 0
    kind = "timeline"


@dataclass(frozen=True)
class Card:
    """One alert among several."""

    id: str
    title: str
    severity: str
    status: str
    functions: str
    opened: datetime
    text: str


@dataclass(frozen=True)
class Cards:
    """Alerts below each other; `more` are not shown."""

    cards: Sequence[Card]
    more: int = 0
    kind = "cards"


@dataclass(frozen=True)
class Commands:
    """What to type, each with what it does."""

    lines: Sequence[tuple[str, str]]
    kind = "commands"


Block = Prose | Points | Facts | Grid | Figure | Timeline | Cards | Commands


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    lead: str
    badges: Sequence[tuple[str, str]] = ()
    """(what, its value): severity, status …"""
    facts: Sequence[tuple[str, Any]] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    source: str = ""
    """what it was made from"""


def render(page: Page) -> str:
    """The page as HTML: no script, no address that anything is loaded from; the same page gives the same text."""
    return _environment().get_template("page.html").render(page=page)


def clean(value: Any) -> Any:
    """A value as one line without control or direction characters, of a bearable length; markup of ours stays.

    `"a\\u202eb"` → `a\\\\u202eb`; 10,000 letters → 1,000 and `… (9,000 characters more)`.
    """
    if isinstance(value, Markup):
        return value
    text = safe(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST:,} characters more)"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("jobs", "report_templates"),
        autoescape=True,
        finalize=clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["iso"] = lambda moment: safe(moment).replace(" ", "T")
    return made
