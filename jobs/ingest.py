"""Job: raw files into typed tables, each file exactly once.

A batch of files goes through four commits: `started` rows, the records, the rejections, `done` rows. After a
crash the files that are `started` are taken out of the tables and read again.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import hours
from jobs.errors import LeaseholdError
from jobs.sources import read_receipts
from jobs.sources.classify import classify
from jobs.sources.files import FileName
from jobs.sources.snapshot_json import TABLES
from jobs.storage import Lake
from jobs.window import Window as RunWindow
from transforms.schemas import CLOUDTRAIL_EVENTS, FLOW_LOGS, INGESTED_FILES, REJECTED_RECORDS
from transforms.schemas.table import Table

BATCH_FILES = 2_000
"""Files per batch: bounds what a crash repeats, and gives progress."""

_TABLE_OF: dict[str, Table] = {"vpc_flow_logs": FLOW_LOGS, "cloudtrail": CLOUDTRAIL_EVENTS, **TABLES}
Entry = dict[str, Any]
Progress = Callable[[int, int], None]


def run(lake: Lake, settings: Settings, window: RunWindow, progress: Progress = lambda _done, _all: None) -> str:
    """Take in the files that belong to the window and are not in yet.

    Those are the files whose name carries a time from `lookback_days` before the window to
    `lateness_hours` after it, and those whose name carries none. A file whose content changed replaces what
    it gave before; a copy of a file under another name is skipped, and says of what.
    """
    root = Path(settings.raw)
    if not root.is_dir():
        raise LeaseholdError(f"there is no raw folder {settings.raw!r}: set `raw` in the settings, or --raw")
    known = _known(lake)
    entries = [
        entry
        for entry in _listing(root, known)
        if _belongs(entry["file_time"], settings, window) and not _is_in(entry, known.get(entry["source_file"]))
    ]
    # A changed file, or one that a crash left half done: out with what it gave.
    _withdraw(lake, [e for e in entries if e["source_file"] in known])
    by_etag = {k["etag"]: path for path, k in sorted(known.items(), reverse=True) if k["state"] == "done"}
    work, skipped = [], []
    for entry in entries:
        original = by_etag.get(entry["etag"], entry["source_file"])
        kind, why = (None, f"the same content as {original}") if original != entry["source_file"] else _kind(root, entry)
        if kind:
            by_etag.setdefault(entry["etag"], entry["source_file"])
            work.append({**entry, "kind": kind})
        else:
            skipped.append({**entry, "state": "skipped", "reason": why})
    _record(lake, skipped)
    done = 0
    records = rejected = 0
    for kind in _TABLE_OF:
        of_kind = [entry for entry in work if entry["kind"] == kind]
        for start in range(0, len(of_kind), BATCH_FILES):
            batch = of_kind[start : start + BATCH_FILES]
            counts = _take_in(lake, settings, kind, batch)
            records, rejected = records + counts[0], rejected + counts[1]
            done += len(batch)
            progress(done, len(work))
    return f"{len(work):,} files, {records:,} records, {rejected:,} rejected, {len(skipped):,} files skipped"


def _known(lake: Lake) -> dict[str, Entry]:
    columns = ("source_file", "kind", "etag", "stat", "state")
    return {row["source_file"]: row for row in lake.read(INGESTED_FILES).select(*columns).toArrow().to_pylist()}


def _listing(root: Path, known: dict[str, Entry]) -> Iterator[Entry]:
    """Every raw file, in the order of its name's time; the content is hashed only if it may have changed."""
    found = []
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            recorded = path.relative_to(root).as_posix()
            found.append((FileName.parse(recorded).time, recorded, path))
    undated = datetime.min.replace(tzinfo=UTC)
    for moment, recorded, path in sorted(found, key=lambda f: (f[0] or undated, f[1])):
        status = path.stat()
        stat = f"{status.st_size}-{status.st_mtime_ns}"
        before = known.get(recorded)
        yield {
            "source_file": recorded,
            "file_time": moment,
            "stat": stat,
            "path": str(path),
            "bytes": status.st_size,
            "etag": before["etag"] if before and before["stat"] == stat else None,
        }


def _belongs(moment: datetime | None, settings: Settings, window: RunWindow) -> bool:
    if moment is None:
        return True
    earliest = window.start - timedelta(days=settings.lookback_days)
    return earliest <= moment < window.end + timedelta(hours=settings.lateness_hours)


def _is_in(entry: Entry, before: Entry | None) -> bool:
    """Is this very content in the tables already? Sets the entry's etag."""
    if entry["etag"] is None:
        with open(entry["path"], "rb") as file:
            entry["etag"] = hashlib.file_digest(file, "md5").hexdigest()
    return before is not None and before["state"] != "started" and before["etag"] == entry["etag"]


