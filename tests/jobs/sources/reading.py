"""Raw bytes through the readers, without an engine."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from jobs.sources.snapshot_json import read_snapshots

Row = dict[str, Any]
Content = bytes | list[bytes]
"""A file's bytes; a list: the members of a gzip file."""

HEADER = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol "
    b"packets bytes start end action log-status"
)
GOOD = b"2 123456789012 eni-0a1 10.0.1.5 192.0.2.7 40000 443 6 10 840 1772445600 1772445660 ACCEPT OK"
"""A good record of the default format, from 2026-03-02 10:00:00."""


def lines(*rows: bytes) -> bytes:
    """The rows as AWS writes them: a line each, the last one ended, too."""
    return b"".join(row + b"\n" for row in rows)


def with_field(index: int, value: bytes, row: bytes = GOOD) -> bytes:
    """The row with one of its fields replaced."""
    values = row.split(b" ")
    values[index] = value
    return b" ".join(values)


def flow_logs(folder: Path, content: Content, name: str = "flow.log") -> tuple[list[Row], Receipt]:
    """What the flow-log reader makes of one file."""
    return _read(folder, content, name, read_flow_logs)


def cloudtrail(folder: Path, content: Content, name: str = "events.json") -> tuple[list[Row], Receipt]:
    """What the CloudTrail reader makes of one file."""
    return _read(folder, content, name, read_cloudtrail)


def snapshots(operation: str, folder: Path, content: Content, name: str = "poll.json") -> tuple[list[Row], Receipt]:
    """What the reader of polls makes of one file."""
    return _read(folder, content, name, lambda files: read_snapshots(operation, files))


def faults(receipt: Receipt) -> list[tuple[int, str]]:
    """Line and reason of each rejection."""
    return [(bad.line, bad.reason) for bad in receipt.rejected]


def _read(
    folder: Path, content: Content, name: str, reader: Callable[[list[tuple[str, Receipt]]], Iterator[pa.RecordBatch]]
) -> tuple[list[Row], Receipt]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else b"".join(map(gzip.compress, content)))
    receipt = Receipt(name)
    rows = [row for batch in reader([(str(path), receipt)]) for row in batch.to_pylist()]
    assert receipt.records == len(rows)
    return rows, receipt
