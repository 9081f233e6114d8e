"""Saved queries: SQL in `docs/queries/`, whose header says the question and the parameters.

`python -m jobs.sql_queries > docs/queries.md` makes their page.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from jobs.errors import LeaseholdError
from jobs.window import parse_time

_BESIDE = Path(__file__).parent
_FOLDERS = (_BESIDE.parent / "docs" / "queries", _BESIDE / "queries")
"""in the repository; in the wheel"""

_PARAMETER = re.compile(r'(?P<name>\w+) \((?P<kind>\w+)(?:, default "(?P<default>[^"]*)")?\): (?P<meaning>.+)')
# What may hide a colon comes first: strings, names in quotes, comments.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`|--[^\n]*|/\*.*?\*/|(?<!:):(?P<name>[A-Za-z_]\w*)""", re.DOTALL)

Value = str | int | float | bool | date | datetime


@dataclass(frozen=True)
class Parameter:
    """What a query is told by name."""

    name: str
    kind: str
    """address, string, int, double, boolean, date or timestamp"""
    default: str | None
    """None: it must be given"""
    meaning: str


@dataclass(frozen=True)
class SavedQuery:
    """One file of `docs/queries/`."""

    name: str
    question: str
    notes: str
    parameters: tuple[Parameter, ...]
    example: dict[str, str]
    sql: str

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """The parameters' values; raises LeaseholdError, which says what is missing, unknown or written wrongly."""
        names = [parameter.name for parameter in self.parameters]
        unknown = sorted(given.keys() - set(names))
        if unknown:
            takes = f"it takes {', '.join(names)}" if names else "it takes none"
            raise LeaseholdError(f"{self.name} has no parameter {unknown[0]!r}: {takes}")
        lacking = [p for p in self.parameters if p.name not in given and p.default is None]
        if lacking:
            needed = " ".join(f"--param {p.name}=…" for p in lacking)
            told = "; ".join(f"{p.name}: {p.meaning} ({p.kind})" for p in lacking)
            raise LeaseholdError(f"{self.name} needs {needed} ({told})")
        texts = {p.name: given.get(p.name, p.default or "") for p in self.parameters}
        return {p.name: typed(p.kind, texts[p.name], f"--param {p.name}") for p in self.parameters}


