"""Text flow logs: each file's own header says what its columns are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.sources.files import Receipt
from jobs.sources.flow_log_columns import KNOWN_FIELDS, Run, batch_of
from jobs.sources.flow_log_fields import DEFAULT_FIELDS, TRANSIT_GATEWAY, header_fields
from jobs.sources.flow_log_lines import BYTE_ORDER_MARK, MAX_LINE_BYTES, fault_of, parsed, table_of
from jobs.sources.streams import BLOCK_BYTES, UnreadableError, line_blocks, newlines

_BLANK_LINES = re.compile(rb"(?:[ \t\r]*\n)+")
# A header in the midst of a file: names, and not half a header on half a record.
_NAMES = re.compile(rb"[a-z_-]+\d?(?: [a-z_-]+\d?)*\s*\Z", re.IGNORECASE)
_FEW_LINES = 64
_PARTS = 8
MAX_REJECTIONS = 1_000_000
"""A file with so many bad lines, and few good ones, is no flow log: it is read no further."""


@dataclass
class _File:
    receipt: Receipt
    fields: tuple[str, ...] = ()
    """its columns, by the header that was met last"""
    given_up: bool = False

    @property
    def known(self) -> list[str]:
        return [f for f in self.fields if f in KNOWN_FIELDS]


@dataclass
class _Piece:
    """Whole lines of one file."""

    file: _File
    first_line: int
    text: bytes
    count: int


_Good = tuple[pa.Table, list[Run]]
"""Records, and whose lines they are."""


def read_text(files: Iterable[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
    """Text flow logs, (path to open, receipt) each, as batches of FLOW_LOGS's schema.

    What cannot be read goes to the receipts. Empty lines and repeated headers are passed over. A file without a
    header is read in the default format if it holds a line of that shape (CloudWatch exports have none), else
    rejected. Small files of one format share a batch: AWS writes a file every 5 minutes, however little it holds.
    """
    waiting: dict[tuple[str, ...], list[_Piece]] = {}
    size = 0
    for path, receipt in files:
        for piece in _pieces(path, receipt):
            waiting.setdefault(piece.file.fields, []).append(piece)
            size += len(piece.text)
            if size >= BLOCK_BYTES:
                yield from _batches(waiting)
                waiting, size = {}, 0
    yield from _batches(waiting)


def _pieces(path: str, receipt: Receipt) -> Iterator[_Piece]:
    """A file's lines after its header."""
    file = _File(receipt)
    holds_lines = False
    try:
        for first_line, block, count in line_blocks(path, receipt):
            text = block.replace(b"\r\n", b"\n") if b"\r" in block else block
            if not file.fields:
                text, skipped = _begin(file, text, first_line)
                first_line, count = first_line + skipped, count - skipped
            if receipt.outcome == "skipped" or file.given_up or (receipt.rejected and not file.fields):
                return
            if text:
                holds_lines = True
                yield _Piece(file, first_line, text, count)
    except UnreadableError as error:
        receipt.unreadable(str(error))
        return
    if not holds_lines and not receipt.rejected:
        if file.fields:
            receipt.note("a header and no records")
        else:
            receipt.skip("empty file")


