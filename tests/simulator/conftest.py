"""Simulations that the tests share."""

from __future__ import annotations

import pytest
from simulated import Simulated, make

SEED = 4
"""With this seed AWS skips some windows of the two days."""


@pytest.fixture(scope="session")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """All scenarios, data events, a custom format, windows of ten minutes."""
    return make(tmp_path_factory.mktemp("two_days"), days=2, rate=0.5, seed=SEED, data_events=True)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The same two days in which nothing goes wrong, without data events."""
    return make(tmp_path_factory.mktemp("quiet"), days=2, rate=0.5, seed=SEED, scenarios=())


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The default format, windows of a minute, some polls missed."""
    root = tmp_path_factory.mktemp("plain")
    return make(root, days=1, format="default", period_seconds=60, poll_minutes=10, missed_polls=0.2)
