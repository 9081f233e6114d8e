"""Does a function check in with a destination by the clock? What its windows tell, or hide. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.regularity import Floats, Ints, Regularity, regularity, runs

CHANCE = 0.01
"""A series is called regular when chance makes one like it at most so often."""

FEWEST = 6
"""Check-ins; fewer say nothing, whatever their times."""

SATURATED = 0.8
"""Where more of the gaps than this are of one window, check-ins cannot be told apart."""

LONGEST_SECONDS = 43_200
"""Longer intervals are the day's own rhythm: people and calendars keep it, too."""

ONE_RUN_EACH = 1.5
"""Up to so many check-ins a run of the function, each run is one occasion to check in; else each window of it is."""

BEACON, IRREGULAR, TOO_FEW = "beacon", "irregular", "too_few"
HIDDEN, EXPLAINED, KEEP_ALIVE = "hidden_by_window", "explained_by_schedule", "keep_alive"

Windows = npt.ArrayLike


@dataclass(frozen=True)
class Rhythm:
    verdict: str
    """beacon; irregular; too_few; hidden_by_window (no answer); explained_by_schedule; keep_alive"""
    p_value: float
    """chance makes something as regular at most so often, all that was tried counted; 1 where nothing was judged"""
    p_value_given_runs: float | None
    """the same among the occasions that the function's own runs gave; None where these are not known, or not asked"""
    period_seconds: float | None
    """of the regular stretch; None if there is none, and where intervals grow"""
    period_error_seconds: float | None
    """± this, about two standard errors"""
    jitter: float | None
    """intervals lie within ± this part of the period, were they evenly spread; the window's own rounding taken off"""
    growth: float | None
    """where intervals grow: the next one is so many times as long"""
    check_ins: int
    """of the regular stretch, else of all"""
    occupancy: float
    """part of the windows from the first contact to the last that have one"""
    first_window: int | None
    last_window: int | None
    """of the regular stretch, else of all"""
    words: str


def judge_rhythm(
    windows: Windows, window_seconds: int, opened: Windows | None = None, own_windows: Windows | None = None
) -> Rhythm:
    """The rhythm of one function's contacts with one destination.

    `windows` are the numbers of the windows with a contact (epoch seconds ÷ window_seconds, rounded down) of some days
    (memory grows with their span), in any order, repeated or not. `opened` are those in which a connection was opened,
    where that is known: then only these are check-ins, and a destination that is mostly spoken to over connections
    kept open is `keep_alive`.
    `own_windows` are those in which the function ran at all (its invocations, or its other conversations): contacts
    that are no more regular than any choice among its runs would be are `explained_by_schedule`. They explain nothing
    where fewer than half of the contacts are beside a run.

    Every tenth minute for a week, in windows of 60 s → beacon, period 600 s, jitter 0; if the function runs every tenth
    minute → explained_by_schedule, if it runs every minute → beacon; in windows of 600 s → hidden_by_window.
    """
    seen = _whole_numbers(windows)
    contacts = seen if opened is None else _whole_numbers(opened)
    occupancy = len(seen) / (int(seen[-1] - seen[0]) + 1) if len(seen) else 0.0
    if opened is not None and len(seen) >= FEWEST and _kept_open(seen, contacts):
        return _unjudged(KEEP_ALIVE, seen, occupancy, "It is spoken to over connections that are kept open.")
    if len(contacts) < FEWEST:
        return _unjudged(TOO_FEW, contacts, occupancy, f"{len(contacts)} check-ins are too few to tell ({FEWEST}).")
    longest = LONGEST_SECONDS / window_seconds
    clock = np.arange(contacts[-1] - contacts[0] + 1, dtype=np.float64)
    found = regularity(contacts - contacts[0], clock, longest)
    if found.p_value > CHANCE:
        return _without_rhythm(contacts, window_seconds, occupancy, found.p_value)
    given = None if own_windows is None else _given_runs(contacts, _whole_numbers(own_windows), longest)
    return _with_rhythm(contacts, window_seconds, occupancy, found, given)


def _whole_numbers(windows: Windows) -> Ints:
    return np.unique(np.asarray(windows, dtype=np.int64))


def _kept_open(seen: Ints, opened: Ints) -> bool:
    """Most times that it is spoken to, the connection has been there before; or it is spoken to without end."""
    times = len(runs(seen)[0])
    return 2 * len(opened) <= times or (_saturated(seen) and 2 * len(opened) <= len(seen))


def _saturated(contacts: Ints) -> bool:
    return len(contacts) > 1 and float(np.mean(np.diff(contacts) == 1)) > SATURATED


