"""Job: raw files into typed tables, each file exactly once.

A batch of files goes through these commits: `started` rows, the records of each kind, for CloudTrail the second
copies out again, the hours that they touch, the rejections, `done` rows. After a crash the files that are `started` are
taken out of the tables and read again.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

from pyspark.sql import Window
from pyspark.sql import functions as F

from conf.settings import Settings
from jobs import conditions, hours
from jobs.errors import LeaseholdError
from jobs.object_store import CONNECTIONS
from jobs.progress import Progress, quiet
from jobs.raw_files import RawFile, listing, plan
from jobs.sources import read_receipts, remove_receipts
from jobs.sources.classify import classify
from jobs.sources.snapshot_json import TABLES
from jobs.sources.streams import UnreadableError
from jobs.storage import Lake
from jobs.window import Window as RunWindow
from transforms.conversations import REACH_SECONDS
from transforms.schemas import CLOUDTRAIL_EVENTS, FLOW_LOGS, INGESTED_FILES, REJECTED_RECORDS
from transforms.schemas.table import Table

BATCH_FILES = 4_000
"""Files per batch: bounds what a crash repeats, and gives progress."""

_TABLE_OF: dict[str, Table] = {"vpc_flow_logs": FLOW_LOGS, "cloudtrail": CLOUDTRAIL_EVENTS, **TABLES}
_KNOWN = ("source_file", "kind", "etag", "stat", "file_time", "state", "copy_of", "min_time", "max_time")
_RECEIPTS = "_receipts"
# Which time of a record says when it matters, and to which jobs it does.
_TELLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vpc_flow_logs": ("start_time", ("attribute",)),
    "cloudtrail": ("event_time", ("leases", "evidence", "behave")),
    "describe_network_interfaces": ("polled_at", ("leases",)),
    "list_functions": ("polled_at", ("leases", "evidence")),
    "get_metric_data": ("minute", ("evidence", "behave")),
    # `cover` looks itself for the days that they change: nothing else follows from them.
    "failed_polls": ("polled_at", ()),
}
# Where the tables put snapshots that do not say when they were taken.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
# What a flow-log record can change around its time; queueing as much for the others costs nothing.
_REACH = (-REACH_SECONDS, REACH_SECONDS)
Row = dict[str, Any]


def run(lake: Lake, settings: Settings, window: RunWindow, progress: Progress = quiet) -> str:
    """Take in the files that belong to the window and are not in yet.

    Those are the files whose name carries a time from the day `lookback_days` before the window to
    `lateness_hours` after it, and those whose name carries none. A file whose content changed replaces what
    it gave before; a copy of a file under another name is skipped, and says of what. A file that cannot be opened,
    or not be read to its end, is `started`: the next run that looks so far back takes out what it gave, and reads it
    again.
    """
    # From midnight: a file may only tell its day.
    earliest = (window.start - timedelta(days=settings.lookback_days)).replace(hour=0)
    latest = window.end + timedelta(hours=settings.lateness_hours)
    remove_receipts(lake.beside(_RECEIPTS))  # what a killed run left
    known = _known(lake, earliest, latest)
    todo = plan(listing(settings.raw, earliest, latest), known)
    _withdraw(lake, todo.withdraw)
    kinds = _kinds(todo.read)
    aside = [_row(file, state="skipped", reason=f"the same content as {file.copy_of}") for file in todo.copies]
    aside += [_row(file, state=state, reason=why) for file, (state, why) in zip(todo.read, kinds, strict=True) if why]
    _record(lake, aside, known)
    done = records = rejected = 0
    unread = sum(row["state"] == "started" for row in aside)
    skipped = len(aside) - unread
    total = len(todo.read) + len(todo.copies) - len(aside)
    files = [
        (kind, file)
        for kind in _TABLE_OF
        for file, (found, why) in zip(todo.read, kinds, strict=True)
        if found == kind and not why
    ]
    for start in range(0, len(files), BATCH_FILES):
        batch = files[start : start + BATCH_FILES]
        progress(done, total)
        good, bad, broken = _take_in(lake, batch, known)
        records, rejected, unread, done = records + good, rejected + bad, unread + broken, done + len(batch)
    progress(total, total)
    note = f"{total:,} files, {records:,} records, {rejected:,} rejected, {skipped:,} files skipped"
    return f"{note}, {unread:,} could not be read and are tried again by the next run" if unread else note


def _kinds(files: list[RawFile]) -> list[tuple[str, str]]:
    """(kind, "") of each file, or its state and why it is not read: skipped, or started if it is to be tried again."""

    def kind(file: RawFile) -> tuple[str, str]:
        try:
            known, reason = classify(file.at, file.source_file)
        except UnreadableError as error:
            return "started", str(error)
        return known or "skipped", reason

    # Where the name says nothing the content has to: a call each, on S3.
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return list(pool.map(kind, files))


def _known(lake: Lake, earliest: datetime, latest: datetime) -> dict[str, RawFile]:
    """What `ingested_files` says of the window's files, of those without a time, and of those half done."""
    moment = F.col("file_time")
    wanted = moment.isNull() | ((moment >= F.lit(earliest)) & (moment < F.lit(latest))) | (F.col("state") == "started")
    rows = lake.read(INGESTED_FILES).where(wanted).select(*_KNOWN).toArrow().to_pylist()
    return {row["source_file"]: RawFile(**row) for row in rows}


