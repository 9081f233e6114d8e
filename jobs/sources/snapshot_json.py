"""What pollers stored: answers of DescribeNetworkInterfaces, ListFunctions and GetMetricData, and those that failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pyarrow as pa

from jobs.sources.arrow import Row, SourceRow, arrow_schema, batches, misfits
from jobs.sources.files import FileName, Receipt
from jobs.sources.snapshot_rows import MAKERS, MISFITS, moment
from jobs.sources.streams import UnreadableError, whole
from transforms.schemas.sources import FAILED_POLLS, FUNCTION_METRICS, FUNCTION_SNAPSHOTS, INTERFACE_SNAPSHOTS
from transforms.schemas.table import Table

TABLES: dict[str, Table] = {
    "describe_network_interfaces": INTERFACE_SNAPSHOTS,
    "list_functions": FUNCTION_SNAPSHOTS,
    "get_metric_data": FUNCTION_METRICS,
    "failed_polls": FAILED_POLLS,
}
"""The table that each operation fills."""

SCHEMAS = {operation: arrow_schema(table.schema) for operation, table in TABLES.items()}
_MISFIT = {operation: misfits(schema) for operation, schema in SCHEMAS.items()}

LISTS = {
    "describe_network_interfaces": "NetworkInterfaces",
    "list_functions": "Functions",
    "get_metric_data": "MetricDataResults",
    "failed_polls": "error",
}

_TIME = {"get_metric_data": "minute"}
_UNFILTERED = {"FunctionVersion", "MaxResults", "MaxItems", "PaginationConfig", "NextToken", "Marker"}
"""What a request may say without leaving anything out of its answer."""
_NO_DATE = date(1970, 1, 1)


def read_snapshots(operation: str, files: Iterable[tuple[str, Receipt]]) -> Iterator[pa.RecordBatch]:
    """Stored answers of one operation, (path to open, receipt) each, as batches of its table's schema.

    The time of the poll is what the file says (`polled_at`), else the answer's HTTP date, else NULL: it is
    never guessed. The receipts' times are the poll's (of metrics: the minutes').
    What cannot be read goes to the receipts. Of a broken document nothing is taken: half an answer would say of
    the interfaces in the other half that they are gone.
    """
    rows = (row for path, receipt in files for row in _rows(operation, path, receipt))
    return batches(rows, SCHEMAS[operation], _TIME.get(operation, "polled_at"))


def _rows(operation: str, path: str, receipt: Receipt) -> Iterator[SourceRow]:
    document = _document(path, receipt)
    if document is None:
        return
    pages, envelope = _pages(operation, document)
    known = _known(pages, envelope, receipt)
    if operation != "get_metric_data":
        if known["polled_at"]:
            receipt.saw(known["polled_at"], known["polled_at"])
        else:
            receipt.reason = "the file does not say when it was polled: its records have no time"
    whole_answer = _is_whole(operation, pages, envelope)
    index, rows = 0, []
    for page in pages:
        items = page.get(LISTS[operation]) if isinstance(page, dict) else None
        if not isinstance(items, list):
            index, whole_answer = index + 1, False
            receipt.reject(index, json.dumps(page), f"`{LISTS[operation]}` is missing")
            continue
        for item in items:
            for made in _made(operation, item, known, envelope):
                index += 1
                if isinstance(made, dict):
                    rows.append((receipt, index, {**known, **made, "source_line": index}))
                else:
                    whole_answer = False
                    receipt.reject(index, json.dumps(item), f"not an item of {LISTS[operation]}: {made}")
    for _, _, row in rows:
        row["complete"] = whole_answer
    yield from rows


def _is_whole(operation: str, pages: list[Any], envelope: Row) -> bool:
    """Does the answer list everything, so that what is not in it was not there?

    Of a stored poll its envelope says so: no filter was asked for, and no page is missing. A bare answer may
    have been filtered: it shows what was there, and nothing of what was not.
    """
    if "responses" not in envelope:
        return False
    request = envelope.get("request")
    asked = request if isinstance(request, dict) else {}
    if set(asked) - _UNFILTERED or (asked and operation == "list_functions" and asked.get("FunctionVersion") != "ALL"):
        return False
    last = pages[-1] if pages and isinstance(pages[-1], dict) else {}
    return bool(pages) and not last.get("NextToken") and not last.get("NextMarker")


def _made(operation: str, item: Any, known: Row, envelope: Row) -> list[Row | str]:
    """The item's rows, and in place of each that cannot be made the reason."""
    if not isinstance(item, dict):
        return [f"it is no object but {type(item).__name__}"]
    try:
        made = MAKERS[operation](item, known, envelope)
        return [row if isinstance(row, str) else _MISFIT[operation](row) or row for row in made]
    except KeyError as error:
        return [f"{error.args[0]} is missing"]
    except MISFITS as error:
        return [str(error)]


def _known(pages: list[Any], envelope: Row, receipt: Receipt) -> Row:
    """What every row of the file has."""
    polled_at = moment(envelope.get("polled_at")) or next((t for t in map(_http_date, pages) if t), None)
    name = FileName.parse(receipt.source_file)
    return {
        "account_id": envelope.get("account_id") or name.account_id,
        "region": envelope.get("region") or name.region,
        "polled_at": polled_at,
        "source_file": receipt.source_file,
        "date": polled_at.date() if polled_at else _NO_DATE,
    }


def _document(path: str, receipt: Receipt) -> Any:
    """The file's JSON, or None with the reason in the receipt."""
    try:
        data, damage = whole(path)
    except UnreadableError as error:
        receipt.unreadable(str(error))
        return None
    if damage:
        receipt.reject(0, data, f"{damage}; nothing is taken from half an answer")
    elif not data.strip():
        receipt.skip("empty file")
    else:
        try:
            return json.loads(data, parse_constant=str)
        except RecursionError:
            receipt.reject(0, data, "nested too deeply")
        except ValueError as error:
            receipt.reject(0, data, f"broken JSON: {error}")
    return None


def _pages(operation: str, document: Any) -> tuple[list[Any], Row]:
    """The answer's pages and what stands around them: ours, boto3's bare answer, or a recorded one under `data`."""
    if isinstance(document, dict):
        if operation == "failed_polls":  # There is no answer: what AWS said instead stands around it.
            return [{name: [error] for name, error in document.items() if name == "error"}], document
        if isinstance(document.get("responses"), list):
            return document["responses"], document
        if isinstance(document.get("data"), dict):
            return [document["data"]], {}
    return [document], {}


def _http_date(page: Any) -> datetime | None:
    """When AWS answered, by the Date header that boto3 keeps."""
    try:
        return parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
    except MISFITS:
        return None
