"""`leasehold sql`: what is asked, what is refused, and what saved queries answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs import sql_queries
from jobs.cli import app
from jobs.errors import LeaseholdError
from jobs.sql import query, require
from jobs.sql_output import json_lines
from jobs.sql_queries import SavedQuery, filled_in, literal, parameters_in, parse, saved_queries, saved_query
from jobs.storage import Lake
from tests.jobs import sql_lake
from tests.jobs.sql_lake import ASKED, HOSTILE, REFUSED, ROWS
from tests.lakes import leasehold
from transforms.schemas import ALERTS, ALL

ANSWERS = Path(__file__).parents[1] / "fixtures" / "queries"
"""What each saved query answers, an object a line; looked at, row by row, when they were made"""

QUERIES = saved_queries()


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return sql_lake.make(tmp_path_factory.mktemp("sql") / "lake", spark)


def ask(lake: Lake, text: str, limit: int | None = None, **values: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query(lake, text, values, limit).to_pylist()
    return found


@pytest.mark.parametrize("saved", QUERIES, ids=lambda saved: saved.name)
def test_each_saved_query_gives_the_rows_that_were_looked_at(lake: Lake, saved: SavedQuery) -> None:
    found = query(lake, saved.sql, saved.values(ASKED[saved.name]), None)
    assert list(json_lines(found)) == (ANSWERS / f"{saved.name}.jsonl").read_text().splitlines(keepends=True)
    assert found.num_rows > 0


def test_every_table_is_there_under_its_own_name(lake: Lake) -> None:
    for table in ALL:
        rows = ROWS[table.name][1] if table.name in ROWS else []
        assert ask(lake, f"SELECT count(*) AS n FROM {table.name.upper()}") == [{"n": len(rows)}], table.name


def test_values_are_bound_and_never_pasted(lake: Lake) -> None:
    assert ask(lake, "SELECT :x AS x, ':x' AS y -- :y", x=HOSTILE) == [{"x": HOSTILE, "y": ":x"}]
    times = {"t": datetime(2026, 1, 5, 10, tzinfo=UTC), "d": date(2026, 1, 5), "n": 5, "f": 0.5, "b": True}
    [row] = ask(lake, "SELECT :t AS t, :d AS d, :n AS n, :f AS f, :b AS b", **times)
    assert row == times
    [peer] = ask(lake, "SELECT DISTINCT peer_name FROM function_flows WHERE peer_name = :p;", p=HOSTILE)
    assert peer == {"peer_name": HOSTILE}


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[text[:30] for text, _ in REFUSED])
def test_what_is_no_query_is_refused_and_says_why(lake: Lake, text: str, said: str) -> None:
    before = deltalake.DeltaTable(lake.path(ALERTS)).version()
    with pytest.raises(LeaseholdError) as raised:
        ask(lake, text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1000
    assert deltalake.DeltaTable(lake.path(ALERTS)).version() == before
    assert ask(lake, "SELECT count(*) AS n FROM alerts") == [{"n": 6}]


def test_queries_of_every_sort_are_answered(lake: Lake) -> None:
    assert ask(lake, "WITH a AS (SELECT 1 AS x) SELECT x FROM a -- the end") == [{"x": 1}]
    assert ask(lake, "(SELECT 1 AS x) UNION ALL (SELECT 2) ORDER BY x DESC") == [{"x": 2}, {"x": 1}]
    assert len(ask(lake, "VALUES (1), (2);")) == 2
    ids = [row["alert_id"] for row in ask(lake, "SELECT alert_id FROM alerts ORDER BY alert_id DESC", limit=2)]
    assert ids == ["a6", "a5", "a4"]  # one more than asked for: there is more


def test_a_table_that_no_run_made_yet_is_said(spark: SparkSession, tmp_path: Path) -> None:
    some = Lake(spark, str(tmp_path))
    some.create([ALERTS])
    assert ask(some, "SELECT title AS coverage FROM alerts") == []
    with pytest.raises(LeaseholdError, match=r"coverage is not in .* yet: `leasehold run` makes it"):
        ask(some, "SELECT * FROM coverage")


# Saved queries by themselves: no engine.


def test_the_committed_page_is_what_the_headers_say() -> None:
    committed = Path(__file__).parents[2] / "docs" / "queries.md"
    assert committed.read_text(encoding="utf-8") == sql_queries.markdown(), "run `make docs`"


@pytest.mark.parametrize("saved", QUERIES, ids=lambda saved: saved.name)
def test_headers_and_statements_agree(saved: SavedQuery) -> None:
    names = [parameter.name for parameter in saved.parameters]
    assert saved.question.endswith("?") and max(Counter(names).values(), default=1) == 1
    assert parameters_in(saved.sql) == set(names) == set(saved.values(saved.example))
    # Spark reads a backslash as an escape and "x" as text, Trino does not; the test with Trino asks the rest.
    assert "\\" not in saved.sql and '"' not in saved.sql and saved.sql.count(";") == 0
    assert set(ASKED) == {query.name for query in QUERIES}


def test_a_header_is_read() -> None:
    text = (
        '-- Who?\n--\n-- Note one,\n-- two.\n--\n-- Parameters:\n--   a (int): first\n--   b (string, default ""): x\n'
    )
    read = parse("n", text + "--\n-- Example: a=1 'b=x y'\nSELECT :a,\n  :b\n")
    assert (read.question, read.notes, read.sql) == ("Who?", "Note one, two.", "SELECT :a,\n  :b\n")
    assert [(p.name, p.kind, p.default) for p in read.parameters] == [("a", "int", None), ("b", "string", "")]
    assert read.example == {"a": "1", "b": "x y"} and read.values({"a": "7"}) == {"a": 7, "b": ""}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs --param ip=… --param at=…"),
        ({"ip": "10.0.0.1"}, r"at: the instant \(timestamp\)"),
        ({"ip": "10.0.0.256", "at": "2026-01-05"}, "--param ip: '10.0.0.256' is not an IP address, like"),
        ({"ip": "10.0.0.1", "at": "noon"}, "--param at: 'noon' is not a time, like 2026-01-05T10:00Z"),
        ({"ip": "10.0.0.1", "at": "2026-01-05", "xy": ""}, "no parameter 'xy': it takes ip, at, vpc"),
    ],
)
def test_parameters_given_wrongly_are_said(given: dict[str, str], said: str) -> None:
    with pytest.raises(LeaseholdError, match=said):
        saved_query("who-had-this-address").values(given)


def test_names_like_it_are_offered() -> None:
    with pytest.raises(LeaseholdError, match="did you mean who-had-this-address"):
        saved_query("who-had-that-address")
    with pytest.raises(LeaseholdError, match="--param a=… --param b=…"):
        require("SELECT :b, :a, ':c' -- :d", {})


def test_literals_cannot_be_ended_from_within() -> None:
    assert literal(HOSTILE) == "'" + HOSTILE.replace("'", "''") + "'"
    assert literal("'; DROP TABLE x --") == "'''; DROP TABLE x --'"
    assert [literal(v) for v in (True, -5, -0.5, 1e300)] == [
        "TRUE", "BIGINT '-5'", "DOUBLE '-0.5'", "DOUBLE '1e+300'",
    ]  # fmt: skip
    assert literal(date(986, 1, 5)) == "DATE '0986-01-05'"
    moment = datetime.fromisoformat("2026-01-05T12:00:00.5+02:00")
    assert literal(moment) == "TIMESTAMP '2026-01-05 10:00:00.500000 UTC'"


def test_only_parameters_are_filled_in() -> None:
    text = """SELECT a::int, ':x', 'it''s :x', ":x", `:x` -- :x it's\n/* :x\n*/ FROM t WHERE a = :x AND b -:n > 0"""
    filled = filled_in(text, {"x": "';:n", "n": -1})
    assert filled == text.replace("a = :x", "a = ''';:n'").replace("-:n", "-BIGINT '-1'")
    with pytest.raises(KeyError):
        filled_in(":y", {"x": 1})


