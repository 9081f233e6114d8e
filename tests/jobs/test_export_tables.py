"""The file for dashboards has what the lake has, and the bundle of dashboards fits the tables' contracts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb as engine
import pytest
import yaml
from pyspark.sql import SparkSession

from jobs.errors import LeaseholdError
from jobs.export_tables import TABLES, duckdb
from jobs.storage import Lake
from tests.dashboards.lake import DAYS, write
from tests.rows import Row
from transforms.schemas import ALL

BUNDLE = Path(__file__).parents[2] / "dashboards" / "bundle"


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, dict[str, list[Row]]]:
    """A lake in which every table that dashboards read has rows, and these."""
    folder = tmp_path_factory.mktemp("lake")
    rows = write(folder)
    return Lake(spark, str(folder)), rows


def in_file(file: Path, table: str) -> list[Row]:
    with engine.connect(str(file), read_only=True) as opened:
        return opened.sql(f"SELECT * FROM {table}").to_arrow_table().to_pylist()


def comparable(rows: list[Row], names: list[str]) -> list[str]:
    def plain(value: Any) -> Any:
        if type(value) is int:
            return float(value)
        return value.replace(tzinfo=None) if isinstance(value, datetime) else value

    return sorted(repr({name: plain(row.get(name)) for name in names}) for row in rows)


def test_the_file_has_the_rows_of_the_lake(lake: tuple[Lake, dict[str, list[Row]]], tmp_path: Path) -> None:
    there, rows = lake
    file = tmp_path / "leasehold.duckdb"
    file.write_text("what was there before")
    count = duckdb(there, str(file), None)
    assert count == sum(len(part) for part in rows.values())
    for table, _ in TABLES:
        found = in_file(file, table.name)
        assert comparable(found, table.schema.names) == comparable(rows[table.name], table.schema.names), table.name
    assert [found.name for found in tmp_path.iterdir()] == [file.name], "nothing else is left"
    with engine.connect(str(file), read_only=True) as opened:
        said = opened.execute("SELECT comment FROM duckdb_columns() WHERE column_name = 'candidates'").fetchone()
    assert said and said[0].startswith("the plausible candidates")


def test_only_the_days_asked_for(lake: tuple[Lake, dict[str, list[Row]]], tmp_path: Path) -> None:
    there, rows = lake
    since, file = DAYS[-3] + timedelta(hours=10), tmp_path / "part.duckdb"
    duckdb(there, str(file), since)
    days = {row["date"] for row in in_file(file, "coverage")}
    assert days == {day.date() for day in DAYS[-3:]}, "the whole day of --since, and what follows"
    assert not in_file(file, "alerts"), "none was seen since"
    assert {row["as_of_date"] for row in in_file(file, "function_baselines")} == {
        row["as_of_date"] for row in rows["function_baselines"]
    }


@pytest.mark.parametrize("output, why", [("-", "name it with -o"), ("/nowhere/at/all.duckdb", "cannot write")])
def test_where_nothing_can_be_written(lake: tuple[Lake, dict[str, list[Row]]], output: str, why: str) -> None:
    with pytest.raises(LeaseholdError, match=why):
        duckdb(lake[0], output, None)


def bundle(kind: str) -> dict[str, Any]:
    return {file.stem: yaml.safe_load(file.read_text()) for file in (BUNDLE / kind).rglob("*.yaml")}


def test_datasets_have_the_columns_of_the_contracts() -> None:
    contracts = {table.name: table for table in ALL}
    exported = {table.name for table, _ in TABLES}
    for name, dataset in bundle("datasets").items():
        if dataset["sql"]:
            used = set(re.findall(r"FROM (function_\w+)", dataset["sql"]))
            assert used and used <= exported, f"{name} reads {used}"
            continue
        assert name in exported, f"{name} is not in the file for laptops"
        columns = {c["column_name"]: c for c in dataset["columns"] if "expression" not in c}
        assert list(columns) == contracts[name].schema.names
        for field in contracts[name].schema.fields:
            assert columns[field.name].get("description", "") == field.metadata["comment"], f"{name}.{field.name}"
        assert dataset["main_dttm_col"] in columns


def named(value: Any) -> Iterator[str]:
    """What a chart's parameter names: metrics and columns."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str):
            yield part


def test_charts_and_dashboards_name_what_is_there() -> None:
    datasets = {d["uuid"]: d for d in bundle("datasets").values()}
    charts = {chart["uuid"]: chart for chart in bundle("charts").values()}
    for chart in charts.values():
        dataset, params = datasets[chart["dataset_uuid"]], chart["params"]
        columns = {c["column_name"] for c in dataset["columns"]}
        metrics = {m["metric_name"] for m in dataset["metrics"]}
        for key in ("metric", "metrics", "timeseries_limit_metric"):
            assert set(named(params.get(key) or [])) <= metrics, f"{chart['slice_name']}: {key}"
        for key in ("groupby", "all_columns", "x_axis"):
            assert set(named(params.get(key) or [])) <= columns, f"{chart['slice_name']}: {key}"
        if chart["viz_type"] == "table":
            assert params["allow_render_html"] is False, f"{chart['slice_name']} would show HTML from logs as HTML"
    shown = []
    for dashboard in bundle("dashboards").values():
        shown += [
            p["meta"]["uuid"]
            for p in dashboard["position"].values()
            if isinstance(p, dict) and "uuid" in p.get("meta", {})
        ]
        for chosen in dashboard["metadata"]["native_filter_configuration"]:
            for target in chosen["targets"]:
                if target:
                    columns = {c["column_name"] for c in datasets[target["datasetUuid"]]["columns"]}
                    assert target["column"]["name"] in columns
    assert sorted(shown) == sorted(charts), "each chart is on one dashboard"


def test_the_database_is_one_setting_without_a_secret() -> None:
    database = bundle("databases")
    assert list(database) == ["leasehold"]
    assert re.fullmatch(r"\w+://\w+@localhost:\d+/\w+/\w+", database["leasehold"]["sqlalchemy_uri"])
    assert all(d["database_uuid"] == database["leasehold"]["uuid"] for d in bundle("datasets").values())
    assert all(d["schema"] is None and d["catalog"] is None for d in bundle("datasets").values())
