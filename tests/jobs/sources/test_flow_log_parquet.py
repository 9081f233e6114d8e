"""Parquet flow logs: every type that a writer may choose, and every way to be bad."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from tests.jobs.sources.reading import GOOD, HEADER, Row, faults, flow_logs, lines, with_field

NAMES = [name.replace("-", "_") for name in HEADER.decode().split(" ")]
WIDE = {"packets", "bytes", "start", "end"}
NUMBERS = {"version", "srcport", "dstport", "protocol", *WIDE}


def column(name: str, values: list[bytes]) -> pa.Array:
    """The values of a text flow log as AWS writes the column."""
    if name not in NUMBERS:
        return pa.array(values, pa.binary()).cast(pa.string())
    return pa.array([None if v == b"-" else int(v) for v in values], pa.int64() if name in WIDE else pa.int32())


def table(*rows: bytes, **columns: pa.Array) -> pa.Table:
    """Records of the default format, some columns replaced."""
    made = {n: column(n, list(v)) for n, v in zip(NAMES, zip(*(r.split(b" ") for r in rows), strict=True), strict=True)}
    return pa.table(made | columns)


def packed(content: pa.Table, **how: Any) -> bytes:
    """As a file, with the codec that AWS uses."""
    file = io.BytesIO()
    pq.write_table(content, file, **{"compression": "gzip", **how})
    return file.getvalue()


def without_line(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k not in ("source_line", "source_file")} for row in rows]


SILENT = b"2 123456789012 eni-0a1 - - - - - - - 1772445600 1772445660 - NODATA"
MANY = [GOOD, SILENT, with_field(9, b"9223372036854775807"), with_field(5, b"0")] * 9


def _as_text(folder: Path, *rows: bytes) -> list[Row]:
    return without_line(flow_logs(folder, lines(HEADER, *rows))[0])


def test_the_same_rows_as_in_text(tmp_path: Path) -> None:
    rows, receipt = flow_logs(tmp_path, packed(table(*MANY)), "flow.log.parquet")
    assert without_line(rows) == _as_text(tmp_path, *MANY)
    assert [row["source_line"] for row in rows] == list(range(1, 37))
    assert {row["source_file"] for row in rows} == {"flow.log.parquet"}
    assert (receipt.outcome, receipt.reason, receipt.rejected) == ("read", None, [])
    text = flow_logs(tmp_path, lines(HEADER, *MANY))[1]
    assert (receipt.hours, receipt.min_time, receipt.max_time) == (text.hours, text.min_time, text.max_time)


def _of(name: str, kind: pa.DataType, rows: tuple[bytes, ...] = tuple(MANY)) -> pa.Array:
    return table(*rows)[name].cast(kind)


def _times(kind: pa.DataType) -> dict[str, pa.Array]:
    ends = {"start": 1_772_445_600, "end": 1_772_445_660}
    return {name: pa.array([datetime.fromtimestamp(end, UTC)] * len(MANY), kind) for name, end in ends.items()}


TYPES: dict[str, dict[str, pa.Array]] = {
    "protocol as Athena's bigint": {"protocol": _of("protocol", pa.int64())},
    "small integers": {"protocol": _of("protocol", pa.uint8()), "srcport": _of("srcport", pa.uint16())},
    "numbers as pandas has them": {name: _of(name, pa.float64()) for name in ("srcport", "packets", "start")},
    "NULL as NaN": {"srcport": pa.array([float(r.split(b" ")[5].replace(b"-", b"nan")) for r in MANY])},
    "decimals": {"packets": _of("packets", pa.decimal128(20, 0))},
    "numbers as text": {name: _of(name, pa.string()) for name in ("srcport", "bytes", "start", "version")},
    "numbers as text with hyphens": {"bytes": pa.array([r.split(b" ")[9].decode() for r in MANY])},
    "the account as a number": {"account_id": _of("account_id", pa.int64())},
    "bytes without a type": {"interface_id": _of("interface_id", pa.binary())},
    "large text": {"interface_id": _of("interface_id", pa.large_string())},
    "categories": {"interface_id": table(*MANY)["interface_id"].dictionary_encode()},
    "milliseconds": {"start": pa.array([1_772_445_600_000] * 36), "end": pa.array([1_772_445_660_000] * 36)},
    "timestamps": _times(pa.timestamp("us", "UTC")),
    "timestamps of nanoseconds without a zone": _times(pa.timestamp("ns")),
    "NULL for a hyphen": {"srcaddr": pa.array([None if r == SILENT else "10.0.1.5" for r in MANY])},
}


@pytest.mark.parametrize("columns", TYPES.values(), ids=TYPES)
def test_types(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    rows, receipt = flow_logs(tmp_path, packed(table(*MANY, **columns)), "x.parquet")
    assert without_line(rows) == _as_text(tmp_path, *MANY)
    assert receipt.rejected == []


def test_an_account_as_a_number_keeps_its_zeros(tmp_path: Path) -> None:
    rows, _ = flow_logs(tmp_path, packed(table(GOOD, account_id=pa.array([123456789]))), "x.parquet")
    assert rows[0]["account_id"] == "000123456789"


def test_a_column_of_nothing(tmp_path: Path) -> None:
    nothing = packed(table(GOOD, srcport=pa.nulls(1), action=pa.nulls(1)))
    rows, _ = flow_logs(tmp_path, nothing, "x.parquet")
    assert (rows[0]["src_port"], rows[0]["action"], rows[0]["dst_port"]) == (None, None, 443)


@pytest.mark.parametrize("rename", [str.upper, lambda n: n.replace("_", "-")], ids=["upper case", "hyphens"])
def test_names(tmp_path: Path, rename: Any) -> None:
    rows, _ = flow_logs(tmp_path, packed(table(GOOD).rename_columns([rename(n) for n in NAMES])), "x.parquet")
    assert without_line(rows) == _as_text(tmp_path, GOOD)


def test_columns_that_are_not_ours_are_not_read(tmp_path: Path) -> None:
    odd = packed(
        table(GOOD, **{"moon.phase": pa.array(["full"]), "tags": pa.array([[1, 2]]), "vpc_id": pa.array([[1]])})
    )
    rows, receipt = flow_logs(tmp_path, odd, "x.parquet")
    assert without_line(rows) == _as_text(tmp_path, GOOD)
    assert receipt.reason == "fields passed over: moon.phase, tags; vpc_id passed over: it is list<element: int64>"


BAD = {
    "a port too large": (table(with_field(6, b"65536")), "dst_port is too large: 65536"),
    "a negative number": (table(with_field(9, b"-1")), "bytes is negative: -1"),
    "beyond 32 bits": (table(GOOD, tcp_flags=pa.array([2**31])), "tcp_flags is too large: 2147483648"),
    "a fraction": (table(GOOD, bytes=pa.array([1.5])), "bytes is not a number: 1.5"),
    "infinity": (table(GOOD, bytes=pa.array([float("inf")])), "bytes is not a number: inf"),
    "a word": (table(GOOD, bytes=pa.array(["many"])), "bytes is not a number: many"),
    "hexadecimal": (table(GOOD, bytes=pa.array(["0x1F"])), "bytes is not a number: 0x1F"),
    "no start": (table(GOOD, start=pa.array([None], pa.int64())), "start or end is missing"),
    "end before start": (table(with_field(11, b"1772445599")), "end is before start"),
    "the year 1970": (table(with_field(10, b"0")), "start_time is out of range: 0"),
    "a timestamp of 2200": (
        table(GOOD, end=pa.array([datetime(2200, 1, 1)], pa.timestamp("s"))),
        "end_time is out of range: 7258118400000",
    ),
    "an unknown status": (table(with_field(13, b"FINE")), "log_status is unknown: FINE"),
    "an empty text": (table(GOOD, action=pa.array([""])), "action is empty"),
    "a control character": (table(GOOD, action=pa.array(["A\nB"])), "a control character"),
    "no UTF-8": (table(GOOD, action=pa.array([b"\xff"])), "action is not UTF-8"),
    "a text of a megabyte": (table(GOOD, action=pa.array(["x" * 1_000_000])), "a record of more than 64 KiB"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_record_costs_only_itself(tmp_path: Path, bad: pa.Table, reason: str) -> None:
    lines_of_good = [GOOD, SILENT] * 150
    good = table(*lines_of_good)
    for field in bad.schema:
        if field.name in NAMES:
            good = good.set_column(NAMES.index(field.name), field, good[field.name].cast(field.type))
        else:
            good = good.append_column(field, pa.nulls(len(good), field.type))
    content = pa.concat_tables([good.slice(0, 100), bad, good.slice(100)])
    rows, receipt = flow_logs(tmp_path, packed(content), "x.parquet")
    assert [(line, said.partition(" (of ")[0]) for line, said in faults(receipt)] == [(101, reason)]
    assert [row["source_line"] for row in rows] == [n for n in range(1, 302) if n != 101]
    assert without_line(rows) == _as_text(tmp_path, *lines_of_good)


def test_what_is_rejected_is_kept_as_a_line(tmp_path: Path) -> None:
    _, receipt = flow_logs(tmp_path, packed(table(GOOD, with_field(6, b"65536", SILENT))), "x.parquet")
    assert receipt.rejected[0].text == with_field(6, b"65536", SILENT).decode()


def test_a_required_column_of_no_use(tmp_path: Path) -> None:
    rows, receipt = flow_logs(tmp_path, packed(table(GOOD, start=pa.array([True]))), "x.parquet")
    assert (rows, faults(receipt)) == ([], [(0, "start_time cannot be bool")])


def test_no_flow_log(tmp_path: Path) -> None:
    rows, receipt = flow_logs(tmp_path, packed(pa.table({"start": [1], "end": [2]})), "x.parquet")
    assert rows == []
    assert faults(receipt)[0][1].startswith("the header lacks interface_id, src_addr, dst_addr")


def test_a_transit_gateway(tmp_path: Path) -> None:
    _, receipt = flow_logs(tmp_path, packed(pa.table({"tgw_id": ["tgw-1"], "start": [1]})), "x.parquet")
    assert (receipt.outcome, receipt.reason) == ("skipped", "a flow log of a transit gateway, not of a VPC")


def test_no_records_and_no_file(tmp_path: Path) -> None:
    assert flow_logs(tmp_path, packed(table(GOOD).slice(1)), "x.parquet")[1].reason == "no records in it"
    empty = flow_logs(tmp_path, b"", "x.parquet")[1]
    assert (empty.outcome, empty.reason) == ("skipped", "empty file")
    gone = Receipt("x.parquet")
    assert list(read_flow_logs([(str(tmp_path / "gone"), gone)])) == []
    assert gone.outcome == "unreadable"


@pytest.mark.parametrize("cut", [1, 9, 500, -5])
def test_a_truncated_file_is_rejected_as_a_whole(tmp_path: Path, cut: int) -> None:
    """A Parquet file says at its end what is in it: without that nothing can be found."""
    rows, receipt = flow_logs(tmp_path, packed(table(*MANY))[:-cut], "x.parquet")
    assert rows == []
    assert len(receipt.rejected) == 1 and receipt.rejected[0].reason.startswith("no Parquet file, or a damaged one")


def test_of_a_damaged_row_group_the_others_are_read(tmp_path: Path) -> None:
    content = bytearray(packed(table(*MANY), row_group_size=12, write_page_checksum=True))
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(1).column(3)
    content[group.data_page_offset + group.total_compressed_size - 70] ^= 0xFF
    rows, receipt = flow_logs(tmp_path, bytes(content), "x.parquet")
    assert [row["source_line"] for row in rows] == [*range(1, 13), *range(25, 37)]
    assert [line for line, _ in faults(receipt)] == [13]
    assert receipt.rejected[0].reason.endswith("records 13 to 24 are lost")
    assert receipt.reason == "row group 2 is damaged"


def test_small_files_share_a_batch_and_the_file_decides(tmp_path: Path) -> None:
    contents = {"a.parquet": packed(table(GOOD)), "b.log": lines(HEADER, GOOD), "c.log": packed(table(GOOD, GOOD))}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    receipts = [Receipt(name) for name in contents]
    batches = list(read_flow_logs((str(tmp_path / r.source_file), r) for r in receipts))
    assert [batch.num_rows for batch in batches] == [1, 3]
    assert [r.records for r in receipts] == [1, 1, 2]


def test_files_that_claim_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = packed(table(GOOD).take(np.zeros(2_000_000, np.int64)))
    assert faults(flow_logs(tmp_path, same, "x.parquet")[1]) == [
        (0, f"it claims 2,000,000 records in {len(same):,} bytes")
    ]
    monkeypatch.setattr("jobs.sources.parquet_files.ROW_GROUP_BYTES", 100)
    assert faults(flow_logs(tmp_path, packed(table(GOOD)), "x.parquet")[1])[0][1].startswith("a row group of ")


def test_an_error_of_the_disk_is_no_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("jobs.sources.streams._open", lambda _path: Broken(packed(table(GOOD))))
    receipt = Receipt("x.parquet")
    assert list(read_flow_logs([("x.parquet", receipt)])) == []
    assert (receipt.outcome, receipt.reason) == ("unreadable", "it cannot be read: Input/output error")
    assert receipt.rejected == []
