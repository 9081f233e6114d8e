"""`leasehold catalog`: what Glue is told, read back; what it is never told; what Athena and Trino are given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs import object_store
from jobs.catalog import MARK, athena_ddl, differences, merged, table_input, trino_statements
from jobs.catalog_glue import client, register
from jobs.cli import app
from jobs.errors import LeaseholdError
from jobs.storage import Lake
from tests.jobs.collect.aws import Aws
from tests.jobs.collect.conftest import aws  # noqa: F401  a fixture
from transforms.schemas import ALERTS, ALL, COVERAGE, DECISIONS, FUNCTION_FLOWS
from transforms.schemas.table import Table

LAKE = "s3://lake/prefix"
POLICY = json.loads((Path(__file__).parents[2] / "conf" / "iam" / "catalog-policy.json").read_text())

Row = dict[str, Any]


@pytest.fixture
def glue(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    made = client()
    aws.calls.clear()
    return made


@pytest.fixture
def s3(glue: Any) -> Iterator[None]:  # noqa: ARG001  its environment
    """An empty bucket for a lake."""
    object_store._client.cache_clear()
    where = {"LocationConstraint": "eu-west-1"}
    object_store._client().create_bucket(Bucket="lake", CreateBucketConfiguration=where)
    yield
    object_store._client.cache_clear()


def made(*tables: Table) -> None:
    """The tables are there, as far as a listing tells."""
    for table in tables:
        object_store.put(f"{LAKE}/{table.name}/_delta_log/00000000000000000000.json", b"{}")


def leasehold(*arguments: str) -> tuple[int, str]:
    """Exit code, and all that is said."""
    done = CliRunner().invoke(app, ["catalog", *arguments], env={"COLUMNS": "200"})
    return done.exit_code, f"{done.output}{done.exception or ''}"


def tables(glue: Any, database: str = "leasehold") -> dict[str, Row]:
    return {table["Name"]: table for table in glue.get_tables(DatabaseName=database)["TableList"]}


def stored(table: Row) -> Row:
    """What of a table of Glue's is not Glue's own."""
    return {name: table.get(name) for name in ("Name", "Description", "TableType", "Parameters", "StorageDescriptor")}


@pytest.mark.usefixtures("s3")
def test_what_was_registered_reads_back_as_the_contracts(glue: Any) -> None:
    made(*ALL)
    code, said = leasehold("register", "--lake", LAKE)
    assert code == 0 and f"{len(ALL)} created" in said
    found = tables(glue)
    assert set(found) == {table.name for table in ALL}
    for table in ALL:
        storage, keys = found[table.name]["StorageDescriptor"], found[table.name]["PartitionKeys"]
        read = [(c["Name"], c["Type"], c["Comment"]) for c in storage["Columns"] + keys]
        told = [(f.name, f.dataType.simpleString(), short(f.metadata["comment"])) for f in table.schema.fields]
        # The partition's column comes last.
        assert read == sorted(told, key=lambda column: column[0] == table.partition_by)
        assert [key["Name"] for key in keys] == [name for name in [table.partition_by] if name]
        assert found[table.name]["Description"] == table.doc
        assert found[table.name]["TableType"] == "EXTERNAL_TABLE"
        assert found[table.name]["Parameters"]["table_type"] == "DELTA"
        assert found[table.name]["Parameters"]["spark.sql.sources.provider"] == "delta"
        assert storage["Location"] == storage["SerdeInfo"]["Parameters"]["path"] == f"{LAKE}/{table.name}/"


def short(comment: str) -> str:
    """Glue's limit is 255 characters."""
    return comment if len(comment) < 256 else f"{comment[:254]}…"


def test_glue_takes_all_that_it_is_told() -> None:
    """Its limits, which moto does not keep."""
    for table in ALL:
        wanted = table_input(table, LAKE)
        columns = [*wanted["StorageDescriptor"]["Columns"], *wanted["PartitionKeys"]]
        assert len(wanted["Description"]) <= 2048
        assert all(len(column["Comment"]) <= 255 and "\n" not in column["Comment"] for column in columns)
        assert len({column["Name"].lower() for column in columns}) == len(columns)
        assert all(column["Name"] == column["Name"].lower() for column in columns)


