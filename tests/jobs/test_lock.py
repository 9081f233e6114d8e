"""One writer a lake: of several that start at once one writes; the dead and the frozen are followed, and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.settings import Settings
from jobs import demo, options
from jobs.errors import BusyError, LeaseholdError
from jobs.lock import FOLDER, Holder, held_by, writing
from jobs.object_store import below
from jobs.storage import Lake
from simulator.simulate import Options, simulate
from tests.faulty_s3 import FaultyS3
from tests.jobs.conftest import days
from tests.lakes import assert_equal, command, leasehold, read
from transforms.schemas import ALERTS, DECISIONS, RUNS

HOUR = 1 / 24
HOLD = """
import sys
from jobs.lock import writing
with writing(sys.argv[1], "a test", beat_seconds=0.2, stale_seconds=float(sys.argv[2])) as lock:
    print("held", flush=True)
    sys.stdin.readline()
    lock.check()
    print("wrote", flush=True)
"""


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "lake")
    request.getfixturevalue("s3")
    return "s3://here/lake"


@contextmanager
def holding(root: str, stale: float = 120) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock; a line to it lets it write and end."""
    words = [sys.executable, "-c", HOLD, root, str(stale)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def nothing(message: str) -> None:
    del message


def files(root: str) -> list[str]:
    if root.startswith("s3://"):
        return sorted(found.uri.rpartition("/")[2] for found in below(f"{root}/{FOLDER}/"))
    return sorted(path.name for path in (Path(root) / FOLDER).iterdir())


def test_it_is_had_by_one_and_given_back(root: str) -> None:
    assert held_by(root) is None
    with writing(root, "leasehold run") as lock:
        lock.check()
        holder = held_by(root)
        assert holder and (holder.command, holder.pid, holder.run_id) == ("leasehold run", os.getpid(), lock.run_id)
        said = rf"is being written by leasehold run \(process {os.getpid()} on host .*since 20.*Z\): start again when"
        with pytest.raises(BusyError, match=said), writing(root, "another"):
            raise AssertionError
    assert held_by(root) is None
    with writing(root, "another") as again:
        assert again.run_id != lock.run_id
    assert files(root) == ["0000000002.json"]


def test_who_waits_gets_it(root: str) -> None:
    with holding(root) as other, ThreadPoolExecutor() as pool:
        assert other.stdin

        def waits() -> str:
            with writing(root, "waits", wait=60) as lock:
                lock.check()
                return "written"

        waiting = pool.submit(waits)
        other.stdin.write("\n")
        other.stdin.flush()
        assert waiting.result() == "written" and other.wait() == 0


def test_a_killed_holder_is_followed_at_once(root: str) -> None:
    """Also while it is a zombie, of which the system still knows the number."""
    with holding(root) as other:
        os.kill(other.pid, signal.SIGKILL)
        until(lambda: held_by(root) is None)
        with writing(root, "follows") as lock:
            lock.check()


def test_a_process_that_is_ended_gives_it_back(root: str) -> None:
    with holding(root) as other:
        other.terminate()
        assert other.wait() == 128 + signal.SIGTERM
    assert held_by(root, stale_seconds=1e9) is None


def test_a_frozen_holder_is_followed_and_stops(root: str) -> None:
    with holding(root, stale=3) as other:
        assert other.stdin
        os.kill(other.pid, signal.SIGSTOP)
        with pytest.raises(BusyError), writing(root, "too early", stale_seconds=3):
            raise AssertionError
        with writing(root, "follows", wait=60, stale_seconds=3, on_loss=nothing) as lock:
            other.stdin.write("\n")
            other.stdin.flush()
            os.kill(other.pid, signal.SIGCONT)
            written, said = other.communicate(timeout=60)
            # Its thread ends it, or its own look before it writes.
            assert other.returncode == BusyError.exit_code or "jobs.errors.BusyError" in said
            assert written == "" and "writes no more" in said and "taken over by follows (process" in said
            lock.check()
        with writing(root, "and so on"):
            pass


def test_a_living_holder_is_not_followed_however_long_it_takes(root: str) -> None:
    with holding(root, stale=3) as other:
        time.sleep(4)
        with pytest.raises(BusyError), writing(root, "too early", stale_seconds=3):
            raise AssertionError
        assert other.stdin and other.stdout
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "wrote\n"


def test_of_many_at_once_one_gets_it(root: str, request: pytest.FixtureRequest) -> None:
    """Again and again, at first behind a holder that is dead; on S3 while calls fail."""
    with holding(root) as other:
        os.kill(other.pid, signal.SIGKILL)
    if root.startswith("s3://"):
        server: FaultyS3 = request.getfixturevalue("s3")
        server.fail(0.1, 5)
    inside, most, had = 0, 0, 0
    count = threading.Lock()

    def strive(_: int) -> None:
        nonlocal inside, most, had
        for _ in range(4):
            try:
                with writing(root, "strives", beat_seconds=60, on_loss=nothing) as lock:
                    with count:
                        inside, had = inside + 1, had + 1
                        most = max(most, inside)
                    lock.check()
                    time.sleep(0.05)
                    with count:
                        inside -= 1
            except BusyError:
                time.sleep(0.02)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(strive, range(6)))
    assert most == 1 and had > 1
    assert len(files(root)) <= 2


