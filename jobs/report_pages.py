"""The reports of a function and of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from jobs import lease_answers, report_charts, report_reads
from jobs import report_parts as parts
from jobs.bounded import Some
from jobs.errors import LeaseholdError
from jobs.report_charts import Cell
from jobs.report_page import Block, Figure, Grid, Moment, Page, Prose, Section
from jobs.report_parts import SHOWN, counted
from jobs.report_reads import Who
from jobs.show import Row, moment
from jobs.storage import Lake
from transforms.behaviours import PEER

DAY = timedelta(days=1)


def of_function(lake: Lake, text: str) -> Page:
    """What a function, by its name or ARN, does and did; raises LeaseholdError where none or several are known."""
    asked = lease_answers.function_parts({"function": text})
    name = asked["function"]
    known = [
        row
        for row in report_reads.places(lake, name)
        if all(asked.get(o, row[c]) == row[c] for o, c in (("account", "account_id"), ("region", "region")))
    ]
    if not known:
        raise LeaseholdError(f"nothing that {name} did is known; `leasehold leases --function {name}` says what is")
    if len(known) > 1:
        arns = [f"arn:aws:lambda:{row['region']}:{row['account_id']}:function:{name}" for row in known[:5]]
        raise LeaseholdError(f"{len(known)} functions are called {name}: give the ARN of one, like {' or '.join(arns)}")
    who, last = Who(known[0]["account_id"], known[0]["region"], (name,)), known[0]["last"]
    since = last - 6 * DAY
    start, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (last - 30 * DAY, last + DAY))
    alerts = report_reads.alerts(lake, who, None, None, SHOWN)
    changed = report_reads.changes(lake, who, start, end, SHOWN)
    still = [row for row in alerts.rows if row["status"] == "open"]
    moments = [*parts.change_moments(changed),
               *[Moment(r["opened_at"], f"{r['title']} ({r['alert_id']})", "alert") for r in alerts.rows]]  # fmt: skip
    happened: list[Block] = [Prose("Its alerts, the latest first."), parts.alert_cards(alerts)]
    sections = [
        Section("happened", "What happened", happened if alerts.rows else [Prose("It has never raised an alert.")]),
        Section("expected", "What is expected", parts.normal(lake, who, None)),
        Section("timeline", "Timeline: alerts, and changes of the last 30 days", parts.timeline(moments, changed.more)),
        Section("picture", "What it does, as a picture", [
            *parts.pictures(lake, who, since, last, (PEER,)),
            *parts.number_over_time(lake, who, report_reads.invocations(), last - 30 * DAY, last, False),
            *parts.number_over_time(lake, who, report_reads.bytes_sent(), last - 30 * DAY, last, False),
        ]),
        Section("addresses", "Which addresses it may have used", parts.holders(lake, who, function=name)),
        Section("unseen", "What could not be seen", parts.not_seen(lake, who, None)),
        Section("next", "What to do next", [parts.commands(
            *[(["leasehold", "explain", row["alert_id"]], f"why: {row['title']}") for row in still[:5]],
            *[(["leasehold", "respond", "plan", row["alert_id"]], "the ways to contain it") for row in still[:5]],
            (["leasehold", "alerts", "--function", name], "all its alerts"),
            (["leasehold", "coverage", "--function", name], "how well it is seen, day by day"),
        )]),
    ]  # fmt: skip
    lead = f"{counted(len(still), 'alert')} open, of {len(alerts.rows) + alerts.more:,} ever. Seen until {last}."
    place = [("account", parts.place(who)), ("last day seen", last)]
    return Page(f"Function {name}", lead, [], place, sections, parts.source(lake))


def of_day(lake: Lake, day: date) -> Page:
    """What happened on a day; raises LeaseholdError where nothing of it is known."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    alerts = report_reads.alerts(lake, Who(), start, start + DAY, SHOWN)
    busy, hours = report_reads.busy(lake, day, SHOWN)
    new = report_reads.novelties(lake, day, SHOWN)
    changed = report_reads.changes(lake, Who(), start, start + DAY, SHOWN)
    if not (alerts.rows or busy.rows or changed.rows):
        raise LeaseholdError(f"nothing is known of {day}; `leasehold coverage` says which days there are")
    opened = [row for row in alerts.rows if row["opened_at"] >= start]
    moments = [
        *parts.change_moments(changed),
        *[Moment(row["opened_at"], f"{row['title']}: {row['functions'] or 'the account'}", "alert") for row in opened],
    ]
    happened: list[Block] = [Prose("Alerts seen on that day, the latest first."), parts.alert_cards(alerts)]
    still = [row for row in alerts.rows if row["status"] == "open"]
    sections = [
        Section("happened", "What happened", happened if alerts.rows else [Prose("No alert was seen on that day.")]),
        Section("new", "What was new", _new(new)),
        Section("timeline", "Timeline", parts.timeline(moments, changed.more)),
        Section("picture", "Who did how much, as a picture", _busy(busy, hours, day, alerts)),
        Section("unseen", "What could not be seen", parts.not_seen(lake, Who(), day)),
        Section("next", "What to do next", [parts.commands(
            *[(["leasehold", "explain", row["alert_id"]], f"why: {row['title']}") for row in still[:8]],
            *[(["leasehold", "respond", "plan", row["alert_id"]], "the ways to contain it") for row in still[:3]],
            (["leasehold", "report", "--day", day - DAY, "-o", "report.html"], "the day before"),
        )]),
    ]  # fmt: skip
    lead = (
        f"{counted(len(opened), 'alert')} opened, {len(alerts.rows) + alerts.more:,} seen; "
        f"{counted(len(new.rows) + new.more, 'thing')} that functions had never done; "
        f"{counted(len(changed.rows) + changed.more, 'change')}."
    )
    return Page(
        f"The day {day}", lead, [], [("functions seen", len(busy.rows) + busy.more)], sections, parts.source(lake)
    )


