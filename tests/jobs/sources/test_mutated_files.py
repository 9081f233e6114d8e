"""Good files with something wrong in them, 500 of them, always the same: nothing crashes, hangs or takes others along.

A mutation is what happens to files on their way: bytes flipped, cut out, put in, doubled or swapped.
"""

from __future__ import annotations

import gzip
import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.sources.classify import classify
from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from jobs.sources.flow_logs import read_flow_logs
from jobs.sources.snapshot_json import read_snapshots
from tests import ocsf
from tests.jobs.sources import security_lake_shapes as shapes
from tests.jobs.sources.reading import HEADER, Row, lines, with_field
from tests.jobs.sources.test_fixtures import RAW, READ
from tests.jobs.sources.test_flow_log_parquet import MANY, packed, table

Reader = Callable[[list[tuple[str, Receipt]]], Iterator[pa.RecordBatch]]

_SECONDS = 10
_BYTES = 64 << 20
_EACH = 50

_RECORDS = [with_field(9, str(n).encode()) for n in range(200)]
_TEXT = lines(HEADER, *_RECORDS)


def _fixture(kind: str, suffix: str) -> bytes:
    """The largest good file of a kind among the fixtures."""
    good = [RAW / name for name, (of, records, bad, _) in READ.items() if of == kind and records and not bad]
    return max((p for p in good if p.name.endswith(suffix)), key=lambda p: p.stat().st_size).read_bytes()


