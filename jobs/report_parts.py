"""Parts that several reports share: each asks what it shows, bounded, and makes blocks of a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from jobs import coverage_answer, coverage_words, lease_answers, report_charts, report_reads
from jobs.bounded import Some
from jobs.judgements import release
from jobs.lease_answers import Question
from jobs.report_charts import Cell
from jobs.report_page import Block, Card, Cards, Commands, Facts, Figure, Grid, Moment, Points, Prose, Timeline
from jobs.report_reads import Measure, Who
from jobs.show import Row, boundary, moment, safe
from jobs.storage import Lake
from transforms.behaviours import API_CALL, API_ERROR, API_REGION, PEER
from transforms.columns import UNKNOWN
from transforms.schemas import ALERTS

SHOWN = 20
"""Rows of a table, and entries of a timeline; the lake has them all."""
_PICTURED = 15
_DAY = timedelta(days=1)
HISTORY = 39
"""Days before the first that a picture shows."""
_SURE = {
    "unique": "sure", "weighted": "by evidence", "shared": "equal parts", "presumed": "presumed", "unknown": "nobody's",
}  # fmt: skip


def size(number: float | None) -> str:
    """1,234,567 → `1.2 MB`, as alerts say it."""
    if number is None:
        return "—"
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(number) >= scale:
            return f"{number / scale:,.1f} {unit}"
    return f"{number:,.0f} B"


def counted(number: float, what: str) -> str:
    """`1 peer`, `2,000 peers`"""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def pictures(lake: Lake, who: Who, since: date, last: date, first_kinds: Sequence[str]) -> list[Block]:
    """Peers and API calls as pictures with their numbers, those of `first_kinds` first; `since`: what counts as new."""
    groups = [
        ("peers", "peer", "Peers", (PEER,)),
        ("calls", "API call", "API calls", (API_CALL, API_ERROR)),
        ("regions", "region", "Regions whose API was called", (API_REGION,)),
    ]
    groups.sort(key=lambda group: not set(group[3]) & set(first_kinds))
    made: list[Block] = []
    for id, noun, title, behaviours in groups:
        first = since - HISTORY * _DAY
        found, cells = report_reads.things(lake, who, behaviours, first, last, since, _PICTURED)
        # One region, as ever, says nothing.
        if found.rows and (id != "regions" or len(found.rows) > 1 or found.rows[0]["is_new"]):
            made.append(_picture(id, noun, title, found, cells, first, last, since))
    return made or [Prose("Nothing is known of what it did in these days.")]


def _picture(
    id: str, noun: str, title: str, found: Some, cells: list[Row], first: date, last: date, since: date
) -> Block:
    names = {row["thing"]: _mark(row) for row in found.rows}
    new = {row["thing"] for row in found.rows if row["is_new"]}
    marks = [Cell(names[c["thing"]], c["date"], c["events"], c["thing"] in new) for c in cells]
    fresh = f"{len(new):,} of them first seen on {since} or later" if new else f"none of them new since {since}"
    shown = f" The {len(names):,} shown are the new and the most regular ones." if found.more else ""
    said = f"{counted(len(names) + found.more, noun)} from {first} to {last}, {fresh}.{shown}"
    svg = report_charts.matrix(id, f"{title}, day by day", f"{said} The table below has the numbers.", marks,
                               list(names.values()))  # fmt: skip
    sent = id == "peers"
    columns = [noun, "new?", "days seen", "first", "last", "events", *(["sent", "received"] if sent else [])]
    rows = [
        [
            row["label"], "new" if row["is_new"] else "as before", row["days"], row["first"], row["last"],
            f"{row['events']:,}", *([size(row["bytes_out"]), size(row["bytes_in"])] if sent else []),
        ]
        for row in found.rows
    ]  # fmt: skip
    marked = frozenset(n for n, row in enumerate(found.rows) if row["is_new"])
    numbers = Grid(f"{title}: the numbers", columns, rows, found.more, marked, frozenset({2, 5, 6, 7}))
    caption = f"{title}, day by day. {said} Stronger: more of it."
    return Figure(caption, svg, numbers, "known before", f"first seen on {since} or later" if new else "")


def _mark(row: Row) -> str:
    """Colour is not all that tells what is new."""
    return f"● {row['label']}" if row["is_new"] else str(row["label"])


def number_over_time(
    lake: Lake, who: Who, measure: Measure, first: date, last: date, hourly: bool,
    about: tuple[datetime, datetime] | None = None, usual: float | None = None,
) -> list[Block]:  # fmt: skip
    """A number over time as a picture; what lies within `about` is marked, and the last numbers stand below."""
    points = report_reads.series(lake, who, measure, first, last, hourly)
    if not points:
        return []
    step = timedelta(hours=1) if hourly else _DAY
    marked = [(at, value, bool(about and at + step > about[0] and at <= about[1])) for at, value in points]
    unit = "hour by hour" if hourly else "day by day"
    show = size if measure.title.startswith("bytes") else short
    high = max(marked, key=lambda point: point[1])
    said = (
        f"From {points[0][0].date()} to {points[-1][0].date()}; the highest is {show(high[1])}, at {moment(high[0])}."
    )
    if usual is not None:
        said += f" Dashed: what is usual, {show(usual)}."
    id = "number-" + measure.title.partition(" ")[0]
    title = f"{measure.title[:1].upper()}{measure.title[1:]}, {unit}"
    svg = report_charts.bars(id, title, said, marked, round(step.total_seconds()), usual,
                             "~s" if measure.title.startswith("bytes") else ",~r")  # fmt: skip
    tail = marked[-48:]
    numbers = Grid(
        f"{title}: the last {len(tail)} numbers", ["from", measure.title],
        [[moment(at), show(value)] for at, value, _ in tail], len(marked) - len(tail),
        frozenset(n for n, point in enumerate(tail) if point[2]), frozenset({1}), folded=True,
    )  # fmt: skip
    colours = ("before and after", "what the alert is about") if about else ("", "")
    return [Figure(f"{title}. {said}", svg, numbers, *colours)]


def short(number: float) -> str:
    """3,023 or 0.25"""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.{1 if abs(number) >= 10 else 2}f}"


def alert_cards(found: Some) -> Cards:
    """Alerts, below each other."""
    cards = [
        Card(r["alert_id"], str(r["title"] or r["detection_id"]), str(r["severity"]), str(r["status"]),
             r["functions"] or "(the account)", r["opened_at"], str(r["summary"] or r["subject"] or ""))
        for r in found.rows
    ]  # fmt: skip
    return Cards(cards, found.more)


def normal(lake: Lake, who: Who, as_of: date | None) -> list[Block]:
    """What is normal, as a table."""
    day, found = report_reads.baseline(lake, who, as_of, SHOWN)
    if day is None or not found.rows:
        return [Prose("Nothing is known yet of what is normal: a function is learned for its first days.")]
    rows = [
        [
            r["label"] or r["thing"],
            r["behaviour"],
            r["function_name"],
            r["days_seen"],
            r["first_seen"],
            r["last_seen"],
            r["status"],
        ]
        for r in found.rows
    ]
    columns = ["which", "what", "function", "days seen", "first", "last", "status"]
    if len(who.names) == 1:
        columns, rows = [c for c in columns if c != "function"], [[*r[:2], *r[3:]] for r in rows]
    right = frozenset({columns.index("days seen")})
    return [Grid(f"What was normal, as known at the start of {day}", columns, rows, found.more, numbers=right)]


def change_moments(found: Some) -> list[Moment]:
    """Changes as entries of a timeline."""
    return [
        Moment(
            row["event_time"],
            f"{row['change']} of {row['function_name'] or 'the account'} changed by {row['principal']}"
            f" ({row['event_name']}{', refused: ' + row['error_code'] if row['error_code'] else ''})"
            f"{': ' + row['detail'] if row['detail'] else ''}",
            "change",
        )
        for row in found.rows
        if row["event_time"]
    ]


def timeline(moments: Iterable[Moment], more: int = 0) -> list[Block]:
    """Entries in the order of their time."""
    ordered = sorted(moments, key=lambda one: one.at.replace(tzinfo=UTC) if one.at.tzinfo is None else one.at)
    cut = max(0, len(ordered) - 2 * SHOWN)
    if not ordered:
        return [Prose("Nothing is known to have happened.")]
    return [Timeline(ordered[: 2 * SHOWN], more + cut)]


def not_seen(lake: Lake, who: Who, day: date | None) -> list[Block]:
    """What coverage says of the day, or of the last week: what could not be seen, and how sure the rest is."""
    answer = coverage_answer.answer(lake, day, within(who))
    made: list[Block] = [Prose(note) for note in answer["notes"]]
    if "functions" not in answer:
        return made
    when = coverage_words.period(answer["from"], answer["until"])
    if answer["not_seen"]:
        made.append(Prose(f"{when}: what the tables cannot show."))
        made.append(Points([f"{part[:1].upper()}{part[1:]}." for part in answer["not_seen"]]))
    else:
        made.append(Prose(f"{when}: nothing is known to be missing. Files that were lost entirely leave no trace."))
    mine = [row for row in answer["functions"] if not who.names or row["function_name"] in who.names]
    if mine:
        kinds = [kind for kind in coverage_words.KINDS if any(row[f"{kind}_conversations"] for row in mine)]
        rows = [
            [
                row["function_name"],
                *[short(round(row[f"{kind}_conversations"] or 0, 1)) for kind in kinds],
                "outside any VPC: not seen" if row["outside_vpc"] else "data events" if row["data_events"] else "—",
            ]
            for row in mine[:SHOWN]
        ]
        caption = f"How sure it is whose conversations these were ({when}; conversations)"
        columns = ["function", *[_SURE[kind] for kind in kinds], "remark"]
        right = frozenset(range(1, len(kinds) + 1))
        made.append(Grid(caption, columns, rows, max(0, len(mine) - SHOWN), numbers=right))
    if not who.names:
        made.append(Prose(coverage_words.would_settle(answer["would_settle"])))
    elif not mine:
        made.append(Prose("Of these functions no conversation was seen in that time."))
    return made


def holders(
    lake: Lake, who: Who, at: datetime | None = None, ip: str | None = None, function: str | None = None
) -> list[Block]:
    """Who had the address, or which addresses a function had, and how sure that is."""
    place = within(who)
    question = Question(ip=ip, function=function, at=at, account=place.get("account"), region=place.get("region"))
    answer = lease_answers.answer(lake, question)
    made: list[Block] = [Points(answer["notes"])] if answer["notes"] else []
    for network in answer["networks"]:
        made.append(Prose(network["answer"]))
        if network["how_sure"]:
            made.append(Points(network["how_sure"]))
        leases = network["leases"][-SHOWN:]
        rows = [
            [r["address"], r["interface_id"], r["owner_name"] or r["owner_kind"], boundary(r, "from"),
             boundary(r, "to"), ", ".join(r["others"]) or "—"]
            for r in leases
        ]  # fmt: skip
        columns = ["address", "interface", "held by", "from", "until", "others who may have used it"]
        where = f"{network.get('account_id') or UNKNOWN} {network.get('region') or ''}".strip()
        made.append(
            Grid(f"Leases in {where}", columns, rows, len(network["leases"]) - len(leases), folded=len(rows) > 6)
        )
    return made


def commands(*lines: tuple[Sequence[object], str]) -> Commands:
    """Commands as they are typed: whatever stands in a name is one word of the shell."""
    return Commands([(shlex.join([safe(word) for word in words]), why) for words, why in lines])


def facts(*pairs: tuple[str, object]) -> Facts:
    """Names and values, without those that are not known."""
    return Facts([(name, value) for name, value in pairs if value not in (None, "")])


def place(who: Who) -> str:
    """`123456789012 · eu-west-1`"""
    return f"{who.account_id or UNKNOWN} · {who.region or UNKNOWN}"


def source(lake: Lake) -> str:
    """What a page was made from: the same tables give the same page."""
    return f"Leasehold {release()}, from version {lake.version(ALERTS)} of the table alerts. All times are UTC."


def within(who: Who) -> dict[str, str]:
    """The account and the region where they are known, as options name them."""
    both = (("account", who.account_id), ("region", who.region))
    return {option: str(value) for option, value in both if value not in (None, UNKNOWN)}
