"""The package on a cluster: the whole pipeline on S3 by `spark-submit`, and a machine that goes away meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark
import pytest

from jobs.object_store import allow_http
from simulator.simulate import Options, simulate
from tests.faulty_s3 import FaultyS3, environment
from tests.jobs.conftest import days
from tests.jobs.test_on_s3 import HOUR, upload
from tests.lakes import assert_equal, leasehold, read
from transforms.schemas import FUNCTION_FLOWS

SPARK = Path(pyspark.__file__).parent
# A zone of its own on every machine of the cluster: no clock may show in a table.
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
PLAIN = {
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.enabled": "false",
    "spark.executor.memory": "768m",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def machine(s3: FaultyS3, zone: str) -> dict[str, str]:
    """All that the environment of a machine has: Java, Spark, and S3 with its credentials."""
    kept = {name: os.environ[name] for name in ("HOME", "JAVA_HOME") if name in os.environ}
    path = f"{Path(shutil.which('java') or '').parent}:/usr/bin:/bin"
    spark = {"SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    return {**kept, **spark, **environment(s3.url), "PATH": path, "TZ": zone, "JAVA_TOOL_OPTIONS": QUICK}


@contextmanager
def daemon(
    what: str, *arguments: object, folder: Path, env: dict[str, str], up: str
) -> Iterator[subprocess.Popen[str]]:
    """A process of Spark's in a folder and a process group of its own, once its log says that it is up."""
    folder.mkdir()
    log = folder / "log"
    words = [SPARK / "bin" / "spark-class", f"org.apache.spark.deploy.{what}", *arguments]
    with log.open("w") as out:
        process = subprocess.Popen(
            list(map(str, words)), cwd=folder, env=env, stdout=out, stderr=out, text=True, start_new_session=True
        )
    try:
        until = time.monotonic() + 60
        while up not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to it and all that it started, as when a machine goes away."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.both
def test_a_cluster_that_loses_a_machine_makes_the_same_tables(s3: FaultyS3, tmp_path: Path) -> None:
    package, port = tmp_path / "package", free_port()
    subprocess.run(["make", "-o", "install", "package", f"DIST={package}"], check=True, capture_output=True, text=True)
    (package / "environment").mkdir()
    archive = next(package.glob("*-environment.tar.gz"))
    subprocess.run(["tar", "-xzf", archive, "-C", package / "environment"], check=True)
    simulate(tmp_path / "account", Options(days=1, rate=0.05, poll_minutes=120, seed=5, data_events=True))
    upload(tmp_path / "account" / "raw")
    window = days(2 * HOUR, 3 * HOUR)

    with ExitStack() as running:
        address = ("--host", "127.0.0.1", "--webui-port", 0)
        env = machine(s3, "Asia/Kolkata")
        master = ("master.Master", *address, "--port", port)
        running.enter_context(daemon(*master, folder=tmp_path / "master", env=env, up="New state: ALIVE"))
        workers = [
            running.enter_context(
                daemon(
                    *("worker.Worker", *address, "--cores", 1, "--memory", "1g"),
                    *("--work-dir", tmp_path / f"worker-{number}" / "work"),
                    f"spark://127.0.0.1:{port}",
                    folder=tmp_path / f"worker-{number}",
                    env=env,
                    up="Successfully registered with master",
                )
            )
            for number in range(2)
        ]
        submit = [
            *(SPARK / "bin" / "spark-submit", "--master", f"spark://127.0.0.1:{port}"),
            *("--properties-file", "spark.conf"),
            *(word for name, value in PLAIN.items() for word in ("--conf", f"{name}={value}")),
            *("leasehold.py", "run", "hourly", *window, "--raw", "s3://here/raw", "--lake", "s3://here/lake"),
            *("--engine", "spark", "--quality", "off", "--log-format", "json"),
        ]
        said, killed = [], False
        with subprocess.Popen(
            list(map(str, submit)),
            cwd=package,
            env=machine(s3, "America/New_York"),
            # Whatever Python says comes out of spark-submit on standard output, Spark's own log on standard error.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as driver:
            assert driver.stdout
            for line in driver.stdout:
                said.append(line)
                if not killed and line.startswith("{") and is_start_of("attribute", line):
                    time.sleep(2)
                    kill(workers[0])
                    killed = True
        assert killed and driver.returncode == 0, "".join(said[-60:])
    # It did lose something; and what the readers imported came with the package.
    assert any("Lost executor" in line for line in said)
    assert list(tmp_path.glob("worker-1/work/*/*/environment/lib/*/site-packages/pyarrow"))
    for folder in (package, *(tmp_path / f"worker-{number}" for number in range(2))):
        shutil.rmtree(folder)  # gigabytes
    here = ("--raw", tmp_path / "account" / "raw", "--lake", tmp_path / "lake")
    leasehold("run", "hourly", *window, *here, "--quality", "off")
    allow_http()
    assert_equal(tmp_path / "lake", "s3://here/lake")
    assert read("s3://here/lake", FUNCTION_FLOWS).num_rows > 20


def is_start_of(job: str, line: str) -> bool:
    said = json.loads(line)
    return bool(said.get("event") == "job_started" and said.get("job") == job)
