"""For Superset's environment, and with nothing of the project: run by `make test-dashboards`, not by `make test-sail`.

One Superset is started once for all, as `make superset` starts it, and opened in one browser. Both take minutes on a
busy machine.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "dashboards"))
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE = 300


def pytest_configure(config: pytest.Config) -> None:
    del config
    if not importlib.util.find_spec("superset") or not importlib.util.find_spec("playwright"):
        raise pytest.UsageError("tests/dashboards needs Superset's environment: run `make test-dashboards`")


@dataclass(frozen=True)
class Started:
    """A Superset that runs."""

    url: str
    password: str
    home: Path
    database: Path


@pytest.fixture(scope="session")
def superset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Superset, started as `make superset` starts it, on a lake in which every chart has something to show."""
    folder = tmp_path_factory.mktemp("superset")
    database, home, log = folder / "leasehold.duckdb", folder / "home", folder / "log"
    command = [ROOT / ".venv/bin/python", "-m", "tests.dashboards.lake", database]
    subprocess.run(command, cwd=ROOT, check=True, timeout=_PATIENCE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "dashboards/start.py", "--home", home, "--port", str(port)]
    env = os.environ | {"LEASEHOLD_DATABASE": str(database)}
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + _PATIENCE
        while not (said := re.search(r"login: admin, password: (\S+) ", log.read_text(errors="replace"))):
            if server.poll() is not None or time.monotonic() > until:
                both = [file.read_text(errors="replace")[-4_000:] for file in (log, home / "log") if file.exists()]
                pytest.fail("Superset did not start:\n" + "\n".join(both))
            time.sleep(0.5)
        yield Started(f"http://127.0.0.1:{port}", said[1], home, database)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; without it these tests are passed over, unless they are demanded."""
    from playwright.sync_api import sync_playwright

    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        lack = "there is no Chromium to open dashboards in: `make chromium` installs it (Debian, Ubuntu)"
        if os.environ.get("REQUIRE_BOTH") or os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(lack)
        pytest.skip(lack)
    options = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-dev-shm-usage"]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=options)
        yield started
        started.close()
