"""Small files that stand for huge ones: refused within seconds, in bounded memory, with a reason."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_log_text import MAX_REJECTIONS
from jobs.sources.flow_logs import read_flow_logs
from jobs.sources.snapshot_json import read_snapshots
from jobs.sources.streams import BLOCK_BYTES, BOMB_BYTES, BOMB_RATIO
from tests import ocsf
from tests.jobs.sources import security_lake_shapes as shapes
from tests.jobs.sources.reading import GOOD, HEADER, lines
from tests.jobs.sources.test_flow_log_parquet import NAMES, table

Reader = Callable[[list[tuple[str, Receipt]]], Iterator[pa.RecordBatch]]

_BOMB = f"the gzip data inflate to more than {BOMB_RATIO} times their size: not read on"
_SECONDS = 60
"""Of the CPU, so that a busy machine is no failure; each takes less than 5."""


def _measured(reader: Reader, path: Path) -> tuple[int, Receipt, int]:
    """(good records, receipt, bytes held at most by Python and Arrow)."""
    receipt = Receipt(path.name)
    begun, pool = time.process_time(), pa.default_memory_pool()
    held = pool.bytes_allocated()
    rows = arrow = 0
    tracemalloc.start()
    for batch in reader([(str(path), receipt)]):
        rows += batch.num_rows
        arrow = max(arrow, pool.bytes_allocated() - held)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - begun < _SECONDS
    return rows, receipt, peak + arrow


def _inflating(path: Path, unit: bytes, head: bytes, total: int) -> Path:
    """Many members of one megabyte each: as quick to write as to copy."""
    member = gzip.compress(unit * (1_000_000 // len(unit)))
    with path.open("wb") as file:
        file.write(gzip.compress(head))
        for _ in range(total // 1_000_000):
            file.write(member)
    return path


LINES = {"one line": b"0", "NUL": b"\0", "empty lines": b"\n", "good records": GOOD + b"\n"}


@pytest.mark.parametrize("unit", LINES.values(), ids=LINES)
def test_a_flow_log_of_gigabytes(tmp_path: Path, unit: bytes) -> None:
    path = _inflating(tmp_path / "bomb.log.gz", unit, lines(HEADER, GOOD), 5_000_000_000)
    assert path.stat().st_size < 25_000_000
    rows, receipt, held = _measured(read_flow_logs, path)
    assert rows >= 1  # what came before is kept
    assert receipt.rejected_count == 1 and receipt.rejected[0].reason.startswith(_BOMB)
    assert receipt.reason == _BOMB
    assert held < 3 * BOMB_BYTES


def test_a_line_of_a_gigabyte(tmp_path: Path) -> None:
    """One that gzip cannot make small: bytes of no pattern, over and over."""
    noise = np.random.default_rng(1).integers(33, 127, 1 << 16, np.uint8).tobytes()
    path = tmp_path / "line.log"
    with path.open("wb") as file:
        file.write(lines(HEADER, GOOD))
        file.seek(1_000_000_000, 1)  # a hole: it takes no place on the disk
        file.write(noise + b"\n" + GOOD)
    rows, receipt, held = _measured(read_flow_logs, path)
    assert rows == 2
    assert [(bad.line, bad.reason.partition(" (")[0]) for bad in receipt.rejected] == [
        (3, "a line of 1,000,065,536 bytes")
    ]
    assert held < 10 * BLOCK_BYTES


def test_a_file_of_nothing_but_bad_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.log").write_bytes(lines(HEADER, GOOD) + b"a\n" * (3 * MAX_REJECTIONS))
    receipt = Receipt("bad.log")
    assert sum(batch.num_rows for batch in read_flow_logs([(str(tmp_path / "bad.log"), receipt)])) == 1
    assert MAX_REJECTIONS < receipt.rejected_count < 1.1 * MAX_REJECTIONS
    assert receipt.reason == f"more than {MAX_REJECTIONS:,} lines were rejected: it was not read on"


_POLLS: Reader = lambda files: read_snapshots("list_functions", files)  # noqa: E731
JSON = {
    "blanks": (b" ", b'{"Records": [', _BOMB),
    "objects": (b"{},", b'{"Records": [', "a JSON file of "),
    "arrays": (b"[", b"", "a JSON file of "),
    "one text": (b"x", b'{"Records": ["', _BOMB),
    "events that never end": (b'{"eventVersion":', b"", _BOMB),
}


@pytest.mark.parametrize("reader", [read_cloudtrail, _POLLS], ids=["CloudTrail", "polls"])
@pytest.mark.parametrize(("unit", "head", "reason"), JSON.values(), ids=JSON)
def test_a_document_of_gigabytes(tmp_path: Path, reader: Reader, unit: bytes, head: bytes, reason: str) -> None:
    path = _inflating(tmp_path / "bomb.json.gz", unit, head, 2_000_000_000)
    rows, receipt, held = _measured(reader, path)
    assert rows == 0
    assert any(reason in f"{bad.reason} {receipt.reason}" for bad in receipt.rejected)
    assert held < 8 * BOMB_BYTES


def test_events_that_never_end_are_not_tried_for_ever(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"eventVersion":' * 500 + b"[" + b"1," * 500_000)
    rows, receipt, _ = _measured(read_cloudtrail, tmp_path / "x.json")
    assert rows == 0
    assert receipt.rejected_count < 20 and "what follows is lost" in receipt.rejected[-1].reason


def test_a_parquet_file_of_one_large_text(tmp_path: Path) -> None:
    """4,000 records say the same megabyte, that is 4 GB, and the file holds it once."""
    content = table(*[GOOD] * 4_000)
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4_000, np.int32)), pa.array(["x" * 1_000_000]))
    path = tmp_path / "bomb.log.parquet"
    pq.write_table(content.set_column(NAMES.index("action"), "action", same), path, dictionary_pagesize_limit=1 << 30)
    assert path.stat().st_size < 5_000_000
    rows, receipt, held = _measured(read_flow_logs, path)
    assert (rows, receipt.rejected_count) == (0, 4_000)
    assert receipt.rejected[0].reason.startswith("a record of more than 64 KiB")
    assert held < 3 * BOMB_BYTES


def test_a_parquet_file_of_many_long_texts(tmp_path: Path) -> None:
    """Each text may be as long as it is; together they would take a gigabyte."""
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(40_000, np.int32)), pa.array(["x" * 30_000]))
    sizes = pa.array(np.random.default_rng(1).integers(0, 1 << 40, 40_000))
    content = table(*[GOOD] * 40_000, bytes=sizes).set_column(NAMES.index("action"), "action", same)
    pq.write_table(content, tmp_path / "x.parquet")
    rows, receipt, held = _measured(read_flow_logs, tmp_path / "x.parquet")
    assert (rows, receipt.rejected) == (40_000, [])
    assert held < 5 * BOMB_BYTES


def test_a_parquet_file_of_events_with_the_same_large_text(tmp_path: Path) -> None:
    """400 events of Security Lake say the same two megabytes, that is 800 MB, and the file holds them once."""
    content = ocsf.table([shapes.PUT_1] * 400, ocsf.TRAIL[1])
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), pa.array(["x" * 2_000_000]))
    agent = pa.StructArray.from_arrays([same], ["user_agent"])
    at = content.column_names.index("http_request")
    path = tmp_path / "bomb.parquet"
    pq.write_table(content.set_column(at, "http_request", agent), path, dictionary_pagesize_limit=1 << 30)
    assert path.stat().st_size < 5_000_000
    rows, receipt, held = _measured(read_cloudtrail, path)
    assert (rows, receipt.rejected_count) == (0, 400)
    assert receipt.rejected[0].reason.startswith("an event of 2,00")
    assert held < 3 * BOMB_BYTES


def test_a_parquet_file_of_records_with_millions_of_parts(tmp_path: Path) -> None:
    """One event has a resource for each bit of a run-length: the file says so itself, and is not believed."""
    parts = pa.ListArray.from_arrays(pa.array([0, 20_000_000], pa.int32()), pa.nulls(20_000_000, pa.string()))
    content = ocsf.table([shapes.PUT_1], ocsf.TRAIL[1])
    at = content.column_names.index("resources")
    pq.write_table(content.set_column(at, "resources", parts), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    rows, receipt, held = _measured(read_cloudtrail, tmp_path / "x.parquet")
    assert rows == 0 and receipt.rejected[0].reason.startswith("it claims 20,000,000 values of a column in ")
    assert held < BOMB_BYTES
