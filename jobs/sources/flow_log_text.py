"""Text flow logs: each file's own header says what its columns are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from jobs.sources.arrow import arrow_schema
from jobs.sources.files import MAX_LINE_BYTES, FileName, Receipt, line_blocks
from transforms.schemas.sources import FLOW_LOGS

SCHEMA = arrow_schema(FLOW_LOGS.schema)

# AWS's name → ours, where they are not the same with underscores.
_RENAMED = {
    "srcaddr": "src_addr",
    "dstaddr": "dst_addr",
    "srcport": "src_port",
    "dstport": "dst_port",
    "pkt_srcaddr": "pkt_src_addr",
    "pkt_dstaddr": "pkt_dst_addr",
    "start": "start_time",
    "end": "end_time",
}
_DERIVED = {"flow_log_id", "delivered_at", "source_file", "source_line", "date"}
_FIELDS = set(SCHEMA.names) - _DERIVED
_REQUIRED = ("interface_id", "src_addr", "dst_addr", "start_time", "end_time")
DEFAULT_FIELDS = (
    "version", "account_id", "interface_id", "src_addr", "dst_addr", "src_port", "dst_port",
    "protocol", "packets", "bytes", "start_time", "end_time", "action", "log_status",
)  # fmt: skip
"""The default format: the fields of version 2 in AWS's order."""

_INT32 = {"version", "src_port", "dst_port", "protocol", "tcp_flags", "traffic_path", "encryption_status"}
_INT64 = {"packets", "bytes", "start_time", "end_time"}
_PORTS = {"src_port", "dst_port"}
_STATUSES = {b"OK", b"NODATA", b"SKIPDATA", b"-"}
_NUMBER = re.compile(rb"\d{1,19}\Z")
# Contra the documentation, start and end occur in milliseconds (flowlogs-reader met them): no
# timestamp in seconds reaches this number before the year 5138.
_MILLISECONDS = 10**11
_LIMITS = {"int": 2**31 - 1, "port": 65_535, "bigint": 2**63 - 1, "time": 253_402_300_799_999}


def read_flow_log(path: str, source_file: str, receipt: Receipt) -> Iterator[pa.RecordBatch]:
    """A text flow log as batches of FLOW_LOGS's schema; what cannot be read goes to the receipt.

    Empty lines and repeated headers are passed over. A file without a header is read in the default
    format if its first line has that shape (CloudWatch exports have none), else rejected.
    """
    name = FileName.parse(source_file)
    fields: list[str] | None = None
    header = b""
    for first_line, block in line_blocks(path, receipt):
        if fields is None:
            line = block.split(b"\n", 1)[0].rstrip(b"\r")
            fields, reason = _header_fields(line)
            if fields is None:
                receipt.reject(first_line, line, reason or "no header")
                receipt.reason = f"no record was read: {reason}"
                return
            receipt.reason = reason
            if reason != _NO_HEADER:
                header = line
                start = block.find(b"\n") + 1
                block = block[start:] if start else b""
                first_line += 1
        if block:
            batch = _read_block(block, first_line, fields, header, name, source_file, receipt)
            if batch is not None and batch.num_rows:
                yield batch
    if fields is None and not receipt.rejected:
        receipt.skip("empty file")
    elif fields is not None and receipt.records == 0 and not receipt.rejected:
        receipt.reason = "a header and no records"


_NO_HEADER = "no header: read in the default format"


def _header_fields(line: bytes) -> tuple[list[str] | None, str | None]:
    words = line.decode("utf-8", "backslashreplace").lstrip("\ufeff").split()
    names = [_RENAMED.get(w.lower().replace("-", "_"), w.lower().replace("-", "_")) for w in words]
    if len(words) == len(DEFAULT_FIELDS) and _reject_reason(line.split(b" "), list(DEFAULT_FIELDS)) is None:
        return list(DEFAULT_FIELDS), _NO_HEADER
    missing = [field for field in _REQUIRED if field not in names]
    if missing:
        return None, f"the header lacks {', '.join(missing)}: not a flow log, or a format that cannot be used"
    if len(set(names)) != len(names):
        return None, "the header names a field twice"
    unknown = [w for w, n in zip(words, names, strict=True) if n not in _FIELDS]
    return names, f"fields passed over: {', '.join(unknown)}" if unknown else None


def _read_block(
    block: bytes, first_line: int, fields: list[str], header: bytes, name: FileName, source_file: str, receipt: Receipt
) -> pa.RecordBatch | None:
    table = _parse(block, fields)
    lines: np.ndarray
    if table is not None and _plausible(table, block):
        lines = np.arange(first_line, first_line + table.num_rows, dtype=np.int64)
    else:
        good, numbers = _sort_out(block, first_line, fields, header, receipt)
        if not good:
            return None
        table = _parse(b"\n".join(good) + b"\n", fields)
        if table is None or table.num_rows != len(numbers):
            raise AssertionError(f"{source_file}: the checks passed lines that do not parse")
        lines = np.array(numbers, dtype=np.int64)
    return _finish(table, lines, name, source_file, receipt)


