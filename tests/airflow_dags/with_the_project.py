"""What the real-run test has the project do, with the project's own Python.

python with_the_project.py simulate FOLDER              a small day's raw files
python with_the_project.py job FOLDER run hourly …      `leasehold run hourly …`, which goes wrong as is told below
python with_the_project.py compare ONE OTHER            are two lakes equal?
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))
_KILL_AFTER_COMMITS = 12
"""more than one job's, and fewer than a run's, on tables that are there already"""


def simulate_into(folder: Path) -> None:
    from simulator.simulate import Options, simulate

    simulate(folder, Options(days=1, start=date(2026, 2, 1), rate=0.1, poll_minutes=240, seed=12, scenarios=()))


def job(folder: Path, words: list[str]) -> int:
    """Each of these goes wrong once, the first time: the day's first hour meets another writer, its second is killed.

    `maintain` always fails.
    """
    command = [sys.executable, "-c", "from jobs.cli import main; main()", *words]
    told = next((word.removeprefix("--start=2026-02-01T") for word in words if word.startswith("--start=")), "")
    if words[0] == "maintain":
        print("there is no care to be had today", flush=True)
        return 1
    if told.startswith("01:") and first_time(folder / "killed"):
        return killed(command, folder / "lake")
    if told.startswith("00:") and first_time(folder / "met another"):
        from jobs.lock import writing

        with writing(str(folder / "lake"), "somebody else's command"):
            return subprocess.run(command, check=False).returncode
    return os.execv(command[0], command)


def first_time(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def killed(command: list[str], lake: Path) -> int:
    """SIGKILL, half-way; what a process that was killed ends with."""
    from tests.lakes import commits

    before = commits(lake)
    process = subprocess.Popen(command)
    while process.poll() is None and commits(lake) < before + _KILL_AFTER_COMMITS:
        time.sleep(0.005)
    assert process.poll() is None, "the run was done before it was killed"
    process.send_signal(signal.SIGKILL)
    return 128 - process.wait()


def compare(one: str, other: str) -> None:
    from tests.lakes import assert_equal
    from transforms.schemas import REOPENED_HOURS, RUNS

    assert_equal(one, other, without=[RUNS, REOPENED_HOURS])


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    what, *rest = sys.argv[1:]
    if what == "simulate":
        simulate_into(Path(rest[0]))
    elif what == "job":
        sys.exit(job(Path(rest[0]), rest[1:]))
    elif what == "compare":
        compare(*rest)
    else:
        sys.exit(__doc__)
