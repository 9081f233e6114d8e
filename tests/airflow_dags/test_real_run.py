"""Airflow itself, with a scheduler, runs the DAGs with the project's jobs; the lake is that of a direct run.

One simulated day: its first two hours by schedule, the other 22 as a person asks for them, the night, and the night
again as a back-fill. The first hour finds somebody else writing, the second is killed half-way: Airflow tries again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ways import DAG_FOLDER, REPOSITORY

pytestmark = pytest.mark.slow
PROJECT = [str(REPOSITORY / ".venv/bin/python"), str(Path(__file__).with_name("with_the_project.py"))]
HOUR, NIGHT, CARE = "leasehold_hourly", "leasehold_nightly", "leasehold_maintain"
_PATIENCE = 900


def project(*arguments: object) -> None:
    done = subprocess.run([*PROJECT, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@dataclass
class Airflow:
    """A started Airflow, by its REST API."""

    url: str
    home: Path
    metrics: set[str] = field(default_factory=set)
    token: str = field(default="", repr=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def log_in(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.home / "simple_auth_manager_passwords.json.generated").read_text())
            self.token = self.call("POST", "auth/token", {"username": "admin", "password": found["admin"]})[
                "access_token"
            ]
        return bool(self.token)

    def tries(self, dag: str, task: str) -> dict[str, dict[str, Any]]:
        """The task's latest try in each run of the DAG."""
        found = self.call("GET", f"api/v2/dags/{dag}/dagRuns/~/taskInstances?limit=100")["task_instances"]
        return {one["dag_run_id"]: one for one in found if one["task_id"] == task}

    def log(self, one: dict[str, Any], number: int) -> str:
        """What a try said."""
        where = f"dags/{one['dag_id']}/dagRuns/{one['dag_run_id']}/taskInstances/{one['task_id']}/logs/{number}"
        return "\n".join(line["event"] for line in self.call("GET", f"api/v2/{where}")["content"])


def until(what: str, done: Callable[[], object], seconds: float = _PATIENCE) -> None:
    end, so_far = time.monotonic() + seconds, ""
    while True:
        try:
            if done():
                return
        except OSError as error:  # on a busy machine Airflow's API may take longer than one is ready to wait
            so_far = str(error)
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s {so_far}"
        time.sleep(2)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated day, and settings for the project and for the DAGs."""
    made = tmp_path_factory.mktemp("day")
    project("simulate", made)
    # What the checks cost is the same on both sides, and would be paid six times.
    (made / "leasehold.yaml").write_text(f'raw: {made}/raw\nlake: {made}/lake\nquality: "off"\n')
    settings = {
        "first": "2026-02-01T00:00Z",
        "until": "2026-02-01T02:00Z",
        "config": str(made / "leasehold.yaml"),
        "command": [*PROJECT, "job", str(made)],
        "retries": 1,
        "retry_seconds": 2,
        "check_seconds": 20,
    }
    (made / "airflow.yaml").write_text(json.dumps(settings))
    return made


@pytest.fixture(scope="module")
def airflow(folder: Path) -> Iterator[Airflow]:
    """`make airflow`, on a port of its own; its metrics are listened to."""
    started = Airflow(f"http://127.0.0.1:{(port := free_port())}", folder / "home")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear, (folder / "airflow.log").open("wb") as log:
        ear.bind(("127.0.0.1", 0))

        def listen() -> None:
            with contextlib.suppress(OSError):
                while heard := ear.recv(65_536):
                    started.metrics.add(heard.decode().split(":")[0])

        threading.Thread(target=listen, daemon=True).start()
        more = {
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(ear.getsockname()[1]),
        }
        words = [DAG_FOLDER / "standalone.sh", started.home, folder / "airflow.yaml", port]
        process = subprocess.Popen(
            [*map(str, words)],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **more},
        )
        try:
            until("Airflow's API", lambda: started.log_in() or process.poll() is not None)
            assert process.poll() is None, (folder / "airflow.log").read_text()[-4000:]
            until("the DAGs", lambda: started.call("GET", "api/v2/dags")["total_entries"] == 6)
            yield started
        finally:
            end(process)
            # Shown if the test failed.
            lines = (folder / "airflow.log").read_text().splitlines()
            print("\n".join(line[:400] for line in lines if "http.access" not in line)[-20_000:])


def end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does."""
    process.terminate()
    process.wait(120)


