"""The tables as other engines' catalogs want them: Glue's (for Athena), and statements for Athena and Trino."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.sql_queries import literal
from transforms.schemas.table import Table

GlueTable = dict[str, Any]

MARK = "leasehold.lake"
"""Parameter of the tables that `leasehold catalog register` made: the lake that they are of"""

_LONGEST_COMMENT = 255
_LONGEST_DESCRIPTION = 2048


def location(table: Table, root: str) -> str:
    """Where a table is: `s3://bucket/lake/alerts/`."""
    return f"{root.rstrip('/')}/{table.name}/"


def table_input(table: Table, root: str) -> GlueTable:
    """Glue's TableInput for a table of the lake at `root`.

    Athena and Trino take the columns from Delta's log, and of this only the location and that it is Delta; people, the
    console and Lake Formation see these columns. The partition's column is a partition key, as in what Athena and
    Glue's crawler make of a Delta table, so that it comes last. Spark wants the location as `path`, too; the formats
    are those that Spark, Trino and Databricks write for Delta, and nobody reads by.
    """
    columns = [
        {
            "Name": field.name,
            "Type": field.dataType.simpleString(),
            "Comment": _cut(field.metadata["comment"], _LONGEST_COMMENT),
        }
        for field in table.schema.fields
    ]
    there = location(table, root)
    return {
        "Name": table.name,
        "Description": _cut(table.doc, _LONGEST_DESCRIPTION),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "delta",
            "table_type": "DELTA",
            "spark.sql.sources.provider": "delta",
            MARK: root.rstrip("/"),
        },
        "StorageDescriptor": {
            "Columns": [column for column in columns if column["Name"] != table.partition_by],
            "Location": there,
            "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"serialization.format": "1", "path": there},
            },
        },
        "PartitionKeys": [column for column in columns if column["Name"] == table.partition_by],
    }


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def is_ours(found: GlueTable, table: Table, root: str) -> bool:
    """Did `leasehold catalog register` make this table of Glue's, or somebody with the statements of `athena_ddl`?"""
    if MARK in found.get("Parameters", {}):
        return True
    storage = found.get("StorageDescriptor", {})
    return bool(storage.get("Location", "").rstrip("/") == location(table, root).rstrip("/"))


def merged(found: GlueTable, wanted: GlueTable) -> GlueTable:
    """What to update a table of Glue's to: what is wanted, beside what others have added to it."""
    kept: GlueTable = {name: found[name] for name in ("Owner", "Retention") if name in found}
    storage = {**found.get("StorageDescriptor", {}), **wanted["StorageDescriptor"]}
    serde, wanted_serde = found.get("StorageDescriptor", {}).get("SerdeInfo", {}), storage["SerdeInfo"]
    parameters = {**serde.get("Parameters", {}), **wanted_serde["Parameters"]}
    storage["SerdeInfo"] = {**serde, **wanted_serde, "Parameters": parameters}
    return {
        **kept,
        **wanted,
        "StorageDescriptor": storage,
        "Parameters": {**found.get("Parameters", {}), **wanted["Parameters"]},
    }


def differences(found: GlueTable, wanted: GlueTable) -> list[str]:
    """In what a table of Glue's is not what is wanted, in words; what others have added does not count.

    → ["column bytes_in: new", "location"]
    """
    said = [
        *_columns(found.get("StorageDescriptor", {}).get("Columns", []), wanted["StorageDescriptor"]["Columns"]),
        *_columns(found.get("PartitionKeys", []), wanted["PartitionKeys"], "partition key"),
    ]
    target = merged(found, wanted)
    for name in ("Description", "TableType", "Parameters"):
        if found.get(name) != target[name]:
            said.append(name.lower())
    there = found.get("StorageDescriptor", {})
    for name in ("Location", "InputFormat", "OutputFormat", "SerdeInfo"):
        if there.get(name) != target["StorageDescriptor"][name]:
            said.append(name.lower())
    return said


def _columns(found: list[dict[str, str]], wanted: list[dict[str, str]], what: str = "column") -> list[str]:
    before, after = ({column["Name"]: column for column in columns} for columns in (found, wanted))
    said = [f"{what} {name}: new" for name in after if name not in before]
    said += [f"{what} {name}: gone" for name in before if name not in after]
    said += [
        f"{what} {name}: {part.lower()}"
        for name in after
        for part in ("Type", "Comment")
        if name in before and before[name].get(part, "") != after[name][part]
    ]
    if not said and [column["Name"] for column in found] != [column["Name"] for column in wanted]:
        said.append(f"{what}s: order")
    return said


def athena_ddl(tables: Iterable[Table], root: str, database: str) -> str:
    """Statements by which Athena makes the tables itself; it takes one at a time.

    Athena allows nothing but the location and `table_type` for a Delta table, so that comments are left out.
    """
    statements = [f"CREATE DATABASE IF NOT EXISTS `{database}`;\n"]
    for table in tables:
        path = location(table, root).replace("\\", "\\\\").replace("'", "\\'")
        statements.append(
            f"CREATE EXTERNAL TABLE `{database}`.`{table.name}`\n"
            f"  LOCATION '{path}'\n"
            "  TBLPROPERTIES ('table_type' = 'DELTA');\n"
        )
    return "\n".join(statements)


def trino_statements(tables: Iterable[Table], root: str, catalog: str, schema: str) -> str:
    """Statements by which Trino's Delta Lake connector learns of the tables; `root` is a URI."""
    statements = [f"CREATE SCHEMA IF NOT EXISTS {_name(catalog)}.{_name(schema)};"]
    for table in tables:
        statements.append(
            f"CALL {_name(catalog)}.system.register_table(schema_name => {literal(schema)}, "
            f"table_name => {literal(table.name)}, table_location => {literal(location(table, root).rstrip('/'))});"
        )
    return "\n".join(statements) + "\n"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