def _unjudged(verdict: str, contacts: Ints, occupancy: float, words: str, p: float = 1.0) -> Rhythm:
    first, last = (int(contacts[0]), int(contacts[-1])) if len(contacts) else (None, None)
    return Rhythm(verdict, p, None, None, None, None, None, len(contacts), occupancy, first, last, words)


def _without_rhythm(contacts: Ints, window_seconds: int, occupancy: float, p: float) -> Rhythm:
    if _saturated(contacts):
        hidden = f"Contacts fill nearly all windows of {window_seconds} s: a period of fewer than "
        return _unjudged(HIDDEN, contacts, occupancy, f"{hidden}{2 * window_seconds:,} s would not show.", p)
    return _unjudged(IRREGULAR, contacts, occupancy, "Its check-ins are no more regular than chance.", p)


def _given_runs(contacts: Ints, own: Ints, longest: float) -> float | None:
    """The p-value among the occasions that its own runs gave it; None where they do not cover the contacts."""
    beside = np.isin(contacts, np.concatenate([own - 1, own, own + 1]))
    if 2 * int(beside.sum()) < len(contacts):
        return None
    starts, _ = runs(np.union1d(own, contacts))
    # A record may say the minute before or after, and a run may take several: adjacent windows are one run.
    run_of = np.searchsorted(starts, contacts, side="right") - 1
    met = np.unique(run_of)
    if len(contacts) <= ONE_RUN_EACH * len(met):
        return regularity(met, starts.astype(np.float64), longest).p_value
    ran = np.union1d(_of_no_contact_beside(own, contacts), contacts)
    return regularity(np.searchsorted(ran, contacts), ran.astype(np.float64), longest).p_value


def _of_no_contact_beside(own: Ints, contacts: Ints) -> Ints:
    """Its own windows less those whose contact was noted in the next window, or in the one before."""
    strays, idle = np.setdiff1d(contacts, own), np.setdiff1d(own, contacts)
    before = np.intersect1d(strays - 1, idle)
    after = np.intersect1d(np.setdiff1d(strays, before + 1) + 1, idle)
    return np.setdiff1d(own, np.union1d(before, after))


def _with_rhythm(
    contacts: Ints, window_seconds: int, occupancy: float, found: Regularity, given: float | None
) -> Rhythm:
    events = runs(contacts)[0] if found.of_pauses else contacts
    stretch = events[found.first : found.last + 1]
    gaps = np.diff(stretch).astype(np.float64)
    period, error, jitter = _interval(gaps)
    first, last = int(stretch[0]), int(stretch[-1])
    verdict = EXPLAINED if given is not None and given > CHANCE else BEACON
    if found.growing and len(gaps) > 1:
        growth = float(np.exp(np.median(np.diff(np.log(gaps)))))
        shortest, widest = (_duration(gaps[i] * window_seconds) for i in (0, -1))
        words = f"{len(stretch)} check-ins at intervals that grow from {shortest} to {widest}, × {growth:.2f} each"
        measures: tuple[float | None, ...] = (None, None, None, growth)
    else:
        seconds, unsure = period * window_seconds, error * window_seconds
        words = (
            f"{len(stretch)} check-ins, every {_duration(seconds)} ± {_duration(unsure)}, "
            f"each within ± {jitter:.0%} of that"
        )
        measures = (seconds, unsure, jitter, None)
    if verdict == EXPLAINED:
        words += ": as the function itself runs."
    elif given is not None:
        words += ", which the function's own runs do not explain."
    else:
        words += "."
    period_seconds, period_error, jitter_found, growth_found = measures
    return Rhythm(
        verdict, found.p_value, given, period_seconds, period_error, jitter_found, growth_found, len(stretch),
        occupancy, first, last, words,
    )  # fmt: skip


def _interval(gaps: Floats) -> tuple[float, float, float]:
    """Period, its error (both in windows), jitter. Gaps of several periods count as that many; silences do not."""
    period = float(gaps[gaps <= 1.5 * np.median(gaps) + 1].mean())
    for _ in range(3):
        times = np.maximum(1.0, np.floor(gaps / period + 0.4))
        counted = times <= 4
        period = float(gaps[counted].sum() / times[counted].sum())
    off = (gaps - times * period)[counted] / np.sqrt(times[counted])
    # Both ends of a gap are cut to whole windows: a sixth of a window squared.
    variance = max(0.0, float(np.mean(off**2)) - 1 / 6)
    error = 2 * float(np.sqrt(variance / len(off))) + 1 / float(times[counted].sum())
    return period, error, float(np.sqrt(3 * variance)) / period


def _duration(seconds: float) -> str:
    """In words: 45 s, 12 min, 3.5 h"""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7_200 else f"{seconds / 3_600:.3g} h"
