"""Answers for one question in an incident."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import UNKNOWN
from transforms.intervals import earliest, latest


def answered(leases: DataFrame, at: datetime) -> DataFrame:
    """Rows of `ip_leases` with two columns more: what each says of the instant `at`.

    `answer` is `held` for the leases whose [valid_from, valid_to) has the instant in it, `perhaps` for those
    that have it only within their uncertainty (before a first snapshot: any time) or whose times are unknown,
    `before` and `after` for the others. `distance_seconds` is how far outside the lease the instant lies
    (0 inside; NULL without times).

    A lease [10:00, 12:00 ± 300 s): at 11:00 `held`; at 12:00 and 12:04 `perhaps`; at 12:06 `before`.
    """
    moment = F.lit(at)
    start, end = F.col("valid_from"), F.col("valid_to")
    seconds = F.unix_timestamp(moment)
    early = F.unix_timestamp(start) - seconds
    late = seconds - F.unix_timestamp(end)
    perhaps_already = earliest().isNull() | (moment >= earliest())
    answer: Column = (
        F.when(start.isNull(), "perhaps")
        .when(moment < start, F.when(perhaps_already, "perhaps").otherwise("after"))
        .when(moment >= end, F.when(moment <= latest(), "perhaps").otherwise("before"))
        .otherwise("held")
    )
    distance = F.greatest(early, late, F.lit(0).cast("bigint"))
    return leases.select(
        *leases.columns, answer.alias("answer"), F.when(start.isNotNull(), distance).alias("distance_seconds")
    )


def narrowed(
    leases: DataFrame, account_id: str | None = None, region: str | None = None, vpc_id: str | None = None
) -> DataFrame:
    """The leases that are not known to be elsewhere: a row whose account, region or VPC no evidence names stays.

    None narrows nothing. `region="eu-west-1"` keeps rows of eu-west-1 and of `unknown`.
    """
    for name, value in (("account_id", account_id), ("region", region), ("vpc_id", vpc_id)):
        if value is not None:
            leases = leases.where(F.coalesce(F.col(name), F.lit(UNKNOWN)).isin(value, UNKNOWN))
    return leases


def used_by(leases: DataFrame, function_name: str) -> DataFrame:
    """All leases of every address that the function may have used at any time: its own and the other candidates'.

    f and g share 10.0.0.1, h alone has 10.0.0.2: for f the two leases of 10.0.0.1.
    """
    place = ["interface_id", "address"]
    its_own = (F.col("owner_kind") == "lambda") & (F.col("owner_name") == F.lit(function_name))
    return leases.join(leases.where(its_own).select(*place).distinct(), place, "left_semi")


def shares(function_flows: DataFrame, at: datetime, around: timedelta) -> DataFrame:
    """To whom the conversations that begin in [at − around, at + around] were attributed, per address.

    Returns interface_id, local_addr, function_name (NULL: no lease said), attribution, evidence, and
    conversations: the sum of the probabilities, so that those of one address add up to the number of its
    conversations.

    Two conversations of 10.0.0.1 at 10:10, one surely f's, one f's or g's alike, asked for 10:00 ± 30 min:
    f unique 1.0, f shared 0.5, g shared 0.5.
    """
    near = F.col("start_time").between(F.lit(at - around), F.lit(at + around))
    by = ("interface_id", "local_addr", "function_name", "attribution", "evidence")
    return function_flows.where(near).groupBy(*by).agg(F.sum("probability").alias("conversations"))
