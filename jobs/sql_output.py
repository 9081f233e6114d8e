"""An answer as a table for the eye, CSV, JSON lines or Parquet. What comes from logs is hostile in all of them."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from jobs.errors import LeaseholdError
from jobs.show import facts, safe, table
from jobs.whole_file import output_file

FORMATS = ("table", "csv", "json", "parquet")
_FORMULA = tuple("=+-@\t\r＝＋－＠")
"""Spreadsheets take a cell that begins so for a formula, which can call programs and send what it reads"""


def write(found: pa.Table, form: str, output: str, console: Console) -> None:
    """Write the answer; `-` is standard output. A file is written whole or not at all.

    Raises LeaseholdError where it cannot be.
    """
    if form == "table":
        if output == "-":
            _show(found, console)
        else:
            page = io.StringIO()
            _show(found, Console(file=page, width=240))
            _put(output, page.getvalue().encode())
    elif form == "csv":
        _text(output, csv_lines(found))
    elif form == "json":
        _text(output, json_lines(found))
    else:
        _unambiguous(found, form)
        if output == "-":
            raise LeaseholdError("--format parquet needs a file: -o answer.parquet")
        buffer = io.BytesIO()
        pq.write_table(found, buffer)
        _put(output, buffer.getvalue())


def _show(found: pa.Table, console: Console) -> None:
    """As a table; where not even the headings fit beside each other, a block for each row."""
    if sum(len(name) + 3 for name in found.column_names) <= console.width:
        console.print(table("", found.column_names, _rows(found)))
        return
    for number, row in enumerate(_rows(found), 1):
        console.print(f"row {number}", style="bold")
        facts(console, zip(found.column_names, row, strict=True))
        console.print()


def csv_lines(found: pa.Table) -> Iterator[str]:
    """Lines with a heading; text that a spreadsheet would run begins with `'`, control characters are spelt out.

    NULL and the empty text are the same here: JSON and Parquet tell them apart.
    """
    for row in ([found.column_names], _rows(found)):
        for cells in row:
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
            yield line.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    plain = _plain(value)
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, (int, float)):
        return plain
    text = safe(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))
    return f"'{text}" if str(plain).startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def json_lines(found: pa.Table) -> Iterator[str]:
    """An object a line, in ASCII; times are ISO 8601 in UTC. Raises LeaseholdError if two columns have one name."""
    _unambiguous(found, "json")
    for row in _rows(found):
        made = {name: _plain(value) for name, value in zip(found.column_names, row, strict=True)}
        yield json.dumps(made, ensure_ascii=True, allow_nan=False) + "\n"


def _unambiguous(found: pa.Table, form: str) -> None:
    twice = [name for name in found.column_names if found.column_names.count(name) > 1]
    if twice:
        raise LeaseholdError(
            f"two columns are called {safe(twice[0])!r}, which --format {form} cannot have: name one with AS"
        )


def _rows(found: pa.Table) -> Iterable[tuple[Any, ...]]:
    # By place, not by name: two columns may have one name.
    columns = [column.to_pylist() for column in found.columns]
    return zip(*columns, strict=True) if columns else iter(())


def _plain(value: Any) -> Any:
    """What JSON has a form for."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _text(output: str, lines: Iterable[str]) -> None:
    if output == "-":
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    else:
        _put(output, "".join(lines).encode())


def _put(output: str, content: bytes) -> None:
    with output_file(output) as half:
        half.write_bytes(content)