def test_whose_process_cannot_be_seen_is_given_time(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another machine, or another container of this one, a number of a process says nothing."""
    with holding(root) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        monkeypatch.setattr("jobs.lock._place", lambda: "elsewhere")
        with pytest.raises(BusyError), writing(root, "too early"):
            raise AssertionError
        with writing(root, "follows", wait=60, stale_seconds=2, on_loss=nothing):
            pass


def test_a_number_that_another_process_has_now_is_not_the_holder(tmp_path: Path) -> None:
    root = str(tmp_path)
    with holding(root) as other:
        [file] = (tmp_path / FOLDER).iterdir()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        file.write_text(file.read_text().replace(f'"pid": {other.pid}', f'"pid": {os.getpid()}'))
        assert held_by(root) is None


def test_half_a_file_is_a_holder_until_it_is_old(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    half = tmp_path / FOLDER / "0000000007.json"
    half.write_text('{"number": ')
    with pytest.raises(BusyError, match="only just begun"), writing(str(tmp_path), "x"):
        raise AssertionError
    os.utime(half, (0, 0))
    with writing(str(tmp_path), "x"):
        assert held_by(str(tmp_path)) and files(str(tmp_path)) == ["0000000008.json"]
    # What such a file says is shown on terminals.
    assert "\x1b" not in str(Holder(1, run_id="r", command="\x1b[31m", host="\x1b"))


@pytest.mark.sail_only
def test_a_lost_lock_stops_the_next_commit(spark: SparkSession, tmp_path: Path) -> None:
    with writing(str(tmp_path), "x", on_loss=nothing) as lock:
        lake = Lake(spark, str(tmp_path), lock)
        lake.create([DECISIONS])
        row = lake.frame(DECISIONS, [{"decision_id": "a"}])
        lake.append(DECISIONS, row)
        (tmp_path / FOLDER / "0000000002.json").write_text("{}")
        with pytest.raises(BusyError, match="writes no more"):
            lake.append(DECISIONS, row)
        (tmp_path / FOLDER / "0000000002.json").unlink()
        (tmp_path / FOLDER / "0000000001.json").unlink()
        with pytest.raises(BusyError, match="is not there any more"):
            lake.append(DECISIONS, row)
    assert read(tmp_path, DECISIONS).num_rows == 1


def test_commands_that_write_take_it_and_those_that_read_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    Lake(None, str(lake)).create([ALERTS, DECISIONS])  # type: ignore[arg-type]
    monkeypatch.setattr(options, "_PATIENCE", 0.1)
    monkeypatch.setattr(options, "session", lambda *_, **__: contextmanager(lambda: iter([None]))())
    settings = Settings(lake=str(lake))
    with holding(str(lake)):
        with options.opened(settings) as there:
            assert there.lock is None
        with pytest.raises(BusyError), options.opened(settings, "leasehold verdict"):
            raise AssertionError
        (tmp_path / "leasehold.yaml").touch()
        with pytest.raises(BusyError):
            demo._make_room(tmp_path)
        window = ("--start", "2026-02-01T02", "--end", "2026-02-01T03")
        run = leasehold("run", "hourly", *window, "--lake", lake, "--raw", tmp_path, check=False)
        job = subprocess.run(
            [sys.executable, "-m", "jobs.ingest", *window, "--lake", str(lake), "--engine", "sail"],
            capture_output=True,
            text=True,
            check=False,
        )
        for done in (run, job):
            assert done.returncode == 75 and "Traceback" not in done.stderr
            assert "is being written by a test (process" in done.stderr


def test_a_lake_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("no folder")
    with pytest.raises(LeaseholdError, match="cannot be taken"), writing(str(tmp_path / "lake"), "x"):
        raise AssertionError


@pytest.mark.slow
@pytest.mark.sail_only
def test_two_runs_at_once_and_one_that_was_frozen_damage_nothing(tmp_path: Path) -> None:
    """The second ends at once. The first is frozen half-way, and followed; woken up, it stops."""
    simulate(tmp_path / "account", Options(days=1, rate=0.05, poll_minutes=120, seed=5, data_events=True))
    raw, lake, window = tmp_path / "account" / "raw", tmp_path / "lake", days(2 * HOUR, 3 * HOUR)
    run = ("run", "hourly", *window, "--raw", raw)
    leasehold(*run, "--lake", tmp_path / "alone")
    first = subprocess.Popen(command(*run, "--lake", lake), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: (lake / RUNS.name).is_dir() and read(lake, RUNS).num_rows >= 2, 300)
    second = leasehold(*run, "--lake", lake, check=False)
    assert second.returncode == 75 and "is being written by leasehold run hourly" in second.stderr
    os.kill(first.pid, signal.SIGSTOP)
    for file in (lake / FOLDER).iterdir():
        os.utime(file, (0, 0))
    leasehold(*run, "--lake", lake)
    os.kill(first.pid, signal.SIGCONT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 75 and "writes no more" in said
    assert_equal(tmp_path / "alone", lake, without=[RUNS])
