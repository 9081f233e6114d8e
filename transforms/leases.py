"""Who held an address, from when to when: interfaces, function configurations, and the leases they make."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.intervals import observed_intervals, union_intervals
from transforms.owners import owner_kind, owner_name

_BOUNDARIES = (
    "valid_from",
    "valid_to",
    "from_evidence",
    "from_uncertainty_seconds",
    "to_evidence",
    "to_uncertainty_seconds",
)
_SCOPE = ("account_id", "region")
_INTERFACE = (
    "vpc_id",
    "subnet_id",
    "security_group_ids",
    "owner_kind",
    "owner_name",
    "description",
)
_CONFIG = ("vpc_id", "subnet_ids", "security_group_ids", "role", "code_sha256")


def interfaces(snapshots: DataFrame, cloudtrail: DataFrame) -> DataFrame:
    """Interfaces × addresses over time, from `interface_snapshots` and `cloudtrail_events`.

    A poll says that an interface was there; CloudTrail's CreateNetworkInterface and
    DeleteNetworkInterface (without errorCode: a denied or dry-run call changed nothing) say when it came
    and went, and replace the midpoint between two polls where they fall between them. For one (vpc,
    address) an interval ends at the latest where the next one begins: an address has one holder.

    Polls at 10:00 and 10:30, eni-1 only in the second, created at 10:12 → valid_from 10:12, `cloudtrail`, ± 0 s.
    A snapshot without a poll time gives a row without times (`undated snapshot`): it answers who, not when.
    """
    address = F.explode(
        F.array_distinct(
            F.concat(
                F.coalesce("private_ip_addresses", F.array().cast("array<string>")),
                F.coalesce("ipv6_addresses", F.array().cast("array<string>")),
            )
        )
    )
    named = ("description", "interface_type", "instance_id")
    seen = snapshots.select(
        *_SCOPE,
        "polled_at",
        "interface_id",
        address.alias("address"),
        "vpc_id",
        "subnet_id",
        _joined("security_group_ids"),
        owner_kind(*named).alias("owner_kind"),
        owner_name(*named, "name", "interface_id").alias("owner_name"),
        "description",
    )
    dated = seen.where(F.col("polled_at").isNotNull())
    polls = snapshots.where(F.col("polled_at").isNotNull()).select(*_SCOPE, "polled_at")
    intervals = observed_intervals(dated, _SCOPE, ("interface_id", "address"), _INTERFACE, polls)
    narrowed = _narrow(
        intervals,
        _interface_events(cloudtrail, "CreateNetworkInterface"),
        _interface_events(cloudtrail, "DeleteNetworkInterface"),
        [*_SCOPE, "interface_id"],
    )
    columns = [*_SCOPE, "interface_id", "address", *_INTERFACE, *_BOUNDARIES]
    undated = (
        seen.where(F.col("polled_at").isNull())
        .select(*_SCOPE, "interface_id", "address", *_INTERFACE)
        .distinct()
        .withColumns(_no_times("undated snapshot"))
    )
    # Only where nothing better is known of that interface.
    undated = undated.join(narrowed.select("interface_id", "address").distinct(), ["interface_id", "address"], "left_anti")
    return _one_holder(narrowed).select(*columns).unionByName(undated.select(*columns))


def function_configs(snapshots: DataFrame, cloudtrail: DataFrame) -> DataFrame:
    """Function versions' configurations over time, from `function_snapshots` and `cloudtrail_events`.

    A change lies between two polls; a successful UpdateFunctionConfiguration, CreateFunction or
    DeleteFunction between them narrows it. An update serves only when it has succeeded, some time
    between the call and the poll that shows it: that gap is the uncertainty.
    """
    seen = snapshots.select(
        *_SCOPE,
        "polled_at",
        "function_name",
        "version",
        F.when(F.col("vpc_id") != "", F.col("vpc_id")).alias("vpc_id"),
        _joined("subnet_ids"),
        _joined("security_group_ids"),
        "role",
        "code_sha256",
    )
    key = ("function_name", "version")
    columns = [*_SCOPE, *key, *_CONFIG, *_BOUNDARIES]
    dated = seen.where(F.col("polled_at").isNotNull())
    intervals = observed_intervals(dated, _SCOPE, key, _CONFIG, dated)
    # Only $LATEST changes; a published version never does.
    created = _function_events(cloudtrail, ("CreateFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode"))
    deleted = _function_events(cloudtrail, ("DeleteFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode"))
    narrowed = _narrow(intervals, created, deleted, [*_SCOPE, "function_name"])
    undated = (
        seen.where(F.col("polled_at").isNull())
        .select(*_SCOPE, *key, *_CONFIG)
        .distinct()
        .withColumns(_no_times("undated snapshot"))
    )
    undated = undated.join(narrowed.select(*_SCOPE, *key).distinct(), [*_SCOPE, *key], "left_anti")
    return narrowed.select(*columns).unionByName(undated.select(*columns))


def ip_leases(interfaces: DataFrame, configs: DataFrame) -> DataFrame:
    """Address × candidate owner over time.

    A Lambda interface serves every function version with its subnet and exactly its security groups
    (AWS's own FindEniMappings rule), so each gives a lease over the time that both share; versions of one
    function are one candidate. Without any such function the creator's name in the description is all
    there is (`creator`). Other interfaces belong to their resource.

    eni-1 (subnet a, group g) lives [10:00, 14:00); f has (a, g) since 9:00, h [12:00, 13:00) → f [10:00, 14:00)
    and h [12:00, 13:00).
    """
    columns = [*_SCOPE, "vpc_id", "subnet_id", "interface_id", "address", "owner_kind", "owner_name", "basis", *_BOUNDARIES]
    is_lambda = F.col("owner_kind") == "lambda"
    resources = interfaces.where(~is_lambda).withColumn("basis", F.lit("resource"))
    of_lambda = interfaces.where(is_lambda)
    i, c = of_lambda.alias("i"), configs.alias("c")
    same = (
        (F.col("i.account_id") == F.col("c.account_id"))
        & (F.col("i.region") == F.col("c.region"))
        & (F.col("i.security_group_ids") == F.col("c.security_group_ids"))
        & F.array_contains(F.split("c.subnet_ids", ","), F.col("i.subnet_id"))
    )
    # NULL starts are unknown times: such rows only meet each other.
    undated = F.col("i.valid_from").isNull() & F.col("c.valid_from").isNull()
    overlap = (
        F.coalesce(F.col("i.valid_from") < F.col("c.valid_to"), F.col("i.valid_from").isNotNull())
        & F.coalesce(F.col("c.valid_from") < F.col("i.valid_to"), F.col("c.valid_from").isNotNull())
    )
    interface_starts = F.col("i.valid_from") >= F.col("c.valid_from")
    interface_ends = F.col("c.valid_to").isNull() | (F.col("i.valid_to") <= F.col("c.valid_to"))
    pairs = i.join(c, same & (undated | overlap), "inner").select(
        *[F.col(f"i.{name}") for name in (*_SCOPE, "vpc_id", "subnet_id", "interface_id", "address")],
        F.col("c.function_name").alias("owner_name"),
        *[
            F.when(interface_starts, F.col(f"i.{name}")).otherwise(F.col(f"c.{name}")).alias(name)
            for name in ("valid_from", "from_evidence", "from_uncertainty_seconds")
        ],
        *[
            F.when(interface_ends, F.col(f"i.{name}")).otherwise(F.col(f"c.{name}")).alias(name)
            for name in ("valid_to", "to_evidence", "to_uncertainty_seconds")
        ],
    )
    key = [*_SCOPE, "vpc_id", "subnet_id", "interface_id", "address", "owner_name"]
    by_function = union_intervals(pairs, key).withColumns(
        {"owner_kind": F.lit("lambda"), "basis": F.lit("configuration")}
    )
    by_creator = of_lambda.join(
        by_function.select(*_SCOPE, "interface_id").distinct(), [*_SCOPE, "interface_id"], "left_anti"
    ).withColumn("basis", F.lit("creator"))
    return (
        resources.select(*columns)
        .unionByName(by_function.select(*columns))
        .unionByName(by_creator.select(*columns))
    )


def changed_hours(before: DataFrame, after: DataFrame) -> DataFrame:
    """The spans (from, to) over which the leases differ, as column `hour`: each hour that they touch.

    A lease [10:00, …) that turns out to have ended at 13:20 changes only what lies after 13:20; an open
    end reaches as far as the latest time that either table names.
    """
    key = [*_SCOPE, "interface_id", "address", "owner_kind", "owner_name"]
    horizon = (
        before.select("valid_from", "valid_to")
        .unionByName(after.select("valid_from", "valid_to"))
        .agg(F.greatest(F.max("valid_from"), F.max("valid_to")).alias("horizon"))
    )
    def edges(leases: DataFrame, sign: int) -> DataFrame:
        """+1 where a lease begins and −1 where it ends; with the opposite sign for the old ones."""
        rows = leases.where(F.col("valid_from").isNotNull()).crossJoin(horizon)
        end = F.coalesce("valid_to", F.greatest("horizon", "valid_from"))
        return rows.select(
            *[F.coalesce(name, F.lit("")).alias(name) for name in key],
            F.explode(
                F.array(
                    F.struct(F.col("valid_from").alias("at"), F.lit(sign).alias("step")),
                    F.struct(end.alias("at"), F.lit(-sign).alias("step")),
                )
            ).alias("edge"),
        ).select(*key, "edge.at", "edge.step")

    steps = edges(before, -1).unionByName(edges(after, 1)).groupBy(*key, "at").agg(F.sum("step").alias("step"))
    in_time = Window.partitionBy(*key).orderBy("at")
    running = steps.select(
        "at", F.lead("at").over(in_time).alias("until"), F.sum("step").over(in_time.rowsBetween(Window.unboundedPreceding, 0)).alias("differs")
    )
    spans = running.where((F.col("differs") != 0) & (F.col("until") > F.col("at")))
    hour = F.explode(
        F.sequence(F.date_trunc("hour", "at"), F.date_trunc("hour", "until"), F.expr("INTERVAL 1 HOUR"))
    )
    return spans.select(hour.alias("hour")).distinct()


def _joined(array: str) -> Column:
    return F.array_join(F.sort_array(F.coalesce(array, F.array().cast("array<string>"))), ",").alias(array)


def _no_times(evidence: str) -> dict[str, Column]:
    none = F.lit(None)
    return {
        "valid_from": none.cast("timestamp"),
        "valid_to": none.cast("timestamp"),
        "from_evidence": F.lit(evidence),
        "from_uncertainty_seconds": none.cast("bigint"),
        "to_evidence": F.lit(evidence),
        "to_uncertainty_seconds": none.cast("bigint"),
    }


def _interface_events(cloudtrail: DataFrame, name: str) -> DataFrame:
    """account_id, region, interface_id, event_time of the calls of that name that succeeded."""
    where = (F.col("event_source") == "ec2.amazonaws.com") & (F.col("event_name") == name) & F.col("error_code").isNull()
    created = F.get_json_object("response_elements", "$.networkInterface.networkInterfaceId")
    deleted = F.get_json_object("request_parameters", "$.networkInterfaceId")
    return (
        cloudtrail.where(where)
        .select(*_SCOPE, F.coalesce(created, deleted).alias("interface_id"), "event_time")
        .where(F.col("interface_id").isNotNull())
    )


def _function_events(cloudtrail: DataFrame, names: tuple[str, ...]) -> DataFrame:
    """account_id, region, function_name, event_time; event names carry a version: match by prefix."""
    named = F.lit(False)
    for name in names:
        named = named | F.col("event_name").startswith(name)
    given = F.get_json_object("request_parameters", "$.functionName")
    # A name, a partial or a whole ARN, perhaps with a version: the name is after `function:`, else the last part.
    name = F.regexp_extract(given, r"^(?:.*function:|\d{12}:)?([^:]+)", 1)
    return (
        cloudtrail.where((F.col("event_source") == "lambda.amazonaws.com") & named & F.col("error_code").isNull())
        .select(*_SCOPE, name.alias("function_name"), "event_time")
        .where(F.col("function_name") != "")
    )


def _narrow(intervals: DataFrame, starts: DataFrame, ends: DataFrame, key: list[str]) -> DataFrame:
    """Replace midpoints by the CloudTrail event that falls into the gap between the two polls."""
    started = starts.groupBy(*key).agg(F.collect_list("event_time").alias("starts"))
    ended = ends.groupBy(*key).agg(F.collect_list("event_time").alias("ends"))

    def last_in(events: str, after: str, before: str) -> Column:
        def in_gap(moment: Column) -> Column:
            since = F.col(after).isNull() | (moment >= F.col(after))
            return since & (F.col(before).isNull() | (moment <= F.col(before)))

        return F.array_max(F.filter(events, in_gap))

    joined = (
        intervals.join(started, key, "left")
        .join(ended, key, "left")
        .withColumn("started_at", last_in("starts", "before_poll", "first_poll"))
        .withColumn("ended_at", last_in("ends", "last_poll", "after_poll"))
    )
    began, over = F.col("started_at").isNotNull(), F.col("ended_at").isNotNull()
    exact = F.lit(0).cast("bigint")
    return joined.select(
        *[c for c in intervals.columns if c not in _BOUNDARIES],
        F.coalesce("started_at", "valid_from").alias("valid_from"),
        F.coalesce("ended_at", "valid_to").alias("valid_to"),
        F.when(began, "cloudtrail").otherwise(F.col("from_evidence")).alias("from_evidence"),
        F.when(began, exact).otherwise(F.col("from_uncertainty_seconds")).alias("from_uncertainty_seconds"),
        F.when(over, "cloudtrail").otherwise(F.col("to_evidence")).alias("to_evidence"),
        F.when(over, exact).otherwise(F.col("to_uncertainty_seconds")).alias("to_uncertainty_seconds"),
    )


def _one_holder(intervals: DataFrame) -> DataFrame:
    """Cut each interval where the next one of the same (account, region, vpc, address) begins."""
    per_address = Window.partitionBy(*_SCOPE, "vpc_id", "address").orderBy("valid_from", "interface_id")
    following = intervals.withColumn("next_from", F.lead("valid_from").over(per_address))
    cut = F.col("next_from").isNotNull() & (F.col("valid_to").isNull() | (F.col("next_from") < F.col("valid_to")))
    return following.select(
        *[c for c in intervals.columns if not c.startswith(("to_", "valid_to"))],
        F.when(cut, F.col("next_from")).otherwise(F.col("valid_to")).alias("valid_to"),
        F.when(cut, "address reused").otherwise(F.col("to_evidence")).alias("to_evidence"),
        F.when(cut & F.col("to_uncertainty_seconds").isNull(), F.lit(0).cast("bigint"))
        .otherwise(F.col("to_uncertainty_seconds"))
        .alias("to_uncertainty_seconds"),
    ).where(F.col("valid_to").isNull() | (F.col("valid_from") < F.col("valid_to")))