def _kind(root: Path, entry: Entry) -> tuple[str | None, str]:
    return classify(str(root / entry["source_file"]), entry["source_file"])


def _withdraw(lake: Lake, entries: list[Entry]) -> None:
    """Delete what these files gave, and queue the hours that they touched."""
    if not entries:
        return
    files = lake.spark.createDataFrame([(e["source_file"],) for e in entries], "source_file string")
    before = lake.read(INGESTED_FILES).join(files, "source_file", "left_semi")
    spans = before.where(F.col("kind") == "vpc_flow_logs").select("min_time", "max_time").toArrow().to_pylist()
    hours.reopen(lake, "attribute", [h for s in spans if s["min_time"] for h in _hours(s["min_time"], s["max_time"])])
    for table in (*_TABLE_OF.values(), REJECTED_RECORDS):
        lake.delete_matching(table, files)


def _take_in(lake: Lake, settings: Settings, kind: str, batch: list[Entry]) -> tuple[int, int]:
    table = _TABLE_OF[kind]
    _record(lake, [{**entry, "state": "started"} for entry in batch])
    with tempfile.TemporaryDirectory(prefix="leasehold-receipts-") as folder:
        reader = (
            lake.spark.read.format(kind if kind in ("vpc_flow_logs", "cloudtrail") else "snapshots")
            .option("operation", kind)
            .option("receipts", folder)
            .option("files", json.dumps([(e["path"], e["source_file"], e["bytes"]) for e in batch]))
        )
        frame = reader.load()
        lake.append(table, _first_copies(lake, frame, settings) if table is CLOUDTRAIL_EVENTS else frame)
        receipts = {row["source_file"]: row for row in read_receipts(folder).to_pylist()}
    if set(receipts) != {entry["source_file"] for entry in batch}:
        raise LeaseholdError(f"{kind}: the reader left no receipt for some files; run the window again")
    bad = [
        (path, kind, r["line"], r["text"], r["reason"]) for path, receipt in receipts.items() for r in receipt["rejected"]
    ]
    if bad:
        columns = "source_file string, kind string, line bigint, text string, reason string"
        lake.append(REJECTED_RECORDS, lake.spark.createDataFrame(bad, columns))
    if kind == "vpc_flow_logs":
        touched = {h for r in receipts.values() if r["min_time"] for h in _hours(r["min_time"], r["max_time"])}
        hours.reopen(lake, "attribute", touched)
    finished = []
    for entry in batch:
        receipt = receipts[entry["source_file"]]
        finished.append(
            {
                **entry,
                "state": "done" if receipt["outcome"] == "read" else "skipped",
                "rejected": len(receipt["rejected"]),
                **{name: receipt[name] for name in ("reason", "records", "min_time", "max_time")},
            }
        )
    _record(lake, finished)
    return sum(f["records"] for f in finished), len(bad)


def _first_copies(lake: Lake, events: DataFrame, settings: Settings) -> DataFrame:
    """CloudTrail delivers some events twice: keep the copy of the first file, and none that is in the lake."""
    del settings
    key = ["event_id", "account_id"]
    order = Window.partitionBy(*key).orderBy(F.coalesce("delivered_at", "event_time"), "source_file", "source_line")
    once = events.withColumn("copy", F.row_number().over(order)).where(F.col("copy") == 1).drop("copy")
    present = lake.read(CLOUDTRAIL_EVENTS).select(*key)
    # NULL accounts are equal here, too.
    same = [F.col("n.event_id") == F.col("p.event_id"), F.col("n.account_id").eqNullSafe(F.col("p.account_id"))]
    return once.alias("n").join(present.alias("p"), same[0] & same[1], "left_anti")


def _hours(first: datetime, last: datetime) -> Iterator[datetime]:
    hour = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour <= last:
        yield hour
        hour += hours.HOUR


def _record(lake: Lake, entries: list[Entry]) -> None:
    if not entries:
        return
    names = INGESTED_FILES.schema.names
    arrow = pa.Table.from_pylist(
        [{name: entry.get(name) for name in names} for entry in entries],
        schema=pa.schema(
            [
                (f.name, {"string": pa.string(), "bigint": pa.int64()}.get(f.dataType.simpleString(), pa.timestamp("us", "UTC")))
                for f in INGESTED_FILES.schema.fields
            ]
        ),
    )
    lake.upsert(INGESTED_FILES, INGESTED_FILES.conform(lake.spark.createDataFrame(arrow)))