def _withdraw(lake: Lake, files: list[RawFile]) -> None:
    """Delete what these files gave, and queue the hours that they touched."""
    for kind in sorted({file.kind for file in files if file.kind}):
        names = [(file.source_file,) for file in files if file.kind == kind]
        keys = lake.spark.createDataFrame(names, "source_file string")
        if kind in _TELLS:
            time, jobs = _TELLS[kind]
            records = lake.read(_TABLE_OF[kind]).join(keys, "source_file", "left_semi")
            at = F.coalesce(time, F.lit(_NO_TIME))
            touched = F.explode(F.array(*[at + F.expr(f"INTERVAL {s} SECONDS") for s in _REACH]))
            gone = records.select(touched.alias("at")).select(F.date_trunc("hour", "at").alias("hour"))
            hours.reopen(lake, dict.fromkeys(jobs, hours.collect_hours(gone)))
        for table in (_TABLE_OF[kind], REJECTED_RECORDS):
            lake.delete_matching(table, keys)
    half = [(file.source_file,) for file in files if file.state == "started"]
    if half:
        # What is still there comes back as `started`; what has gone from the raw folder leaves no trace.
        lake.delete_matching(INGESTED_FILES, lake.spark.createDataFrame(half, "source_file string"))


def _take_in(lake: Lake, batch: list[tuple[str, RawFile]], known: Container[str]) -> tuple[int, int, int]:
    """Read one batch, of several kinds but of each kind together.

    Returns how many records were good, how many were not, and how many files could not be read.
    """
    _record(lake, [_row(file, kind=kind, state="started") for kind, file in batch], known)
    finished, bad, touched = [], [], defaultdict[str, set[datetime]](set)
    for kind, of_kind in groupby(batch, key=lambda one: one[0]):
        files = [file for _, file in of_kind]
        receipts = _append_records(lake, kind, files)
        seen = {_moment(hour) for receipt in receipts.values() for hour in receipt["hours"]}
        if kind == "cloudtrail":
            _drop_second_copies(lake, {hour.date() for hour in seen})
        if any(receipt["records"] and receipt["min_time"] is None for receipt in receipts.values()):
            seen.add(_NO_TIME)
        for job in _TELLS[kind][1]:
            touched[job] |= seen
        finished += [_finished(file, kind, receipts[file.source_file]) for file in files]
        bad += [
            {"source_file": path, "kind": kind, **record}
            for path, receipt in receipts.items()
            for record in receipt["rejected"]
        ]
    hours.reopen(lake, touched)
    if bad:
        lake.append(REJECTED_RECORDS, lake.frame(REJECTED_RECORDS, bad))
    lake.upsert(INGESTED_FILES, lake.frame(INGESTED_FILES, finished))
    broken = sum(row["state"] == "started" for row in finished)
    return sum(row["records"] for row in finished), len(bad), broken


def _append_records(lake: Lake, kind: str, files: list[RawFile]) -> dict[str, Row]:
    """Append what the files hold; returns the receipt of each, by its path below the raw folder."""
    # Beside the tables, because on a cluster the readers run on other machines than this.
    folder = f"{lake.beside(_RECEIPTS)}/{uuid.uuid4().hex}"
    try:
        frame = (
            lake.spark.read.format(kind if kind in ("vpc_flow_logs", "cloudtrail") else "snapshots")
            .option("operation", kind)
            .option("receipts", folder)
            .option("files", json.dumps([(f.at, f.source_file, f.size) for f in files]))
            .load()
        )
        lake.append(_TABLE_OF[kind], frame)
        receipts = {row["source_file"]: row for row in read_receipts(folder).to_pylist()}
    finally:
        remove_receipts(folder)
    if set(receipts) != {file.source_file for file in files}:
        raise LeaseholdError(f"{kind}: the reader left no receipt for some files; run the window again")
    return receipts


def _drop_second_copies(lake: Lake, days: set[date]) -> None:
    """CloudTrail delivers some events twice, and Security Lake all of them again: keep the copy that came first.

    Security Lake's files do not say when they came; their copies, which lack some of the event, come last.
    """
    if not days:
        return
    events = lake.read(CLOUDTRAIL_EVENTS).where(conditions.on_dates("date", days))
    order = Window.partitionBy("event_id", "account_id").orderBy(
        F.col("delivered_at").isNull(), "delivered_at", "source_file", "source_line"
    )
    later = events.withColumn("copy", F.row_number().over(order)).where(F.col("copy") > 1)
    found = later.select("date", "source_file", "source_line").toArrow()
    if found.num_rows:
        lake.delete_matching(CLOUDTRAIL_EVENTS, lake.spark.createDataFrame(found), conditions.on_dates("t.date", days))


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3_600, UTC)


def _finished(file: RawFile, kind: str, receipt: Row) -> Row:
    return _row(
        file,
        kind=kind,
        # What could not be read this time is tried again by the next run.
        state={"read": "done", "unreadable": "started"}.get(receipt["outcome"], "skipped"),
        rejected=receipt["rejected_count"],
        **{name: receipt[name] for name in ("reason", "records", "min_time", "max_time")},
    )


def _row(file: RawFile, **more: Any) -> Row:
    # `asdict` copies each value deeply: of tens of thousands of files, for seconds. What the table has not is left out.
    return {**vars(file), **more}


def _record(lake: Lake, rows: list[Row], known: Container[str]) -> None:
    """Note files in `ingested_files`; those that are not there yet by an append, which costs least."""
    for write, there in ((lake.append, False), (lake.upsert, True)):
        of_sort = [row for row in rows if (row["source_file"] in known) == there]
        if of_sort:
            write(INGESTED_FILES, lake.frame(INGESTED_FILES, of_sort))


if __name__ == "__main__":
    from jobs.entry import main

    main("ingest")
