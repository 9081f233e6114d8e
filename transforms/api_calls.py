"""Which AWS API calls functions made, and what of it is behaviour."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.behaviours import API_CALL, API_ERROR, API_REGION
from transforms.cloudtrail import calling_function, function_name, function_owner
from transforms.columns import SCOPE, scope

_FUNCTION = (*SCOPE, "function_name")
IN_SCOPE, BY_SESSION = "in scope of", "session name"
_OF_THE_WORLD = (
    "iam", "sts", "organizations", "account", "route53", "route53domains", "cloudfront", "waf", "globalaccelerator",
    "shield", "support", "health", "ce", "budgets", "trustedadvisor", "signin", "artifact",
)  # fmt: skip


def function_api_calls(cloudtrail: DataFrame, configs: DataFrame) -> DataFrame:
    """`function_api_calls` from `cloudtrail_events` of some days and `function_configs`.

    AWS says in `inScopeOf` which function's credentials made the call. Without it (older records, and credentials
    that were taken elsewhere) a role session counts that bears a function's name and its role: Lambda names its
    sessions so, and nobody else has cause to.
    """
    source = F.regexp_replace("event_source", r"\.amazonaws\.com(\.cn)?$", "")
    called = cloudtrail.select(
        "event_id",
        "event_time",
        F.col("account_id").alias("recorded_account"),
        F.col("region").alias("recorded_region"),
        calling_function().alias("in_scope_of"),
        "session_name",
        source.alias("service"),
        F.col("event_name").alias("action"),
        "error_code",
        F.col("region").alias("api_region"),
        "source_ip_address",
        "vpc_endpoint_id",
        "user_agent",
        "invoked_by",
        "role_arn",
        "read_only",
        "date",
    )
    is_scoped = function_name(F.col("in_scope_of")).isNotNull()
    # `function_owner` falls back on the columns account_id and region.
    owned = called.withColumns({"account_id": F.col("recorded_account"), "region": F.col("recorded_region")})
    told = owned.where(is_scoped).select(
        "*", F.struct(*function_owner(F.col("in_scope_of"))).alias("owner"),
        function_name(F.col("in_scope_of")).alias("function_name"),
        F.lit(IN_SCOPE).alias("identified_by"),
    ).withColumns({"account_id": F.col("owner.account_id"), "region": F.col("owner.region")}).drop("owner")  # fmt: skip
    sessions = _sessions(configs)
    # One name and role in several regions: the region that was called is the likeliest, else the first.
    homes = sessions.groupBy("session_name", "role_arn").agg(
        F.array_sort(F.collect_set(F.struct("of_account_id", "of_region"))).alias("homes")
    )
    named = owned.where(~is_scoped & (F.col("session_name").isNotNull())).join(homes, ["session_name", "role_arn"])
    near = F.filter("homes", lambda h: h["of_region"] == F.col("recorded_region"))
    home = F.when(F.size(near) > 0, near[0]).otherwise(F.col("homes")[0])
    guessed = (
        named.withColumn("home", home)
        .withColumns(
            {
                "account_id": F.col("home.of_account_id"),
                "region": F.col("home.of_region"),
                "function_name": F.col("session_name"),
                "identified_by": F.lit(BY_SESSION),
            }
        )
        .drop("homes", "home")
    )
    both = told.unionByName(guessed.select(*told.columns))
    return both.where(F.col("function_name").isNotNull())


def _sessions(configs: DataFrame) -> DataFrame:
    """of_account_id, of_region, session_name, role_arn: how the functions' own sessions look."""
    owner = [column.alias(f"of_{name}") for name, column in zip(SCOPE, scope(), strict=True)]
    known = configs.where(F.col("role").isNotNull())
    return known.select(*owner, F.col("function_name").alias("session_name"), F.col("role").alias("role_arn"))


def changed_sessions(before: DataFrame, after: DataFrame) -> DataFrame:
    """session_name and role_arn of the functions that only one of two states of `function_configs` knows so."""
    one, other = (_sessions(configs).distinct() for configs in (before, after))
    return one.exceptAll(other).unionByName(other.exceptAll(one)).select("session_name", "role_arn").distinct()


def hourly_api_activity(calls: DataFrame) -> DataFrame:
    """`function_activity_hourly` of API calls: each call counts as a call, for its region, and for its error.

    Calls that a service made on the function's behalf (`invoked_by`) are a consequence of its own: they do not count.
    Services of the whole world write into one region's trail, wherever the caller is: that is not its region.

    s3:GetObject, refused with AccessDenied in eu-west-2 → api call `s3:GetObject`, api error
    `s3:GetObject AccessDenied`, api region `eu-west-2`.
    """
    action = F.concat("service", F.lit(":"), "action")
    things = F.filter(
        F.array(
            _thing(API_CALL, action),
            _thing(API_ERROR, F.concat(action, F.lit(" "), "error_code")),
            _thing(API_REGION, F.when(~F.col("service").isin(*_OF_THE_WORLD), F.col("api_region"))),
        ),
        lambda t: t["thing"].isNotNull(),
    )
    rows = calls.where(F.col("invoked_by").isNull()).withColumn("of", F.explode(things)).select("*", "of.*")
    first = F.min(F.struct("event_time", "event_id", "source_ip_address"))
    return (
        rows.groupBy(*_FUNCTION, "behaviour", "thing", "date", F.date_trunc("hour", "event_time").alias("hour"))
        .agg(
            F.count(F.lit(1)).alias("events"),
            F.max("event_time").alias("last_time"),
            first.alias("first"),
        )
        .withColumns(
            {
                "candidates": F.col("function_name"),
                "first_time": F.col("first.event_time"),
                "first_evidence": F.col("first.event_id"),
                "first_peer_addr": F.col("first.source_ip_address"),
            }
        )
        .drop("first")
    )


def _thing(behaviour: str, thing: Column) -> Column:
    return F.struct(F.lit(behaviour).alias("behaviour"), thing.alias("thing"))
