"""The tables in AWS Glue's catalog, for Athena and whoever else reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.catalog import MARK, GlueTable, differences, is_ours, merged, table_input
from jobs.errors import LeaseholdError
from jobs.show import safe
from jobs.sources.redact import redacted_text
from transforms.schemas.table import Table

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True)
class Outcome:
    """What became of one table."""

    table: str
    what: str
    """created, updated, unchanged, or refused"""
    detail: str = ""


def client() -> Any:
    """Glue, with AWS's usual credentials, region and endpoint. Raises LeaseholdError."""
    with _said("make a client of Glue"):
        retries = {"mode": "standard", "total_max_attempts": 8}
        # boto3 alone does not know AWS_REGION, unlike AWS's other tools.
        region = os.environ.get("AWS_REGION") or None
        return boto3.session.Session(region_name=region).client("glue", config=Config(retries=retries))


def register(glue: Any, tables: Iterable[Table], root: str, database: str, move: bool = False) -> list[Outcome]:
    """Make the tables known in Glue's database, which is made if it is not there; update what differs.

    Registering again changes nothing. A table of the same name that is somebody else's is refused and left as it is;
    so is one of another lake unless `move`. Raises LeaseholdError where AWS refuses, saying what to do.
    """
    _database(glue, database)
    found = _tables(glue, database)
    return [_one(glue, table, root, database, found.get(table.name), move) for table in tables]


def _database(glue: Any, database: str) -> None:
    with _said(f"look up the database {database}", "glue:GetDatabase"):
        try:
            glue.get_database(Name=database)
            return
        except glue.exceptions.EntityNotFoundException:
            pass
    # Another may make it at this moment.
    with (
        _said(f"create the database {database}", "glue:CreateDatabase"),
        suppress(glue.exceptions.AlreadyExistsException),
    ):
        glue.create_database(DatabaseInput={"Name": database, "Description": "Tables of Leasehold"})


def _tables(glue: Any, database: str) -> dict[str, GlueTable]:
    with _said(f"list the tables of {database}", "glue:GetTables"):
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return {table["Name"]: table for page in pages for table in page["TableList"]}


def _one(glue: Any, table: Table, root: str, database: str, found: GlueTable | None, move: bool) -> Outcome:
    wanted = table_input(table, root)
    if found is None:
        with _said(f"create {database}.{table.name}", "glue:CreateTable"):
            glue.create_table(DatabaseName=database, TableInput=wanted)
        return Outcome(table.name, "created")
    if not is_ours(found, table, root):
        there = safe(found.get("StorageDescriptor", {}).get("Location") or "nowhere")
        return Outcome(table.name, "refused", f"another table has this name (at {there}): choose another --database")
    lake = found.get("Parameters", {}).get(MARK, root.rstrip("/"))
    if lake != root.rstrip("/") and not move:
        return Outcome(table.name, "refused", f"it is of the lake {safe(lake)}: another --database, or --move")
    differing = differences(found, wanted)
    if not differing:
        return Outcome(table.name, "unchanged")
    with _said(f"update {database}.{table.name}", "glue:UpdateTable"):
        glue.update_table(DatabaseName=database, TableInput=merged(found, wanted))
    return Outcome(table.name, "updated", ", ".join(differing))


@contextmanager
def _said(doing: str, action: str = "") -> Iterator[None]:
    """AWS's errors in one line, with what to do."""
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        code, message = str(said.get("Code") or "Unknown"), redacted_text(safe(said.get("Message") or ""))[:300]
        advice = (
            f"Allow {action} (conf/iam/catalog-policy.json; with Lake Formation, its permissions, too)"
            if code in _DENIED
            else "Run it again: what is done stays done, and is left as it is"
        )
        raise LeaseholdError(f"cannot {doing}: {code}: {message.rstrip('.')}. {advice}") from None
    except BotoCoreError as error:
        raise LeaseholdError(
            f"cannot {doing}: {safe(error)[:300].rstrip('.')}. Credentials and region are found as by the AWS CLI: "
            "AWS_PROFILE, AWS_REGION, a role"
        ) from None
