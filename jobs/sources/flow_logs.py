"""Flow logs of both kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from jobs.sources.files import Receipt
from jobs.sources.flow_log_parquet import read_parquet
from jobs.sources.flow_log_text import read_text
from jobs.sources.parquet_files import is_parquet


def read_flow_logs(files: Iterable[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
    """Flow logs, (path to open, receipt) each, as batches of FLOW_LOGS's schema: text, gz or plain, and
    Parquet, AWS's own or Security Lake's.

    Both give the same rows of the same records, but for `source_line`: in Parquet that is the record's number
    from 1, in text it is the line, and the header is line 1. What cannot be read goes to the receipts.
    """
    parquet: list[tuple[str, Receipt]] = []

    def text() -> Iterator[tuple[str, Receipt]]:
        for path, receipt in files:
            if is_parquet(path, receipt.source_file):
                parquet.append((path, receipt))
            else:
                yield path, receipt

    yield from read_text(text())
    yield from read_parquet(parquet)
