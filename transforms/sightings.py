"""Snapshots and CloudTrail of a day without their repetition: each of these is a function of its day alone.

A poll every quarter of an hour says a hundred times a day that nothing has changed. What leases need of it is when a
thing was first and last seen so, and which polls there were: a hundredth of the rows. Leases are built from these
tables, however long their history, while a new hour touches one day of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.cloudtrail import function_name, request, succeeded
from transforms.columns import SCOPE, content, scope, sorted_list
from transforms.owners import owner_kind, owner_name

INTERFACE_KEY = ("interface_id", "address")
INTERFACE_ATTRIBUTES = ("vpc_id", "subnet_id", "security_group_ids", "owner_kind", "owner_name", "description")
FUNCTION_KEY = ("function_name", "version")
FUNCTION_ATTRIBUTES = ("vpc_id", "subnet_ids", "security_group_ids", "role", "code_sha256")

INTERFACE_POLL, FUNCTION_POLL = "describe_network_interfaces", "list_functions"
"""The operations of `polls`."""

_INTERFACE_EVENTS = ("CreateNetworkInterface", "DeleteNetworkInterface")
_FUNCTION_EVENTS = (
    "CreateFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode", "PublishVersion", "DeleteFunction",
)  # fmt: skip


def polls(snapshots: DataFrame, operation: str) -> DataFrame:
    """`polls`: each answer that says when it was given, once."""
    dated = snapshots.where(F.col("polled_at").isNotNull())
    complete = (F.max(F.coalesce("complete", F.lit(False)).cast("int")) == 1).alias("complete")
    once = dated.groupBy(*scope(), "polled_at").agg(complete)
    return once.withColumns({"operation": F.lit(operation), "date": _day()})


def lease_events(cloudtrail: DataFrame) -> DataFrame:
    """`lease_events`: calls that changed an interface or a function; denied calls and dry runs changed nothing."""
    interfaces = succeeded(cloudtrail, "ec2.amazonaws.com", *_INTERFACE_EVENTS)
    return interfaces.unionByName(succeeded(cloudtrail, "lambda.amazonaws.com", *_FUNCTION_EVENTS))


def interface_sightings(snapshots: DataFrame) -> DataFrame:
    """`interface_sightings`: every interface × address of `interface_snapshots`, runs of equal polls as one row.

    Polls of 10:00, 10:30 and 11:00 show eni-1 with 10.0.0.1, the last one in another security group → two rows,
    [10:00, 10:30] and [11:00, 11:00].
    """
    none = F.array().cast("array<string>")
    addresses = F.concat(F.coalesce("private_ip_addresses", none), F.coalesce("ipv6_addresses", none))
    rows = snapshots.select(
        *scope(),
        "polled_at",
        "complete",
        "interface_id",
        F.array_distinct(F.transform(addresses, F.lower)).alias("addresses"),
        "vpc_id",
        "subnet_id",
        sorted_list(F.col("security_group_ids")).alias("security_group_ids"),
        "description",
        "interface_type",
        "instance_id",
        "name",
        "requester_id",
        F.lit(True).alias("settled"),
    )
    seen = owned(rows).withColumn("address", F.explode("addresses"))
    return _runs(seen, INTERFACE_KEY, INTERFACE_ATTRIBUTES)


def owned(rows: DataFrame) -> DataFrame:
    """Add owner_kind and owner_name to rows that describe interfaces."""
    kind = owner_kind("description", "interface_type", "instance_id")
    name = owner_name(
        "owner_kind", "description", "instance_id", "name", "security_group_ids", "interface_id", "requester_id"
    )
    return rows.withColumn("owner_kind", kind).withColumn("owner_name", name)


def function_sightings(snapshots: DataFrame, events: DataFrame) -> DataFrame:
    """`function_sightings`: every function version of `function_snapshots`, runs of equal polls as one row.

    `events` are the `lease_events` of the same days: a run ends where one tells of the function, so that what came
    before and what came after it stay two observations.
    """
    seen = snapshots.select(
        *scope(),
        "polled_at",
        "complete",
        *FUNCTION_KEY,
        F.nullif("vpc_id", F.lit("")).alias("vpc_id"),
        sorted_list(F.col("subnet_ids")).alias("subnet_ids"),
        sorted_list(F.col("security_group_ids")).alias("security_group_ids"),
        "role",
        "code_sha256",
        (~F.coalesce(F.col("last_update_status").isin("InProgress", "Failed"), F.lit(False))).alias("settled"),
    )
    told = events.where(F.col("event_source") == "lambda.amazonaws.com").select(
        function_name(request("functionName")).alias("function_name"), "event_time"
    )
    return _runs(seen, FUNCTION_KEY, FUNCTION_ATTRIBUTES, told.distinct())


def _runs(seen: DataFrame, key: Sequence[str], attributes: Sequence[str], told: DataFrame | None = None) -> DataFrame:
    """Runs of consecutive polls of a day that show a thing (scope, key) with the same attributes.

    A complete poll that does not show it ends a run, and so does an event of its function (`told`).
    """
    thing, values = [*SCOPE, *key], [*attributes, "settled"]
    seen = seen.withColumn("date", _day())
    # Two files of one poll must not look like a change: one row a poll.
    rows = (
        seen.withColumn("state", content(attributes))
        .groupBy(*thing, "date", "polled_at")
        .agg(F.max_by(F.struct(*values, "state"), F.struct("state", "settled")).alias("values"))
        .select(*thing, "date", "polled_at", "values.*")
    )
    dated, undated = rows.where(F.col("polled_at").isNotNull()), rows.where(F.col("polled_at").isNull())
    complete = seen.where(F.col("complete")).select(*SCOPE, "date", "polled_at").distinct()
    ordinal = Window.partitionBy(*SCOPE, "date").orderBy("polled_at")
    answers = seen.where(F.col("polled_at").isNotNull()).select(*SCOPE, "date", "polled_at").distinct()
    listed = complete.withColumn("listed", F.lit(1))
    counted = answers.join(listed, [*SCOPE, "date", "polled_at"], "left").withColumns(
        {"listed": F.coalesce("listed", F.lit(0)), "polls_so_far": F.sum(F.coalesce("listed", F.lit(0))).over(ordinal)}
    )
    in_order = dated.join(counted, [*SCOPE, "date", "polled_at"], "inner")
    in_time = Window.partitionBy(*thing, "date").orderBy("polled_at")
    # Complete polls after the one before, up to this one: none may lie between.
    missed = F.col("polls_so_far") - F.lag("polls_so_far").over(in_time) - F.col("listed")
    events_so_far = F.lit(0)
    if told is not None:
        in_order = _with_events_so_far(in_order, told)
        events_so_far = F.col("events_so_far")
    begins = (
        F.lag("state").over(in_time).isNull()
        | (F.lag("state").over(in_time) != F.col("state"))
        | (F.lag("settled").over(in_time) != F.col("settled"))
        | (missed > 0)
        | (F.lag(events_so_far).over(in_time) != events_so_far)
    )
    runs = in_order.withColumn("begins", F.coalesce(begins, F.lit(True)).cast("int")).withColumn(
        "run", F.sum("begins").over(in_time.rowsBetween(Window.unboundedPreceding, 0))
    )
    spans = runs.groupBy(*thing, "date", "run", *values).agg(
        F.min("polled_at").alias("first_at"), F.max("polled_at").alias("last_at")
    )
    nothing = F.lit(None).cast("timestamp")
    without = undated.select(*thing, "date", *values, nothing.alias("first_at"), nothing.alias("last_at"))
    return spans.drop("run").unionByName(without)


def _day() -> Column:
    return F.coalesce(F.to_date("polled_at"), F.to_date(F.lit("1970-01-01")))


def _with_events_so_far(rows: DataFrame, told: DataFrame) -> DataFrame:
    """Add how many events of the function were before each poll; an event at the very time of a poll comes after."""
    marks = told.select(
        "function_name", F.col("event_time").alias("at"), F.lit(1).alias("event"), F.lit(1).alias("order")
    )
    polled = rows.select("function_name", F.col("polled_at").alias("at")).distinct()
    line = marks.unionByName(polled.withColumn("event", F.lit(0)).withColumn("order", F.lit(0)))
    so_far = Window.partitionBy("function_name").orderBy("at", "order").rowsBetween(Window.unboundedPreceding, 0)
    counted = line.withColumn("events_so_far", F.sum("event").over(so_far)).where(F.col("event") == 0)
    counted = counted.select("function_name", F.col("at").alias("polled_at"), "events_so_far")
    return rows.join(counted, ["function_name", "polled_at"], "inner")
