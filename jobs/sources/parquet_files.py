"""Raw Parquet files: opened, measured, and read a batch at a time up to where they are damaged.

A file may be hostile: a few bytes of Parquet can stand for billions of values. So rows are decoded a batch at a
time, texts stay in their dictionaries until their sizes are known, and a file that claims too much is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.sources.files import Receipt
from jobs.sources.streams import DamagedError, UnreadableError, open_seekable, open_stream

PARQUET = b"PAR1"
"""How a Parquet file begins."""
ROW_GROUP_BYTES = 1 << 30
"""A row group's size when decompressed; AWS's are below 128 MiB."""
ROWS_A_BYTE = 4
"""A record has two times, two ports and two addresses, or an id of its own: no compressor puts more than this into
a byte."""
# What Arrow raises over damaged data; of the network and the disk an OSError has a number.
_FAULTS = (pa.ArrowException, OSError, ValueError, MemoryError)

Made = TypeVar("Made")
Plan = tuple[list[str], Callable[[pa.RecordBatch, int], Iterator[Made]]]
"""Which columns (of nested ones: `column` or `column.field`) to read, and what a batch of them gives, with the number
of its first record."""


def is_parquet(path: str, source_file: str) -> bool:
    """By the name, where it tells, else by the first bytes."""
    if source_file.endswith(".gz"):  # nearly all: they are not opened twice
        return False
    if source_file.endswith(".parquet"):
        return True
    try:
        with open_stream(path) as stream:
            return stream.read(len(PARQUET)) == PARQUET
    except UnreadableError:
        return False


def glance(path: str, look: Callable[[pq.ParquetFile], Made]) -> Made:
    """What `look` finds in the file; raises DamagedError if it is no Parquet file or a damaged one, UnreadableError."""
    with open_seekable(path) as stream:
        try:
            file = _opened(stream)
            claim = _claim(file, stream.seek(0, 2))
            found = None if claim else look(file)
        except _FAULTS as fault:
            raise DamagedError(_no_parquet(fault)) from None
    if found is None:
        raise DamagedError(claim)
    return found


def read_parts(
    path: str, receipt: Receipt, planned: Callable[[pq.ParquetFile, Receipt], Plan[Made] | None], batch_rows: int
) -> Iterator[Made]:
    """What the plan makes of a file's batches, up to where each row group is damaged; all else goes to the receipt.

    `planned` answers None for a file that is not wanted, and says in the receipt why. Damage is what it, or what it
    planned, raises as an Arrow exception or a ValueError.
    """
    try:
        with open_seekable(path) as stream:
            size = stream.seek(0, 2)
            if not size:
                receipt.skip("empty file")
                return
            try:
                file = _opened(stream)
                claim = _claim(file, size)
                plan = None if claim else planned(file, receipt)
            except _FAULTS as fault:
                refuse(receipt, _no_parquet(fault))
                return
            if claim:
                refuse(receipt, claim)
            if not plan:
                return
            first = 1
            for group in range(file.num_row_groups):
                yield from _of_group(file, group, first, plan, batch_rows, receipt)
                first += file.metadata.row_group(group).num_rows
            if first == 1:
                receipt.note("no records in it")
    except UnreadableError as error:
        receipt.unreadable(str(error))


def refuse(receipt: Receipt, reason: str) -> None:
    """Reject the file as a whole."""
    receipt.reject(0, b"", reason)
    receipt.note(f"no record was read: {reason}")


def _opened(stream: Any) -> pq.ParquetFile:
    """With texts as dictionaries: what a text says a million times is held once."""
    # Without `pre_buffer`, whose threads go on reading, and crash, when a damaged file has been closed.
    file = pq.ParquetFile(stream, pre_buffer=False)
    leaves = [file.schema.column(i).path for i in range(len(file.schema))]
    return pq.ParquetFile(
        stream, metadata=file.metadata, read_dictionary=leaves, pre_buffer=False, page_checksum_verification=True
    )


def _claim(file: pq.ParquetFile, size: int) -> str:
    """Why a file of so many bytes is not believed, or too large; empty for a good one."""
    groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if any(group.num_rows < 0 for group in groups) or rows > ROWS_A_BYTE * size:
        return f"it claims {rows:,} records in {size:,} bytes"
    values = max((group.column(i).num_values for group in groups for i in range(group.num_columns)), default=0)
    if values > ROWS_A_BYTE * size:
        return f"it claims {values:,} values of a column in {size:,} bytes"
    largest = max((group.total_byte_size for group in groups), default=0)
    if largest > ROW_GROUP_BYTES:
        return f"a row group of {largest:,} bytes: at most {ROW_GROUP_BYTES >> 20} MiB are read at once"
    return ""


def _of_group(
    file: pq.ParquetFile, group: int, first: int, plan: Plan[Made], batch_rows: int, receipt: Receipt
) -> Iterator[Made]:
    """What a row group gives up to where it is damaged; the first of its records is record `first` of the file."""
    columns, make = plan
    number, last = first, first + file.metadata.row_group(group).num_rows - 1
    damage = ""
    try:
        for batch in file.iter_batches(batch_rows, row_groups=[group], columns=columns, use_threads=False):
            yield from make(batch, number)
            number += batch.num_rows
    except _FAULTS as fault:
        damage = f": {_said(fault)}"
    if damage or number <= last:
        receipt.reject(
            number, b"", f"row group {group + 1} is damaged{damage}; records {number:,} to {last:,} are lost"
        )
        receipt.note(f"row group {group + 1} is damaged")


def _no_parquet(fault: BaseException) -> str:
    return f"no Parquet file, or a damaged one: {_said(fault)}"


def _said(fault: BaseException) -> str:
    """Arrow's words for a damaged file; raises what is no fault of the file."""
    if isinstance(fault, OSError) and fault.errno:
        raise fault
    return (str(fault).splitlines() or [type(fault).__name__])[0][:200]
