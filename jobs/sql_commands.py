"""The command `leasehold sql`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from conf.settings import load
from jobs import sql as asking
from jobs.errors import LeaseholdError
from jobs.options import Config, EngineName, LakeFolder, Master, opened
from jobs.show import table
from jobs.sql_output import FORMATS, write
from jobs.sql_queries import Value, command, filled_in, saved_queries, saved_query

_LIMIT = 1000


class Format(StrEnum):
    """What an answer is written as."""

    table, csv, json, parquet = FORMATS


def sql(
    text: Annotated[
        str, typer.Argument(metavar="QUERY", help="A SELECT over the tables, by their names; - reads it from stdin.")
    ] = "",
    saved: Annotated[str | None, typer.Option(metavar="NAME", help="Ask a saved query instead (--list).")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A value for :NAME in the query, bound, never pasted. Repeatable."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="json: an object a line; csv: safe to open in a spreadsheet.")
    ] = Format.table,
    output: Annotated[str, typer.Option("--output", "-o", help="A file; - is standard output.")] = "-",
    limit: Annotated[int, typer.Option(min=0, help="At most so many rows; 0: all, held in memory.")] = _LIMIT,
    list_saved: Annotated[bool, typer.Option("--list", help="List the saved queries.")] = False,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables; with a name its columns.")] = False,
    for_trino: Annotated[
        bool,
        typer.Option("--for-trino", help="Only print the query for Trino or Athena, parameters filled in."),
    ] = False,
    config: Config = None,
    lake: LakeFolder = None,
    engine: EngineName = None,
    master: Master = None,
) -> None:
    """Ask the tables in SQL: `leasehold sql "SELECT title, functions FROM alerts"`.

    It only reads: other statements are refused. Times are UTC. The saved queries are in docs/queries.md.
    """
    console = Console()
    if list_saved:
        rows = [(query.name, query.question, command(query, query.example)) for query in saved_queries()]
        console.print(table("Saved queries", ("name", "question", "example"), rows))
        return
    if tables:
        name = text.strip() or None
        columns = ("column", "type", "meaning") if name else ("table", "columns", "what a row is")
        console.print(table(name or "Tables", columns, asking.tables(name)))
        return
    statement, values = _asked(text, saved, param or [])
    asking.require(statement, values)
    if for_trino:
        print(filled_in(statement, values).strip().rstrip(";") + ";")
        return
    if form is Format.parquet and output == "-":
        raise LeaseholdError("--format parquet needs a file: -o answer.parquet")
    settings = load(str(config) if config else None, lake=lake, engine=engine and engine.value, master=master)
    with opened(settings, engine=settings.engine) as there:
        found = asking.query(there, statement, values, limit or None)
    more = bool(limit) and found.num_rows > limit
    write(found.slice(0, limit) if more else found, form.value, output, console)
    where = f" in {output}" if output != "-" else ""
    count = f"{found.num_rows:,} row{'' if found.num_rows == 1 else 's'}{where}"
    cut = f"cut off after {limit:,} rows{where}, there are more: --limit N, or 0 for all of them"
    print(cut if more else count, file=sys.stderr)


def _asked(text: str, saved: str | None, params: list[str]) -> tuple[str, dict[str, Value]]:
    """The statement and its values: of a saved query of their kinds, else texts."""
    given: dict[str, str] = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name.isidentifier():
            raise LeaseholdError(f"--param {param!r}: write it NAME=VALUE, like ip=10.0.1.5")
        if name in given:
            raise LeaseholdError(f"--param {name} is given twice")
        given[name] = value
    if saved is None:
        return (sys.stdin.read() if text == "-" else text), dict(given)
    if text:
        raise LeaseholdError("give a query or --saved NAME, not both")
    query = saved_query(saved)
    return query.sql, query.values(given)
