"""Leases again, slow and obvious, in plain Python: what the DataFrame code is held against."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

Row = dict[str, Any]
SECOND = timedelta(seconds=1)
POLL, GONE, SET = 0, 1, 2


def seconds_up(gap: timedelta) -> int:
    """Whole seconds, rounded up."""
    return math.ceil(gap / SECOND)


def middle(earlier: datetime, later: datetime) -> tuple[datetime, int]:
    """The whole second in the middle of two times (not before the first), and how far off the truth may be."""
    point = max((earlier + (later - earlier) / 2).replace(microsecond=0), earlier)
    return point, seconds_up(max(point - earlier, later - point))


def earliest(row: Row) -> datetime | None:
    """The earliest possible start; None: any time."""
    unsure = row["from_uncertainty_seconds"]
    return None if unsure is None else row["valid_from"] - unsure * SECOND


def latest(row: Row) -> datetime | None:
    """The latest possible end; None: open."""
    return None if row["valid_to"] is None else row["valid_to"] + (row["to_uncertainty_seconds"] or 0) * SECOND


def _interval(valid_from: datetime, evidence: str, unsure: int | None, **more: Any) -> Row:
    row: Row = {"valid_from": valid_from, "from_evidence": evidence, "from_uncertainty_seconds": unsure}
    return row | {"valid_to": None, "to_evidence": None, "to_uncertainty_seconds": None} | more


def _close(row: Row, valid_to: datetime, evidence: str, unsure: int | None) -> None:
    row.update(valid_to=valid_to, to_evidence=evidence, to_uncertainty_seconds=unsure)


def observed(
    polls: Iterable[datetime],
    seen: dict[datetime, tuple[str, bool]],
    events: Iterable[tuple[datetime, str | None]] = (),
) -> list[Row]:
    """The life of one thing: the `polls` in its scope that listed everything, those of all polls that saw it (state,
    settled), and `events` (time, state; None: gone). One walk over all that happened, in order.
    """
    story = [(t, POLL, *seen.get(t, ("", True))) for t in set(polls) | set(seen)]
    story += [(t, GONE if state is None else SET, state or "", True) for t, state in events]
    done: list[Row] = []
    now: Row | None = None  # what holds at this point of the story
    before: datetime | None = None  # the last moment of which anything is known
    in_force = ""  # the last state that was
    for moment, kind, told, settled in sorted(story):
        state = told if settled else in_force  # what is not in force yet repeats what was
        there = kind == SET or (kind == POLL and told != "" and state != "")
        if kind == POLL and not there and moment not in set(polls):
            continue  # a part of an answer, showing what is not in force yet, and nothing of what was
        if now and there and now["state"] == state:
            now["last_seen"] = moment
        else:
            missed = kind == POLL and told == ""
            if now:
                point, unsure = middle(now["last_seen"], moment) if kind == POLL else (moment, 0)
                if kind == POLL and now["sure"]:
                    unsure = max(unsure, seconds_up(point - now["sure"]))
                _close(now, point, "snapshot" if kind == POLL else "cloudtrail", unsure)
                now["next_at"] = None if missed else moment
                done.append(now)
            after, now = now, None
            if there:
                if kind == SET:
                    now = _interval(moment, "cloudtrail", None)
                elif before is None:
                    now = _interval(moment, "first snapshot", None)
                else:
                    point, unsure = middle(after["last_seen"] if after else before, moment)
                    now = _interval(point, "snapshot", unsure)
                now |= {"state": state, "first_seen": moment, "last_seen": moment, "shown": None, "next_at": None}
                now["sure"] = None
                if after:
                    after["next"] = now
        if now and kind == POLL and settled:
            now["shown"] = now["shown"] or moment
        if now and settled:
            now["sure"] = moment
        in_force = state if there else "" if kind == GONE else in_force
        before = moment
    done += [now] if now else []
    for row in done:  # an event's state is in force when a poll shows it, else 15 minutes later at the latest
        if row["from_evidence"] == "cloudtrail":
            start, shown, following = row["valid_from"], row["shown"], row["next_at"]
            quick = 900 if following is None else min(900, seconds_up(following - start))
            row["from_uncertainty_seconds"] = seconds_up(shown - start) if shown else quick
    for row in done:
        if row["to_evidence"] == "cloudtrail" and "next" in row:
            row["to_uncertainty_seconds"] = row["next"]["from_uncertainty_seconds"]
    whole = [row for row in done if row["valid_to"] is None or row["valid_from"] < row["valid_to"]]
    return [row for row in whole if row["sure"]]


def union(rows: list[Row]) -> list[Row]:
    """Intervals that overlap or touch, joined; the uncertainty is what any member could make of it."""
    groups: list[list[Row]] = []
    for row in rows:
        touching = [g for g in groups if any(_touch(row, other) for other in g)]
        groups = [g for g in groups if g not in touching] + [[row, *(r for g in touching for r in g)]]
    joined = []
    for group in groups:
        far = 10**12
        first = min(
            group, key=lambda r: (r["valid_from"], -_or(r["from_uncertainty_seconds"], far), r["from_evidence"])
        )
        start = first["valid_from"]
        low = min(earliest(r) or r["valid_from"] for r in group)
        high = min(r["valid_from"] + _or(r["from_uncertainty_seconds"], 0) * SECOND for r in group)
        known = first["from_uncertainty_seconds"] is not None
        unsure = max(seconds_up(start - low), seconds_up(high - start), 0) if known else None
        whole = _interval(start, first["from_evidence"], unsure)
        if all(r["valid_to"] is not None for r in group):
            last = max(
                group, key=lambda r: (r["valid_to"], _or(r["to_uncertainty_seconds"], 0), r["to_evidence"] or "")
            )
            end = last["valid_to"]
            low = max(r["valid_to"] - _or(r["to_uncertainty_seconds"], 0) * SECOND for r in group)
            high = max(latest(r) or end for r in group)
            _close(whole, end, last["to_evidence"], max(seconds_up(end - low), seconds_up(high - end), 0))
        joined.append(whole)
    return joined


def _touch(a: Row, b: Row) -> bool:
    return (b["valid_to"] is None or a["valid_from"] <= b["valid_to"]) and (
        a["valid_to"] is None or b["valid_from"] <= a["valid_to"]
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def interface_lives(
    polls: list[datetime],
    seen: dict[tuple[str, str], dict[datetime, str]],
    created: dict[str, tuple[datetime, list[str], str]],
    deleted: dict[str, datetime],
) -> list[Row]:
    """One VPC: (interface, address) → what polls saw when; creations (time, addresses, state); deletions."""
    rows: list[Row] = []
    for (eni, address), sightings in seen.items():
        of_address = observed(polls, {t: (state, True) for t, state in sightings.items()})
        for row in of_address:
            rows.append(row | {"interface_id": eni, "address": address, "known_until": row["last_seen"]})
    for row in rows:
        mine = [r for r in rows if r["interface_id"] == row["interface_id"]]
        row["is_first"] = row["first_seen"] == min(r["first_seen"] for r in mine)
        row["is_last"] = row["last_seen"] == max(r["last_seen"] for r in mine)
    for row in rows:
        birth, death = created.get(row["interface_id"]), deleted.get(row["interface_id"])
        if birth and row["is_first"]:
            if not birth[1] or row["address"] in birth[1]:
                start = min(birth[0], row["first_seen"])
                row |= _interval(start, "cloudtrail", seconds_up(birth[0] - start)) | {
                    k: row[k] for k in ("valid_to", "to_evidence", "to_uncertainty_seconds")
                }
            elif birth[0] < row["first_seen"]:
                earlier = [t for t in polls if t < row["first_seen"]]
                start, unsure = middle(max([birth[0], *earlier]), row["first_seen"])
                row |= {"valid_from": start, "from_evidence": "snapshot", "from_uncertainty_seconds": unsure}
        if death and row["is_last"]:
            end = death if death > row["last_seen"] else row["last_seen"] + SECOND
            _close(row, end, "cloudtrail", seconds_up(end - death))
    for eni, (birth_at, addresses, state) in created.items():
        if not any(e == eni for e, _ in seen):
            for address in addresses:
                row = _interval(birth_at, "cloudtrail", 0)
                row |= {"interface_id": eni, "address": address, "state": state, "known_until": birth_at}
                later = [t for t in polls if t > birth_at]
                if eni in deleted:
                    _close(row, deleted[eni], "cloudtrail", 0)
                elif later:
                    end, unsure = middle(birth_at, min(later))
                    _close(row, end, "snapshot", unsure)
                rows.append(row)
    return _one_holder(rows)


def _one_holder(rows: list[Row]) -> list[Row]:
    kept = []
    for address in {r["address"] for r in rows}:
        line = [r for r in rows if r["address"] == address]
        for row in line:
            row["known_from"] = row["valid_from"] if row["from_evidence"] == "cloudtrail" else row["first_seen"]
        line.sort(key=lambda r: (r["known_from"], r["valid_from"], r["interface_id"]))
        held: datetime | None = None  # until then others surely held it
        for row in line:
            unsure, low = row["from_uncertainty_seconds"], earliest(row)
            start = max(row["valid_from"], held or row["valid_from"])
            if held and (start > row["valid_from"] or unsure is None):
                reach = (abs(seconds_up(row["known_from"] - start)), seconds_up(start - max(low or held, held)))
                row |= {"valid_from": start, "from_uncertainty_seconds": max(reach)}
            until = row["valid_to"] if row["to_evidence"] == "cloudtrail" else row["known_until"]
            held = max(until, held or until)
        for row, following in zip(line, [*line[1:], None], strict=True):
            if following and (row["valid_to"] is None or following["valid_from"] < row["valid_to"]):
                start, unsure = following["valid_from"], following["from_uncertainty_seconds"]
                _close(row, start, "address reused", max(abs(seconds_up(start - row["known_until"])), unsure or 0))
        kept += [r for r in line if r["valid_to"] is None or r["valid_from"] < r["valid_to"]]
    return kept


def leases_of(interfaces: list[Row], configs: list[Row]) -> list[Row]:
    """Every interface with every configuration, over what they share; then one row a function."""
    made: list[Row] = []
    for i in interfaces:
        if i["owner_kind"] != "lambda":
            made.append(i | {"basis": "resource"})
            continue
        by_function = defaultdict(list)
        for c in configs:
            fits = i["subnet_id"] in c["subnet_ids"].split(",") and i["security_group_ids"] == c["security_group_ids"]
            if fits and _meet(i, c):
                by_function[c["function_name"]].append(_shared(i, c))
        for name, rows in by_function.items():
            place = {k: i[k] for k in ("vpc_id", "subnet_id", "interface_id", "address")}
            made += [place | {"owner_kind": "lambda", "owner_name": name, "basis": "configuration"} | r for r in rows]
    served = {r["interface_id"] for r in made if r["basis"] == "configuration"}
    made += [
        i | {"basis": "creator"} for i in interfaces if i["owner_kind"] == "lambda" and i["interface_id"] not in served
    ]
    whole = [r for r in made if r["basis"] != "configuration"]
    groups = defaultdict(list)
    for row in made:
        if row["basis"] == "configuration":
            groups[row["interface_id"], row["address"], row["owner_name"]].append(row)
    for rows in groups.values():
        whole += [rows[0] | joined for joined in union(rows)]
    return whole


def _meet(a: Row, b: Row) -> bool:
    return (b["valid_to"] is None or a["valid_from"] < b["valid_to"]) and (
        a["valid_to"] is None or b["valid_from"] < a["valid_to"]
    )


def _shared(a: Row, b: Row) -> Row:
    later = a if a["valid_from"] >= b["valid_from"] else b
    start = later["valid_from"]
    lows = [low for low in (earliest(a), earliest(b)) if low is not None]
    high = max(r["valid_from"] + _or(r["from_uncertainty_seconds"], 0) * SECOND for r in (a, b))
    unsure = max(seconds_up(start - max(lows)), seconds_up(high - start)) if lows else None
    row = _interval(start, later["from_evidence"], unsure)
    closed = [r for r in (a, b) if r["valid_to"] is not None]
    if closed:
        end = min(r["valid_to"] for r in closed)
        low = min(r["valid_to"] - _or(r["to_uncertainty_seconds"], 0) * SECOND for r in closed)
        high = min(latest(r) or end for r in closed)
        first = next(r for r in closed if r["valid_to"] == end)
        _close(row, end, first["to_evidence"], max(seconds_up(end - low), seconds_up(high - end)))
    return row
