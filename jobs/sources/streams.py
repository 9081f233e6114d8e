"""Raw files as bytes and as blocks of whole lines, whatever state they are in."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from isal import isal_zlib

from jobs.object_store import is_remote, open_object
from jobs.sources.files import KEPT_RECORD_BYTES, Receipt

# The same inflation as zlib's at three times its speed.
_inflater: Callable[[int], Any] = isal_zlib.decompressobj
# isal declares its error as an instance; it is a class.
_faults: tuple[Any, ...] = (EOFError, isal_zlib.error)

BLOCK_BYTES = 4 << 20
"""Text that is looked at together: what bounds the memory of a reader."""
DOCUMENT_BYTES = 128 << 20
"""A JSON file is read so far; AWS's own end long before."""
BOMB_BYTES, BOMB_RATIO = 32 << 20, 200
"""Gzip data that have inflated to more than this, and to more than so many times their size, are read no further:
logs and JSON shrink to a tenth, at best to a fiftieth."""
DENSE_DOCUMENT = 4_000_000
"""A JSON file with more commas and brackets is not parsed: every value may take 70 bytes of memory."""
_CHUNK_BYTES = 256 << 10
_INFLATED_BYTES = 1 << 20
_NEWLINE = 10
_GZIP = 31  # zlib's window bits for a gzip wrapper


class DamagedError(Exception):
    """The file's bytes end here for a reason that is none of its text: truncated or damaged gzip data."""


class UnreadableError(Exception):
    """The file cannot be opened, or not be read to its end, for a reason that is not in it.

    It has vanished since it was listed, access is denied, or the network fails for good: to be tried again.
    """


@contextmanager
def open_stream(path: str) -> Iterator[IO[bytes]]:
    """A binary stream of a local path or an object (s3://…); raises UnreadableError, also while it is read."""
    try:
        stream = _open(path)
    except OSError as error:
        raise UnreadableError(f"it cannot be opened: {error.strerror or error}") from None
    with stream:
        try:
            yield stream
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror or error}") from None


@contextmanager
def open_seekable(path: str) -> Iterator[IO[bytes]]:
    """The same with `seek`; of an object the whole content, held."""
    with open_stream(path) as stream:
        yield io.BytesIO(stream.read()) if is_remote(path) else stream


def _open(path: str) -> IO[bytes]:
    if is_remote(path):
        return open_object(path)
    return open(path, "rb", buffering=0)  # noqa: PTH123  (the caller closes it; 2 µs instead of 10)


def decompressed(path: str) -> Iterator[bytes]:
    """The file's bytes, gunzipped if they are gzip, whatever its name says.

    Raises UnreadableError if it cannot be opened, and DamagedError after the last byte that could be had.
    """
    with open_stream(path) as stream:
        first = stream.read(_CHUNK_BYTES)
        if first[:2] != b"\x1f\x8b":
            while first:
                yield first
                first = stream.read(_CHUNK_BYTES)
            return
        given = 0
        try:
            for data in _inflated(_chunks(stream, first), _inflater):
                given += len(data)
                if given > BOMB_BYTES and given > BOMB_RATIO * stream.tell():
                    raise DamagedError(f"the gzip data inflate to more than {BOMB_RATIO} times their size: not read on")
                yield data
        except _faults:
            fault = stream.tell() - 2 * _CHUNK_BYTES
        else:
            return
    yield from _up_to_the_fault(path, given, fault)


def _chunks(stream: IO[bytes], first: bytes) -> Iterator[bytes]:
    while first:
        yield first
        first = stream.read(_CHUNK_BYTES)


def _inflated(chunks: Iterator[bytes], inflater: Callable[[int], Any]) -> Iterator[bytes]:
    """Inflate member after member; zeros after the last are allowed. Raises EOFError if the data break off."""
    inflate, begun = inflater(_GZIP), True
    for chunk in chunks:
        if not begun:
            chunk = chunk.lstrip(b"\x00")
            begun = bool(chunk)
        while chunk:
            data = inflate.decompress(chunk, _INFLATED_BYTES)
            if data:
                yield data
            chunk = inflate.unconsumed_tail
            if inflate.eof:
                chunk = inflate.unused_data.lstrip(b"\x00")
                inflate, begun = inflater(_GZIP), bool(chunk)
            elif not chunk:
                # What the limit held back inside the inflater.
                while len(data) == _INFLATED_BYTES and (data := inflate.decompress(b"", _INFLATED_BYTES)):
                    yield data
                if inflate.eof:
                    chunk = inflate.unused_data.lstrip(b"\x00")
                    inflate, begun = inflater(_GZIP), bool(chunk)
    if begun:
        raise EOFError


