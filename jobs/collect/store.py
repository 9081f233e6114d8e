"""Polls as files of the raw folder; the only module that knows where they lie."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobs.errors import LeaseholdError
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
    """Raise LeaseholdError for a raw folder that polls cannot be written to; make it if it is not there."""
    if "://" in raw:
        raise LeaseholdError(f"polls are stored in a local folder only, not in {raw!r}: set `raw`, or give --raw")
    try:
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
    return _put(Path(raw), folder, stem, gzip.compress(content.encode(), mtime=0))


def _put(raw: Path, folder: str, stem: str, data: bytes) -> str:
    (raw / folder).mkdir(parents=True, exist_ok=True)
    # Ingest passes over names that begin with a dot: it never sees half a file.
    beside = raw / folder / f".{stem}.{os.getpid()}.tmp"
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        number = 0
        while (raw / (key := f"{folder}/{stem}{f'_{number:03}' if number else ''}.json.gz")).exists():
            number += 1
        beside.rename(raw / key)
    finally:
        beside.unlink(missing_ok=True)
    return key


def stored(raw: str, operation: str, account_id: str, region: str, now: datetime, days: int) -> Iterator[Row]:
    """The polls of an operation, the latest first, of the last so many days; as envelopes with `polled_at` a time.

    What is damaged is passed over.
    """
    for back in range(days + 1):
        folder = Path(raw) / "snapshots" / operation / f"{now - timedelta(days=back):%Y/%m/%d}"
        for path in sorted(folder.glob(f"{account_id}_{operation}_{region}_*.json.gz"), reverse=True):
            moment = FileName.parse(path.name).time
            try:
                envelope = json.loads(gzip.decompress(path.read_bytes()))
            except (OSError, EOFError, zlib.error, ValueError):
                continue
            if moment and isinstance(envelope, dict):
                yield {**envelope, "polled_at": moment}


def _text(value: Any) -> str:
    """A time as ISO text in UTC; boto3 gives times in whatever zone it likes."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"AWS's answers hold no {type(value).__name__}")
