"""The commands `leasehold catalog …`: the tables for other engines."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs import catalog
from jobs.errors import LeaseholdError
from jobs.object_store import is_remote
from jobs.options import Config, LakeFolder, settings_of
from jobs.show import table as shown
from jobs.storage import exists
from transforms.schemas import ALL
from transforms.schemas.table import Table

app = typer.Typer(help="Make the tables known to Athena (by Glue) and to Trino.", no_args_is_help=True)

Database = Annotated[str, typer.Option(help="Database in Glue's catalog; it is made if it is not there.")]


@app.command()
def register(
    database: Database = "leasehold",
    ddl: Annotated[bool, typer.Option("--ddl", help="Only print the statements for Athena.")] = False,
    move: Annotated[bool, typer.Option("--move", help="Tables of another lake are of this one now.")] = False,
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Create the lake's tables in the Glue catalog, with columns and comments, for Athena; update what differs.

    Registering again changes nothing. A table of the same name that is not Leasehold's is never touched, and the
    command then ends with 1.
    """
    if not re.fullmatch(r"[a-z0-9_]{1,255}", database):
        raise LeaseholdError(f"--database {database!r}: Athena takes lower case letters, digits and _")
    root = _on_s3(settings_of(config, lake).lake)
    if ddl:
        print(catalog.athena_ddl(ALL, root, database), end="")
        return
    from jobs import catalog_glue  # boto3 is slow to import

    there = _there(root)
    outcomes = catalog_glue.register(catalog_glue.client(), there, root, database, move)
    rows = [(f"{database}.{o.table}", o.what, o.detail) for o in outcomes if o.what != "unchanged"]
    if rows:
        Console().print(shown("Tables in Glue", ("table", "what", "why"), rows))
    counts = Counter(outcome.what for outcome in outcomes)
    said = ", ".join(
        f"{counts[what]} {what}" for what in ("created", "updated", "unchanged", "refused") if counts[what]
    )
    print(f"{database}: {said}", file=sys.stderr)
    if counts["refused"]:
        raise typer.Exit(1)


@app.command()
def trino(
    name: Annotated[str, typer.Option("--catalog", help="Trino's catalog.")] = "leasehold",
    schema: Annotated[str, typer.Option(help="Schema for the tables.")] = "leasehold",
    config: Config = None,
    lake: LakeFolder = None,
) -> None:
    """Print the statements that make the tables known to a Trino with a metastore of its own (docs/trino.md)."""
    root = settings_of(config, lake).lake
    tables = _there(root)
    # Trino's locations are no URIs: nothing in them is percent-encoded.
    uri = root if is_remote(root) else f"file://{Path(root).resolve()}"
    print(catalog.trino_statements(tables, uri, name, schema), end="")


def _on_s3(root: str) -> str:
    if not is_remote(root):
        raise LeaseholdError(
            f"Athena reads tables on S3 only, and the lake is {root!r}: give --lake s3://bucket/prefix"
        )
    return root


def _there(root: str) -> list[Table]:
    """The tables that runs have made; a later version may have more."""
    try:
        found = [table for table in ALL if exists(root, table)]
    except OSError as error:
        raise LeaseholdError(f"cannot look into the lake {root!r}: {error.strerror}") from error
    if not found:
        raise LeaseholdError(
            f"there are no tables in {root!r}: give --lake or --config, or make some with `leasehold run`"
        )
    return found
