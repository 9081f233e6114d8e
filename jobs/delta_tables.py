"""Tables without an engine, by `deltalake`: what they hold at a glance, a few columns of small ones, and their care."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from jobs.object_store import is_remote, patiently
from transforms.schemas.table import Table

Row = dict[str, Any]
T = TypeVar("T")

PROMISES = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")
"""Properties that say how long earlier versions can be read: their commits, and their files."""
_CONFLICTS = 3
TARGET_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class Glance:
    """A table as its log describes it; no data are read."""

    version: int
    committed_at: datetime
    files: int
    rows: int
    bytes: int
    newest: datetime | date | None
    """the latest time in it, or its last day where the log has no times; None: it is empty"""


def location(root: str, table: Table) -> str:
    """Where a table is, as `deltalake` wants it."""
    return f"{root.rstrip('/') if is_remote(root) else Path(root).resolve()}/{table.name}"


def glance(root: str, table: Table, times: str | None, today: date) -> Glance | None:
    """The table at a glance; None if it is not there. What claims to be of a day after today is not the newest."""
    path = location(root, table)
    try:
        opened = patiently(deltalake.DeltaTable, path)
    except deltalake.exceptions.TableNotFoundError:
        return None
    return patiently(lambda _: _glance(opened, table, times, today), path)  # type: ignore[no-any-return]


def _glance(opened: deltalake.DeltaTable, table: Table, times: str | None, today: date) -> Glance:
    actions = pa.table(opened.get_add_actions(flatten=True))
    committed = opened.history(1)[0]["timestamp"]
    return Glance(
        version=opened.version(),
        committed_at=datetime.fromtimestamp(committed / 1_000, UTC),
        files=actions.num_rows,
        rows=pc.sum(actions["num_records"]).as_py() or 0,
        bytes=pc.sum(actions["size_bytes"]).as_py() or 0,
        newest=_newest(actions, table, times, today),
    )


def _newest(actions: pa.Table, table: Table, times: str | None, today: date) -> datetime | date | None:
    last = None
    if table.partition_by:
        day = actions[f"partition.{table.partition_by}"]
        actions = actions.filter(pc.less_equal(day, pa.scalar(today, day.type)))
        last = pc.max(actions[f"partition.{table.partition_by}"]).as_py()
    told = f"max.{times}"
    newest: datetime | date | None = pc.max(actions[told]).as_py() if told in actions.column_names else None
    return newest or last


def peek(root: str, table: Table, columns: list[str], filters: list[Any] | None = None) -> list[Row]:
    """Rows of a small table, or of few days of a large one (`filters` as of pyarrow); none if it is not there."""
    path = location(root, table)

    def read(path: str) -> list[Row]:
        try:
            opened = deltalake.DeltaTable(path)
        except deltalake.exceptions.TableNotFoundError:
            return []
        found: list[Row] = pa.table(opened.to_pyarrow_table(columns=columns, filters=filters)).to_pylist()
        return found

    return patiently(read, path)  # type: ignore[no-any-return]


def copied_log(opened: deltalake.DeltaTable, partition_by: str | None, first: date, last: date) -> str:
    """A folder that is a Delta table of one commit: the files of an opened version, which lie on this machine.

    Of a table with days those of the days [first, last]. They are linked to. It is there until the process ends.
    """
    day = f"partition.{partition_by}"
    metadata = {"id": uuid.uuid4().hex, "format": {"provider": "parquet", "options": {}}, "configuration": {}}
    metadata |= {"schemaString": opened.schema().to_json(), "partitionColumns": opened.metadata().partition_columns}
    actions: list[Row] = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}]
    added = pa.table(opened.get_add_actions(flatten=True))
    told = ["path", "size_bytes", "modification_time", *([day] if partition_by else [])]
    for file in added.select(told).to_pylist():  # without the statistics of each column
        if partition_by and not (file[day] and first <= file[day] <= last):
            continue
        of = {partition_by: None if file[day] is None else str(file[day])} if partition_by else {}
        add = {"path": file["path"], "partitionValues": of, "size": file["size_bytes"]}
        actions.append({"add": add | {"modificationTime": file["modification_time"], "dataChange": True}})
    folder = Path(_scratch(), uuid.uuid4().hex)
    (folder / "_delta_log").mkdir(parents=True)
    (folder / "_delta_log" / f"{0:020}.json").write_text("".join(f"{json.dumps(action)}\n" for action in actions))
    for name in {unquote(action["add"]["path"]).split("/")[0] for action in actions if "add" in action}:
        (folder / name).symlink_to(Path(unquote(urlsplit(opened.table_uri).path), name))
    return str(folder)


@cache
def _scratch() -> str:
    folder = tempfile.mkdtemp(prefix="leasehold-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def promise(path: str, days: int) -> bool:
    """Let what is deleted stay readable for so many days, in commits and in files; was less promised before?

    Without it Delta forgets after 7 days that a file was deleted only lately, and VACUUM takes it for old.
    """
    before: dict[str, str] = patiently(deltalake.DeltaTable, path).metadata().configuration
    wanted = dict.fromkeys(PROMISES, f"interval {days} days")
    if all(before.get(name) == value for name, value in wanted.items()):
        return False
    _surely(lambda path: deltalake.DeltaTable(path).alter.set_table_properties(wanted), path)
    return any(_days(before.get(name)) < days for name in PROMISES)


def _days(interval: str | None) -> int:
    words = (interval or "").split()
    return int(words[1]) if len(words) == 3 and words[2] in ("day", "days") else 0


def compact(path: str, partition_by: str | None, cluster_by: tuple[str, ...]) -> tuple[int, int]:
    """Make large files of small ones, in each partition that has several; (files before, files after) of what was done.

    With `cluster_by` rows that are alike in these columns come to lie together (Z-order), so that queries pass over
    the rest. Rows stay the same, and so does Delta's protocol.
    """

    def work(path: str) -> tuple[int, int]:
        opened = deltalake.DeltaTable(path)
        small = _small_files(opened, partition_by)
        wanted = sorted(str(day) for day, count in small.items() if count > 1)
        if not wanted:
            return 0, 0
        chosen: Any = [(partition_by, "in", wanted)] if partition_by else None
        if cluster_by:
            done = opened.optimize.z_order(cluster_by, partition_filters=chosen, target_size=TARGET_BYTES)
        else:
            done = opened.optimize.compact(partition_filters=chosen, target_size=TARGET_BYTES, min_commit_interval=600)
        return done["numFilesRemoved"], done["numFilesAdded"]

    return _surely(work, path)


def _small_files(opened: deltalake.DeltaTable, partition_by: str | None) -> Counter[date | None]:
    """How many files there are of less than half the target, by partition; None: of a table without any."""
    actions = pa.table(opened.get_add_actions(flatten=True))
    actions = actions.filter(pc.less(actions["size_bytes"], TARGET_BYTES // 2))
    days = actions[f"partition.{partition_by}"].to_pylist() if partition_by else [None] * actions.num_rows
    return Counter(day for day in days if day is not None or not partition_by)


def days(path: str, partition_by: str) -> list[date]:
    """The days of which there are files, in order; only the log is looked at."""
    actions = pa.table(patiently(deltalake.DeltaTable, path).get_add_actions(flatten=True))
    return sorted({day for day in actions[f"partition.{partition_by}"].to_pylist() if day is not None})


def has_days(path: str, partition_by: str, first: date, before: date) -> bool:
    """Has it rows of the days [first, before)?"""
    return any(first <= day < before for day in days(path, partition_by))


def drop_days(path: str, partition_by: str, first: date, before: date) -> int:
    """Delete all rows of the days [first, before), partition by partition; returns how many files these were."""
    which = f"{partition_by} >= '{first}' AND {partition_by} < '{before}'"
    return _surely(lambda path: int(deltalake.DeltaTable(path).delete(which)["num_removed_files"]), path)


def tidy(path: str, days: int, vacuum: bool) -> int:
    """Forget old commits, and delete the files that no version of the last so many days has; how many files."""

    def work(path: str) -> int:
        opened = deltalake.DeltaTable(path)
        opened.create_checkpoint()
        opened.cleanup_metadata()
        # Full: killed runs have left files that no commit knows.
        return len(opened.vacuum(days * 24, dry_run=False, full=True)) if vacuum else 0

    return _surely(work, path)


def _surely(ask: Callable[[str], T], path: str) -> T:
    """Do what leaves nothing to do if it is done again.

    As one process writes a lake, a conflict is with a commit of its own, of which the answer was lost.
    """
    for _ in range(_CONFLICTS):
        try:
            return patiently(ask, path)  # type: ignore[no-any-return]
        except deltalake.exceptions.CommitFailedError:
            continue
    return patiently(ask, path)  # type: ignore[no-any-return]
