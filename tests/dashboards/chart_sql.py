"""What the charts ask, in SQL: their columns, metrics and conditions, as Superset puts them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

BUNDLE = Path(__file__).parents[2] / "dashboards" / "bundle"


def statements() -> dict[str, str]:
    """Each chart's question by its name, without the filters and the grain of time that Superset adds."""
    datasets = {dataset["uuid"]: dataset for dataset in _read("datasets")}
    return {
        chart["slice_name"]: _statement(chart["params"], datasets[chart["dataset_uuid"]]) for chart in _read("charts")
    }


def _read(kind: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text("utf-8")) for file in sorted((BUNDLE / kind).rglob("*.yaml"))]


def _statement(params: dict[str, Any], dataset: dict[str, Any]) -> str:
    columns = {
        column["column_name"]: column.get("expression") or f'"{column["column_name"]}"' for column in dataset["columns"]
    }
    metrics = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    axis = [params["x_axis"]] if "x_axis" in params else []
    by = [columns[name] for name in axis + params.get("groupby", []) + params.get("all_columns", [])]
    counted = params.get("metrics") or ([params["metric"]] if "metric" in params else [])
    where = [part["sqlExpression"] for part in params["adhoc_filters"] if part["expressionType"] == "SQL"]
    source = f"({dataset['sql'].strip()}) AS virtual_table" if dataset["sql"] else dataset["table_name"]
    grouped = f" GROUP BY {', '.join(by)}" if by and counted else ""
    return (
        f"SELECT {', '.join(by + [metrics[name] for name in counted])} FROM {source}"
        f"{' WHERE ' if where else ''}{' AND '.join(f'({part})' for part in where)}{grouped}"
    )