_POLLS: dict[str, Reader] = {
    kind: lambda files, kind=kind: read_snapshots(kind, files)  # type: ignore[misc]
    for kind in ("describe_network_interfaces", "list_functions")
}
KINDS: dict[str, tuple[bytes, str, Reader]] = {
    "flow log": (_TEXT, "x.log", read_flow_logs),
    "flow log, gz": (gzip.compress(_TEXT), "x.log.gz", read_flow_logs),
    "Parquet": (packed(table(*MANY)), "x.log.parquet", read_flow_logs),
    "Parquet, row groups and check sums": (
        packed(table(*MANY), row_group_size=9, write_page_checksum=True),
        "x.log.parquet",
        read_flow_logs,
    ),
    "Parquet, not compressed": (
        packed(table(*_RECORDS, *MANY), compression="none", use_dictionary=False), "x.log.parquet", read_flow_logs),
    "Parquet, not compressed, with dictionaries": (
        packed(table(*_RECORDS, *MANY), compression="none"), "x.log.parquet", read_flow_logs),
    "Security Lake, flows": (
        packed(ocsf.table([shapes.SENT_2] * 30, ocsf.FLOWS[2]), row_group_size=9, write_page_checksum=True),
        shapes.FLOW_FILE,
        read_flow_logs,
    ),
    "Security Lake, flows, not compressed": (
        packed(ocsf.table([shapes.REFUSED_1] * 30, ocsf.FLOWS[1]), compression="none"), "x.parquet", read_flow_logs),
    "Security Lake, events": (
        packed(ocsf.table([shapes.CREATED_2] * 30, ocsf.TRAIL[2]), compression="none"), "x.parquet", read_cloudtrail),
    "Security Lake, events without dictionaries": (
        packed(ocsf.table([shapes.PUT_1] * 30, ocsf.TRAIL[1]), compression="none", use_dictionary=False),
        "x.parquet",
        read_cloudtrail,
    ),
    "CloudTrail": (gzip.decompress(_fixture("cloudtrail", ".gz")), "x.json", read_cloudtrail),
    "CloudTrail, gz": (_fixture("cloudtrail", ".gz"), "x.json.gz", read_cloudtrail),
    "interfaces": (
        gzip.decompress(_fixture("describe_network_interfaces", ".gz")),
        "x.json",
        _POLLS["describe_network_interfaces"],
    ),
    "functions": (gzip.decompress(_fixture("list_functions", ".gz")), "x.json", _POLLS["list_functions"]),
    "functions, gz": (_fixture("list_functions", ".gz"), "x.json.gz", _POLLS["list_functions"]),
}  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with one to three things done to it."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + chance.choice((1, 4, 60, 5_000)))
        piece = bytes(data[a:b])
        match chance.choice(("flip", "flip", "overwrite", "cut", "cut short", "insert", "double", "swap")):
            case "flip" if a < len(data):
                data[a] ^= 1 << chance.randrange(8)
            case "overwrite":
                data[a:b] = chance.randbytes(len(piece))
            case "cut":
                del data[a:b]
            case "cut short":
                del data[max(a, 1) :]
            case "insert":
                data[a:a] = chance.choice(
                    (chance.randbytes(9), b"\n", b"\xff", b"\0" * 50, b"-", b"9" * 20, b'"', b"{")
                )
            case "double":
                data[a:a] = piece
            case "swap":
                data[a:b] = piece[len(piece) // 2 :] + piece[: len(piece) // 2]
    return bytes(data) or b"x"


def _read(folder: Path, content: bytes, name: str, reader: Reader) -> tuple[list[Row], Receipt]:
    """Read within bounds of time and memory; what was found agrees with the receipt."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    receipt = Receipt(name)
    tracemalloc.start()
    begun, held = time.process_time(), pa.total_allocated_bytes()
    try:
        rows = [row for batch in reader([(str(folder / name), receipt)]) for row in batch.to_pylist()]
        assert tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes() - held < _BYTES
    finally:
        tracemalloc.stop()
    assert time.process_time() - begun < _SECONDS
    assert receipt.records == len(rows)
    assert receipt.outcome in ("read", "skipped")
    # Nothing vanishes without a word.
    assert rows or receipt.rejected or receipt.reason
    classify(str(folder / name), "x")
    return rows, receipt


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path: Path, kind: str) -> None:
    content, name, reader = KINDS[kind]
    whole, receipt = _read(tmp_path, content, name, reader)
    assert whole and not receipt.rejected
    chance = random.Random(kind)
    outcomes = set()
    for number in range(_EACH):
        damaged = mutated(content, chance)
        (tmp_path / "last").write_bytes(damaged)  # for whoever looks for the cause
        rows, receipt = _read(tmp_path, damaged, name, reader)
        outcomes.add((bool(rows), bool(receipt.rejected)))
        if kind == "flow log":
            _no_good_line_is_lost(damaged, rows, receipt, number)
    assert len(outcomes) > 1


def _no_good_line_is_lost(damaged: bytes, rows: list[Row], receipt: Receipt, number: int) -> None:
    """Every line that the mutation left alone is a record, unless the header is gone."""
    found = damaged.split(b"\n")
    if found[0] != HEADER:
        return
    there = {row["source_line"]: row["bytes"] for row in rows}
    alone = {line: record for line, record in enumerate(found, 1) if record in set(_RECORDS)}
    assert {line: there.get(line) for line in alone} == {
        line: int(record.split(b" ")[9]) for line, record in alone.items()
    }, number
    # What is neither a record nor rejected is empty, or a header.
    rest = set(range(1, len(found) + 1)) - set(there) - {bad.line for bad in receipt.rejected}
    assert all(not found[line - 1].strip() or found[line - 1] == HEADER for line in rest), number


def test_of_a_damaged_gz_all_lines_before_the_damage_are_read(tmp_path: Path) -> None:
    content = gzip.compress(_TEXT)
    for cut in range(60, len(content), 97):
        rows, receipt = _read(tmp_path, content[:cut], "x.log.gz", read_flow_logs)
        assert [row["bytes"] for row in rows] == list(range(len(rows)))
        assert len(receipt.rejected) == 1


def test_events_of_a_file_with_an_event_a_line_do_not_depend_on_each_other(tmp_path: Path) -> None:
    events = json.loads(gzip.decompress(_fixture("cloudtrail", ".gz")))["Records"]
    written = [json.dumps(event).encode() for event in events]
    chance = random.Random(1)
    for bad in range(len(written)):
        damaged = [*written]
        damaged[bad] = written[bad][: chance.randrange(1, len(written[bad]) - 1)]
        rows, receipt = _read(tmp_path, b"\n".join(damaged), "x.json", read_cloudtrail)
        assert [row["event_id"] for row in rows] == [e["eventID"] for n, e in enumerate(events) if n != bad]
        assert len(receipt.rejected) == 1