def _parse(block: bytes, fields: list[str]) -> pa.Table | None:
    """The block by Arrow's CSV parser, or None where a row has another number of fields or a value another type."""
    types = {f: pa.int32() if f in _INT32 else pa.int64() if f in _INT64 else pa.string() for f in fields}
    try:
        return csv.read_csv(
            pa.py_buffer(block),
            read_options=csv.ReadOptions(use_threads=False, column_names=fields, block_size=len(block) + 1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=[f for f in fields if f in _FIELDS],
                null_values=["-"],
                strings_can_be_null=True,
                check_utf8=True,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _plausible(table: pa.Table, block: bytes) -> bool:
    """Do the values make sense, and is every line one row? Otherwise each line is looked at by itself."""
    if table.num_rows != block.count(b"\n") + (not block.endswith(b"\n")) or b"\x00" in block:
        return False
    for field in table.column_names:
        if field not in _INT32 and field not in _INT64:
            continue
        span = pc.min_max(table[field])
        low, high = span["min"].as_py(), span["max"].as_py()
        if low is not None and (low < 0 or high > _LIMITS[_limit_of(field)]):
            return False
    start, end = table["start_time"], table["end_time"]
    if start.null_count or end.null_count or table["interface_id"].null_count == table.num_rows:
        return False
    if not pc.all(pc.greater_equal(end, start)).as_py():
        return False
    if "log_status" in table.column_names:
        known = pc.is_in(table["log_status"], value_set=pa.array(["OK", "NODATA", "SKIPDATA", None]))
        return bool(pc.all(known).as_py())
    return True


def _limit_of(field: str) -> str:
    if field in _PORTS:
        return "port"
    if field in ("start_time", "end_time"):
        return "time"
    return "int" if field in _INT32 else "bigint"


def _sort_out(
    block: bytes, first_line: int, fields: list[str], header: bytes, receipt: Receipt
) -> tuple[list[bytes], list[int]]:
    """The good lines of a block and their numbers; the bad ones go to the receipt."""
    good, numbers = [], []
    lines = block.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, whole_line in enumerate(lines, first_line):
        line = whole_line.rstrip(b"\r")
        if not line.strip() or line == header:
            continue
        reason = f"a line of {len(line):,} bytes" if len(line) > MAX_LINE_BYTES else None
        reason = reason or _reject_reason(line.split(b" "), fields)
        if reason:
            receipt.reject(number, line, reason)
        else:
            good.append(line)
            numbers.append(number)
    return good, numbers


def _reject_reason(values: list[bytes], fields: list[str]) -> str | None:
    """Why a line is no record of this format, or None."""
    if len(values) != len(fields):
        return f"{len(values)} fields, not {len(fields)}"
    found = dict(zip(fields, values, strict=True))
    for field, value in found.items():
        if field in _INT32 or field in _INT64:
            if value == b"-":
                continue
            if not _NUMBER.match(value):
                return f"{field} is not a number: {value[:40].decode('utf-8', 'backslashreplace')}"
            if int(value) > _LIMITS[_limit_of(field)]:
                return f"{field} is too large: {value.decode()}"
        else:
            if value == b"":
                return f"{field} is empty"
            if b"\x00" in value or b"\r" in value:
                return f"{field} holds a control character"
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                return f"{field} is not UTF-8"
    start, end = found["start_time"], found["end_time"]
    if start == b"-" or end == b"-":
        return "start or end is missing"
    if int(end) < int(start):
        return "end is before start"
    if found.get("log_status", b"OK") not in _STATUSES:
        return f"log_status is unknown: {found['log_status'][:40].decode('utf-8', 'backslashreplace')}"
    return None


def _finish(table: pa.Table, lines: np.ndarray, name: FileName, source_file: str, receipt: Receipt) -> pa.RecordBatch:
    """The columns of the contract: times typed, what the path knows filled in, the rest NULL."""
    rows = table.num_rows
    arrays: dict[str, pa.Array] = {c: table[c].combine_chunks() for c in table.column_names}
    for field in ("start_time", "end_time"):
        arrays[field] = _microseconds(arrays[field])
    start = arrays["start_time"]
    for field, value in (("account_id", name.account_id), ("region", name.region)):
        if value is not None:
            given = arrays.get(field)
            arrays[field] = pa.repeat(pa.scalar(value), rows) if given is None else pc.fill_null(given, value)
    if "log_status" not in arrays:
        # A format without log-status: rows with addresses are traffic.
        arrays["log_status"] = pc.if_else(pc.is_valid(arrays["src_addr"]), "OK", None).cast(pa.string())
    arrays["flow_log_id"] = pa.repeat(pa.scalar(name.flow_log_id, pa.string()), rows)
    arrays["delivered_at"] = pa.repeat(pa.scalar(name.time, pa.timestamp("us", "UTC")), rows)
    arrays["source_file"] = pa.repeat(pa.scalar(source_file), rows)
    arrays["source_line"] = pa.array(lines)
    arrays["date"] = start.cast(pa.date32())
    span = pc.min_max(start)
    receipt.records += rows
    receipt.saw(_as_utc(span["min"]), _as_utc(span["max"]))
    return pa.record_batch(
        [arrays[f.name] if f.name in arrays else pa.nulls(rows, f.type) for f in SCHEMA], schema=SCHEMA
    )


def _microseconds(seconds: pa.Array) -> pa.Array:
    factor = pc.if_else(pc.greater_equal(seconds, _MILLISECONDS), 1_000, 1_000_000)
    return pc.multiply(seconds, factor).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def _as_utc(value: pa.Scalar) -> datetime:
    moment: datetime = value.as_py()
    return moment.astimezone(UTC)
