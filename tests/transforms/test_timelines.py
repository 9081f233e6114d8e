"""From observations to intervals: the docstring's examples, then thousands of histories against the oracle."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from tests import oracles
from tests.rows import MONDAY, Row, at, frame, rows_of
from transforms.intervals import BOUNDARIES
from transforms.schemas.table import columns
from transforms.timelines import observed_intervals

SEEN = columns(
    ("case", "string", ""),
    ("thing", "string", ""),
    ("colour", "string", ""),
    ("shape", "string", ""),
    ("first_at", "timestamp", ""),
    ("last_at", "timestamp", ""),
    ("settled", "boolean", ""),
)
EVENTS = columns(
    ("case", "string", ""),
    ("thing", "string", ""),
    ("colour", "string", ""),
    ("shape", "string", ""),
    ("at", "timestamp", ""),
    ("gone", "boolean", ""),
)
POLLS = columns(("case", "string", ""), ("polled_at", "timestamp", ""), ("complete", "boolean", ""))


def intervals(spark: SparkSession, seen: list[Row], polls: list[Row], events: list[Row] | None) -> DataFrame:
    told = None if events is None else frame(spark, EVENTS, events)
    # Each poll a sighting; once, as `transforms.sightings` makes them.
    once = {(row["case"], row["thing"], row["polled_at"]): row for row in seen}.values()
    sightings = [{**row, "first_at": row["polled_at"], "last_at": row["polled_at"]} for row in once]
    sightings = [{k: v for k, v in row.items() if k != "polled_at"} for row in sightings]
    answers = [{**poll, "complete": True} for poll in polls]
    answers += [{"case": row["case"], "polled_at": row["polled_at"], "complete": False} for row in seen]
    return observed_intervals(
        frame(spark, SEEN, sightings), ("case",), ("thing",), ("colour", "shape"), frame(spark, POLLS, answers), told
    )


def seen(case: str, moment: str, colour: str | None, **overrides: Any) -> Row:
    row = {"case": case, "thing": "x", "colour": colour, "shape": None, "polled_at": at(moment), "settled": True}
    return row | overrides


def told(case: str, moment: str, colour: str | None) -> Row:
    return {"case": case, "thing": "x", "colour": colour, "at": at(moment), "gone": colour is None}


def test_what_polls_and_events_say(spark: SparkSession) -> None:
    """One case a line: what was seen (`?` = not settled), what was told, and the intervals to expect."""
    polls = ("10:00", "10:10", "10:20", "10:30")
    cases: dict[str, tuple[dict[str, str], dict[str, str | None], list[tuple[Any, ...]]]] = {
        "seen, then not": (
            {"10:00": "a", "10:10": "a"},
            {},
            [("a", "10:00", "first snapshot", None, "10:15", "snapshot", 300)],
        ),
        "seen late": ({"10:30": "a"}, {}, [("a", "10:25", "snapshot", 300, None, None, None)]),
        "a change": (
            {"10:00": "a", "10:10": "b", "10:20": "b", "10:30": "b"},
            {},
            [
                ("a", "10:00", "first snapshot", None, "10:05", "snapshot", 300),
                ("b", "10:05", "snapshot", 300, None, None, None),
            ],
        ),
        "a change that an event names serves when a poll shows it": (
            {"10:00": "a", "10:10": "b", "10:20": "b", "10:30": "b"},
            {"10:02": "b"},
            [
                ("a", "10:00", "first snapshot", None, "10:02", "cloudtrail", 480),
                ("b", "10:02", "cloudtrail", 480, None, None, None),
            ],
        ),
        "two changes between two polls, the first of which no poll saw": (
            {"10:00": "a", "10:10": "c", "10:20": "c", "10:30": "c"},
            {"10:02": "b", "10:06": "c"},
            [
                ("a", "10:00", "first snapshot", None, "10:02", "cloudtrail", 240),
                ("b", "10:02", "cloudtrail", 240, "10:06", "cloudtrail", 240),
                ("c", "10:06", "cloudtrail", 240, None, None, None),
            ],
        ),
        "a change and back, between two polls": (
            {"10:00": "a", "10:10": "a", "10:20": "a", "10:30": "a"},
            {"10:02": "b", "10:04": "a"},
            [
                ("a", "10:00", "first snapshot", None, "10:02", "cloudtrail", 120),
                ("b", "10:02", "cloudtrail", 120, "10:04", "cloudtrail", 360),
                ("a", "10:04", "cloudtrail", 360, None, None, None),
            ],
        ),
        "in progress: the old one serves until a poll shows it done": (
            {"10:00": "a", "10:10": "b?", "10:20": "b", "10:30": "b"},
            {"10:08": "b"},
            [
                ("a", "10:00", "first snapshot", None, "10:08", "cloudtrail", 720),
                ("b", "10:08", "cloudtrail", 720, None, None, None),
            ],
        ),
        "in progress without an event": (
            {"10:00": "a", "10:10": "b?", "10:20": "b", "10:30": "b"},
            {},
            [
                ("a", "10:00", "first snapshot", None, "10:15", "snapshot", 900),
                ("b", "10:15", "snapshot", 300, None, None, None),
            ],
        ),
        "in progress when first seen: what was before is not known": (
            {"10:00": "b?", "10:10": "b", "10:20": "b", "10:30": "b"},
            {},
            [("b", "10:05", "snapshot", 300, None, None, None)],
        ),
        "never polled": (
            {},
            {"10:02": "a", "10:04": None},
            [("a", "10:02", "cloudtrail", 120, "10:04", "cloudtrail", 0)],
        ),
        "created after the last poll": ({}, {"10:35": "a"}, [("a", "10:35", "cloudtrail", 900, None, None, None)]),
        "created, but the next poll does not show it": (
            {},
            {"10:05": "a"},
            [("a", "10:05", "cloudtrail", 900, "10:07:30", "snapshot", 150)],
        ),
        "deleted and made again": (
            {"10:00": "a", "10:10": "a", "10:20": "a", "10:30": "a"},
            {"10:12": None, "10:14": "a"},
            [
                ("a", "10:00", "first snapshot", None, "10:12", "cloudtrail", 0),
                ("a", "10:14", "cloudtrail", 360, None, None, None),
            ],
        ),
        "an event at the very poll that still shows the old": (
            {"10:00": "a", "10:10": "a", "10:20": "b", "10:30": "b"},
            {"10:10": "b"},
            [
                ("a", "10:00", "first snapshot", None, "10:10", "cloudtrail", 600),
                ("b", "10:10", "cloudtrail", 600, None, None, None),
            ],
        ),
    }
    sightings, events = [], []
    for case, (shown, changes, _) in cases.items():
        for moment, colour in shown.items():
            sightings.append(seen(case, moment, colour.rstrip("?"), settled=not colour.endswith("?")))
        events += [told(case, moment, colour) for moment, colour in changes.items()]
    asked = [{"case": case, "polled_at": at(p)} for case in cases for p in polls]
    found = defaultdict(list)
    for row in rows_of(intervals(spark, sightings, asked, events)):
        found[row["case"]].append(row)
    for case, (_, _, expected) in cases.items():
        got = [
            (
                r["colour"],
                r["valid_from"],
                r["from_evidence"],
                r["from_uncertainty_seconds"],
                r["valid_to"],
                r["to_evidence"],
                r["to_uncertainty_seconds"],
            )
            for r in sorted(found[case], key=lambda r: r["valid_from"])
        ]
        assert got == [(c, at(f), e, u, at(t) if t else None, te, tu) for c, f, e, u, t, te, tu in expected], case


def history(case: str, rng: random.Random) -> tuple[list[Row], list[Row], list[Row]]:
    """Some polls, what they saw of three things, and events; hostile on purpose: equal times, gaps, repeats."""
    step = rng.choice((1, 60, 600))
    times = [MONDAY + timedelta(seconds=step * t, milliseconds=rng.choice((0, 0, 0, 250))) for t in range(10)]
    polls = [t for t in times if rng.random() < rng.choice((0.3, 0.9))]
    rows, events = [], []
    for thing in ("x", "y", "z"):
        colours = rng.sample(("red", "blue", "", None), 2)
        for poll in polls:
            if rng.random() < 0.7:
                row = seen(case, "0:00", rng.choice(colours), thing=thing, polled_at=poll)
                rows += [row | {"settled": rng.random() < 0.85}] * rng.choice((1, 1, 2))
        for moment in rng.sample(times, rng.choice((0, 0, 1, 2, 3))):
            moment = moment.replace(microsecond=0) + timedelta(seconds=rng.choice((0, 0, step // 3)))
            gone = rng.random() < 0.3
            colour = None if gone else rng.choice(colours)
            events.append({"case": case, "thing": thing, "colour": colour, "at": moment, "gone": gone})
    # Some answers list only a part: they are no polls that could miss a thing.
    whole = [poll for poll in polls if rng.random() < 0.8]
    return rows, [{"case": case, "polled_at": p} for p in whole], events


def expected(rows: list[Row], polls: list[Row], events: list[Row]) -> list[tuple[Any, ...]]:
    things: dict[tuple[str, str], dict[str, Any]] = defaultdict(lambda: {"seen": {}, "events": []})
    for r in rows:
        things[r["case"], r["thing"]]["seen"][r["polled_at"]] = (repr(r["colour"]), r["settled"])
    for e in events:
        things[e["case"], e["thing"]]["events"].append((e["at"], None if e["gone"] else repr(e["colour"])))
    found = []
    for (case, thing), told in things.items():
        asked = [p["polled_at"] for p in polls if p["case"] == case]
        for row in oracles.observed(asked, told["seen"], told["events"]):
            found.append((case, thing, row["state"], *[row[b] for b in BOUNDARIES]))
    return sorted(found, key=str)


def test_thousands_of_histories(spark: SparkSession) -> None:
    """Equal to the oracle; whatever the order of rows and whatever is repeated."""
    rng = random.Random(1)
    rows: list[Row] = []
    polls: list[Row] = []
    events: list[Row] = []
    for case in range(1_500):
        for part, more in zip((rows, polls, events), history(f"case {case}", rng), strict=True):
            part += more
    # Two events of one thing in one second have no order that CloudTrail tells: leave those out here.
    events = list({(e["case"], e["thing"], e["at"], e["gone"]): e for e in events}.values())
    wanted = expected(rows, polls, events)
    for part in (rows, polls, events):
        rng.shuffle(part)
    found = rows_of(intervals(spark, rows + rows[:500], polls + polls[:500], events + events[:500]))
    got = [(r["case"], r["thing"], repr(r["colour"]), *[r[b] for b in BOUNDARIES]) for r in found]
    assert sorted(got, key=str) == wanted
    assert len(got) > 5_000