def _up_to_the_fault(path: str, given: int, fault: int) -> Iterator[bytes]:
    """What lies between the bytes already given and the fault, which is near byte `fault`; then DamagedError.

    An inflater that meets a fault keeps what it made of the same input before it; fed byte by byte it does not.
    """

    def pieces(stream: IO[bytes]) -> Iterator[bytes]:
        position = 0
        while chunk := stream.read(_CHUNK_BYTES):
            step = len(chunk) if position < fault else 1
            yield from (chunk[i : i + step] for i in range(0, len(chunk), step))
            position += len(chunk)

    with open_stream(path) as stream:
        try:
            for data in _inflated(pieces(stream), zlib.decompressobj):
                if given < len(data):
                    yield data[given:]
                given = max(0, given - len(data))
        except zlib.error as error:
            what = str(error).rpartition(": ")[2]
            if what in ("incorrect data check", "incorrect length check"):
                raise DamagedError("the gzip check sum is wrong: what was read may be damaged") from None
            raise DamagedError(f"the gzip data are damaged ({what}): what follows is lost") from None
        except EOFError:
            raise DamagedError("the gzip data break off: the file is truncated, what follows is lost") from None


def whole(path: str) -> tuple[bytes, str]:
    """The file's bytes at once, and why there are no more of them (empty: they are all there)."""
    data, damage = _up_to_the_limit(path)
    if len(data) > DENSE_DOCUMENT:
        count = data.count(b",") + data.count(b"{") + data.count(b"[")
        if count > DENSE_DOCUMENT:
            return b"", f"a JSON file of {count:,} values: at most {DENSE_DOCUMENT:,} are parsed"
    return data, damage


def _up_to_the_limit(path: str) -> tuple[bytes, str]:
    parts, size = [], 0
    try:
        for chunk in decompressed(path):
            parts.append(chunk)
            size += len(chunk)
            if size > DOCUMENT_BYTES:
                return b"".join(parts)[:DOCUMENT_BYTES], f"of a JSON file {DOCUMENT_BYTES >> 20} MiB are read, no more"
    except DamagedError as damage:
        return b"".join(parts), str(damage)
    return b"".join(parts), ""


def line_blocks(path: str, receipt: Receipt) -> Iterator[tuple[int, bytes, int]]:
    """(number of the first line, whole lines, how many) in blocks of about BLOCK_BYTES.

    Rejected here: a line that fills more than a block, which is not held; the line at which a damaged file ends.
    """
    number, rest, skipped = 1, b"", 0
    damage: list[str] = []
    for parts in _groups(path, damage):
        if skipped or b"\n" not in parts[-1]:
            parts = [b"".join(parts)]
        last = parts.pop()
        if skipped:
            end = last.find(b"\n")
            if end < 0:
                skipped += len(last)
                continue
            receipt.reject(number, rest, f"a line of {skipped + end:,} bytes")
            number, rest, skipped, last = number + 1, b"", 0, last[end + 1 :]
        end = last.rfind(b"\n") + 1
        if end:
            lines = b"".join((rest, *parts, memoryview(last)[:end]))
            count = newlines(lines)
            yield number, lines, count
            number, rest = number + count, last[end:]
        else:
            rest += last
        if len(rest) > BLOCK_BYTES:
            skipped, rest = len(rest), rest[:KEPT_RECORD_BYTES]
    if damage:
        # Half a line may look like a whole one: a number cut short is still a number.
        receipt.reject(number, rest, damage[0])
        receipt.note(damage[0])
    elif skipped:
        receipt.reject(number, rest, f"a line of {skipped:,} bytes")
    elif rest:
        yield number, rest, 1


def newlines(text: bytes) -> int:
    """How many there are, at three times the speed of `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == _NEWLINE))


def _groups(path: str, damage: list[str]) -> Iterator[list[bytes]]:
    """The file's bytes, BLOCK_BYTES or little more at a time, the last any number; says in `damage` why they end."""
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in decompressed(path):
            parts.append(chunk)
            size += len(chunk)
            if size >= BLOCK_BYTES:
                yield parts
                parts, size = [], 0
    except DamagedError as error:
        damage.append(str(error))
    if parts:
        yield parts
