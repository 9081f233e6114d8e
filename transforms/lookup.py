"""Answers for one question in an incident."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.intervals import earliest, latest


def holders(leases: DataFrame, address: str, at: datetime, vpc_id: str | None = None) -> DataFrame:
    """Who held `address` at `at`: rows of `ip_leases`, with two columns more.

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
    wanted = F.col("address") == F.lit(address)
    if vpc_id is not None:
        wanted = wanted & (F.col("vpc_id") == F.lit(vpc_id))
    distance = F.greatest(early, late, F.lit(0).cast("bigint"))
    return leases.where(wanted).select(
        *leases.columns, answer.alias("answer"), F.when(start.isNotNull(), distance).alias("distance_seconds")
    )