def _begin(file: _File, text: bytes, first_line: int) -> tuple[bytes, int]:
    """Take the fields from the header; returns the text after it and how many lines that leaves out."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    blank = _BLANK_LINES.match(text)
    body = text[blank.end() :] if blank else text
    if not body.strip():
        return b"", 0
    skipped = newlines(text) - newlines(body)
    line, _, rest = body.partition(b"\n")
    fields, note = header_fields(line)
    if fields:
        file.fields = fields
        if note:
            file.receipt.note(note)
        return rest, skipped + 1
    if any(fault_of(record, DEFAULT_FIELDS, DEFAULT_FIELDS) is None for record in body.split(b"\n", 100)[:100]):
        file.fields = DEFAULT_FIELDS
        file.receipt.note("no header: read in the default format")
        return body, skipped
    if b"tgw-id" in line.split(b" "):
        file.receipt.skip(TRANSIT_GATEWAY)
    else:
        file.receipt.reject(first_line + skipped, line, note)
        file.receipt.note(f"no record was read: {note}")
    return b"", skipped


def _batches(waiting: dict[tuple[str, ...], list[_Piece]]) -> Iterator[pa.RecordBatch]:
    for pieces in waiting.values():
        batches = [batch_of(table, runs) for table, runs in _merged(_typed(pieces))]
        if batches:
            yield batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _typed(pieces: list[_Piece], doubtful: bool = False) -> Iterator[_Good]:
    """The good records of some pieces: of all at once, else of ever smaller parts, in the end line by line.

    `doubtful`: they are part of what failed, so that Arrow is asked only if the number of fields is right.
    """
    file = pieces[0].file
    if file.given_up or (doubtful and all(piece.text.isspace() for piece in pieces)):
        return
    # A header in the midst of a file may have changed its fields since these pieces were put together.
    if all(piece.file.fields == file.fields for piece in pieces):
        text = pieces[0].text if len(pieces) == 1 else b"".join(map(_ended, pieces))
        count = sum(piece.count for piece in pieces)
        fits = not doubtful or text.count(b" ") == count * (len(file.fields) - 1)
        table = table_of(text, count, file.fields, file.known) if fits else None
        if table is not None:
            yield table, [Run(p.file.receipt, np.arange(p.first_line, p.first_line + p.count)) for p in pieces]
            return
    if len(pieces) > 1:
        step = -(-len(pieces) // _PARTS)
        for start in range(0, len(pieces), step):
            yield from _typed(pieces[start : start + step], doubtful=True)
    elif pieces[0].count > _FEW_LINES:
        for part in _parts(pieces[0]):
            yield from _typed([part], doubtful=True)
    else:
        yield from _one_by_one(pieces[0])
        if file.receipt.rejected_count > max(MAX_REJECTIONS, 10 * file.receipt.records):
            file.given_up = True
            file.receipt.note(f"more than {MAX_REJECTIONS:,} lines were rejected: it was not read on")


def _ended(piece: _Piece) -> bytes:
    return piece.text if piece.text.endswith(b"\n") else piece.text + b"\n"


def _parts(piece: _Piece) -> Iterator[_Piece]:
    start, number = 0, piece.first_line
    while start < len(piece.text):
        end = piece.text.find(b"\n", start + len(piece.text) // _PARTS) + 1 or len(piece.text)
        text = piece.text[start:end]
        count = text.count(b"\n") + (not text.endswith(b"\n"))
        yield _Piece(piece.file, number, text, count)
        start, number = end, number + count


def _one_by_one(piece: _Piece) -> Iterator[_Good]:
    file = piece.file
    good: list[tuple[int, bytes]] = []
    for number, whole_line in enumerate(piece.text.split(b"\n")[: piece.count], piece.first_line):
        line = whole_line.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r")
        if len(line) <= MAX_LINE_BYTES and not line.strip():
            continue
        fields, _ = header_fields(line) if b"interface" in line and _NAMES.match(line) else ((), "")
        if fields:
            # Files are put together by `cat`, headers and all.
            if fields != file.fields:
                yield from _parsed(good, file)
                good, file.fields = [], fields
            continue
        fault = fault_of(line, file.fields, file.known)
        if fault:
            file.receipt.reject(number, line, fault)
        else:
            good.append((number, line))
    yield from _parsed(good, file)


def _parsed(good: list[tuple[int, bytes]], file: _File) -> Iterator[_Good]:
    if not good:
        return
    table = parsed(b"\n".join(line for _, line in good) + b"\n", file.fields, file.known)
    if table is not None and table.num_rows == len(good):
        yield table, [Run(file.receipt, np.array([number for number, _ in good]))]
    elif len(good) > 1:
        yield from _parsed(good[: len(good) // 2], file)
        yield from _parsed(good[len(good) // 2 :], file)
    else:
        # No such line is known; one that turns up must not stop all the others.
        file.receipt.reject(*good[0], "it looks like a record but cannot be parsed")


def _merged(goods: Iterable[_Good]) -> Iterator[_Good]:
    """Neighbours with the same columns as one."""
    tables: list[pa.Table] = []
    runs: list[Run] = []
    for table, more in goods:
        if tables and table.schema != tables[-1].schema:
            yield pa.concat_tables(tables), runs
            tables, runs = [], []
        tables.append(table)
        runs += more
    if tables:
        yield pa.concat_tables(tables), runs
