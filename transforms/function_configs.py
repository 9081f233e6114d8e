"""The configurations of function versions over time."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.cloudtrail import (
    function_name,
    function_owner,
    function_qualifier,
    request,
    response,
    strings_in,
    succeeded,
)
from transforms.columns import SCOPE, content, sorted_list
from transforms.intervals import no_times, start_date
from transforms.sightings import FUNCTION_ATTRIBUTES, FUNCTION_KEY
from transforms.timelines import observed_intervals

_KEY, _ATTRIBUTES = FUNCTION_KEY, FUNCTION_ATTRIBUTES
_LATEST = "$LATEST"


def function_configs(sightings: DataFrame, polls: DataFrame, events: DataFrame) -> DataFrame:
    """`function_configs`: function version × configuration over time.

    From `function_sightings`, their `polls` and `lease_events`.

    CreateFunction, UpdateFunctionConfiguration, UpdateFunctionCode and PublishVersion answer with the whole
    configuration, so that several changes between two polls are all known, and a function that no poll saw.
    The old configuration serves until the update has succeeded: while a poll says `InProgress` (or `Failed`)
    it still does, and the uncertainty of a change reaches to the poll that shows it done. DeleteFunction ends
    every version, or the one that it names. Without events a change lies between two polls: see
    `observed_intervals`.

    Polls at 10:00 and 10:10; f in security group a, then b; UpdateFunctionConfiguration at 10:02 → group a
    until 10:02 ± 480 s, b from 10:02 ± 480 s, both `cloudtrail`. Without the event: 10:05 ± 300 s, `snapshot`.
    A snapshot without a poll time gives a row without times (`undated snapshot`).
    """
    dated = sightings.where(F.col("first_at").isNotNull())
    told = _settings(events).unionByName(_deletions(events, dated))
    known = told.select(*SCOPE, *_KEY).unionByName(dated.select(*SCOPE, *_KEY)).distinct()
    columns = [*SCOPE, *_KEY, *_ATTRIBUTES]
    intervals = observed_intervals(dated, SCOPE, _KEY, _ATTRIBUTES, polls, told).drop(
        "before_poll", "first_seen", "last_seen"
    )
    undated = sightings.where(F.col("first_at").isNull()).join(known, [*SCOPE, *_KEY], "left_anti")
    once = undated.groupBy(*SCOPE, *_KEY).agg(F.max_by(F.struct(*_ATTRIBUTES), content(_ATTRIBUTES)).alias("values"))
    undated = once.select(*SCOPE, *_KEY, "values.*").select(*columns, *no_times("undated snapshot"))
    return intervals.unionByName(undated).select("*", start_date())


def _settings(cloudtrail: DataFrame) -> DataFrame:
    """What calls set: for $LATEST, and for the version that was published with it."""
    calls = succeeded(
        cloudtrail,
        "lambda.amazonaws.com",
        "CreateFunction",
        "UpdateFunctionConfiguration",
        "UpdateFunctionCode",
        "PublishVersion",
    )
    version = F.coalesce(response("version"), F.lit(_LATEST))
    published_only = F.col("event_name").startswith("PublishVersion")
    # A publishing answer names the version; what it published is $LATEST as well.
    versions = F.when(published_only, F.array(version)).otherwise(F.array_distinct(F.array(version, F.lit(_LATEST))))
    # A dry run of UpdateFunctionCode succeeds, and changes nothing.
    real = F.coalesce(request("dryRun"), F.lit("false")) != "true"
    return calls.where(response("role").isNotNull() & real).select(
        *function_owner(response("functionArn")),
        F.coalesce(response("functionName"), function_name(request("functionName"))).alias("function_name"),
        F.explode(versions).alias("version"),
        F.nullif(response("vpcConfig.vpcId"), F.lit("")).alias("vpc_id"),
        sorted_list(strings_in(response("vpcConfig.subnetIds"))).alias("subnet_ids"),
        sorted_list(strings_in(response("vpcConfig.securityGroupIds"))).alias("security_group_ids"),
        response("role").alias("role"),
        response("codeSha256").alias("code_sha256"),
        F.col("event_time").alias("at"),
        F.lit(False).alias("gone"),
    )


def _deletions(cloudtrail: DataFrame, dated: DataFrame) -> DataFrame:
    """What DeleteFunction removes: the version that it names, else every one known."""
    qualifier = F.coalesce(request("qualifier"), function_qualifier(request("functionName")))
    calls = succeeded(cloudtrail, "lambda.amazonaws.com", "DeleteFunction").select(
        *function_owner(request("functionName")),
        function_name(request("functionName")).alias("function_name"),
        qualifier.alias("qualifier"),
        F.col("event_time").alias("at"),
    )
    versions = dated.select(*SCOPE, *_KEY).unionByName(_settings(cloudtrail).select(*SCOPE, *_KEY)).distinct()
    ended = calls.join(versions, [*SCOPE, "function_name"], "inner").where(
        F.col("qualifier").isNull() | (F.col("qualifier") == F.col("version"))
    )
    none = F.lit(None).cast("string")
    return ended.select(*SCOPE, *_KEY, *[none.alias(a) for a in _ATTRIBUTES], "at", F.lit(True).alias("gone"))