def _new(found: Some) -> list[Block]:
    if not found.rows:
        return [Prose("No function that is known well enough did anything new.")]
    rows = [
        [row["label"], row["behaviour"], row["functions"], moment(row["first_time"]) if row["first_time"] else None,
         f"{row['events'] or 0:,}", row["expected"]]
        for row in found.rows
    ]  # fmt: skip
    columns = ["which", "what", "function", "first", "events", "what of the sort is normal"]
    return [Grid("First seen, or not yet normal; the most surprising first", columns, rows, found.more,
                 numbers=frozenset({4}))]  # fmt: skip


def _busy(found: Some, hours: list[Row], day: date, alerts: Some) -> list[Block]:
    if not found.rows:
        return [Prose("No function was seen.")]
    loud: dict[str, list[Row]] = {}
    for row in alerts.rows:
        for name in str(row["functions"] or "").split(", "):
            loud.setdefault(name, []).append(row)
    labels = {n: f"● {n}" if n in loud else n for n in dict.fromkeys(row["function_name"] for row in found.rows)}
    marks = [
        Cell(labels[row["function_name"]], row["hour"], row["events"],
             any(_within(row["hour"], alert) for alert in loud.get(row["function_name"], ())))
        for row in hours
    ]  # fmt: skip
    said = f"{counted(len(labels) + found.more, 'function')}; the hours of alerts are marked, and whose they are."
    svg = report_charts.matrix("hours", f"Functions on {day}, hour by hour", f"{said} The table below has the numbers.",
                               marks, list(labels.values()))  # fmt: skip
    rows = [
        [row["function_name"], "alert" if row["function_name"] in loud else "—", f"{row['things']:,}",
         f"{row['events']:,}", parts.size(row["bytes_out"]), parts.size(row["bytes_in"])]
        for row in found.rows
    ]  # fmt: skip
    columns = ["function", "alert?", "peers and calls", "events", "sent", "received"]
    marked = frozenset(n for n, row in enumerate(found.rows) if row["function_name"] in loud)
    numbers = Grid("Functions: the numbers", columns, rows, found.more, marked, frozenset({2, 3, 4, 5}))
    caption = f"Functions on {day}, hour by hour (UTC). {said} Stronger: more events."
    return [Figure(caption, svg, numbers, "otherwise", "while it had an alert" if marked else "")]


def _within(hour: datetime, alert: Row) -> bool:
    first, last = alert["opened_at"], alert["updated_at"] or alert["opened_at"]
    return bool(first < hour + timedelta(hours=1) and hour <= last)