def test_registering_again_changes_nothing(glue: Any, aws: Aws) -> None:  # noqa: F811
    assert {outcome.what for outcome in register(glue, ALL, LAKE, "d")} == {"created"}
    before = {name: stored(table) for name, table in tables(glue, "d").items()}
    aws.calls.clear()
    assert {outcome.what for outcome in register(glue, ALL, f"{LAKE}/", "d")} == {"unchanged"}
    assert [call.operation for call in aws.calls] == ["GetDatabase", "GetTables"]
    assert {name: stored(table) for name, table in tables(glue, "d").items()} == before


def test_only_what_differs_is_updated_and_what_others_added_stays(glue: Any, aws: Aws) -> None:  # noqa: F811
    register(glue, [ALERTS, COVERAGE], LAKE, "d")
    old, wanted = table_input(COVERAGE, LAKE), table_input(COVERAGE, LAKE)
    old["StorageDescriptor"]["Columns"] = [
        {"Name": "gone", "Type": "string", "Comment": ""},
        *[c | {"Comment": "old"} if c["Name"] == "region" else c for c in old["StorageDescriptor"]["Columns"][:-1]],
    ]
    old["Parameters"] |= {"team": "security", "delta.lastUpdateVersion": "7"}
    old["Owner"] = "somebody"
    old["StorageDescriptor"]["SerdeInfo"]["Parameters"]["theirs"] = "1"
    glue.update_table(DatabaseName="d", TableInput=old)
    aws.calls.clear()
    same, updated = register(glue, [ALERTS, COVERAGE], LAKE, "d")
    last = COVERAGE.schema.names[-1]
    assert (same.what, updated.what) == ("unchanged", "updated")
    assert updated.detail == f"column {last}: new, column gone: gone, column region: comment"
    assert [params["TableInput"]["Name"] for params in aws.asked("UpdateTable")] == ["coverage"]
    found = tables(glue, "d")["coverage"]
    assert found["StorageDescriptor"]["Columns"] == wanted["StorageDescriptor"]["Columns"]
    assert found["Parameters"] == wanted["Parameters"] | {"team": "security", "delta.lastUpdateVersion": "7"}
    assert found["StorageDescriptor"]["SerdeInfo"]["Parameters"]["theirs"] == "1" and found["Owner"] == "somebody"
    assert differences(found, wanted) == []


@pytest.mark.usefixtures("s3")
def test_tables_that_are_not_ours_are_never_touched(glue: Any, aws: Aws) -> None:  # noqa: F811
    made(ALERTS, COVERAGE)
    glue.create_database(DatabaseInput={"Name": "leasehold"})
    theirs = {"Name": "alerts", "StorageDescriptor": {"Location": "s3://theirs/\x1b[31malerts"}, "Parameters": {}}
    glue.create_table(DatabaseName="leasehold", TableInput=theirs)
    glue.create_table(DatabaseName="leasehold", TableInput={**theirs, "Name": "unrelated"})
    before = tables(glue)
    code, said = leasehold("register", "--lake", LAKE)
    assert code == 1 and "1 created, 1 refused" in said and "\x1b[31m" not in said
    assert "another table has this name" in said and "choose another --database" in said
    assert {name: tables(glue)[name] for name in before} == before
    assert not [call for call in aws.calls if call.operation in ("UpdateTable", "DeleteTable")]


