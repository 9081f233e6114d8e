"""CloudTrail events of both kinds: its own JSON, and Security Lake's Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from jobs.sources.arrow import SourceRow, batches
from jobs.sources.cloudtrail_json import SCHEMA, json_events, row_or_rejection
from jobs.sources.files import FileName, Receipt
from jobs.sources.parquet_files import is_parquet
from jobs.sources.security_lake_cloudtrail import ocsf_events


def read_cloudtrail(files: Iterable[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
    """CloudTrail files, (path to open, receipt) each, as batches of CLOUDTRAIL_EVENTS's schema.

    A file is `{"Records": […]}`, a bare array, a single event, or any number of these one after the other; the
    events may be wrapped as EventBridge does. Or it is Parquet from Security Lake, whose records are turned back into
    events. What cannot be read goes to the receipts. Credentials are redacted.
    """
    return batches((row for path, receipt in files for row in _rows(path, receipt)), SCHEMA, "event_time")


def _rows(path: str, receipt: Receipt) -> Iterator[SourceRow]:
    events = ocsf_events if is_parquet(path, receipt.source_file) else json_events
    name = FileName.parse(receipt.source_file)
    for index, event in events(path, receipt):
        row = row_or_rejection(index, event, name, receipt)
        if row is not None:
            yield receipt, index, row
