"""Polls as files of the raw folder, or objects below its `s3://…`; the only module that knows where they lie."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jobs.errors import LeaseholdError
from jobs.object_store import below, get, is_remote, level, put_new
from jobs.sources.files import FileName
from jobs.sources.redact import redacted_json

Row = dict[str, Any]

FAILED = "failed_polls"
"""where the polls that failed are noted"""


@dataclass(frozen=True)
class Poll:
    """One answer of AWS, with all its pages."""

    operation: str
    account_id: str
    region: str
    polled_at: datetime
    """when the first page was asked for"""
    request: Row
    responses: list[Row]
    more: Row = field(default_factory=dict)
    """what else is to stand in the envelope"""
    folder: str = ""
    """of `snapshots/`; empty: the operation's"""


def check(raw: str) -> None:
    """Raise LeaseholdError for a raw root that polls cannot be written to; make the folder if it is not there."""
    try:
        if is_remote(raw):
            level(_below(raw, "snapshots/"))
        else:
            Path(raw, "snapshots").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LeaseholdError(f"the raw folder {raw!r} cannot be written to: {error.strerror}; give --raw") from None


def store(raw: str, poll: Poll) -> str:
    """Write a poll; returns its path below the raw folder. The file appears whole, or not at all.

    `snapshots/<operation>/yyyy/mm/dd/<account>_<operation>_<region>_<time>.json.gz`; a second one of that very second
    has `_001` behind the time. Credentials that somebody wrote into a description or a tag are redacted.
    """
    envelope = {
        "operation": poll.operation,
        "account_id": poll.account_id,
        "region": poll.region,
        "polled_at": poll.polled_at,
        "request": poll.request,
        "responses": poll.responses,
        **poll.more,
    }
    content = redacted_json(json.loads(json.dumps(envelope, default=_text)))
    name = poll.folder or poll.operation
    folder = f"snapshots/{name}/{poll.polled_at:%Y/%m/%d}"
    stem = f"{poll.account_id}_{name}_{poll.region}_{poll.polled_at:%Y%m%dT%H%M%SZ}"
    data = gzip.compress(content.encode(), mtime=0)
    return _put_object(raw, folder, stem, data) if is_remote(raw) else _put(Path(raw), folder, stem, data)


def _names(folder: str, stem: str) -> Iterator[str]:
    """The name, and those for more polls of that very second."""
    yield f"{folder}/{stem}.json.gz"
    yield from (f"{folder}/{stem}_{number:03}.json.gz" for number in range(1, 1_000))


def _below(raw: str, key: str) -> str:
    return f"{raw.rstrip('/')}/{key}"


def _put_object(raw: str, folder: str, stem: str, data: bytes) -> str:
    return next(key for key in _names(folder, stem) if put_new(_below(raw, key), data))


def _put(raw: Path, folder: str, stem: str, data: bytes) -> str:
    (raw / folder).mkdir(parents=True, exist_ok=True)
    # Ingest passes over names that begin with a dot: it never sees half a file.
    beside = raw / folder / f".{stem}.{os.getpid()}.tmp"
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        key = next(key for key in _names(folder, stem) if not (raw / key).exists())
        beside.rename(raw / key)
    finally:
        beside.unlink(missing_ok=True)
    return key


def stored(raw: str, operation: str, account_id: str, region: str, now: datetime, days: int) -> Iterator[Row]:
    """The polls of an operation, the latest first, of the last so many days; as envelopes with `polled_at` a time.

    What is damaged is passed over.
    """
    for back in range(days + 1):
        folder = f"snapshots/{operation}/{now - timedelta(days=back):%Y/%m/%d}"
        for name, read in _files(raw, folder, f"{account_id}_{operation}_{region}_"):
            moment = FileName.parse(name).time
            try:
                envelope = json.loads(gzip.decompress(read()))
            except (OSError, EOFError, zlib.error, ValueError):
                continue
            if moment and isinstance(envelope, dict):
                yield {**envelope, "polled_at": moment}


def _files(raw: str, folder: str, begins: str) -> list[tuple[str, Callable[[], bytes]]]:
    """(name, what reads it) of a folder's polls whose names begin so, the latest first."""
    if is_remote(raw):
        uris = sorted((found.uri for found in below(_below(raw, f"{folder}/{begins}"))), reverse=True)
        return [(uri, partial(get, uri)) for uri in uris if uri.endswith(".json.gz")]
    paths = sorted(Path(raw, folder).glob(f"{begins}*.json.gz"), reverse=True)
    return [(path.name, path.read_bytes) for path in paths]


def _text(value: Any) -> str:
    """A time as ISO text in UTC; boto3 gives times in whatever zone it likes."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"AWS's answers hold no {type(value).__name__}")
