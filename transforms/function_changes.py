"""What was changed of functions, and of the account's sight, by whom."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.cloudtrail import function_name, function_owner, request

# The first pattern that matches says what sort of change a call is. Lambda's names carry a version.
_OF_LAMBDA: tuple[tuple[str, str], ...] = (
    ("CreateFunctionUrlConfig|UpdateFunctionUrlConfig|DeleteFunctionUrlConfig", "url"),
    ("CreateFunction", "created"),
    ("DeleteFunction", "deleted"),
    ("UpdateFunctionCode", "code"),
    ("UpdateFunctionConfiguration", "configuration"),
    ("PublishVersion", "published"),
    ("AddPermission|RemovePermission", "permission"),
    ("CreateEventSourceMapping|UpdateEventSourceMapping|DeleteEventSourceMapping", "trigger"),
    ("PutFunctionConcurrency|DeleteFunctionConcurrency", "concurrency"),
)
DEPLOYMENTS = ("code", "configuration", "layer", "role", "vpc", "environment", "created", "published")
"""Changes after which a function may rightly behave in another way."""


def function_changes(cloudtrail: DataFrame) -> DataFrame:
    """`function_changes` from `cloudtrail_events`: calls of Lambda's API that change a function, refused ones too.

    UpdateFunctionCode20150331v2 of RDSQueryLogger by the role Deploy → change `code`, principal
    `arn:aws:sts::123456789012:assumed-role/Deploy`.
    """
    calls = cloudtrail.where(F.col("event_source") == "lambda.amazonaws.com")
    change = F.coalesce(*[_named(pattern, change) for pattern, change in _OF_LAMBDA])
    named = request("functionName")
    rows = calls.withColumns({"change": change, "named": named}).where(F.col("change").isNotNull())
    principal = F.coalesce(F.regexp_replace("user_arn", r"(:assumed-role/[^/]+)/.*$", "$1"), "invoked_by", "user_type")
    return rows.select(
        "event_id",
        "event_time",
        *function_owner(F.col("named")),
        function_name(F.col("named")).alias("function_name"),
        "change",
        "event_name",
        principal.alias("principal"),
        "source_ip_address",
        "user_agent",
        "error_code",
        F.lit(None).cast("string").alias("detail"),
        "date",
    ).where(F.col("function_name").isNotNull())


def _named(pattern: str, change: str) -> Column:
    return F.when(F.col("event_name").rlike(rf"^(?:{pattern})(?:[0-9].*)?$"), change)
