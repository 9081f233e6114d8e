"""A back-fill that is killed and started again, many times: is its lake that of one that nobody disturbed?

    python -m benchmarks.chaos [--kills 30] [--days 3] [--engine sail] [--seed 1]

A small simulated account, a nightly run a day. Each run is killed (SIGKILL) and started again, until the day has had
its share of the kills and is done: by chance after so many more commits to the tables, or after so many seconds; what
is killed is by chance all of the run, or with `--engine spark` its JVM alone, or a Python worker of it alone, which the
run may survive: then it is hit again. Then every table is compared, row for row, with that of a lake whose runs were
left alone. Ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.session import ENGINES
from simulator.simulate import Options, simulate
from tests.lakes import assert_equal, commits
from transforms.schemas import RUNS

START = datetime(2026, 2, 1, tzinfo=UTC)
_SETTINGS = "min_history_days: 1\n"


def main() -> None:
    options = _options()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    spans = undisturbed(folder, options)
    hits: Counter[str] = Counter()
    shares = [options.kills // options.days + (day < options.kills % options.days) for day in range(options.days)]
    for day, (share, span) in enumerate(zip(shares, spans, strict=True)):
        run = nightly(folder, "killed", day, options.engine)
        runs, left = 0, share
        while left:
            for hit in disturbed(run, folder / "killed", span, options.engine, chance, left):
                hits[hit] += 1
                left -= 1
                there = commits(folder / "killed")
                print(f"day {day + 1}, kill {share - left} of {share}: {hit}, at {there} commits", flush=True)
            runs += 1
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"day {day + 1}, left alone after {share} kills, failed:\n{done.stderr[-3000:]}")
        print(f"day {day + 1}: done after {share} kills of {runs} runs", flush=True)
    try:
        assert_equal(folder / "whole", folder / "killed", without=[RUNS])
    except AssertionError as error:
        sys.exit(f"DIFFERENT after {hits.total()} kills on {options.engine} (kept in {folder}): {error}")
    print(f"{options.engine}: every table equal, row for row, after {hits.total()} kills: {dict(hits)}")
    shutil.rmtree(folder)


def undisturbed(folder: Path, options: argparse.Namespace) -> list[tuple[int, float]]:
    """The account and, as `whole`, the lake of runs that are left alone; commits and seconds of each day."""
    simulate(
        folder / "account",
        Options(
            days=options.days, rate=0.05, poll_minutes=360, seed=12, data_events=True, scenarios=("third_resource",)
        ),
    )
    (folder / "settings.yaml").write_text(_SETTINGS)
    clock, before, spans = time.monotonic(), 0, []
    for day in range(options.days):
        run = nightly(folder, "whole", day, options.engine)
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the undisturbed run of day {day + 1} failed:\n{done.stderr[-3000:]}")
        now = commits(folder / "whole")
        spans.append((now - before, time.monotonic() - clock))
        before, clock = now, time.monotonic()
        print(f"undisturbed, day {day + 1}: {spans[-1][0]} commits, {spans[-1][1]:.0f} s", flush=True)
    return spans


def nightly(folder: Path, lake: str, day: int, engine: str) -> list[str]:
    """The words of the day's run."""
    start, end = START + timedelta(days=day), START + timedelta(days=day + 1)
    places = ["--config", folder / "settings.yaml", "--raw", folder / "account" / "raw", "--lake", folder / lake]
    window = ["--start", f"{start:%Y-%m-%d}", "--end", f"{end:%Y-%m-%d}", "--engine", engine]
    return [sys.executable, "-m", "jobs", "run", "nightly", *map(str, places), *window]


def disturbed(
    run: list[str], lake: Path, span: tuple[int, float], engine: str, chance: random.Random, most: int
) -> Iterator[str]:
    """Start the run and kill it, or parts of it, until it has ended or had so many; says what and when."""
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        for _ in range(most):
            when = _wait(process, lake, span, chance)
            if process.poll() is not None:
                return  # it was done first
            victim = chance.choice(("all", "all", "JVM", "Python worker")) if engine == "spark" else "all"
            family = dict(below(process.pid))
            chosen = [pid for pid, words in family.items() if victim == "all" or _is(victim, words)]
            if not chosen:
                victim, chosen = "all", list(family)
            # One worker of several: the others go on.
            for pid in [chance.choice(chosen)] if victim == "Python worker" else chosen:
                _kill(pid)
            if victim != "Python worker":
                process.wait()
            yield f"{victim}, {when}"
            if process.poll() is not None:
                return


def _wait(process: subprocess.Popen[bytes], lake: Path, span: tuple[int, float], chance: random.Random) -> str:
    """Until so many commits more or so many seconds later, soon or at any time of the run; or until it has ended."""
    commits_of_day, seconds_of_day = span
    reach = chance.choice((0.15, 0.15, 1.0))
    by_commits = chance.random() < 0.6
    target = commits(lake) + chance.randint(1, max(2, int(reach * commits_of_day / 2)))
    until = time.monotonic() + chance.uniform(0, reach * seconds_of_day)
    late = chance.choice((0.0, 0.0, chance.uniform(0, 0.5)))
    while process.poll() is None and (commits(lake) < target if by_commits else time.monotonic() < until):
        time.sleep(0.01)
    time.sleep(late)
    return "after a commit" if by_commits else "at a moment"


def _is(victim: str, words: str) -> bool:
    return "pyspark.daemon" in words if victim == "Python worker" else words.split(" ")[0].endswith("java")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def below(root: int) -> Iterator[tuple[int, str]]:
    """A process and all that it started, with their command lines."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    family = {root}
    while more := {int(pid) for pid, parent, *_ in rows if int(parent) in family} - family:
        family |= more
    for pid, _, *words in rows:
        if int(pid) in family:
            yield int(pid), " ".join(words)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--seed", type=int, default=1, help="of the kills")
    return parser.parse_args()


if __name__ == "__main__":
    main()
