"""What the tasks that Airflow itself runs decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pendulum
import pytest
from leasehold_airflow.tasks import HOURS, hours_lacking, tell, window_of

DAY = datetime(2026, 3, 11, tzinfo=UTC)


def hour(number: int) -> datetime:
    return DAY + timedelta(hours=number)


def airflows(number: int) -> pendulum.DateTime:
    """The same, as Airflow gives it to a task."""
    return pendulum.instance(hour(number))


def span(first: int, end: int) -> dict[str, str]:
    return {"start": hour(first).isoformat(), "end": hour(end).isoformat()}


@pytest.mark.parametrize(
    ("told", "lacking"),
    [
        ([], range(24)),
        ([span(number, number + 1) for number in range(24)], ()),
        ([span(0, 24)], ()),
        ([span(-5, 30)], ()),
        ([span(0, 10), span(11, 24)], (10,)),
        ([span(12, 24), span(0, 11), span(0, 11)], (11,)),
        ([span(24, 48)], range(24)),
        ([{"start": "2026-03-11", "end": "2026-03-12"}], ()),
    ],
)
def test_hours_that_no_window_has_are_lacking(told: list[dict[str, str]], lacking: Any) -> None:
    assert hours_lacking(hour(0), hour(24), told) == [hour(number) for number in lacking]


@pytest.mark.parametrize("way", ["local"], indirect=True)
@pytest.mark.parametrize(
    ("run_type", "told", "waited", "goes_on"),
    [
        ("scheduled", [span(0, 23)], timedelta(), False),
        ("scheduled", [span(0, 24)], timedelta(), True),
        ("scheduled", [], timedelta(hours=5), True),
        ("backfill", [], timedelta(), True),
        ("manual", [], timedelta(), True),
    ],
)
def test_a_night_waits_for_its_hours_but_not_for_ever(
    way: str,
    load_dags: Callable[[], dict[str, ModuleType]],
    run_type: str,
    told: list[dict[str, str]],
    waited: timedelta,
    goes_on: bool,
) -> None:
    del way
    asked: list[str] = []
    events = SimpleNamespace(after=lambda at: asked.append(at) or [SimpleNamespace(extra=extra) for extra in told])
    wait = load_dags()["leasehold_nightly"].dag.get_task("wait_for_hours")
    found = wait.python_callable(
        dag_run=SimpleNamespace(run_type=run_type, start_date=pendulum.now("UTC") - waited),
        data_interval_start=airflows(0),
        data_interval_end=airflows(24),
        inlet_events={HOURS: events},
    )
    assert bool(found) is goes_on
    # Events from before the day can be of no hour in it: only those since are asked for.
    assert asked == ([hour(0).isoformat()] if run_type == "scheduled" else [])


def test_the_window_is_what_was_asked_for_or_the_interval() -> None:
    interval = {"data_interval_start": airflows(0), "data_interval_end": airflows(1)}
    assert window_of({"params": {"start": None, "end": None}, **interval}) == (hour(0), hour(1))
    asked = {"start": "2026-03-10", "end": "2026-03-12T05"}
    assert window_of({"params": asked, **interval}) == (DAY - timedelta(days=1), DAY + timedelta(days=1, hours=5))


def test_the_event_says_which_window_was_run() -> None:
    event = SimpleNamespace(extra={})
    context = {
        "params": {"start": None, "end": None},
        "data_interval_start": airflows(0),
        "data_interval_end": airflows(1),
        "outlet_events": {HOURS: event},
    }
    tell(HOURS)(context, None)
    assert event.extra == span(0, 1)
