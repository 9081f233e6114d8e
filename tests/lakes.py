"""Whole lakes compared, and the command line run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import deltalake
import pyarrow as pa

from transforms.schemas import ALL, INGESTED_FILES, JUDGEMENTS, QUALITY_GATES, QUALITY_RESULTS, RUNS
from transforms.schemas.table import Table

_WALL_CLOCK = {"run_id", "started_at", "seconds", "engine"}


def leasehold(*arguments: object, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `leasehold …` in a process of its own, with some environment variables more."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=1800, check=False, env={**os.environ, **env}
    )
    assert not check or done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return done


def command(*arguments: object) -> list[str]:
    """The words that start `leasehold …` with this Python."""
    return [sys.executable, "-c", "from jobs.cli import main; main()", *map(str, arguments)]


def read(lake: Path | str, table: Table) -> pa.Table:
    """A table as `deltalake` reads it (neither engine has a say), in the order of its key; which is unique."""
    found = pa.table(deltalake.DeltaTable(f"{lake}/{table.name}").to_pyarrow_table())
    keys = found.group_by(list(table.key)).aggregate([([], "count_all")])
    assert keys.num_rows == found.num_rows, f"{table.name}: {found.num_rows - keys.num_rows} rows share a key"
    if table is RUNS:
        found = found.drop_columns(["run_id", "started_at", "seconds", "engine"])
        return found.sort_by([(name, "ascending") for name in found.column_names])
    if table is JUDGEMENTS:  # engines need different numbers of commits
        return found.sort_by("observations_version").drop_columns(["observations_version", "table_versions"])
    return found.sort_by([(name, "ascending") for name in table.key])


def assert_equal(one: Path | str, other: Path | str, without: Iterable[Table] = ()) -> None:
    """Every table equal, row for row; of `runs` what does not come from the wall clock.

    What was checked and judged when, and at which version, is told apart by runs, and left out with them. Between a
    folder and S3 what files are known by differs, which on S3 is no time.
    """
    left_out = set(without)
    left_out |= {QUALITY_RESULTS, QUALITY_GATES, JUDGEMENTS} if RUNS in left_out else set()
    on_s3 = {str(lake).startswith("s3://") for lake in (one, other)}
    for table in ALL:
        if table in left_out:
            continue
        left, right = read(one, table), read(other, table)
        if table is INGESTED_FILES and len(on_s3) == 2:
            left, right = left.drop_columns("stat"), right.drop_columns("stat")
        if not left.equals(right):
            a, b = ({repr(row) for row in part.to_pylist()} for part in (left, right))
            raise AssertionError(
                f"{table.name}: {left.num_rows} rows in {one}, {right.num_rows} in {other}\n"
                f"only in the first: {sorted(a - b)[:3]}\nonly in the second: {sorted(b - a)[:3]}"
            )


def commits(lake: Path) -> int:
    """How many commits all tables have."""
    return sum(1 for _ in lake.glob("*/_delta_log/*.json"))
