"""The pictures of a report: Vega-Altair, drawn as SVG before anybody opens the page, so that it needs no script.

Colours are the page's own (CSS variables): a picture follows dark and light, and paper, as the text does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from xml.etree import ElementTree

import altair as alt
import vl_convert
from markupsafe import Markup

from jobs.show import Row, safe

_SVG = "http://www.w3.org/2000/svg"
_LEFT, _WIDTH, _RIGHT = 250, 560, 20
"""Room for labels, the picture, and its last label: fixed, as the reader's font need not be the one measured with."""
_ROW = 24
_BARS = 180
_LABEL = 34
_TAGS = {"svg", "g", "path", "line", "rect", "text", "tspan"}
_ATTRIBUTES = re.compile(
    r"viewBox|transform|d|[xy][12]?|d[xy]|r[xy]?|width|height|fill(-opacity)?|stroke(-[a-z]+)?|opacity|display|"
    r"text-anchor|font-(family|size|weight|style)|pointer-events"
)
_KINDS = alt.Scale(domain=["plain", "marked"], range=["var(--known)", "var(--new)"])
_COLOUR = alt.Color("kind:N", scale=_KINDS, legend=None)


@dataclass(frozen=True)
class Cell:
    """One mark of a matrix."""

    row: str
    at: date | datetime
    amount: float
    marked: bool = False


def matrix(id: str, title: str, said: str, cells: Sequence[Cell], rows: Sequence[str]) -> Markup:
    """What was seen when: a row a thing, a column a day (of dates) or an hour (of times), darker the more there was.

    `rows` are all labels in their order, `said` describes the picture for who does not see it.
    """
    hourly = any(isinstance(cell.at, datetime) for cell in cells)
    most = max((cell.amount for cell in cells), default=1)
    labels = _labels(rows)
    values = [
        {
            "row": labels[cell.row],
            "at": _stamp(cell.at),
            "until": _stamp(cell.at, 3_600 if hourly else 86_400),
            "kind": "marked" if cell.marked else "plain",
            "weight": max(_weight(cell.amount, most), 0.75 if cell.marked else 0),
        }
        for cell in cells
        if cell.row in labels
    ]
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=_time_axis(hourly))
    chart = (
        alt.Chart(_data(values))
        .mark_rect(cornerRadius=1.5)
        .encode(
            x=x,
            x2="until:T",
            y=alt.Y("row:N", title=None, sort=[labels[row] for row in rows], scale=_band(labels, rows)),
            color=_COLOUR,
            opacity=alt.Opacity("weight:Q", scale=None, legend=None),
        )
        .properties(width=_WIDTH, height=_ROW * len(rows))
    )
    return _drawn(chart, id, title, said, _ROW * len(rows))


def bars(
    id: str,
    title: str,
    said: str,
    points: Sequence[tuple[datetime, float, bool]],
    seconds: int,
    usual: float | None = None,
    format: str = "~s",
) -> Markup:
    """A number over time, one bar for each `seconds`; marked ones stand out, and a line says what is usual."""
    values = [
        {"at": _stamp(at), "until": _stamp(at, seconds), "value": value, "kind": "marked" if marked else "plain"}
        for at, value, marked in points
        if math.isfinite(value)
    ]
    x = alt.X("at:T", title=None, scale=alt.Scale(type="utc"), axis=_time_axis(False))
    y = alt.Y("value:Q", title=None, axis=alt.Axis(format=format, tickCount=4))
    layers: list[Any] = [
        alt.Chart(_data(values))
        .mark_rect(stroke="var(--paper)", strokeWidth=1 if seconds > 3_600 else 0)
        .encode(
            x=x,
            x2="until:T",
            y=y,
            y2=alt.datum(0),
            color=_COLOUR,
        )
    ]
    if usual is not None and math.isfinite(usual):
        line = alt.Chart(_data([{"value": usual}])).mark_rule(strokeDash=[4, 3], color="var(--ink)")
        layers.append(line.encode(y="value:Q"))
    return _drawn(alt.layer(*layers).properties(width=_WIDTH, height=_BARS), id, title, said, _BARS)


def _data(values: list[Row]) -> alt.InlineData:
    return alt.InlineData(values=values)


def _weight(amount: float, most: float) -> float:
    """0.35 to 1, by the logarithm: one of a thousand is still seen."""
    if most <= 1 or amount < 1:
        return 1.0 if most <= 1 else 0.35
    return round(0.35 + 0.65 * math.log(amount + 1) / math.log(most + 1), 3)


def _stamp(at: date | datetime, later: int = 0) -> int:
    if not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day, tzinfo=UTC)
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (round(moment.timestamp()) + later) * 1_000


def _labels(rows: Sequence[str]) -> dict[str, str]:
    """Each row's label: short, and different from the others'."""
    made: dict[str, str] = {}
    for row in rows:
        text = safe(row)
        short = text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
        made[row] = short if short not in made.values() else f"{len(made) + 1}: {short}"
    return made


def _time_axis(hourly: bool) -> alt.Axis:
    return alt.Axis(format="%H:%M" if hourly else "%-d %b", grid=False, labelOverlap=True, tickCount=10)


def _band(labels: dict[str, str], rows: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=[labels[row] for row in rows], paddingInner=0.3, paddingOuter=0.2)


def _drawn(chart: Any, id: str, title: str, said: str, height: int) -> Markup:
    quiet, line = "var(--muted)", "var(--line)"
    config = {
        "aria": False,
        "autosize": {"type": "none"},
        "padding": {"left": _LEFT, "right": _RIGHT, "top": 8, "bottom": 28},
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": quiet, "labelFontSize": 12, "labelLimit": 300, "domainColor": line, "tickColor": line,
            "gridColor": line,
        },
    }  # fmt: skip
    drawn = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": config})
    return _labelled(drawn, f"0 0 {_LEFT + _WIDTH + _RIGHT} {height + 36}", id, title, said)


def _labelled(drawn: str, box: str, id: str, title: str, said: str) -> Markup:
    """The SVG as one picture with a name and a description; of what was drawn only shapes and texts are kept."""
    root = ElementTree.fromstring(drawn)
    _keep_shapes(root)
    # The page says how large it is.
    root.attrib = {"viewBox": box, "class": "chart", "role": "img", "focusable": "false"}
    root.set("aria-labelledby", f"{id}-title {id}-desc")
    for place, (tag, text) in enumerate((("title", title), ("desc", said))):
        made = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{id}-{tag}"})
        made.text = safe(text)
        root.insert(place, made)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _keep_shapes(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag.removeprefix(f"{{{_SVG}}}") in _TAGS:
            _keep_shapes(child)
        else:
            element.remove(child)
    for name, value in list(element.attrib.items()):
        if not _ATTRIBUTES.fullmatch(name) or "url(" in value:
            del element.attrib[name]