def saved_queries() -> list[SavedQuery]:
    """All saved queries, by name."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        raise LeaseholdError(f"the saved queries are not in {_FOLDERS[0]}: install Leasehold again")
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]


def saved_query(name: str) -> SavedQuery:
    """The query of this name; raises LeaseholdError, which names those that are like it."""
    queries = {query.name: query for query in saved_queries()}
    if name in queries:
        return queries[name]
    like = difflib.get_close_matches(name, queries, n=3)
    raise LeaseholdError(
        f"there is no saved query {name!r}{': did you mean ' + ' or '.join(like) + '?' if like else ''}"
        " (`leasehold sql --list` has them all)"
    )


def parse(name: str, text: str) -> SavedQuery:
    """A query from its file: a header of comments, then one statement.

    The header: the question; notes; `Parameters:` with lines `name (kind, default "…"): meaning`; `Example: a=b`.
    """
    lines = text.splitlines()
    body = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    header = [line[2:].strip() for line in lines[:body]]
    at = next(number for number, line in enumerate(header) if line.startswith("Example:"))
    first = header.index("Parameters:") if "Parameters:" in header else at
    parameters = [_PARAMETER.fullmatch(line) for line in header[first + 1 : at] if line]
    if not all(parameters):
        raise ValueError(f'{name}: a parameter is written `name (kind, default "…"): meaning`')
    words = shlex.split(header[at].removeprefix("Example:"))
    return SavedQuery(
        name=name,
        question=header[0],
        notes=" ".join(line for line in header[1:first] if line),
        parameters=tuple(Parameter(p["name"], p["kind"], p["default"], p["meaning"]) for p in parameters if p),
        example=dict(word.split("=", 1) for word in words),
        sql="\n".join(lines[body:]) + "\n",
    )


def typed(kind: str, text: str, where: str) -> Value:
    """The text of a parameter as a value of its kind; raises LeaseholdError.

    `typed("timestamp", "2026-02-05T06:12Z", "--param at")` → 2026-02-05 06:12 UTC.
    """
    reader, example = _KINDS[kind]
    try:
        return reader(text)
    except (KeyError, ValueError, OverflowError, LeaseholdError):
        raise LeaseholdError(f"{where}: {text!r} is not {example}") from None


_KINDS: dict[str, tuple[Callable[[str], Value], str]] = {
    "address": (lambda text: ip_address(text.strip()).compressed, "an IP address, like 10.0.1.102 or 2001:db8::1"),
    "string": (str, "text"),
    "int": (int, "a whole number"),
    "double": (float, "a number"),
    "boolean": (lambda text: {"true": True, "false": False}[text.strip().lower()], "true or false"),
    "date": (lambda text: date.fromisoformat(text.strip()), "a day, like 2026-01-05"),
    "timestamp": (lambda text: parse_time(text, ""), "a time, like 2026-01-05T10:00Z"),
}


def parameters_in(sql: str) -> set[str]:
    """The names behind colons, outside strings and comments: `SELECT ':a', :b` → b."""
    return {found["name"] for found in _TOKEN.finditer(sql) if found["name"]}


def filled_in(sql: str, values: Mapping[str, Value]) -> str:
    """The statement with its parameters as literals, for Trino and Athena.

    Engines that bind parameters are given them apart; this is for where SQL is text only. Strings and comments stay as
    they are. Raises KeyError for a parameter without a value.
    """
    return _TOKEN.sub(lambda found: literal(values[found["name"]]) if found["name"] else found[0], sql)


def literal(value: Value) -> str:
    """A value as a typed literal of Trino's and Athena's SQL, which nothing in the value can end.

    >>> literal("it's")
    "'it''s'"
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    # In quotes, so that no sign makes a comment of what stands before it (`a -:b`).
    if isinstance(value, int):
        return f"BIGINT '{value}'"
    if isinstance(value, float):
        return f"DOUBLE '{value!r}'"
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return f"TIMESTAMP '{utc.isoformat(' ', 'microseconds')} UTC'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"


def command(query: SavedQuery, given: Mapping[str, str]) -> str:
    """What to type: `leasehold sql --saved NAME --param …`."""
    words = [f"--param {shlex.quote(f'{name}={text}')}" for name, text in given.items()]
    return " ".join(["leasehold sql --saved", query.name, *words])


def markdown() -> str:
    """The page of all saved queries."""
    return _INTRODUCTION + "".join(_section(query) for query in saved_queries())


_INTRODUCTION = """# Saved queries

Made from the headers of `docs/queries/*.sql` by `make docs`. `leasehold sql --list` lists them, and

```
leasehold sql --saved who-had-this-address --param ip=10.0.1.109 --param at=2026-02-05T06:12Z
```

asks one of the lake, with its parameters bound, on the embedded engine or on Spark (`--engine spark`); `--format csv`,
`json` or `parquet` with `-o FILE` for other programs. With `--for-trino` it is printed instead, with the parameters as
literals: for Athena, once `leasehold catalog register` has made the tables known there, and for Trino
([how](trino.md)). They are written in the SQL that all of them have, and give the same rows on each.

Times and days are UTC; [the data dictionary](data_dictionary.md) says what each column means.
"""


def _section(query: SavedQuery) -> str:
    lines = [f"\n## {query.question}\n", f"[`{query.name}`](queries/{query.name}.sql)\n"]
    if query.notes:
        lines.append(f"{query.notes}\n")
    if query.parameters:
        lines += ["| parameter | type | meaning |", "|---|---|---|"]
        lines += [f"| `{p.name}` | {p.kind} | {p.meaning}{_default(p)} |" for p in query.parameters]
        lines.append("")
    lines += ["```", command(query, query.example), "```"]
    return "\n".join(lines) + "\n"


def _default(parameter: Parameter) -> str:
    if parameter.default is None:
        return ""
    return f"; default: {parameter.default}" if parameter.default else "; default: any"


def example_values(query: SavedQuery) -> dict[str, Any]:
    """The values of the header's example."""
    return query.values(query.example)


if __name__ == "__main__":
    print(markdown(), end="")
