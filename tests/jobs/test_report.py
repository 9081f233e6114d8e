"""The report: its words and its structure, whatever the tables hold. `test_report_in_browser.py` opens it."""

from __future__ import annotations

import itertools
import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup
from pyspark.sql import SparkSession

from jobs import report, report_alert, report_charts, report_page, report_pages, report_reads
from jobs.errors import LeaseholdError
from jobs.report_charts import Cell
from jobs.report_page import Grid, Page, Section, clean, render
from jobs.storage import Lake
from tests.jobs import report_lake
from tests.lakes import leasehold, read
from tests.rows import at
from transforms.schemas import ALERTS, FUNCTION_ACTIVITY_HOURLY

WIRE = "http://127.0.0.1:9/"
_VOID = {"meta", "link", "img", "br", "hr", "input"}


class Read(HTMLParser):
    """A page taken apart: its elements with their attributes, and its text; open tags must be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes {self.open[-3:]}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def assert_safe(html: str) -> Read:
    """Nothing that runs or loads; all of it text, of bearable length, without control or direction characters."""
    page = Read(html)
    assert {tag for tag, _ in page.elements} <= _ALLOWED
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "xlink:href", "srcdoc")]
        href = attributes.get("href")
        assert href is None or re.fullmatch(r"#[a-z-]+|data:,", href), (tag, href)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u2028\u2029]", html)
    assert max(map(len, page.text)) < 20_000  # the style sheet; no value is longer than 1,100
    assert not [text for text in page.text if len(text) > 1_200 and ":root" not in text]
    return page


_ALLOWED = {
    "html", "head", "meta", "link", "title", "style", "body", "a", "header", "p", "h1", "h2", "h3", "ul", "ol", "li",
    "span", "dl", "div", "dt", "dd", "nav", "main", "section", "article", "figure", "figcaption", "table", "caption",
    "thead", "tbody", "tr", "th", "td", "details", "summary", "footer", "code", "time", "b", "i", "svg", "desc", "g",
    "path", "line", "rect", "text", "tspan",
}  # fmt: skip


def assert_accessible(page: Read) -> None:
    """Language, landmarks, headings in order, tables with headers, pictures with names, links that lead somewhere."""
    assert page.all("html")[0]["lang"] == "en"
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert len(page.all(landmark)) == 1, landmark
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), ids
    for attributes in page.all("a"):
        assert str(attributes["href"])[1:] in ids
    for attributes in page.all("th"):
        assert attributes["scope"] in ("col", "row")
    assert len(page.all("table")) == len(page.all("caption")) > 0
    for attributes in page.all("svg"):
        assert attributes["role"] == "img" and set(str(attributes["aria-labelledby"]).split()) <= set(ids)
    scrolled = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert scrolled and all(a["tabindex"] == "0" and a["aria-label"] for a in scrolled)
    assert not [a for _, a in page.elements if int(a.get("tabindex") or 0) > 0]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return report_lake.make(spark, str(tmp_path_factory.mktemp("report") / "lake"), WIRE)


@pytest.mark.sail_only
@pytest.mark.parametrize("number", range(4))
def test_an_alert_whatever_its_evidence(lake: Lake, number: int) -> None:
    html = render(report_alert.of_alert(lake, f"a{number}"))
    page = assert_safe(html)
    assert_accessible(page)
    titles = ["What happened", "What was expected", "Timeline", "What it does, as a picture", "Evidence",
              "Whose address it was, and how sure", "What could not be seen", "What to do next"]  # fmt: skip
    headings = [
        page.text[n + 1] for n, text in enumerate(page.text[:-1]) if text.strip() == "" and page.text[n + 1] in titles
    ]
    assert headings == titles * 2  # as links, and as headings
    assert f"leasehold respond plan a{number}" in html and f"leasehold explain a{number}" in html
    assert "(9," in html and "characters more)" in html  # the long name was cut, and that is said
    assert r"\u202e" in html and "&lt;script&gt;" in html


@pytest.mark.sail_only
def test_an_alert_about_the_whole_account(lake: Lake) -> None:
    """Of no function, in no account that is known, and never seen again: what there is to say is said."""
    html = render(report_alert.of_alert(lake, "whole"))
    assert_accessible(assert_safe(html))
    assert "(the account)" in html and "leasehold respond plan whole" in html and 'id="picture"' not in html


@pytest.mark.sail_only
def test_a_function_and_a_day(lake: Lake) -> None:
    for page in (report_pages.of_function(lake, report_lake.NAME), report_pages.of_day(lake, report_lake.DAY)):
        html = render(page)
        assert_accessible(assert_safe(html))
        assert "leasehold respond plan a0" in html and ("5 seen" in html or "of 4 ever" in html)
        # 32 things, 8 of each sort: all are told of, and so many are shown.
    with pytest.raises(LeaseholdError, match="leasehold leases --function Nobody"):
        report_pages.of_function(lake, "Nobody")
    with pytest.raises(LeaseholdError, match="nothing is known of 2020-01-01"):
        report_pages.of_day(lake, date(2020, 1, 1))
    with pytest.raises(LeaseholdError, match="not a function"):
        report_pages.of_function(lake, "<b>")


@pytest.mark.sail_only
def test_reading_is_bounded(lake: Lake) -> None:
    """8 peers, of which three are wanted: the others are counted; and each is new, or known, as its first day says."""
    who = report_reads.Who(names=(report_lake.NAME,))
    first, day = report_lake.DAY - timedelta(days=9), report_lake.DAY
    found, cells = report_reads.things(lake, who, ("peer",), first, day, day, 3)
    assert (len(found.rows), found.more) == (3, 5)
    assert [row["is_new"] for row in found.rows] == [True] * 3 and {row["days"] for row in found.rows} == {1}
    assert {cell["thing"] for cell in cells} == {row["thing"] for row in found.rows}
    whole, cells = report_reads.things(lake, who, ("peer",), first, day, day, 20)
    assert whole.more == 0 and len(cells) == sum(row["days"] for row in whole.rows)
    assert {(row["is_new"], row["days"]) for row in whole.rows} == {(True, 1), (False, 2), (False, 3)}


@pytest.mark.sail_only
def test_a_shared_function_counts_once(spark: SparkSession, tmp_path: Path) -> None:
    """Both candidates of a conversation have its row: of the two together it is one."""
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create([FUNCTION_ACTIVITY_HOURLY])
    rows = [
        report_lake.row(FUNCTION_ACTIVITY_HOURLY, WIRE, account_id="1", region="r", function_name=name, thing="t",
                        behaviour="peer", candidates="f, g", events=5, bytes_out=7)
        for name in ("f", "g")
    ]  # fmt: skip
    lake.append(FUNCTION_ACTIVITY_HOURLY, lake.frame(FUNCTION_ACTIVITY_HOURLY, rows))
    who, day = report_reads.Who("1", "r", ("f", "g")), report_lake.DAY
    found, cells = report_reads.things(lake, who, ("peer",), day, day, day, 9)
    assert [(row["events"], row["bytes_out"]) for row in found.rows] == [(5, 7)] and cells[0]["events"] == 5
    assert report_reads.things(lake, report_reads.Who("2", "r", ("f",)), ("peer",), day, day, day, 9)[0].rows == []


@pytest.mark.sail_only
def test_the_command(at_once: Path, tmp_path: Path) -> None:
    """On a true lake, as a user runs it: one file, and nothing half done beside it."""
    alert = next(a for a in read(at_once, ALERTS).to_pylist() if a["detection_id"] == "new_internal_connection")
    file = tmp_path / "report.html"
    done = leasehold("report", "--alert", alert["alert_id"][:6], "-o", file, "--lake", at_once)
    html = file.read_text(encoding="utf-8")
    assert str(file) in done.stderr and [path.name for path in tmp_path.iterdir()] == [file.name]
    page = assert_safe(html)
    assert_accessible(page)
    text = " ".join(page.text)
    for said in (alert["expected"], "AWSLogs/", f"● {alert['peer_name']}", "sole candidate"):
        assert said in text, said
    for wrong, said in (
        ((), "exactly one"),
        (("--alert", "x", "--day", "2026-02-01"), "exactly one"),
        (("--alert", "nobody"), "leasehold alerts"),
        (("--day", "noon"), "not a day"),
        (("--alert", alert["alert_id"], "-o", tmp_path / "none" / "x.html"), "cannot write"),
    ):
        failed = leasehold("report", *wrong, "--lake", at_once, check=False)
        assert failed.returncode == 1 and said in failed.stderr and "Traceback" not in failed.stderr, wrong


@pytest.mark.sail_only
def test_the_same_lake_gives_the_same_page(spark: SparkSession, at_once: Path, tmp_path: Path) -> None:
    lake = Lake(spark, str(at_once))
    told = read(at_once, ALERTS).to_pylist()[0]
    for n in (1, 2):
        report.write(lake, tmp_path / f"{n}.html", told["alert_id"], None, None)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_values_are_cleaned() -> None:
    assert clean("a\u202eb") == r"a\u202eb" and clean(None) == "—" and clean(at("6:00")) == "2026-01-05 06:00:00Z"
    assert clean("x" * 10_000) == "x" * 1_000 + "… (9,000 characters more)"
    assert clean(Markup("<b>")) == "<b>"


def test_what_is_not_shown_is_counted() -> None:
    page = Page(
        "t", "l", sections=[Section("s", "S", [Grid("c", ["a"], [["<i>"]], more=1_234, marked=frozenset({0}))])]
    )
    html = render(page)
    assert "… and 1,234 more." in html and '<th scope="row">&lt;i&gt;</th>' in html and '<tr class="marked">' in html


def test_pictures_hold_nothing_but_shapes_and_texts() -> None:
    """Labels are hostile, alike, and long; none is lost, and the page's colours are used."""
    names = [report_lake.hostile(column, WIRE) for column in ("a", "b", "c")] + ["known"]
    cells = [Cell(name, date(2026, 1, 1 + n), 10**n, n == 0) for n, name in enumerate(names)]
    svg = report_charts.matrix("id", "<script>", "</desc>", cells, names)
    page = Read(str(svg))
    assert {tag for tag, _ in page.elements} <= {"svg", "title", "desc", "g", "path", "rect", "line", "text", "tspan"}
    assert not [a for _, a in page.elements for name in a if name.startswith(("on", "href", "xlink"))]
    labels = [text for text in page.text if text.startswith(("</td>", "2: ", "3: ", "known"))]
    assert len(set(labels)) == 4
    fills = [str(a.get("fill")) for _, a in page.elements]
    assert fills.count("var(--known)") == 3 and fills.count("var(--new)") == 1
    assert "WebSocket" not in svg and "#" not in "".join(fills)


def test_a_number_over_time() -> None:
    start = datetime(2026, 1, 5)
    points = [(start + timedelta(hours=n), 5.0 + 90 * (n == 7), n == 7) for n in range(9)]
    svg = str(report_charts.bars("n", "t", "d", [*points, (start, float("nan"), False)], 3_600, usual=5.0))
    assert svg.count('"var(--new)"') == 1 and svg.count('fill="var(--known)"') == 8 and 'stroke="var(--ink)"' in svg


def test_colours_can_be_read() -> None:
    """WCAG 2: texts have a contrast of 4.5 at least with what is behind them, shapes of 3; on paper, too."""
    css = (Path(report_page.__file__).parent / "report_templates" / "page.css").read_text(encoding="utf-8")
    themes = re.findall(r":root \{(.*?)\}", css, re.S)
    assert len(themes) == 3
    for theme in themes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", theme))
        for text in ("ink", "muted", "link", "high", "medium", "low"):
            for behind in ("paper", "card", "mark"):
                assert _contrast(colours[text], colours[behind]) >= 4.5, (text, behind, colours)
        for shape in ("known", "new"):
            assert _contrast(colours[shape], colours["paper"]) >= 3, (shape, colours)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
