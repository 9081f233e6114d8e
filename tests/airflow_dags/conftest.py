"""For Airflow's environment, and with nothing of the project: run by `make test-airflow`, not by `make test-sail`.

Airflow gets a home of its own before anything imports it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from ways import DAG_FILES, FIRST, PLACES, WAYS, use

_HOME = tempfile.TemporaryDirectory(prefix="leasehold-airflow-home-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


def pytest_configure(config: pytest.Config) -> None:
    del config
    if not importlib.util.find_spec("airflow"):
        raise pytest.UsageError("tests/airflow_dags needs Airflow's environment: run `make test-airflow`")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """local, spark-submit or emr-serverless, with a settings file that says so."""
    name: str = request.param
    use(FIRST + PLACES + WAYS[name], tmp_path, monkeypatch)
    return name


@pytest.fixture
def load_dags() -> Iterator[Callable[[], dict[str, ModuleType]]]:
    """Loads the DAG files as they are now configured."""

    def load() -> dict[str, ModuleType]:
        loaded = {}
        for file in DAG_FILES:
            spec = importlib.util.spec_from_file_location(f"loaded_{file.stem}", file)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            loaded[file.stem] = module
        return loaded

    yield load
    for file in DAG_FILES:
        sys.modules.pop(f"loaded_{file.stem}", None)
