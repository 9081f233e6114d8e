"""CloudTrail's delivery: files some minutes after the events, some late, some events twice, and hourly digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulator.account import ACCOUNT, REGION
from simulator.cloudtrail_shapes import Event
from simulator.files import save
from simulator.randomness import chance, stable_id

BUCKET = "example-trail-logs"
TRAIL = "management-events"
_DELIVERY = 300
_LATE, _TWICE = 0.01, 0.005
_LATE_FILE = (2 * 3_600, 30 * 3_600)
"""how much later late files come, in seconds"""
_encode = json.JSONEncoder(separators=(",", ":")).encode
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class Trail:
    """What was written; `events` counts each once, `records` also those delivered again."""

    events: int
    records: int
    files: int


def write_trail(
    root: Path,
    events: Sequence[Event],
    start: int,
    seconds: float,
    seed: int,
    late_share: float,
    stopped: Sequence[tuple[float, float]] = (),
) -> Trail:
    """Write the events' files and the digests below `root`.

    When an event comes depends on the event and on its file alone. This share of the files is late: name, path
    and digest are those of the later delivery.
    """
    keys = np.array([event.key for event in events], dtype=np.uint64)
    times = np.array([event.time for event in events])
    delay = 120 + 360 * chance(keys, 41)
    delay += np.where(chance(keys, 42) < _LATE, 900 + 13_000 * chance(keys, 43), 0)
    again = np.flatnonzero(chance(keys, 44) < _TWICE)
    which = np.concatenate([np.arange(len(events)), again])
    moments = np.concatenate([times + delay, times[again] + delay[again] + 300 + 2_400 * chance(keys[again], 45)])
    number = (moments // _DELIVERY).astype(np.int64)
    order = np.lexsort((keys[which], number))
    texts = [_encode(event.content) for event in events]
    contents: dict[tuple[str, int], list[str]] = {}
    for index, file in zip(which[order].tolist(), number[order].tolist(), strict=True):
        contents.setdefault((events[index].region, file), []).append(texts[index])
    digest: dict[int, list[dict[str, str]]] = {}
    lateness = _lateness(list(contents), seed, late_share)
    for ((region, file), bodies), late in zip(contents.items(), lateness.tolist(), strict=True):
        # The suffix stays: a late file and a punctual one can come in the same minute.
        suffix = _suffix(region, datetime.fromtimestamp(start + file * _DELIVERY, UTC))
        file += late
        moment = datetime.fromtimestamp(start + file * _DELIVERY, UTC)
        name = f"{ACCOUNT}_CloudTrail_{region}_{moment:%Y%m%dT%H%MZ}_{suffix}.json.gz"
        body = ('{"Records":[' + ",".join(bodies) + "]}").encode()
        key = f"AWSLogs/{ACCOUNT}/CloudTrail/{region}/{moment:%Y/%m/%d}/{name}"
        save(root, key, body)
        if region == REGION:
            listed = {"s3Bucket": BUCKET, "s3Object": key, "hashValue": hashlib.sha256(body).hexdigest(),
                      "hashAlgorithm": "SHA-256"}  # fmt: skip
            digest.setdefault(file * _DELIVERY // 3_600, []).append(listed)
    for hour in range(int(seconds // 3_600)):
        if not any(since <= hour * 3_600 < until for since, until in stopped):
            _digest(root, datetime.fromtimestamp(start + hour * 3_600, UTC), digest.get(hour, []))
    return Trail(len(events), len(which), len(contents))


def _lateness(files: Sequence[tuple[str, int]], seed: int, share: float) -> npt.NDArray[np.int64]:
    """By how many deliveries each (region, number of the file) is late."""
    keys = np.array([int(stable_id("", "late", seed, *file, length=16), 16) for file in files], dtype=np.uint64)
    least, most = (seconds // _DELIVERY for seconds in _LATE_FILE)
    late = least + (chance(keys, 2) * (most - least + 1)).astype(np.int64)
    return np.where(chance(keys, 1) < share, late, 0)


def _digest(root: Path, begin: datetime, files: list[dict[str, str]]) -> None:
    """What CloudTrail writes each hour for who wants to check that no file was changed. It holds no event."""
    end = begin + timedelta(hours=1)
    document = {
        "awsAccountId": ACCOUNT,
        "digestStartTime": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "digestS3Bucket": BUCKET,
        "digestPublicKeyFingerprint": stable_id("", "digest key", length=32),
        "digestSignatureAlgorithm": "SHA256withRSA",
        "logFiles": files,
    }
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/{end:%Y/%m/%d}"
    name = f"{ACCOUNT}_CloudTrail-Digest_{REGION}_{TRAIL}_{REGION}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    save(root, f"{folder}/{name}", _encode(document).encode())


def _suffix(region: str, moment: datetime) -> str:
    """The sixteen characters that make a file's name unique."""
    number = int(stable_id("", "trail", region, moment, length=32), 16)
    return "".join(_LETTERS[number // 62**n % 62] for n in range(16))