def test_tables_of_another_lake_move_only_when_told(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": "d"})
    first = [o.what for o in register(glue, [ALERTS], "s3://old/lake", "d")]
    refused = register(glue, [ALERTS], LAKE, "d")[0]
    assert (first, refused.what) == (["created"], "refused") and "s3://old/lake" in refused.detail
    moved = register(glue, [ALERTS], LAKE, "d", move=True)[0]
    assert moved.what == "updated" and "location" in moved.detail
    assert tables(glue, "d")["alerts"]["Parameters"][MARK] == LAKE


def test_what_athena_made_of_the_printed_statements_is_ours(glue: Any) -> None:
    """Athena's own tables have no mark of ours, but they are where ours are."""
    glue.create_database(DatabaseInput={"Name": "d"})
    theirs = {"Name": "alerts", "StorageDescriptor": {"Location": f"{LAKE}/alerts", "Columns": []}}
    glue.create_table(DatabaseName="d", TableInput=theirs | {"Parameters": {"table_type": "delta"}})
    assert register(glue, [ALERTS], LAKE, "d")[0].what == "updated"
    assert register(glue, [ALERTS], LAKE, "d")[0].what == "unchanged"


@pytest.mark.usefixtures("s3")
def test_every_call_is_in_the_policy_and_nothing_besides(glue: Any, aws: Aws) -> None:  # noqa: F811
    made(ALERTS)
    aws.calls.clear()
    leasehold("register", "--lake", LAKE)
    glue.update_table(DatabaseName="leasehold", TableInput={"Name": "alerts", "Parameters": {MARK: LAKE}})
    assert "1 updated" in leasehold("register", "--lake", LAKE)[1]
    called = {"s3:ListBucket" if call.operation == "ListObjectsV2" else call.action for call in aws.calls}
    actions = [statement["Action"] for statement in POLICY["Statement"]]
    assert called == {a for some in actions for a in ([some] if isinstance(some, str) else some)}
    assert {statement["Effect"] for statement in POLICY["Statement"]} == {"Allow"}
    [glue_statement] = [s for s in POLICY["Statement"] if "glue:CreateTable" in s["Action"]]
    assert all(r.endswith((":catalog", "/leasehold", "/leasehold/*")) for r in glue_statement["Resource"])


@pytest.mark.parametrize("operation", ["GetDatabase", "CreateDatabase", "GetTables", "CreateTable", "UpdateTable"])
def test_a_refusal_says_which_permission_it_takes(glue: Any, aws: Aws, operation: str) -> None:  # noqa: F811
    if operation == "UpdateTable":
        register(glue, [ALERTS], LAKE, "d")
        glue.update_table(DatabaseName="d", TableInput={"Name": "alerts", "Parameters": {MARK: LAKE}})
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "User is not authorized\x1b[31m"}}
    aws.scripts = {operation: lambda _: denied}
    with pytest.raises(LeaseholdError) as raised:
        register(glue, [ALERTS], LAKE, "d")
    assert f"Allow glue:{operation} (conf/iam/catalog-policy.json" in str(raised.value)
    assert "\x1b[31m" not in str(raised.value)


@pytest.mark.usefixtures("glue")
def test_without_a_region_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(LeaseholdError, match=r"region.*AWS_REGION"):
        client()


@pytest.mark.usefixtures("s3")
def test_a_lake_that_glue_cannot_have_is_refused(glue: Any, tmp_path: Path) -> None:
    assert "Athena reads tables on S3 only" in leasehold("register", "--lake", str(tmp_path))[1]
    assert "there are no tables in 's3://lake/none'" in leasehold("register", "--lake", "s3://lake/none")[1]
    assert "cannot look into the lake 's3://not-there/x'" in leasehold("register", "--lake", "s3://not-there/x")[1]
    assert "lower case letters" in leasehold("register", "--lake", LAKE, "--database", "A;B")[1]
    assert glue.get_databases()["DatabaseList"] == []


def test_the_statements_for_athena_are_those_of_its_documentation() -> None:
    code, said = leasehold("register", "--ddl", "--lake", LAKE)
    assert code == 0 and said.count("CREATE EXTERNAL TABLE") == len(ALL)
    assert athena_ddl([DECISIONS], "s3://b/it's", "d") == (
        "CREATE DATABASE IF NOT EXISTS `d`;\n\n"
        "CREATE EXTERNAL TABLE `d`.`decisions`\n"
        "  LOCATION 's3://b/it\\'s/decisions/'\n"
        "  TBLPROPERTIES ('table_type' = 'DELTA');\n"
    )


def test_the_statements_for_trino(tmp_path: Path) -> None:
    Lake(None, str(tmp_path / "lake")).create([FUNCTION_FLOWS])  # type: ignore[arg-type]
    code, said = leasehold("trino", "--lake", str(tmp_path / "lake"), "--schema", "s")
    assert (code, said.splitlines()) == (0, [
        'CREATE SCHEMA IF NOT EXISTS "leasehold"."s";',
        "CALL \"leasehold\".system.register_table(schema_name => 's', table_name => 'function_flows', "
        f"table_location => 'file://{tmp_path}/lake/function_flows');",
    ])  # fmt: skip
    assert "'s3://b/it''s/alerts'" in trino_statements([ALERTS], "s3://b/it's", 'a"b', "s")


def test_a_merge_keeps_what_is_wanted_over_what_is_there() -> None:
    wanted = table_input(ALERTS, LAKE)
    assert merged({}, wanted) == wanted
    assert differences(merged({"Parameters": {MARK: "s3://old"}, "Retention": 3}, wanted), wanted) == []
