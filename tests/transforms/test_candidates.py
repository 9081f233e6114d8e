"""Which functions a conversation may be of: the docstring's sentences, then thousands of histories by the reference."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from tests.oracles import SECOND, earliest, latest
from tests.rows import MONDAY, Row, at, frame, lease, rows_of
from transforms.candidates import candidates, in_time
from transforms.schemas import IP_LEASES
from transforms.schemas.table import columns

Answer = tuple[list[str], bool, str | None]

SPOKEN: StructType = columns(
    ("interface_id", "string", ""),
    ("local_addr", "string", ""),
    ("number", "bigint", "which one it is"),
    ("start_time", "timestamp", ""),
    ("end_time", "timestamp", ""),
)
FIRST = {"from_evidence": "first snapshot", "from_uncertainty_seconds": None}


def until(clock: str, uncertainty: int = 0) -> Row:
    return {"valid_to": at(clock), "to_evidence": "snapshot", "to_uncertainty_seconds": uncertainty}


def spoken(interface_id: str, start: str, end: str | None = None, **overrides: object) -> Row:
    row: Row = {"interface_id": interface_id, "local_addr": "10.0.0.1", "number": 0, "start_time": at(start)}
    return row | {"end_time": at(end or start)} | overrides


def answers(spark: SparkSession, flows: list[Row], leases: list[Row], tolerance: int) -> dict[tuple[str, int], Answer]:
    """By interface and number; every conversation must come back, once and as it was."""
    found = candidates(frame(spark, SPOKEN, flows), frame(spark, IP_LEASES, leases), tolerance)
    assert found.columns == [*SPOKEN.names, "names", "presumed", "basis"]
    rows = rows_of(found)
    assert Counter(tuple(row[k] for k in SPOKEN.names) for row in rows) == Counter(
        tuple(flow[k] for k in SPOKEN.names) for flow in flows
    )
    return {(r["interface_id"], r["number"]): (r["names"], r["presumed"], r["basis"]) for r in rows}


def reference(flow: Row, leases: list[Row], tolerance: int) -> Answer:
    """One conversation against one lease after the other."""
    start = flow["start_time"] - tolerance * SECOND
    lasted = min(max(flow["end_time"] - flow["start_time"], 0 * SECOND), 660 * SECOND)
    end = flow["start_time"] + lasted + tolerance * SECOND
    covering = []
    for row in leases:
        same = (row["interface_id"], row["address"]) == (flow["interface_id"], flow["local_addr"])
        serving = row["owner_kind"] == "lambda" and row["owner_name"] is not None and row["valid_from"] is not None
        if same and serving:
            low, high = earliest(row), latest(row)
            if (low is None or end >= low) and (high is None or start < high):
                covering.append(row)
    if not covering:
        return [], False, None
    presumed = all(row["from_evidence"] == "first snapshot" and end < row["valid_from"] for row in covering)
    creator = all(row["basis"] == "creator" for row in covering)
    return sorted({r["owner_name"] for r in covering}), presumed, "creator" if creator else "configuration"


def test_the_sentences_of_the_docstring(spark: SparkSession) -> None:
    """f until 12:00, g from 12:00; tolerance 0 and 60."""
    f, g = until("12:00"), {"owner_name": "g", "valid_from": at("12:00")}
    unsure = {"from_evidence": "snapshot", "from_uncertainty_seconds": 300}
    named, creator = {"owner_name": "h", "basis": "creator"}, {"basis": "creator"}
    sure_f, sure_g, nobody = (["f"], False, "configuration"), (["g"], False, "configuration"), ([], False, None)
    both = (["f", "g"], False, "configuration")
    cases: dict[str, tuple[list[Row], tuple[str, str], Answer, Answer]] = {
        "before": ([f, g], ("11:30", "11:30:20"), sure_f, sure_f),
        "after": ([f, g], ("12:30", "12:30:20"), sure_g, sure_g),
        "a little after": ([f, g], ("12:00:20", "12:00:40"), sure_g, both),
        "at the very hand-over": ([f, g], ("12:00", "12:00"), sure_g, both),
        "until the very hand-over": ([f, g], ("11:59", "12:00"), both, both),
        "just before it": ([f, g], ("11:59:59", "11:59:59"), sure_f, both),
        "a minute after it": ([f, g], ("12:01", "12:01"), sure_g, sure_g),
        "a minute before it": ([f, g], ("11:59", "11:59"), sure_f, both),
        "as early as an uncertain start": ([f, g | unsure], ("11:55", "11:55"), both, both),
        "before an uncertain start": ([f, g | unsure], ("11:54:59", "11:54:59"), sure_f, both),
        "as late as an uncertain end": ([until("12:00", 300)], ("12:05", "12:05"), nobody, sure_f),
        "before the first snapshot": ([g | FIRST], ("11:30", "11:30"), (["g"], True, "configuration"),
                                      (["g"], True, "configuration")),
        "until the first snapshot": ([g | FIRST], ("11:50", "12:00"), sure_g, sure_g),
        "before one's first snapshot, in the other's time": ([g | FIRST, f], ("11:30", "11:30"), both, both),
        "both before their first snapshots": ([g | FIRST, {"valid_from": at("11:50")} | FIRST], ("11:30", "11:30"),
                                              (["f", "g"], True, "configuration"), (["f", "g"], True, "configuration")),
        "a function's two leases": ([f, {"valid_from": at("12:00")}], ("11:59", "12:10"), sure_f, sure_f),
        "a function's lease within another": ([{}, {"valid_from": at("11:00")} | f], ("12:30", "12:30"),
                                              sure_f, sure_f),
        "the creator only": ([creator], ("11:30", "11:30"), (["f"], False, "creator"), (["f"], False, "creator")),
        "the creator, later a configuration": ([named | f, g], ("11:30", "11:30"), (["h"], False, "creator"),
                                               (["h"], False, "creator")),
        "the creator beside a configuration": ([named | f, g], ("11:59:30", "12:00"), (["g", "h"], False,
                                               "configuration"), (["g", "h"], False, "configuration")),
        "a wild end": ([f, {"owner_name": "g", "valid_from": at("15:00")}], ("11:00", "6T11:00"), sure_f, sure_f),
        "as far as a record may last": ([g], ("11:49", "13:00"), sure_g, sure_g),
        "farther than a record may last": ([g], ("11:48:59", "13:00"), nobody, sure_g),
        "ends before it begins": ([f, g], ("12:10", "9:00"), sure_g, sure_g),
        "the name is not known": ([{"owner_name": None}], ("11:30", "11:30"), nobody, nobody),
        "the time is not known": ([{"valid_from": None}], ("11:30", "11:30"), nobody, nobody),
        "another address": ([{"address": "10.0.0.2"}], ("11:30", "11:30"), nobody, nobody),
        "no lease at all": ([], ("11:30", "11:30"), nobody, nobody),
        "a load balancer's": ([{"owner_kind": "load_balancer"}], ("11:30", "11:30"), nobody, nobody),
    }  # fmt: skip
    flows = [spoken(name, *times) for name, (_, times, _, _) in cases.items()]
    leases = [lease(interface_id=name, **row) for name, (rows, *_) in cases.items() for row in rows]
    for tolerance, which in ((0, 2), (60, 3)):
        found = answers(spark, flows, leases, tolerance)
        assert {name: found[name, 0] for name in cases} == {name: case[which] for name, case in cases.items()}


def some_lease(rng: random.Random, case: str, minutes: int, names: int) -> Row:
    """Times on whole minutes, so that boundaries, and conversations and boundaries, often meet."""
    begin = MONDAY + timedelta(minutes=rng.randrange(minutes))
    first = rng.random() < 0.3
    row = lease(
        interface_id=case,
        address=rng.choice(("10.0.0.1", "10.0.0.1", "10.0.0.2")),
        owner_kind="rds" if rng.random() < 0.05 else "lambda",
        owner_name=None if rng.random() < 0.05 else f"f{rng.randrange(names)}",
        basis=rng.choice(("configuration", "configuration", "creator")),
        valid_from=None if rng.random() < 0.03 else begin,
        from_evidence="first snapshot" if first else rng.choice(("snapshot", "cloudtrail", None)),
        from_uncertainty_seconds=rng.choice((None, None, 60, 600) if first else (0, 0, 60, 600)),
        valid_to=None,
        to_uncertainty_seconds=None,
    )
    if rng.random() < 0.8:
        lasts = rng.choice((1, 5, 20, minutes))
        row["valid_to"] = begin + timedelta(minutes=rng.randint(1, lasts))
        row["to_uncertainty_seconds"] = rng.choice((0, 0, 60, 600, None))
    return row


def some_history(rng: random.Random, case: str) -> tuple[list[Row], list[Row]]:
    """Leases of an interface, few or very many, and conversations on it: before, between, after all of them."""
    minutes = rng.choice((30, 120, 600))
    many = rng.choice((0, 1, 2, 3, 5, 8, 16, 17, 40, 120))
    names = rng.choice((1, 3, 10))
    leases = [some_lease(rng, case, minutes, names) for _ in range(many)]
    flows = []
    for number in range(rng.randrange(1, 9)):
        start = MONDAY + timedelta(minutes=rng.randrange(-20, minutes + 40), seconds=rng.choice((0, 0, 0, 1, 59)))
        start += timedelta(days=rng.choice((0, 0, 0, 0, 0, 0, 0, -400, 400)))
        lasts = rng.choice((0, 0, 60, 599, 600, 660, 661, 86_400)) * SECOND
        address = rng.choice(("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3", None))
        flow = {"interface_id": case, "local_addr": address, "number": number, "start_time": start}
        flows += [flow | {"end_time": start + lasts}] * rng.choice((1, 1, 1, 2))
    return leases, flows


@pytest.mark.parametrize("tolerance", [0, 60, 900])
def test_thousands_of_histories(spark: SparkSession, tolerance: int) -> None:
    rng = random.Random(tolerance)
    leases: dict[str, list[Row]] = {}
    flows: list[Row] = []
    for n in range(1_500):
        leases[f"eni-{n}"], spoken_there = some_history(rng, f"eni-{n}")
        flows += spoken_there
    found = answers(spark, flows, [row for rows in leases.values() for row in rows], tolerance)
    expected = {
        (flow["interface_id"], flow["number"]): reference(flow, leases[flow["interface_id"]], tolerance)
        for flow in flows
    }
    differing = {key: (found[key], answer) for key, answer in expected.items() if found[key] != answer}
    assert not differing, (len(differing), next(iter(differing.items())))
    # What was drawn is worth the name: every kind of answer, by the hundred.
    kinds = {
        "nobody": [a for a in expected.values() if not a[0]],
        "one": [a for a in expected.values() if len(a[0]) == 1],
        "several": [a for a in expected.values() if len(a[0]) > 2],
        "presumed": [a for a in expected.values() if a[1]],
        "creator": [a for a in expected.values() if a[2] == "creator"],
    }
    assert {kind: len(drawn) > 100 for kind, drawn in kinds.items()} == dict.fromkeys(kinds, True)


def test_a_cut_to_the_window_changes_no_answer(spark: SparkSession) -> None:
    """Every history has its own leases and conversations; those of one hour, with that hour's leases only."""
    rng = random.Random(7)
    since, before, tolerance = at("1:00"), at("2:00"), 60
    leases: list[Row] = []
    flows: list[Row] = []
    for n in range(1_000):
        some_leases, spoken_there = some_history(rng, f"eni-{n}")
        leases += some_leases
        flows += [flow for flow in spoken_there if since <= flow["start_time"] < before]
    kept = rows_of(in_time(frame(spark, IP_LEASES, leases), since, before, tolerance))
    assert len(kept) < 0.8 * len(leases)
    found = answers(spark, flows, kept, tolerance)
    mine = [(flow, [row for row in leases if row["interface_id"] == flow["interface_id"]]) for flow in flows]
    assert found == {(f["interface_id"], f["number"]): reference(f, rows, tolerance) for f, rows in mine}
    assert sum(len(names) > 0 for names, _, _ in found.values()) > 100


def test_which_leases_are_in_time(spark: SparkSession) -> None:
    cases: dict[str, tuple[Row, bool]] = {
        "ended before": (until("9:58"), False),
        "ended when the earliest could begin": (until("9:59"), False),
        "ended within the tolerance": (until("9:59:01"), True),
        "may have ended in time": (until("9:50", 600), True),
        "began while a record could last": ({"valid_from": at("11:11")}, True),
        "began later": ({"valid_from": at("11:12")}, False),
        "may have begun in time": ({"valid_from": at("11:20"), "from_uncertainty_seconds": 600}, True),
        "there at the first snapshot": ({"valid_from": at("15:00")} | FIRST, True),
    }
    leases = frame(spark, IP_LEASES, [lease(interface_id=name, **row) for name, (row, _) in cases.items()])
    kept = {row["interface_id"] for row in rows_of(in_time(leases, at("10:00"), at("11:00"), 60))}
    assert kept == {name for name, (_, stays) in cases.items() if stays}
