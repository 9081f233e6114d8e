"""Hand-written alerts against a hand-written truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.scoring import Alert, Benign, Scenario, Score, score

_MONDAY = datetime(2026, 3, 9, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_BEACON = Scenario(
    "beacon", frozenset({"f"}), _MONDAY + 10 * _HOUR, _MONDAY + 34 * _HOUR, ("beaconing", "new_external_connection")
)
_DARK = Scenario("dark", frozenset(), _MONDAY + 3 * _DAY, _MONDAY + 3.5 * _DAY, ("loss_of_sight",))
_RELEASE = Benign("release", "h", _MONDAY, _MONDAY + _DAY, ("new_external_connection",))


def alert(
    detection: str = "beaconing",
    functions: str = "f",
    opened: datetime = _MONDAY + 10 * _HOUR,
    after: timedelta = 14 * _HOUR,
) -> Alert:
    """By default the beacon's own alert, told at the end of its first day."""
    return Alert(detection, frozenset(functions), opened, opened + after)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (alert(), "right"),
        (alert(functions="gf"), "right"),  # one of two candidates
        (alert("new_external_connection"), "right"),
        (alert(opened=_MONDAY), "right"),  # a whole day is judged
        (alert(opened=_MONDAY - _HOUR), "false"),  # the day before nothing was wrong
        (alert(opened=_MONDAY + 3.4 * _DAY), "right"),  # within two days after its end
        (alert(opened=_MONDAY + 3.5 * _DAY), "false"),
        (alert("error_outlier"), "related"),
        (alert(functions="g"), "false"),
        (alert("new_external_connection", "h"), "acceptable"),
        (alert("beaconing", "h"), "false"),
        (alert("loss_of_sight", "g", _MONDAY + 3.2 * _DAY), "right"),  # the account's, by whichever function
        (alert("loss_of_sight", "", _MONDAY + 3.2 * _DAY), "right"),
        (alert("error_outlier", "g", _MONDAY + 3.2 * _DAY), "false"),  # nor does that excuse anything
        (alert("loss_of_sight", ""), "false"),
    ],
)
def test_an_alert_is_right_related_acceptable_or_false(given: Alert, verdict: str) -> None:
    made = score([given], [_BEACON, _DARK], [_RELEASE], _MONDAY - 9 * _DAY)
    assert made.verdicts == {(given.detection, verdict): 1}


def test_before_it_is_judged_only_what_is_right_counts() -> None:
    made = score([alert(), alert(functions="g"), alert("error_outlier")], [_BEACON], [], _MONDAY + 9 * _DAY)
    assert made.verdicts == {("beaconing", "right"): 1}


def test_numbers_of_two_simulations_add_up() -> None:
    late = alert(opened=_MONDAY + 20 * _HOUR, after=28 * _HOUR)
    first = score([alert(), late, alert("new_external_connection", after=38 * _HOUR)], [_BEACON, _DARK], [], _MONDAY)
    second = score([alert(functions="g"), alert("loss_of_sight", "h")], [_BEACON], [_RELEASE], _MONDAY)
    both = first + second
    assert both.detections == ["beaconing", "loss_of_sight", "new_external_connection"]
    assert both.count("beaconing", "right") == 2
    assert both.precision("beaconing") == 0.5, "two alerts on one scenario count as one"
    assert both.precision("new_external_connection") == 1
    assert both.precision("loss_of_sight") == 0
    assert both.precision() == 0.5
    assert both.recall("beaconing") == 0.5, "made for it twice, seen once"
    assert both.recall("loss_of_sight") == 0, "nobody saw it"
    assert both.recall("new_external_connection") is None, "no scenario is made for it"
    assert both.found() == {0}
    assert both.hours("beaconing") == 14, "the first alert"
    assert both.hours("new_external_connection") == 38
    assert both.hours() == 14, "the first detection"
    assert both.hours("loss_of_sight") is None
    assert both.causes == {("beaconing", ""): 1, ("loss_of_sight", "release"): 1}


def test_without_alerts_everything_is_missed() -> None:
    made = score([], [_BEACON, _DARK], [], _MONDAY)
    assert made.found() == set()
    assert [made.recall(name) for name in made.detections] == [0, 0]
    assert made.precision() is None
    assert Score().detections == []


def test_places_move_when_simulations_add_up() -> None:
    nothing = score([], [_BEACON, _DARK], [], _MONDAY)
    found = score([alert()], [_DARK, _BEACON], [], _MONDAY)
    assert (nothing + found).found() == {3}
    assert (found + nothing).found() == {1}
