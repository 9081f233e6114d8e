"""The raw files of a window, and what has to happen to each: read, passed over, or taken out again."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from jobs.errors import LeaseholdError
from jobs.sources.files import FileName, event_day

_UNDATED = datetime.min.replace(tzinfo=UTC)
# Day folders need not be entered outside the window: AWS's (…/vpcflowlogs/<region>/2026/03/11, in the hive layout
# …/aws-service=vpcflowlogs/aws-region=<region>/year=2026/month=03/day=11) and the pollers'. Others that look like
# days are somebody's prefix and say nothing of the logs below.
_DAY_FOLDER = re.compile(
    r"(?:(?:/|=)vpcflowlogs/(?:aws-region=)?[a-z0-9-]+|/CloudTrail[\w-]*/[a-z0-9-]+|/snapshots/\w+)"
    r"/(?:year=)?(\d{4})/(?:month=)?(\d{2})/(?:day=)?(\d{2})$"
)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """One raw file, as it lies there or as `ingested_files` remembers it."""

    source_file: str
    """path below the raw folder"""
    file_time: datetime | None
    """the time in its name; of Security Lake's, which has none, the start of the day of its events"""
    stat: str
    """size and time of change"""
    size: int = 0
    etag: str = ""
    """MD5 of the content"""
    state: str = ""
    """started, done or skipped; empty: never seen"""
    kind: str | None = None
    copy_of: str | None = None
    min_time: datetime | None = None
    max_time: datetime | None = None

    @property
    def identity(self) -> tuple[str, str | None, str | None, str | None]:
        """Equal for copies: the content, and what the path adds to it."""
        name = FileName.parse(self.source_file)
        return self.etag, name.account_id, name.region, name.flow_log_id

    @property
    def order(self) -> tuple[datetime, str]:
        """Of two copies the first counts, whichever came first."""
        return self.file_time or _UNDATED, self.source_file


@dataclass(frozen=True)
class Plan:
    """What ingest has to do."""

    read: list[RawFile] = field(default_factory=list)
    copies: list[RawFile] = field(default_factory=list)
    """with `copy_of` set: passed over"""
    withdraw: list[RawFile] = field(default_factory=list)
    """as they were known: what they gave goes out of the tables first"""


def listing(root: Path, earliest: datetime, latest: datetime) -> list[RawFile]:
    """The raw files whose name carries a time in [earliest, latest), or none; in the order of that time.

    Files of Security Lake, which tell only the day of their events, count from its start.

    Day folders outside the window are not entered. Raises LeaseholdError if there is no such folder.
    """
    if not root.is_dir():
        raise LeaseholdError(f"there is no raw folder {str(root)!r}: set `raw` in the settings, or give --raw")
    found = []
    for path, entry in _walk(root, "", earliest.date() - timedelta(days=1), latest.date() + timedelta(days=1)):
        moment = _file_time(FileName.parse(path))
        if moment is None or earliest <= moment < latest:
            status = entry.stat()
            found.append(RawFile(path, moment, f"{status.st_size}-{status.st_mtime_ns}", status.st_size))
    return sorted(found, key=lambda f: f.order)


def _walk(root: Path, below: str, first: date, last: date) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(root / below) as entries:
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if _may_hold(path, first, last):
                    yield from _walk(root, path, first, last)
            elif entry.is_file():
                yield path, entry


def _file_time(name: FileName) -> datetime | None:
    return datetime.combine(name.day, time(), UTC) if name.day else name.time


def _may_hold(folder: str, first: date, last: date) -> bool:
    of_events = event_day(folder)
    if of_events:
        return first <= of_events <= last
    day = _DAY_FOLDER.search("/" + folder)
    if not day:
        return True
    try:
        return first <= date(int(day[1]), int(day[2]), int(day[3])) <= last
    except ValueError:
        return True


def plan(found: list[RawFile], known: dict[str, RawFile], root: Path) -> Plan:
    """Compare what lies there with what is in the tables.

    - new, or left half done by a crash: read;
    - changed: what it gave before goes out, and it is read again;
    - a copy of another file: passed over. Of copies the one that sorts first counts, so that the order in
      which they arrive does not matter; if it comes later, the other one's records go out;
    - gone while half done: what it gave goes out.

    A changed CloudTrail file takes its neighbours with it: they may hold other copies of its events, which
    were dropped in its favour.
    """
    there = {f.source_file: _hashed(f, known.get(f.source_file), root) for f in found}
    fresh = {path: f for path, f in there.items() if not _is_in(f, known.get(path))}
    for path, neighbour in _neighbours([known[p] for p in fresh if p in known], known):
        if path in there:
            fresh.setdefault(path, replace(there[path], kind=neighbour.kind))
    gone = [f for path, f in known.items() if f.state == "started" and path not in there]
    touched = {f.identity for f in fresh.values()} | {known[p].identity for p in fresh if p in known}
    # An empty file is no copy of another empty file.
    members = {**{path: f for path, f in known.items() if f.state == "done" or path in there}, **fresh}
    first: dict[tuple[str, str | None, str | None, str | None], str] = {}
    result = Plan(withdraw=list(gone))
    for file in sorted(members.values(), key=lambda f: f.order):
        if file.identity not in touched:
            continue
        original = first.setdefault(file.identity, file.source_file) if file.stat[:2] != "0-" else file.source_file
        if original == file.source_file:
            if file.source_file in fresh or file.copy_of:
                result.read.append(replace(file, state="", copy_of=None))
        elif file.source_file in fresh or file.state == "done":
            result.copies.append(
                RawFile(file.source_file, file.file_time, file.stat, file.size, file.etag, copy_of=original)
            )
    for file in (*result.read, *result.copies):
        before = known.get(file.source_file)
        if before and before.state in ("started", "done"):
            result.withdraw.append(before)
    return result


def _is_in(file: RawFile, before: RawFile | None) -> bool:
    """Is this very content dealt with already?"""
    return before is not None and before.state != "started" and before.etag == file.etag


def _neighbours(changed: list[RawFile], known: dict[str, RawFile]) -> Iterator[tuple[str, RawFile]]:
    trails = [f for f in changed if f.kind == "cloudtrail" and f.state == "done"]
    for path, file in known.items() if trails else ():
        if file.kind == "cloudtrail" and file.state == "done" and any(_overlap(file, trail) for trail in trails):
            yield path, file


def _overlap(one: RawFile, other: RawFile) -> bool:
    if not (one.min_time and one.max_time and other.min_time and other.max_time):
        return False
    return one.min_time <= other.max_time and other.min_time <= one.max_time


def _hashed(file: RawFile, before: RawFile | None, root: Path) -> RawFile:
    """With its etag; the content is read only when size or time of change say that it may be another."""
    if before and before.etag and before.stat == file.stat:
        return replace(file, etag=before.etag)
    digest = hashlib.md5(usedforsecurity=False)
    with (root / file.source_file).open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return replace(file, etag=digest.hexdigest())
