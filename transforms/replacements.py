"""A resource that takes the place of another one: a database that failed over, a cache that was replaced."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.behaviours import PEER
from transforms.columns import SCOPE

USERS = 3
"""So many functions must have used the old one: that one alone falls silent means nothing."""
_FUNCTION = (*SCOPE, "function_name")
_ALIKE = (*_FUNCTION, "peer_kind", "peer_port", "protocol")
_SLACK_SECONDS = 3_600


def replacements(sightings: DataFrame, baselines: DataFrame) -> DataFrame:
    """date, account_id, region, function_name, thing: the peers inside that took the place of a normal one.

    The old one is of the same kind, on the same port and protocol; at least USERS functions used it; and nobody in the
    account talks to it any more on this day, an hour after the new one was first met, though it is later than that.
    This function used the old one on its last active day, or the new one is normal for two others: a function
    that seldom talks to either comes later. An intruder would have to keep everybody else from the old one.

    f, g and h talk to db-a daily. On Monday from 9:05 on, they talk to db-b, also rds on port 5432, and nobody talks to
    db-a after 9:10 → db-b on Monday, for each that had met it by then.
    """
    inside = (F.col("behaviour") == PEER) & F.col("peer_internal")
    normal = baselines.where(inside & (F.col("status") == "normal")).withColumn("date", F.col("as_of_date"))
    users = Window.partitionBy("date", *SCOPE, "thing")
    in_use = normal.withColumns(
        {
            "users": F.count(F.lit(1)).over(users),
            "last_active": F.max("last_seen").over(Window.partitionBy("date", *_FUNCTION)),
        }
    ).where(F.col("users") >= USERS)
    today = sightings.where(inside)
    last = today.groupBy("date", *SCOPE, "thing").agg(F.max("last_time").alias("old_until"))
    olds = in_use.join(last, ["date", *SCOPE, "thing"], "left").select(
        "date", *_ALIKE, F.col("thing").alias("old"), "old_until",
        (F.col("last_seen") == F.col("last_active")).alias("lately"),
    )  # fmt: skip
    followed = normal.groupBy("date", *SCOPE, "thing").agg(F.count(F.lit(1)).alias("followers"))
    seen = sightings.groupBy("date", *SCOPE).agg(F.max("last_time").alias("seen_until"))
    later = F.unix_timestamp("first_time") + _SLACK_SECONDS
    fallen = F.coalesce(F.unix_timestamp("old_until") < later, F.lit(True))
    return (
        today.join(olds, ["date", *_ALIKE])
        .join(seen, ["date", *SCOPE])
        .join(followed, ["date", *SCOPE, "thing"], "left")
        .where((F.col("thing") != F.col("old")) & fallen & (F.unix_timestamp("seen_until") >= later))
        .where(F.col("lately") | (F.coalesce("followers", F.lit(0)) >= USERS - 1))
        .select("date", *_FUNCTION, "thing")
        .distinct()
    )