# The command, as it is typed.


@pytest.mark.sail_only
def test_the_command_from_question_to_file(lake: Lake, tmp_path: Path) -> None:
    at = ("--lake", lake.root)
    saved = ("--saved", "which-functions-talk-to-this-destination", "--param", f"destination={HOSTILE}")
    rows = leasehold("sql", *saved, "--format", "json", *at)
    assert [json.loads(line)["function_name"] for line in rows.stdout.splitlines()] == ["f", None]
    assert rows.stderr == "2 rows\n"
    cut = leasehold("sql", "SELECT alert_id FROM alerts ORDER BY 1", "--limit", 2, "--format", "csv", *at)
    assert cut.stdout == "alert_id\na1\na2\n"
    assert cut.stderr == "cut off after 2 rows, there are more: --limit N, or 0 for all of them\n"
    target = tmp_path / "a.parquet"
    kept = leasehold("sql", "TABLE alerts", "--limit", 0, "--format", "parquet", "-o", target, *at)
    assert pq.read_table(target).num_rows == 6 and kept.stderr == f"6 rows in {target}\n"


def typed(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["sql", *arguments], env={"COLUMNS": "250"})
    return str(done.exception) if done.exit_code else done.stdout


def test_the_command_without_a_lake() -> None:
    listed = typed("--list")
    assert all(query.name in listed and query.question in listed for query in QUERIES)
    assert "One alert with its life" in typed("--tables")
    assert "stable: the same finding" in typed("--tables", "alerts")
    printed = typed("--saved", "api-calls-first-seen", "--param", "since=2026-01-05", "--for-trino")
    assert "HAVING min(date) >= DATE '2026-01-05'" in printed
    assert "write it NAME=VALUE" in typed("SELECT 1", "--param", "x")
    assert "not both" in typed("SELECT 1", "--saved", "top-talkers")
    assert "parquet needs a file: -o" in typed("SELECT 1", "--format", "parquet")
    assert "there are no tables in" in typed("SELECT 1", "--lake", "nowhere")
    assert "did you mean alerts" in typed("--tables", "alert")


def test_saved_queries_are_in_the_wheel(tmp_path: Path) -> None:
    """Where `docs/` is not, they are beside the code."""
    root = Path(__file__).parents[2]
    included = re.search(r'force-include\]\n"docs/queries" = "jobs/queries"', (root / "pyproject.toml").read_text())
    assert included
    (tmp_path / "jobs").mkdir()
    for name in ("sql_queries.py", "errors.py", "window.py", "__init__.py"):
        (tmp_path / "jobs" / name).write_text((root / "jobs" / name).read_text())
    (tmp_path / "jobs" / "queries").symlink_to(root / "docs" / "queries")
    listing = "from jobs.sql_queries import saved_queries; print(len(saved_queries()))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == f"{len(QUERIES)}\n"
