"""The raw files of a window, and what has to happen to each: read, passed over, or taken out again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

from jobs.raw_walk import walk
from jobs.sources.files import FileName

_UNDATED = datetime.min.replace(tzinfo=UTC)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """One raw file, as it lies there or as `ingested_files` remembers it."""

    source_file: str
    """path below the raw folder"""
    file_time: datetime | None
    """the time in its name; of Security Lake's, which has none, the start of the day of its events"""
    stat: str
    """size and time of change; on S3 size and ETag"""
    size: int = 0
    etag: str = ""
    """MD5 of the content; on S3 its ETag, which is the same unless S3 encrypts with keys of KMS, or it came in parts:
    then copies are not known as such"""
    state: str = ""
    """started, done or skipped; empty: never seen"""
    kind: str | None = None
    copy_of: str | None = None
    min_time: datetime | None = None
    max_time: datetime | None = None
    at: str = ""
    """what to open: a path or a URI; empty in what is only remembered"""

    @cached_property
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


def listing(root: str, earliest: datetime, latest: datetime) -> list[RawFile]:
    """The raw files whose name carries a time in [earliest, latest), or none; in the order of that time.

    Files of Security Lake, which tell only the day of their events, count from its start.

    `root` is a folder or `s3://bucket/prefix`. Folders of days outside the window are not entered. Raises
    LeaseholdError if there is no such root, or it cannot be listed.
    """
    files = []
    for found in walk(root, earliest.date() - timedelta(days=1), latest.date() + timedelta(days=1)):
        moment = _file_time(FileName.parse(found.path))
        if moment is None or earliest <= moment < latest:
            files.append(RawFile(found.path, moment, found.stat, found.size, found.etag, at=found.at))
    return sorted(files, key=lambda f: f.order)


def _file_time(name: FileName) -> datetime | None:
    return datetime.combine(name.day, time(), UTC) if name.day else name.time


def plan(found: list[RawFile], known: dict[str, RawFile]) -> Plan:
    """Compare what lies there with what is in the tables.

    - new, or left half done by a crash: read;
    - changed: what it gave before goes out, and it is read again;
    - a copy of another file: passed over. Of copies the one that sorts first counts, so that the order in
      which they arrive does not matter; if it comes later, the other one's records go out;
    - gone while half done: what it gave goes out.

    A changed CloudTrail file takes its neighbours with it: they may hold other copies of its events, which
    were dropped in its favour.
    """
    hashed = (_hashed(f, known.get(f.source_file)) for f in found)
    there = {f.source_file: f for f in hashed if f}
    fresh = {path: f for path, f in there.items() if not _is_in(f, known.get(path))}
    for path, neighbour in _neighbours([known[p] for p in fresh if p in known], known):
        if path in there:
            fresh.setdefault(path, replace(there[path], kind=neighbour.kind))
    gone = [f for path, f in known.items() if f.state == "started" and path not in there]
    touched = {f.identity for f in fresh.values()} | {known[p].identity for p in fresh if p in known}
    # An empty file is no copy of another empty file, nor is one that cannot be read.
    members = {**{path: f for path, f in known.items() if f.state == "done" or path in there}, **fresh}
    first: dict[tuple[str, str | None, str | None, str | None], str] = {}
    result = Plan(withdraw=list(gone))
    for file in sorted(members.values(), key=lambda f: f.order):
        if file.identity not in touched:
            continue
        alone = not file.etag or file.stat.startswith("0-")
        original = file.source_file if alone else first.setdefault(file.identity, file.source_file)
        if original == file.source_file:
            if file.source_file in fresh or file.copy_of:
                here = there[file.source_file]
                result.read.append(replace(file, state="", copy_of=None, size=here.size, at=here.at))
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


def _hashed(file: RawFile, before: RawFile | None) -> RawFile | None:
    """With its etag; the content is read only when size or time of change say that it may be another.

    None: it has gone. An empty etag: it cannot be read, and the reader will say why.
    """
    if file.etag:
        return file
    if before and before.etag and before.stat == file.stat:
        return replace(file, etag=before.etag)
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with Path(file.at).open("rb") as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError:
        return None
    except OSError:
        return file
    return replace(file, etag=digest.hexdigest())
