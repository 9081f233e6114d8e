"""Lines of a flow log as typed columns: whole blocks at once where all is well, else line by line, with reasons.

Arrow's CSV parser is fast and lenient: it takes hexadecimal numbers, trims tabs, passes over empty lines, and one
bad value fails the whole block. So what it made of a block is believed only if the values are plausible, too. The
two functions here that decide what a good line is, `table_of` and `fault_of`, must accept the same lines: then
what becomes of a line does not depend on its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from jobs.sources.times import EARLIEST, LATEST

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_LINE_BYTES = 64 << 10

INT32 = {"version", "src_port", "dst_port", "protocol", "tcp_flags", "traffic_path", "encryption_status"}
INT64 = {"packets", "bytes", "start_time", "end_time"}
NUMBERS = INT32 | INT64
TIMES = ("start_time", "end_time")
_HIGHEST = {f: 2**31 - 1 for f in INT32} | {f: 2**63 - 1 for f in INT64}
_HIGHEST |= {"src_port": 65_535, "dst_port": 65_535, "protocol": 255}
_STATUSES = ("OK", "NODATA", "SKIPDATA")
_DIGITS = re.compile(rb"\d+\Z")
CONTROL = re.compile(rb"[\x00-\x1f]")
_SPACE, _NEWLINE, _ZERO, _X = b" \n0x"


def table_of(text: bytes, count: int, fields: Sequence[str], known: Sequence[str]) -> pa.Table | None:
    """The text's `count` lines as a table of the known fields; None unless every line is a good record."""
    table = parsed(text, fields, known)
    return table if table is not None and table.num_rows == count and _plain(text, count) and plausible(table) else None


def parsed(text: bytes, fields: Sequence[str], known: Sequence[str]) -> pa.Table | None:
    """The text by Arrow; None where a line has another number of fields or a value another type."""
    types = {f: pa.int32() if f in INT32 else pa.int64() if f in INT64 else pa.string() for f in known}
    try:
        return csv.read_csv(
            pa.py_buffer(text),
            read_options=csv.ReadOptions(use_threads=False, column_names=fields, block_size=len(text) + 1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=known,
                null_values=["-"],
                strings_can_be_null=True,
                check_utf8=not text.isascii(),  # a tenth of the parser's time
            ),
        )
    except pa.ArrowInvalid:
        return None


def plausible(table: pa.Table) -> bool:
    """Are all values of these columns, which have the right types, such as a good record can have?"""
    longest = 0
    for field in table.column_names:
        is_number = field in NUMBERS
        low, high = _span(table[field] if is_number else pc.binary_length(table[field]))
        if low is None or high is None:
            continue
        longest += 0 if is_number else high
        if is_number and not (low >= 0 and high <= _HIGHEST[field]):
            return False
        if low == 0 and not is_number:
            return False
    # Twice as strict as the line's limit, because numbers and separators are not counted here.
    if longest > MAX_LINE_BYTES // 2 or not _plausible_times(table):
        return False
    if "log_status" in table.column_names:
        known = pc.is_in(table["log_status"], value_set=pa.array([*_STATUSES, None]))
        return bool(pc.all(known).as_py())
    return True


def _plain(text: bytes, lines: int) -> bool:
    """No control characters but the newlines, no byte-order mark, and nothing that reads as hexadecimal."""
    codes = np.frombuffer(text, np.uint8)
    newlines = lines if codes[-1] == _NEWLINE else lines - 1
    if np.count_nonzero(codes < _SPACE) != newlines:
        return False
    # Arrow takes a byte-order mark off the block's first line, but not off the others.
    if text.startswith(BYTE_ORDER_MARK) or (b"\xef" in text and b"\n" + BYTE_ORDER_MARK in text):
        return False
    if b"x" not in text and b"X" not in text:
        return True
    at = np.flatnonzero(codes | 0x20 == _X)
    before = codes[at - 2]
    return text[:2].lower() != b"0x" and not np.any(
        (codes[at - 1] == _ZERO) & ((before == _SPACE) | (before == _NEWLINE))
    )


def _plausible_times(table: pa.Table) -> bool:
    start, end = table["start_time"], table["end_time"]
    if start.null_count or end.null_count:
        return False
    for column in (start, end):
        low, high = _span(column)
        if low is None or high is None or not (_is_time(low) and _is_time(high)) or (low < LATEST) != (high < LATEST):
            return False
    return bool(pc.all(pc.greater_equal(end, start)).as_py())


def _is_time(value: int) -> bool:
    """Seconds, or milliseconds: they occur, contra the documentation, and flowlogs-reader knows them, too."""
    return EARLIEST <= value < LATEST or EARLIEST * 1_000 <= value < LATEST * 1_000


def _span(column: pa.ChunkedArray) -> tuple[int | None, int | None]:
    span = pc.min_max(column)
    return span["min"].as_py(), span["max"].as_py()


def fault_of(line: bytes, fields: Sequence[str], known: Sequence[str]) -> str | None:
    """Why a line (without its line ending) is no record of this format, or None."""
    if len(line) > MAX_LINE_BYTES:
        return f"a line of {len(line):,} bytes"
    values = line.split(b" ")
    if len(values) != len(fields):
        return f"{len(values)} fields, not {len(fields)}"
    if CONTROL.search(line):
        return "a control character"
    return fault_of_values(dict(zip(fields, values, strict=True)), known)


def fault_of_values(found: Mapping[str, bytes], known: Sequence[str]) -> str | None:
    """Why the values, as they stand in a text flow log, are no record, or None."""
    for field in known:
        fault = _fault_of_number(field, found[field]) if field in NUMBERS else _fault_of_text(field, found[field])
        if fault:
            return fault
    start, end = found["start_time"], found["end_time"]
    if start == b"-" or end == b"-":
        return "start or end is missing"
    if int(end) < int(start):
        return "end is before start"
    status = _shown(found.get("log_status", b"-"))
    return None if status in (*_STATUSES, "-") else f"log_status is unknown: {status}"


def _fault_of_number(field: str, value: bytes) -> str | None:
    if value == b"-":
        return None
    digits = value.removeprefix(b"-").lstrip(b"0") or b"0"
    if not _DIGITS.match(value.removeprefix(b"-")):
        return f"{field} is not a number: {_shown(value)}"
    if value.startswith(b"-") and digits != b"0":
        return f"{field} is negative: {_shown(value)}"
    if len(digits) > 19 or int(digits) > _HIGHEST[field]:
        return f"{field} is too large: {_shown(value)}"
    if field in TIMES and not _is_time(int(digits)):
        return f"{field} is out of range: {_shown(value)}"
    return None


def _fault_of_text(field: str, value: bytes) -> str | None:
    if value == b"":
        return f"{field} is empty"
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return f"{field} is not UTF-8"
    return None


def _shown(value: bytes) -> str:
    return value[:40].decode("utf-8", "backslashreplace")
