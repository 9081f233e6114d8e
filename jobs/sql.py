"""Questions in SQL over the lake: only queries, each table under its own name."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from jobs.errors import LeaseholdError
from jobs.show import safe
from jobs.sql_queries import Value, parameters_in
from jobs.storage import Lake, exists
from transforms.schemas import ALL
from transforms.schemas.table import Table

_NAMES = {table.name: table for table in ALL}
_BEGINNINGS = ("SELECT", "WITH", "VALUES", "TABLE", "FROM", "(")
_GAP = r"(?:\s|/\*.*?\*/|--[^\n]*\n)*"
# What runs programs, Java's methods, or what only turns out when it runs, is none of what the tables say. Looked for in
# the text as it is, so that no comment or quote can hide it: a string that has one of these words can be a parameter.
_NO_QUERY = re.compile(
    rf"\b(?:try_)?reflect\b|\bjava_method\b|\bidentifier\b{_GAP}\(|\busing\b{_GAP}r?['\"]", re.IGNORECASE | re.DOTALL
)
_NOT_THERE = re.compile(
    r"TABLE_OR_VIEW_NOT_FOUND\W+(?:The )?table or view (?:not found: )?`?(?P<name>[\w`.]+)", re.IGNORECASE
)
_NO_COLUMN = re.compile(
    r'UNRESOLVED_COLUMN.*?with name `(?P<spark>.+?)` cannot|Identifier\("(?P<sail>\w+)"\)\]\) is missing'
)

# Else every mistake in a query is a page of Java on standard error, before the line that says it.
logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)


def query(lake: Lake, text: str, values: Mapping[str, Value], limit: int | None) -> pa.Table:
    """The answer's first `limit` + 1 rows (None: all), so that the caller can tell whether there are more.

    Raises LeaseholdError where the text is no query, names no table or column of the lake, or fails.
    """
    statement = text.strip().rstrip(";").strip()
    _refuse(statement)
    require(statement, values)
    try:
        with _views(lake, statement):
            frame = _frame(lake, statement, values)
            return (frame if limit is None else frame.limit(limit + 1)).toArrow()
    except (PySparkException, Py4JError) as error:
        raise LeaseholdError(_said(str(error), lake)) from error


def require(statement: str, values: Mapping[str, Value]) -> None:
    """Raise LeaseholdError if the query names a parameter that has no value."""
    lacking = sorted(parameters_in(statement) - values.keys())
    if lacking:
        raise LeaseholdError(f"the query needs {' '.join(f'--param {name}=…' for name in lacking)}")


def _refuse(statement: str) -> None:
    """Raise LeaseholdError for what does more than read; the engine itself refuses what is no query (`_frame`)."""
    if not statement:
        raise LeaseholdError('give a query: leasehold sql "SELECT * FROM alerts", or --saved NAME (--list has them)')
    found = _NO_QUERY.search(statement)
    if found:
        raise LeaseholdError(
            f"{safe(found[0])!r} is refused: `leasehold sql` only reads the lake's tables, and this can run something"
            " else. If it is part of a text, give the text as a parameter: --param name=TEXT, and :name in the query"
        )


def _frame(lake: Lake, statement: str, values: Mapping[str, Value]) -> DataFrame:
    """The query's frame; an engine runs a command as soon as it is told, so that first it must be one in brackets."""
    bound = dict(values) or None
    try:
        lake.spark.sql(f"SELECT count(*) FROM (\n{statement}\n) AS asked", args=bound).schema  # noqa: B018  analyses
    except (PySparkException, Py4JError) as error:
        if _first_word(statement) not in _BEGINNINGS:
            raise LeaseholdError(
                f"this is no query: it begins with {_first_word(statement)!r}. `leasehold sql` only reads, so give a "
                "SELECT (or WITH, VALUES, TABLE, FROM); `leasehold sql --tables` shows tables and columns"
            ) from error
        raise
    return lake.spark.sql(statement, args=bound)


def _first_word(statement: str) -> str:
    found = re.match(rf"{_GAP}(\w+|\(|\S)", statement + "\n", re.S)
    return safe(found[1].upper()) if found else ""


@contextmanager
def _views(lake: Lake, statement: str) -> Iterator[None]:
    """The tables that the text may mean, each as a view: to open one takes a read of its log."""
    # As they are spelt: Sail takes ALERTS for another view than alerts, Spark for the same.
    tables = {word: _NAMES.get(word.lower()) for word in re.findall(r"\w+", statement)}
    there = {word: table for word, table in tables.items() if table and exists(lake.root, table)}
    for word, table in there.items():
        lake.read(table).createOrReplaceTempView(word)
    try:
        yield
    finally:
        for word in there:
            lake.spark.catalog.dropTempView(word)


def _said(message: str, lake: Lake) -> str:
    """An engine's complaint in one line, with a hint where a table is not known."""
    said = safe(message.strip().partition("\n")[0][:600])
    missing = _NOT_THERE.search(message)
    if missing:
        name = missing["name"].replace("`", "")
        if name.lower() in _NAMES:
            return f"the table {name} is not in {lake.root!r} yet: `leasehold run` makes it"
        return f"there is no table {safe(name)!r} in {lake.root!r}{_like(name)}"
    column = _NO_COLUMN.search(message)
    if column:
        name = safe((column["spark"] or column["sail"]).replace("`", ""))
        return f"there is no column {name!r} there: `leasehold sql --tables TABLE` shows a table's columns"
    return f"the query failed: {said}"


def tables(name: str | None) -> list[tuple[str, str, str]]:
    """(name, rows, what they are) of every table; of one table (column, type, meaning). Raises LeaseholdError."""
    if name is None:
        return [(table.name, f"{len(table.schema.fields)} columns", table.doc) for table in ALL]
    table = _known(name)
    return [(f.name, f.dataType.simpleString(), f.metadata["comment"]) for f in table.schema.fields]


def _known(name: str) -> Table:
    if name not in _NAMES:
        raise LeaseholdError(f"there is no table {name!r}{_like(name)}")
    return _NAMES[name]


def _like(name: str) -> str:
    like = difflib.get_close_matches(name.lower(), _NAMES, n=3, cutoff=0.5)
    return f"{': did you mean ' + ' or '.join(like) + '?' if like else ''} (`leasehold sql --tables` has them all)"