def test_airflow_makes_the_lake_of_a_direct_run(airflow: Airflow, folder: Path, tmp_path: Path) -> None:
    for dag in (HOUR, NIGHT, CARE):
        airflow.call("PATCH", f"api/v2/dags/{dag}", {"is_paused": False})
    # The form of a manual run takes no shell.
    with pytest.raises(urllib.error.HTTPError) as refused:
        airflow.call("POST", f"api/v2/dags/{HOUR}/dagRuns", {"logical_date": None, "conf": {"start": "$(id)"}})
    assert refused.value.code in (400, 422)
    asked = {"start": "2026-02-01T02", "end": "2026-02-02"}
    airflow.call("POST", f"api/v2/dags/{HOUR}/dagRuns", {"dag_run_id": "asked", "logical_date": None, "conf": asked})
    airflow.call("POST", f"api/v2/dags/{CARE}/dagRuns", {"dag_run_id": "asked", "logical_date": None})

    def nights() -> list[dict[str, Any]]:
        return list(airflow.tries(NIGHT, "run").values())

    def states(dag: str, task: str) -> list[str]:
        return [one["state"] for one in airflow.tries(dag, task).values()]

    until("the hours", lambda: states(HOUR, "run") == ["success"] * 3)
    until("the night", lambda: states(NIGHT, "run") == ["success"])
    until("the care", lambda: states(CARE, "maintain") == ["failed"])

    runs = airflow.tries(HOUR, "run")
    first, second = sorted(name for name in runs if name != "asked")
    assert {name: one["try_number"] for name, one in runs.items()} == {first: 2, second: 2, "asked": 1}
    # Why the first tries failed.
    assert "is being written by somebody else's command" in airflow.log(runs[first], 1)
    assert "return code 75" in airflow.log(runs[first], 1)
    assert "return code 137" in airflow.log(runs[second], 1)
    # The night came when all hours had been run, and not before.
    (night,) = nights()
    assert moment(night["start_date"]) > max(moment(one["end_date"]) for one in runs.values())
    (wait,) = airflow.tries(NIGHT, "wait_for_hours").values()
    assert "not run yet: " in airflow.log(wait, 1)
    # One at a time.
    writers = sorted((moment(one["start_date"]), moment(one["end_date"])) for one in (*runs.values(), night))
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(writers))
    # What failed for good was tried again first, and said.
    (care,) = airflow.tries(CARE, "maintain").values()
    assert care["try_number"] == 2
    assert "failed for good" in airflow.log(care, 2)
    assert "failed for good" not in airflow.log(care, 1)
    # Metrics by Airflow's own means, as docs/airflow.md names them.
    told = (
        *("ti.finish.leasehold_nightly.run.success", "ti.finish.leasehold_maintain.maintain.failed"),
        *("dagrun.duration.success.leasehold_hourly", "pool.queued_slots.leasehold_writer", "scheduler_heartbeat"),
    )
    assert {f"airflow.{metric}" for metric in told} <= airflow.metrics, sorted(airflow.metrics)
    # The same night once more, as a back-fill, which waits for no hours and changes nothing.
    day = "2026-02-01T00:00:00Z"
    again = {"dag_id": NIGHT, "from_date": day, "to_date": day, "reprocess_behavior": "completed", "max_active_runs": 1}
    airflow.call("POST", "api/v2/backfills", again)
    second_try = [("success", 2)]
    until("a back-fill", lambda: [(one["state"], one["try_number"]) for one in nights()] == second_try)

    direct = tmp_path / "direct"
    words = ["run", "nightly", f"--config={folder}/leasehold.yaml", f"--lake={direct}"]
    project("job", folder, *words, "--start=2026-02-01", "--end=2026-02-02")
    project("compare", direct, folder / "lake")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
