"""Tables without an engine, by `deltalake`: what they hold at a glance, and a few columns of small ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from jobs.object_store import is_remote, patiently
from transforms.schemas.table import Table

Row = dict[str, Any]


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
