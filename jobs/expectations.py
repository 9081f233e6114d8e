"""Checks as Great Expectations' expectations: a batch of rows validated, results kept as JSON, Data Docs of them.

The only module that knows Great Expectations. It is slow to import: import it where something is to be validated.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

# Before the import: it would otherwise tell its makers of every use.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations as gxe
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.show import safe
from transforms.schemas.checks import BATCH, Check
from transforms.schemas.table import Table

_EXAMPLES = 3
_LONGEST = 80
"""characters of a key's value in an example"""


@dataclass(frozen=True)
class Outcome:
    """What became of one check."""

    check: Check
    passed: bool
    failed_rows: int | None
    """NULL where it passed, or could not be evaluated"""
    examples: str
    """keys of rows that break it, or why it could not be evaluated; safe to print"""
    result: str
    """Great Expectations' result as JSON; no values of rows in it"""


class ExpectNothingFound(gxe.UnexpectedRowsExpectation):  # type: ignore[misc]  # it has no types
    """A query that finds nothing. Its own class runs each query twice, to count the rows and to have them."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return {"success": metrics["unexpected_rows_query.row_count"] == 0}


def validate(table: Table, checks: Sequence[Check], rows: DataFrame) -> list[Outcome]:
    """What becomes of the checks on these rows, in their order.

    All are evaluated without asking for more than yes or no, which takes few queries; those that fail are asked
    again, for numbers and for examples of the table's key, or all that a query finds.
    """
    # Great Expectations compares two columns in a query of its own for each pair; a column of answers costs none.
    answers = {check.says: _answer(check) for check in checks if check.kind == "in order"}
    batch = _batches(table.name)(rows.withColumns(answers) if answers else rows)
    found = _results(batch, checks, "BOOLEAN_ONLY")
    failed = [check for check in checks if not found[check.says]["success"]]
    if failed:
        of_map = [check for check in failed if check.kind != "nothing"]
        queries = [check for check in failed if check.kind == "nothing"]
        by_key = {
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(table.key),
            "partial_unexpected_count": _EXAMPLES,
            "exclude_unexpected_values": True,
            "return_unexpected_index_query": False,
        }
        if of_map:
            found |= _results(batch, of_map, by_key)
        if queries:
            found |= _results(batch, queries, "COMPLETE")
    return [_outcome(check, found[check.says]) for check in checks]


def _results(batch: Any, checks: Sequence[Check], result_format: Any) -> dict[str, dict[str, Any]]:
    rows_too = result_format == "COMPLETE"
    suite = gx.ExpectationSuite(name="checks", expectations=[_expectation(check, rows_too) for check in checks])
    results = batch.validate(suite, result_format=result_format).to_json_dict()["results"]
    return {result["expectation_config"]["meta"]["check"]: result for result in results}


def _answer(check: Check) -> Column:
    earlier, later = (F.col(column) for column in check.columns)
    return earlier < later if check.above else earlier <= later


def _expectation(check: Check, rows_too: bool) -> Any:
    mostly = {"mostly": 1 - check.share}
    how: dict[str, Any] = {"severity": check.severity, "description": check.says, "meta": {"check": check.says}}
    column = check.columns[0] if check.columns else ""
    if check.kind == "present":
        return gxe.ExpectColumnValuesToNotBeNull(column=column, **mostly, **how)
    if check.kind == "between":
        return gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=check.low, max_value=check.high, strict_min=check.above, **mostly, **how
        )
    if check.kind == "one of":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(check.values), **mostly, **how)
    if check.kind == "none of":
        return gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=list(check.values), **mostly, **how)
    if check.kind == "in order":
        return gxe.ExpectColumnValuesToBeInSet(column=check.says, value_set=[True], **mostly, **how)
    found = gxe.UnexpectedRowsExpectation if rows_too else ExpectNothingFound
    return found(unexpected_rows_query=check.query.replace(BATCH, "{batch}"), **how)


def _outcome(check: Check, found: dict[str, Any]) -> Outcome:
    result = found.get("result") or {}
    error = _error(found.get("exception_info") or {})
    number = result.get("unexpected_count", result.get("observed_value"))
    examples = ", or ".join(_keys(result)) or error
    kept = {name: value for name, value in result.items() if name in _KEPT}
    exception = {"raised_exception": bool(error), "exception_message": None, "exception_traceback": None}
    as_json = json.dumps({**found, "result": kept, "exception_info": exception})
    passed = bool(found["success"])
    return Outcome(check, passed, None if passed else number, "" if passed else examples, as_json)


# Numbers only: Data Docs put values into HTML as they are.
_KEPT = {
    "element_count",
    "unexpected_count",
    "unexpected_percent",
    "missing_count",
    "missing_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
    "observed_value",
}


def _keys(result: dict[str, Any]) -> list[str]:
    """`account_id=123456789012, region=eu-west-1`, one text a row."""
    listed = result.get("partial_unexpected_index_list") or (result.get("details") or {}).get("unexpected_rows") or []
    rows: list[dict[str, Any]] = []
    for entry in listed:
        columns = entry if isinstance(entry, dict) else {}
        # For Spark, Great Expectations gives one entry with a list a column.
        if columns and all(isinstance(value, list) for value in columns.values()):
            rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        else:
            rows.append(columns)
    return [", ".join(f"{name}={safe(value)[:_LONGEST]}" for name, value in row.items()) for row in rows[:_EXAMPLES]]


def _error(info: dict[str, Any]) -> str:
    """Why a check could not be evaluated; empty: it could."""
    told = [info] if "raised_exception" in info else [i for i in info.values() if isinstance(i, dict)]
    said = [str(i.get("exception_message") or "no reason given") for i in told if i.get("raised_exception")]
    return f"it could not be evaluated: {safe(said[0].splitlines()[0])[:300]}" if said else ""


@cache
def _source() -> Any:
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context.data_sources.add_spark("lake", persist=False)


@cache
def _batches(name: str) -> Callable[[DataFrame], Any]:
    definition = _source().add_dataframe_asset(name).add_batch_definition_whole_dataframe("written")
    return lambda rows: definition.get_batch(batch_parameters={"dataframe": rows})


def build_docs(validations: Iterable[tuple[str, datetime, list[str]]], folder: Path) -> Path:
    """Data Docs of some validations (table, when, results as JSON) in a folder; returns the page to open."""
    context = gx.get_context(mode="ephemeral")
    for table, checked_at, results in validations:
        loaded = [json.loads(result) for result in results]
        passed = sum(bool(result["success"]) for result in loaded)
        statistics = {
            "evaluated_expectations": len(loaded),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(loaded) - passed,
            "success_percent": 100 * passed / len(loaded) if loaded else None,
        }
        whole = {
            "success": passed == len(loaded),
            "results": loaded,
            "suite_name": table,
            "suite_parameters": {},
            "statistics": statistics,
            "meta": {"great_expectations_version": gx.__version__, "active_batch_definition": {}},
        }
        identifier = ValidationResultIdentifier(
            expectation_suite_identifier=ExpectationSuiteIdentifier(table),
            run_id=RunIdentifier(run_name="leasehold", run_time=checked_at),
            batch_identifier=table,
        )
        context.validation_results_store.set(identifier, ExpectationSuiteValidationResultSchema().load(whole))
    context.add_data_docs_site(
        "docs",
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.build_data_docs(site_names=["docs"])
    return folder / "index.html"
