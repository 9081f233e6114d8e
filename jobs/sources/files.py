"""Raw files as blocks of whole lines, whatever state they are in."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyarrow import fs

BLOCK_BYTES = 4 << 20
"""Decompressed bytes looked at together: what bounds the memory of a reader."""
MAX_LINE_BYTES = 64 << 10
KEPT_TEXT_BYTES = 4 << 10

_ACCOUNT = re.compile(r"AWSLogs/(?:o-[a-z0-9]+/)?(?:aws-account-id=)?(\d{12})/")
_NAMED = re.compile(r"(?:^|/)(\d{12})_([A-Za-z_-]+)_([a-z]{2}(?:-[a-z]+)+-\d)_")
_REGION = re.compile(r"(?:vpcflowlogs|CloudTrail)/(?:aws-region=)?([a-z]{2}(?:-[a-z]+)+-\d)/")
_FLOW_LOG = re.compile(r"_(fl-[0-9a-f]+)_")
_STAMP = re.compile(r"[_-](\d{8})T(\d{4})(\d{2})?Z?[_.]")


@dataclass
class Rejected:
    """A record that could not be read."""

    line: int
    text: str
    reason: str


@dataclass
class Receipt:
    """What became of one raw file."""

    source_file: str
    outcome: str = "read"
    reason: str | None = None
    records: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    min_time: datetime | None = None
    max_time: datetime | None = None

    def reject(self, line: int, text: bytes | str, reason: str) -> None:
        """Note a bad record; of long text only the beginning is kept, and the reason says so."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
        if len(raw) > KEPT_TEXT_BYTES:
            reason += f" (of {len(raw):,} bytes the first {KEPT_TEXT_BYTES:,} are kept)"
            raw = raw[:KEPT_TEXT_BYTES]
        # NUL is legal in UTF-8 and in no CSV, terminal or database that will show this.
        shown = raw.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
        self.rejected.append(Rejected(line, shown, reason))

    def skip(self, reason: str) -> None:
        """Nothing of the file is wanted."""
        self.outcome, self.reason = "skipped", reason

    def saw(self, earliest: datetime, latest: datetime) -> None:
        """Widen the span of event times."""
        self.min_time = min(self.min_time or earliest, earliest)
        self.max_time = max(self.max_time or latest, latest)


@dataclass(frozen=True)
class FileName:
    """What a file's path and name say of it; AWS's layouts, with or without prefixes."""

    account_id: str | None
    region: str | None
    flow_log_id: str | None
    time: datetime | None

    @classmethod
    def parse(cls, path: str) -> FileName:
        """`…/123456789012_vpcflowlogs_eu-west-1_fl-0a_20260105T1005Z_1f.log.gz` → its four parts."""
        named, account, region = _NAMED.search(path), _ACCOUNT.search(path), _REGION.search(path)
        flow_log, stamp = _FLOW_LOG.search(path), _STAMP.search(path.rsplit("/", 1)[-1])
        time = None
        if stamp:
            try:
                digits = stamp[1] + stamp[2] + (stamp[3] or "00")
                time = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            except ValueError:
                time = None
        return cls(
            account[1] if account else named[1] if named else None,
            region[1] if region else named[3] if named else None,
            flow_log[1] if flow_log else None,
            time,
        )


def open_stream(path: str):  # type: ignore[no-untyped-def]
    """A binary stream of a local path or a URI (s3://…)."""
    if "://" in path:
        system, inner = fs.FileSystem.from_uri(path)
        return system.open_input_stream(inner, compression=None)
    return fs.LocalFileSystem().open_input_stream(path, compression=None)


def decompressed(path: str, receipt: Receipt, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """The file's bytes, gunzipped if they are gzip, whatever the name says.

    A file that breaks off or is damaged yields what could be read; the receipt then has one rejection
    that says so, at line 0.
    """
    with open_stream(path) as stream:
        chunk = stream.read(chunk_bytes)
        if chunk[:2] != b"\x1f\x8b":
            while chunk:
                yield chunk
                chunk = stream.read(chunk_bytes)
            return
        inflate = zlib.decompressobj(31)
        while chunk:
            try:
                data = inflate.decompress(chunk, BLOCK_BYTES)
            except zlib.error as error:
                receipt.reject(0, b"", f"the gzip data are damaged ({error}): what follows is lost")
                return
            if data:
                yield data
            chunk = inflate.unconsumed_tail
            if inflate.eof:
                # A gzip file may have several members; zero padding after the last is allowed.
                chunk = inflate.unused_data.lstrip(b"\x00")
                inflate = zlib.decompressobj(31)
                if not chunk:
                    chunk = stream.read(chunk_bytes).lstrip(b"\x00")
                    if not chunk:
                        return
            elif not chunk:
                chunk = stream.read(chunk_bytes)
        receipt.reject(0, b"", "the gzip data break off: the file is truncated, what follows is lost")


def line_blocks(path: str, receipt: Receipt) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines) in blocks of bounded size.

    A line longer than MAX_LINE_BYTES that fills more than a block is rejected here without being held.
    """
    number, rest = 1, b""
    skipping, skipped = b"", 0
    for chunk in decompressed(path, receipt):
        if skipped:
            end = chunk.find(b"\n")
            if end < 0:
                skipped += len(chunk)
                continue
            receipt.reject(number, skipping, f"a line of {skipped + end:,} bytes")
            number, skipped, chunk = number + 1, 0, chunk[end + 1 :]
        data = rest + chunk if rest else chunk
        end = data.rfind(b"\n") + 1
        if end == 0 and len(data) > BLOCK_BYTES:
            skipping, skipped, rest = data[:KEPT_TEXT_BYTES], len(data), b""
            continue
        block, rest = data[:end], data[end:]
        if block and (len(block) >= BLOCK_BYTES // 2 or not rest):
            yield number, block
            number += block.count(b"\n")
        elif block:
            # Small pieces together: parsing has a cost per call.
            rest = block + rest
            if len(rest) >= BLOCK_BYTES:
                end = rest.rfind(b"\n") + 1
                yield number, rest[:end]
                number += rest.count(b"\n", 0, end)
                rest = rest[end:]
    if skipped:
        receipt.reject(number, skipping, f"a line of {skipped:,} bytes")
    elif rest:
        yield number, rest


def whole(path: str, receipt: Receipt) -> bytes:
    """The file's decompressed bytes at once, for formats that cannot be read in part."""
    return b"".join(decompressed(path, receipt))
