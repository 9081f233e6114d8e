"""The saved queries on a real Trino, started as docs/trino.md says: the same rows as on both engines.

`make test-trino` fetches Trino and runs this; without it these tests fail instead of skipping themselves.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.catalog import trino_statements
from jobs.export_tables import TABLES, duckdb
from jobs.sql_queries import SavedQuery, filled_in, saved_queries
from jobs.storage import Lake
from simulator.simulate import Options, simulate
from tests.dashboards import chart_sql, lake
from tests.jobs import sql_lake
from tests.jobs.ask_saved import Asked, answers
from tests.jobs.conftest import run_days
from tests.jobs.sql_lake import ASKED, REFUSED
from transforms.schemas import ALL, FUNCTION_FLOWS
from transforms.schemas.table import Table

pytestmark = [pytest.mark.trino, pytest.mark.sail_only]

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "tests" / "fixtures" / "queries"
_DAYS = 2
_PATIENCE = 300.0

Row = list[Any]


@dataclass(frozen=True)
class Trino:
    """A server, as its own protocol shows it."""

    url: str

    def ask(self, statement: str, schema: str = "leasehold") -> tuple[list[dict[str, Any]], list[Row]]:
        """Columns and rows; raises RuntimeError with what Trino says."""
        names = {"User": "test", "Catalog": "leasehold", "Schema": schema, "Time-Zone": "UTC"}
        headers = {f"X-Trino-{name}": value for name, value in names.items()}
        said = _read(urllib.request.Request(f"{self.url}/v1/statement", statement.encode(), headers))
        columns: list[dict[str, Any]] = []
        rows: list[Row] = []
        while True:
            if "error" in said:
                raise RuntimeError(said["error"]["message"])
            columns = said.get("columns") or columns
            rows += said.get("data", [])
            if "nextUri" not in said:
                return columns, rows
            said = _read(urllib.request.Request(said["nextUri"], headers=headers))

    def lines(self, saved: SavedQuery, given: dict[str, str], schema: str) -> list[str]:
        """The answer of a saved query, as `leasehold sql --format json` writes it."""
        columns, rows = self.ask(filled_in(saved.sql, saved.values(given)), schema)
        return [
            json.dumps({c["name"]: _plain(c["type"], value) for c, value in zip(columns, row, strict=True)}) + "\n"
            for row in rows
        ]

    def register(self, root: Path, schema: str, tables: Iterable[Table] = ALL) -> None:
        for statement in trino_statements(tables, f"file://{root}", "leasehold", schema).split(";\n"):
            if statement.strip():
                self.ask(statement)


def _read(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.load(answer))


def _plain(kind: str, value: Any) -> Any:
    """2026-01-05 10:00:00.000 UTC → 2026-01-05T10:00:00Z; everything else is JSON already."""
    if value is None or not kind.startswith("timestamp"):
        return value
    assert value.endswith(" UTC"), value
    return datetime.fromisoformat(value.removesuffix(" UTC") + "Z").isoformat().replace("+00:00", "Z")


def printed(beginning: str) -> str:
    """A command of docs/trino.md."""
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "docs" / "trino.md").read_text(), re.DOTALL)
    [block] = [block for block in blocks if beginning in block]
    return str(block)


@pytest.fixture(scope="module")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    """Started by the page's own command, but for the port and the folders of its data."""
    assert (ROOT / ".trino" / "trino").exists(), "Trino is not there: run `make test-trino`, or `make trino` once"
    work = tmp_path_factory.mktemp("trino")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = printed("launcher run").replace("$PWD/.trino/metastore", f"{work}/metastore")
    command = f"{command.replace('$PWD/.trino/data', f'{work}/data').strip()} \\\n"
    command += f"  -D http-server.http.port={url.rpartition(':')[2]} -D discovery.uri={url}"
    with (work / "log").open("w") as log:
        server = subprocess.Popen(command, shell=True, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(server, url, work / "log")
            yield Trino(url)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/v1/info", timeout=10) as answer:
                if not json.load(answer)["starting"]:
                    return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"Trino did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake of a few rows."""
    root = tmp_path_factory.mktemp("small") / "it's a lake"
    sql_lake.make(root)
    return root


@pytest.fixture(scope="module")
def small(trino: Trino, few_rows: Path) -> str:
    """Its schema."""
    trino.register(few_rows, "small")
    return "small"


def looked_at(saved: SavedQuery) -> list[str]:
    """What a saved query answers of it."""
    return (ANSWERS / f"{saved.name}.jsonl").read_text().splitlines(keepends=True)


@pytest.mark.parametrize("saved", saved_queries(), ids=lambda saved: saved.name)
def test_each_saved_query_gives_the_rows_that_were_looked_at(trino: Trino, small: str, saved: SavedQuery) -> None:
    assert trino.lines(saved, ASKED[saved.name], small) == looked_at(saved)


def test_trino_sees_every_column_of_every_table_with_its_comment(trino: Trino, small: str) -> None:
    _, rows = trino.ask("SELECT table_name, column_name, data_type, comment FROM information_schema.columns", small)
    found = {(table, column): (kind, comment or "") for table, column, kind, comment in rows}
    kinds = {
        "string": "varchar", "int": "integer", "timestamp": "timestamp(3) with time zone",
        "array<string>": "array(varchar)",
    }  # fmt: skip
    for table in ALL:
        for field in table.schema.fields:
            kind = field.dataType.simpleString()
            assert found[table.name, field.name] == (kinds.get(kind, kind), field.metadata["comment"])


def test_trino_never_writes_to_a_lake(trino: Trino, small: str) -> None:
    for statement in (
        "INSERT INTO decisions (decision_id) VALUES ('x')",
        "DELETE FROM alerts",
        "TRUNCATE TABLE alerts",
    ):
        with pytest.raises(RuntimeError, match="Writes are not enabled"):
            trino.ask(statement, small)


@pytest.fixture(scope="module")
def simulated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two days of the simulated account, through all jobs."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, Options(days=_DAYS, rate=0.15, poll_minutes=120, seed=11, data_events=True))
    run_days(spark, folder / "raw", folder / "lake", 0, _DAYS)
    return Lake(spark, str(folder / "lake"))


def asked_of(lake: Lake) -> Asked:
    """Parameters that the lake has an answer to."""
    flows = lake.read(FUNCTION_FLOWS).where("function_name IS NOT NULL AND peer_internal")
    last = flows.orderBy("start_time", "conversation_id", "function_name", ascending=False)
    one = last.select("function_name", "peer_name", "local_addr", "start_time").toArrow().slice(0, 1).to_pylist()[0]
    window, since = {"first": "2026-02-01", "last": "2026-02-02"}, {"since": "2026-02-02"}
    return {
        "alerts-by-function-and-day": window, "api-calls-first-seen": {"since": "2026-02-01"},
        "destinations-first-seen": since | {"outside_only": "false"}, "functions-never-seen": {},
        "how-right-is-each-detection": {"first": "2026-02-01"}, "top-talkers": window,
        "what-changed-after-this-deploy": {"function": one["function_name"], "at": "2026-02-02T11:30Z"},
        "what-could-we-not-see": window, "what-did-this-function-talk-to": {"function": one["function_name"]},
        "which-functions-share-addresses": window,
        "which-functions-talk-to-this-destination": {"destination": one["peer_name"]}, "who-changed-this-function": {},
        "who-had-this-address": {"ip": one["local_addr"], "at": one["start_time"].isoformat()},
    }  # fmt: skip


def test_a_lake_that_the_jobs_made_answers_alike_on_sail_spark_and_trino(
    trino: Trino, simulated: Lake, few_rows: Path, tmp_path: Path
) -> None:
    """And Spark answers of the few rows what was looked at, and refuses what Sail does."""
    asked = asked_of(simulated)
    (tmp_path / "asked").write_text(json.dumps({simulated.root: asked, str(few_rows): ASKED}))
    # This process has told itself by a variable that its Spark is Sail.
    env = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    env["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    command = [sys.executable, "-m", "tests.jobs.ask_saved", "spark", tmp_path / "asked"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env) as spark:
        trino.register(Path(simulated.root), "simulated")
        on_sail = answers(simulated, asked)
        on_trino = {s.name: trino.lines(s, dict(asked[s.name]), "simulated") for s in saved_queries()}
        assert spark.stdout
        on_spark = json.loads(spark.stdout.read())
    assert set(on_sail) == {saved.name for saved in saved_queries()}
    assert on_trino == on_sail
    assert on_spark[simulated.root] == on_sail
    empty = {name for name, lines in on_sail.items() if not lines}
    assert empty <= {"alerts-by-function-and-day", "how-right-is-each-detection", "functions-never-seen",
                     "who-changed-this-function"}, empty  # fmt: skip
    assert on_spark[str(few_rows)] == {saved.name: looked_at(saved) for saved in saved_queries()}
    for (text, part), said in zip(REFUSED, on_spark["refused"], strict=True):
        assert part in said and "\n" not in said, text


def test_the_page_gets_from_nothing_to_an_answer(trino: Trino, simulated: Lake, tmp_path: Path) -> None:
    """Its commands, with another port, lake, days and folder for what they write."""
    told, asked = printed("catalog trino"), printed("--for-trino")
    for command in (told, asked):
        text = command.replace("http://127.0.0.1:8080", trino.url).replace("demo/lake", simulated.root)
        text = text.replace(".trino/tables.sql", f"{tmp_path}/tables.sql").replace(".trino/q.sql", f"{tmp_path}/q.sql")
        text = text.replace("2026-03-06", "2026-02-01").replace("2026-03-12", "2026-02-03")
        text = f"set -e\nexport PYTHONPATH={ROOT}\n{text}"
        done = subprocess.run(text, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "CartService" in done.stdout
    _, [[tables]] = trino.ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'leasehold'")
    assert tables == len(ALL)


def test_dashboards_show_the_same_of_trino_as_of_the_file_for_laptops(
    spark: SparkSession, trino: Trino, tmp_path: Path
) -> None:
    import duckdb as engine

    lake.write(tmp_path / "lake")
    file = tmp_path / "leasehold.duckdb"
    duckdb(Lake(spark, str(tmp_path / "lake")), str(file), None)
    trino.register(tmp_path / "lake", "shown", [table for table, _ in TABLES])

    def plain(value: Any) -> Any:
        """A number, an instant or text, whichever way the engine gives it."""
        if isinstance(value, str) and value.endswith(" UTC"):
            return datetime.fromisoformat(value.removesuffix(" UTC"))
        return (
            round(float(value), 6) if isinstance(value, int | float) else str(value) if type(value) is date else value
        )

    def comparable(rows: Iterable[Iterable[Any]]) -> list[str]:
        return sorted(repr([plain(value) for value in row]) for row in rows)

    with engine.connect(str(file), read_only=True) as opened:
        for chart, statement in chart_sql.statements().items():
            _, rows = trino.ask(statement, "shown")
            assert rows, f"{chart} shows nothing"
            assert comparable(rows) == comparable(opened.execute(statement).fetchall()), f"{chart}: {statement}"
