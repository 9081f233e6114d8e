"""How `leasehold sql` writes answers: hostile text stays text in each format, and nothing is lost without a word."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from jobs.errors import LeaseholdError
from jobs.sql_output import csv_lines, json_lines, write
from tests.jobs.sql_lake import HOSTILE


def written(found: pa.Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(csv_lines(found)))))


def test_csv_runs_in_no_spreadsheet_and_no_terminal() -> None:
    starts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "a=1", "", None, 'a,"b"\nc', "\x1b[31m"]
    found = pa.table({"=cmd": starts, "n": [-1.5] + [None] * 12, "b": [True] * 13})
    rows = written(found)
    assert rows[0] == ["'=cmd", "n", "b"]
    assert [row[0] for row in rows[1:]] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\\u0009=1", "'\\u000d=1", "' =1", "'＝1", "a=1", "", "",
        'a,"b"\\u000ac', "\\u001b[31m",
    ]  # fmt: skip
    assert rows[1][1:] == ["-1.5", "true"]


def test_json_keeps_what_csv_cannot() -> None:
    kinds = {
        "t": pa.array([datetime(2026, 1, 5, 10, 0, 0, 250, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        "d": pa.array([date(2026, 1, 5), None]), "f": pa.array([float("nan"), 0.1]),
        "s": pa.array([HOSTILE, ""]), "l": pa.array([["a"], None]), "b": pa.array([b"\x01", None]),
    }  # fmt: skip
    first, second = json_lines(pa.table(kinds))
    assert first.isascii() and "NaN" not in first
    assert json.loads(first) == {
        "t": "2026-01-05T10:00:00.000250Z", "d": "2026-01-05", "f": "nan", "s": HOSTILE, "l": ["a"], "b": "01",
    }  # fmt: skip
    assert json.loads(second) == {"t": None, "d": None, "f": 0.1, "s": "", "l": None, "b": None}


def test_tables_show_hostile_text_on_narrow_and_wide_terminals() -> None:
    found = pa.table({"peer_name": ["[bold]x[/] \x1b[31m" + HOSTILE], "first_time": [datetime(2026, 1, 5, tzinfo=UTC)]})
    for width, sign in ((24, "row 1"), (300, "first_time")):
        page = io.StringIO()
        write(found, "table", "-", Console(file=page, force_terminal=True, color_system=None, width=width))
        said = page.getvalue()
        assert sign in said and "\x1b[31m" not in said and "\u202e" not in said
        assert ("row 1" in said) == (width == 24)
    assert "[bold]x[/] \\u001b[31m" in said


def test_two_columns_of_one_name_are_shown_but_not_stored(tmp_path: Path) -> None:
    found = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert written(found) == [["x", "x"], ["1", "2"]]
    for form in ("json", "parquet"):
        with pytest.raises(LeaseholdError, match=r"two columns are called 'x'.*name one with AS"):
            write(found, form, str(tmp_path / "x"), Console())
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    found = pa.table({"x": [1, None]})
    target = tmp_path / "x"
    for form in ("table", "csv", "json", "parquet"):
        write(found, form, str(target), Console())
        assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert pq.read_table(target).equals(found)
    with pytest.raises(LeaseholdError, match=r"cannot write .*no/x': No such file"):
        write(found, "csv", str(tmp_path / "no" / "x"), Console())
