"""Flow logs of any size and badness: bounded memory, exact counts, and faults that are not the file's."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.sources.files import KEPT_FILE_BYTES, KEPT_REJECTIONS, Receipt
from jobs.sources.flow_log_lines import parsed
from jobs.sources.flow_logs import read_flow_logs
from tests.jobs.sources.reading import GOOD, HEADER, faults, flow_logs, lines, with_field


def test_a_bad_line_in_every_block_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("streams", "flow_log_text"):
        monkeypatch.setattr(f"jobs.sources.{module}.BLOCK_BYTES", 1 << 20)
    count, step = 50_000, 10_007
    rows = [GOOD] * count
    for index in range(5, count, step):
        rows[index] = b"bad"
    content = lines(HEADER, *rows)
    assert len(content) > 4 << 20
    (tmp_path / "large").write_bytes(content)
    receipt = Receipt("large")
    found = [batch.column("source_line").to_numpy() for batch in read_flow_logs([(str(tmp_path / "large"), receipt)])]
    bad = [index + 2 for index in range(5, count, step)]
    assert faults(receipt) == [(line, "1 fields, not 14") for line in bad]
    assert np.array_equal(np.concatenate(found), np.setdiff1d(np.arange(2, count + 2), bad))


def test_a_hundred_thousand_bad_lines_are_all_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    count = 100_000
    rows, receipt = flow_logs(tmp_path, lines(HEADER, GOOD) + b"not a record of any kind\n" * count + lines(GOOD))
    assert [row["source_line"] for row in rows] == [2, count + 3]
    assert receipt.rejected_count == count
    assert len(receipt.rejected) == KEPT_REJECTIONS + 1
    assert [bad.line for bad in receipt.rejected] == list(range(3, KEPT_REJECTIONS + 4))
    last = receipt.rejected[-1]
    assert last.text == ""
    assert (
        last.reason
        == f"{count - KEPT_REJECTIONS:,} more records were rejected, the last at {count + 2:,}: not listed one by one"
    )


def test_the_text_kept_of_a_file_is_bounded(tmp_path: Path) -> None:
    _, receipt = flow_logs(tmp_path, lines(HEADER, *[b"x" * 5_000] * 500))
    assert receipt.rejected_count == len(receipt.rejected) == 500
    assert sum(len(bad.text) for bad in receipt.rejected) == KEPT_FILE_BYTES
    assert receipt.rejected[0].reason == "1 fields, not 14 (of 5,000 bytes the first 4,096 are kept)"
    assert receipt.rejected[-1].reason == "1 fields, not 14 (of 5,000 bytes the first 0 are kept)"


def test_a_line_that_only_the_parser_refuses_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none that we know of."""

    def refusing(text: bytes, fields: tuple[str, ...], known: list[str]) -> pa.Table | None:
        return None if b" odd " in text else parsed(text, fields, known)

    monkeypatch.setattr("jobs.sources.flow_log_lines.parsed", refusing)
    monkeypatch.setattr("jobs.sources.flow_log_text.parsed", refusing)
    rows, receipt = flow_logs(tmp_path, lines(HEADER, GOOD, with_field(2, b"odd"), GOOD))
    assert [row["source_line"] for row in rows] == [2, 4]
    assert faults(receipt) == [(3, "it looks like a record but cannot be parsed")]


def test_an_error_in_the_midst_of_reading_is_no_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's fault: the file is read again by the next run, and nothing of it counts as bad."""

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError("connection reset")

    monkeypatch.setattr("jobs.sources.streams._open", lambda _path: Broken())
    receipt = Receipt("x")
    assert list(read_flow_logs([("x", receipt)])) == []
    assert (receipt.outcome, receipt.rejected_count) == ("unreadable", 0) and "connection reset" in str(receipt.reason)
