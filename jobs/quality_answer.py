"""What `leasehold quality` shows: the last check of each table, failures first; Data Docs of the same."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import Window
from pyspark.sql import functions as F
from rich.console import Console
from rich.text import Text

from jobs.errors import LeaseholdError
from jobs.quality import accept
from jobs.show import Row, as_json, moment, safe, table
from jobs.storage import Lake
from transforms.schemas import QUALITY_GATES, QUALITY_RESULTS
from transforms.schemas.suites import CHECKS

_STYLES = {"critical": "bold red", "warning": "yellow"}


def quality(
    lake: Lake, console: Console, name: str | None, docs: Path | None, accepted: str | None, json: bool
) -> None:
    """The checks of each table's last validation; of one table also those that passed."""
    if name is not None and name not in CHECKS:
        raise LeaseholdError(f"there are no checks of {name!r}; there are of {', '.join(CHECKS)}")
    if accepted is not None:
        console.print(Text(f"Accepted, of {accepted}: {safe(accept(lake, accepted))}"))
        return
    rows = _last(lake)
    if docs is not None:
        console.print(Text(f"Data Docs of {len({row['table_name'] for row in rows})} tables: {_docs(rows, docs)}"))
        return
    chosen = [row for row in rows if row["table_name"] == name] if name else [r for r in rows if r["message"]]
    if json:
        print(as_json([{key: value for key, value in row.items() if key != "result"} for row in chosen]))
        return
    stopped = lake.read(QUALITY_GATES).where("failure IS NOT NULL").select("table_name").toArrow()["table_name"]
    for held in sorted(stopped.to_pylist()):
        console.print(Text(f"Later jobs wait until {held} is mended or accepted.", style=_STYLES["critical"]))
    console.print(_table(chosen, f"Failed checks ({len(chosen)} of {len(rows)})" if not name else f"Checks of {name}"))


def _last(lake: Lake) -> list[Row]:
    """The rows of each table's last validation: failures first, critical ones before warnings."""
    latest = Window.partitionBy("table_name").orderBy(F.col("checked_at").desc(), "validation_id")
    results = lake.read(QUALITY_RESULTS).withColumn("place", F.dense_rank().over(latest)).where("place = 1")
    rows: list[Row] = results.drop("place").toArrow().to_pylist()
    order = {"failed": 0, "accepted": 1, "passed": 2}
    return sorted(rows, key=lambda r: (order[r["outcome"]], r["severity"], r["table_name"], r["check_name"]))


def _table(rows: list[Row], title: str) -> object:
    columns = ("table", "check", "outcome", "checked", "what was found")
    shown = [
        (
            row["table_name"],
            row["check_name"],
            row["outcome"] if row["outcome"] == "passed" else f"{row['outcome']}, {row['severity']}",
            f"{row['checked_rows']:,} rows, {moment(row['checked_at'])}",
            row["message"] or "",
        )
        for row in rows
    ]
    styles = {n: _STYLES[row["severity"]] for n, row in enumerate(rows) if row["outcome"] == "failed"}
    return table(title, columns, shown, styles)


def _docs(rows: list[Row], folder: Path) -> Path:
    from jobs.expectations import build_docs  # slow to import

    validations: dict[str, list[Row]] = {}
    for row in rows:
        if row["result"]:
            validations.setdefault(row["table_name"], []).append(row)
    return build_docs(
        [(name, of[0]["checked_at"], [row["result"] for row in of]) for name, of in validations.items()], folder
    )
