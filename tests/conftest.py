"""One engine per test process: Spark's client classes choose between Connect and the JVM once, for all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from jobs.session import missing_for, session
from jobs.sources import register

# They need Airflow or Superset, whose dependencies clash with the project's: `make test-airflow` and
# `make test-dashboards` run them in environments of their own.
collect_ignore = ["airflow_dags", "dashboards"]

# How long an example takes says how busy the machine is.
settings.register_profile("leasehold", deadline=None)
settings.load_profile("leasehold")

_QUICK_ON_SPARK = ("test_storage.py", "test_datasource.py", "test_detections.py", "test_cli.py", "test_alerts.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("sail", "spark"), default="sail", help="engine of this run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both: starts both engines itself, as commands; run once, with --engine spark")
    config.addinivalue_line("markers", "slow: takes minutes; `make test-slow` runs it, `make test` does not")
    config.addinivalue_line("markers", "trino: asks a real Trino; `make test-trino` fetches one and runs it")
    config.addinivalue_line("markers", "unsteady: passes often, not always, or takes too long: not yet a condition")
    config.addinivalue_line(
        "markers", "sail_only: many runs of whole jobs; that Spark makes the same tables of them is a test of its own"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With Spark, only what the engine can change is run a second time; whole jobs are slow there,
    and so are most detections, which it plans for long: those run with `make test-spark-all` only."""
    on_spark = config.getoption("engine") == "spark"
    kept, dropped = [], []
    for item in items:
        needs_engine = "spark" in getattr(item, "fixturenames", ()) or "engine" in getattr(item, "fixturenames", ())
        both = item.get_closest_marker("both") is not None
        sail_only = item.get_closest_marker("sail_only") is not None
        chosen = ((needs_engine and not sail_only) or both) if on_spark else not both
        if on_spark and "transforms" not in item.path.parts and item.path.name not in _QUICK_ON_SPARK:
            item.add_marker(pytest.mark.slow)
        (kept if chosen else dropped).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of this run; an engine that cannot run here fails the tests instead of skipping them."""
    name: str = request.config.getoption("engine")
    lack = missing_for(name)
    assert lack is None, lack
    return name


@pytest.fixture(scope="session")
def spark(engine: str) -> Iterator[SparkSession]:
    """A session on the engine of this run, in UTC, with the raw formats registered."""
    with session(engine, "local[2]") as started:
        register(started)
        yield started
