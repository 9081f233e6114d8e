"""What was changed before something new was seen: the step that several detections share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.principals import principals
from transforms.sight_changes import LOG_GROUP, SIGHT

DAY_SECONDS = 86_400
# What a function does cannot follow from these.
_WITHOUT_EFFECT = ("published", "deleted", "concurrency", LOG_GROUP, *SIGHT)


def effective(function_changes: DataFrame) -> DataFrame:
    """Those that were not refused, and after which a function may do something else."""
    return function_changes.where(F.col("error_code").isNull() & ~F.col("change").isin(*_WITHOUT_EFFECT))


def releases(function_changes: DataFrame) -> DataFrame:
    """account_id, region, function_name, and `released`: when who usually does so (`transforms.principals`) changed its
    code, layers or configuration; of a function one row.
    """
    changed = effective(function_changes).where(F.col("change").isin("code", "layer", "configuration"))
    usual = principals(function_changes).where("is_usual").select("account_id", "principal", "date")
    return (
        changed.join(usual, ["account_id", "principal", "date"], "left_semi")
        .groupBy("account_id", "region", "function_name")
        .agg(F.collect_list("event_time").alias("released"))
    )


def with_last_change(observations: DataFrame, function_changes: DataFrame) -> DataFrame:
    """The observations with `change`: the last change of one of the functions in the 24 hours before `first_time`; the
    summary says so, too. Other columns stay as they are: that something was deployed makes nothing harmless.

    f meets payroll-01 at 10:40; its code was changed at 9:10 and at 10:00 → change `code by
    arn:aws:sts::123456789012:assumed-role/Deploy at 2026-03-01 10:00`, summary `… 40 minutes after its code was changed
    by arn:aws:sts::123456789012:assumed-role/Deploy.` Without a change it stays as it is.
    """
    told = F.struct("event_time", "change", "principal", "function_name")
    # So few that those of two days fit into a row: no second look at the observations.
    days = F.explode(F.array(F.col("date"), F.date_add("date", 1))).alias("of_day")
    changes = (
        effective(function_changes)
        .select(F.col("account_id").alias("of_account"), F.col("region").alias("of_region"), days, told.alias("told"))
        .groupBy("of_account", "of_region", "of_day")
        .agg(F.collect_list("told").alias("all_changes"))
    )
    day = F.to_date("first_time")
    joined = observations.join(
        changes,
        (F.col("account_id") == F.col("of_account"))
        & (F.col("region") == F.col("of_region"))
        & (day == F.col("of_day")),
        "left",
    )
    names = F.split("functions", ", ")
    seconds = F.unix_timestamp("first_time")
    fitting = F.filter(
        "all_changes",
        lambda c: (
            F.array_contains(names, c["function_name"])
            & (c["event_time"] <= F.col("first_time"))
            & (seconds - F.unix_timestamp(c["event_time"]) < DAY_SECONDS)
        ),
    )
    found = joined.withColumn("last_change", F.array_max(fitting))
    last = F.col("last_change")
    whose = F.when(
        F.size(names) > 1, F.concat(F.lit("the "), last["change"], F.lit(" of "), last["function_name"])
    ).otherwise(F.concat(F.lit("its "), last["change"]))
    sentence = F.concat(
        F.lit(" It came "), ago(seconds - F.unix_timestamp(last["event_time"])), F.lit(" after "), whose,
        F.lit(" was changed by "), last["principal"], F.lit("."),
    )  # fmt: skip
    minute = F.date_format(last["event_time"], "yyyy-MM-dd HH:mm")
    said = F.concat(last["change"], F.lit(" by "), last["principal"], F.lit(" at "), minute)
    return found.withColumns(
        {"change": said, "summary": F.concat("summary", F.coalesce(sentence, F.lit("")))}
    ).drop("of_account", "of_region", "of_day", "all_changes", "last_change")  # fmt: skip


def ago(seconds: Column) -> Column:
    """`40 minutes`, `1 minute`, `5 hours`"""
    minutes = F.greatest(F.round(seconds / 60).cast("bigint"), F.lit(1))
    number = F.when(minutes < 120, minutes).otherwise(F.round(minutes / 60).cast("bigint"))
    unit = F.when(minutes == 1, " minute").when(minutes < 120, " minutes").otherwise(" hours")
    return F.concat(number.cast("string"), unit)
