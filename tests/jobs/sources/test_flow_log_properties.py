"""What always holds of the flow-log reader, on lines put together from everything that is awkward."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from tests.jobs.sources.reading import Row, faults, lines

FIELDS = ("interface-id", "srcaddr", "dstaddr", "srcport", "protocol", "bytes", "start", "end", "log-status", "moon")
HEADER = " ".join(FIELDS).encode()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TEXTS = [b"eni-0x1", b"-", b"10.0.1.5", b"0x1F", b"", b"\xff", b"a\tb", b"x" * 300, "é".encode(), b'"', b"\x7f"]
_NUMBERS = [
    *(b"0", b"-", b"7", b"007", b"-0", b"-7", b"+7", b"0x7", b"0X7", b"x", b"", b"7\t", b"\t7", b"1e3", b"7.0", b"7\0"),
    *(b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648", b"9223372036854775807", b"9223372036854775808"),
    *(b"0" * 30 + b"7", b"7" * 5000, b"\xef\xbb\xbf7", "７".encode()),
]
_TIMES = [
    *(b"1772445600", b"1772445660", b"1772445600000", b"1772445660500", b"01772445600", b"0", b"-", b"-1772445600"),
    *(b"1262303999", b"1262304000", b"4102444799", b"4102444800", b"1262303999999", b"1262304000000"),
    *(b"4102444799999", b"4102444800000", b"9223372036854775807"),
]
_STATUSES = [b"OK", b"NODATA", b"SKIPDATA", b"-", b"ok", b"OK\r"]
_VALUES = [*_TEXTS, *_NUMBERS, *_TIMES, *_STATUSES]
_ORDINARY = b"eni-0a1 10.0.1.5 192.0.2.7 443 6 840 1772445600 1772445660 OK full"


def _with(index: int, value: bytes) -> bytes:
    values = _ORDINARY.split(b" ")
    values[index] = value
    return b" ".join(values)


_text, _number, _time = st.sampled_from(_TEXTS), st.sampled_from(_NUMBERS), st.sampled_from(_TIMES)
_odd = st.tuples(_text, _text, _text, _number, _number, _number, _time, _time, st.sampled_from(_STATUSES), _text)
_almost = st.builds(_with, st.integers(0, 9), st.sampled_from(_VALUES))
_other = st.sampled_from([b"", b" ", b"\t", HEADER, b"4 fields, not 10", b"\0", b"\xef\xbb\xbf", b"x" * 70_000])
_line = st.one_of(st.just(_ORDINARY), _almost, _almost, _odd.map(b" ".join), _other)


def _expected(line: bytes) -> dict[str, Any] | None:
    """What a line says, by the slowest and plainest code; None: it is no record."""
    line = line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
    values = line.split(b" ")
    if len(line) > 64 * 1024 or len(values) != len(FIELDS) or re.search(rb"[\x00-\x1f]", line):
        return None
    record: dict[str, Any] = {}
    for name, value in zip(FIELDS, values, strict=True):
        if name == "moon":
            continue
        if value == b"-":
            record[name] = None
        elif name in ("srcport", "protocol", "bytes", "start", "end"):
            if not re.fullmatch(rb"-?[0-9]+", value) or len(value.lstrip(b"-0")) > 19:
                return None
            record[name] = int(value)
        else:
            try:
                record[name] = value.decode()
            except UnicodeDecodeError:
                return None
            if not value:
                return None
    for name, highest in (("srcport", 65535), ("protocol", 255), ("bytes", 2**63 - 1)):
        if record[name] is not None and not 0 <= record[name] <= highest:
            return None
    start, end = record["start"], record["end"]
    if start is None or end is None or end < start or record["log-status"] not in ("OK", "NODATA", "SKIPDATA", None):
        return None
    for name in ("start", "end"):
        scale = 1 if 1262304000 <= record[name] < 4102444800 else 1000
        if not 1262304000 * scale <= record[name] < 4102444800 * scale:
            return None
        record[name] = _EPOCH + timedelta(milliseconds=record[name] * 1000 // scale)
    return record


def _read(path: Path, content: bytes) -> tuple[list[Row], Receipt]:
    path.write_bytes(content)
    receipt = Receipt("flow.log")
    rows = [row for batch in read_flow_logs([(str(path), receipt)]) for row in batch.to_pylist()]
    return rows, receipt


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "flow.log"


@pytest.mark.parametrize("field", FIELDS)
def test_every_awkward_value_alone(path: Path, field: str) -> None:
    for value in _VALUES:
        line = _with(FIELDS.index(field), value)
        rows, receipt = _read(path, lines(HEADER, line))
        assert [_found(row) for row in rows] == [record for record in [_expected(line)] if record], value
        assert len(rows) + len(faults(receipt)) == 1


@settings(max_examples=250)
@given(awkward=st.lists(_line, min_size=1, max_size=90), ordinary=st.sampled_from([0, 0, 200]), ended=st.booleans())
def test_every_line_is_a_record_or_a_rejection(path: Path, awkward: list[bytes], ordinary: int, ended: bool) -> None:
    """…and which of the two does not depend on its neighbours: the reader looks at blocks, the expectation at lines."""
    all_lines = [*awkward, *[_ORDINARY] * ordinary]
    content = lines(HEADER, *all_lines)
    rows, receipt = _read(path, content if ended else content[:-1])
    expected = {n: _expected(line) for n, line in enumerate(all_lines, 2)}
    passed_over = {
        n for n, line in enumerate(all_lines, 2) if line.removeprefix(b"\xef\xbb\xbf").strip() in (b"", HEADER)
    }
    assert {row["source_line"]: _found(row) for row in rows} == {n: record for n, record in expected.items() if record}
    rejected = [n for n, record in expected.items() if record is None and n not in passed_over]
    assert [line for line, _ in faults(receipt)] == rejected


def _found(row: Row) -> Row:
    times = {"start": row["start_time"], "end": row["end_time"]}
    texts = {"interface-id": row["interface_id"], "srcaddr": row["src_addr"], "dstaddr": row["dst_addr"]}
    numbers = {"srcport": row["src_port"], "protocol": row["protocol"], "bytes": row["bytes"]}
    return texts | numbers | times | {"log-status": row["log_status"]}
