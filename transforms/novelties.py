"""What functions did for the first time, once for all that may have done it, with what was normal instead."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.baselines import PEER_COLUMNS, THING, chance_of_stranger, expected
from transforms.behaviours import network_thing
from transforms.columns import SCOPE, listed

SHOWN = 8
"""Normal things that are named; more are counted."""

_WHOSE = ("date", "account_id", "region", "function_name", "behaviour")


def novelties(judged: DataFrame, baselines: DataFrame) -> DataFrame:
    """`novelties`: what is new for every candidate, once a day, thing and candidate set.

    `judged` comes from `transforms.baselines.judge`, by `baselines` as of the same dates.

    f and g share an interface, and talk to payroll-01 at 10:00 and 11:00; f normally talks to orders-db only, g to
    mail only → one row: functions `f, g`, first_time 10:00, expected `mail (ec2, port 25); orders-db (rds, port 5432)`.
    If it was surely f at 12:00, there is one row, of f alone.
    """
    fresh = judged.where(F.col("verdict").isin("novel", "flagged"))
    # A NULL joins nothing: API calls have no side.
    side = F.coalesce("peer_internal", F.lit(False)).alias("side")
    known = expected(baselines).select(*_WHOSE, side, "normal")
    ports = (
        baselines.where((F.col("status") == "normal") & F.col("peer_name").isNotNull())
        .select(F.col("as_of_date").alias("date"), *_WHOSE[1:], "peer_kind", "peer_name", F.lit(1).alias("at_a_port"))
        .distinct()
    )
    joined = (
        fresh.select("*", side)
        .join(known, [*_WHOSE, "side"], "left")
        .join(ports, [*_WHOSE, "peer_kind", "peer_name"], "left")
    )
    empty = F.array().cast("array<string>")
    first = F.min(F.struct("first_time", "first_evidence", "first_peer_addr", "first_local_addr"))
    # Every candidate has the same conversations: take them once, and what is normal for all of them together.
    normal = F.array_sort(F.array_distinct(F.flatten(F.collect_list(F.coalesce("normal", empty)))))
    merged = joined.groupBy("date", "account_id", "region", F.col("candidates").alias("functions"), *THING).agg(
        *[F.max(column).alias(column) for column in PEER_COLUMNS],
        F.max(F.col("peer_internal").cast("int")).alias("internal"),
        F.max("at_a_port").alias("at_a_port"),
        F.max("events").alias("events"),
        F.max("bytes_out").alias("bytes_out"),
        F.max("bytes_in").alias("bytes_in"),
        F.max("last_time").alias("last_time"),
        first.alias("first"),
        normal.alias("normal"),
        F.min("first_seen").alias("first_seen"),
        F.min("learned_from").alias("baseline_from"),
        F.min("days_learned").alias("baseline_days"),
        F.max("unseen_mass").alias("unseen_mass"),
        F.max(chance_of_stranger()).alias("chance"),
        F.count(F.when(F.col("alike") > 0, F.lit(1))).alias("near"),
    )
    # One function surely did it, and it or another at another time: that is the same news.
    sets = F.collect_set("functions").over(Window.partitionBy("date", "account_id", "region", *THING))
    own = F.split("functions", ", ")
    narrower = F.exists(
        "sets", lambda o: (o != F.col("functions")) & (F.size(F.array_except(F.split(o, ", "), own)) == 0)
    )
    told = _with_acquaintances(merged.withColumn("sets", sets).where(~narrower).drop("sets"), baselines)
    return told.select(
        "*",
        F.col("first.first_time").alias("first_time"),
        F.col("first.first_evidence").alias("evidence"),
        F.col("first.first_peer_addr").alias("peer_addr"),
        F.col("first.first_local_addr").alias("local_addr"),
        (F.col("internal") == 1).alias("peer_internal"),
        F.col("at_a_port").isNotNull().alias("other_port"),
        F.size("normal").cast("bigint").alias("expected_things"),
        F.when(F.size("normal") == 0, "none").otherwise(listed(F.col("normal"), SHOWN, "; ")).alias("expected"),
        F.round(-F.log10("chance"), 3).alias("surprise"),
    ).drop("first", "normal", "internal", "at_a_port", "chance", "near")


def _with_acquaintances(told: DataFrame, baselines: DataFrame) -> DataFrame:
    """Adds known_to: for how many other functions of the account and region it is normal, or an address of the same
    /24 on that port; and account_functions, how many functions are known at all.
    """
    normal = baselines.where(F.col("status") == "normal").select(
        F.col("as_of_date").alias("date"), *SCOPE, "function_name", *THING, network_thing().alias("of_network")
    )
    things = normal.groupBy("date", *SCOPE, *THING).agg(F.count(F.lit(1)).alias("by_thing"))
    networks = (
        normal.where(F.col("of_network").isNotNull())
        .groupBy("date", *SCOPE, "of_network")
        .agg(F.count_distinct("function_name").alias("by_network"))
    )
    everybody = baselines.groupBy(F.col("as_of_date").alias("date"), *SCOPE).agg(
        F.count_distinct("function_name").alias("account_functions")
    )
    joined = (
        told.withColumns({"peer_internal": F.col("internal") == 1})
        .withColumn("of_network", network_thing())
        .join(things, ["date", *SCOPE, *THING], "left")
        .join(networks, ["date", *SCOPE, "of_network"], "left")
        .join(everybody, ["date", *SCOPE], "left")
    )
    # Of a network the candidates may know another address.
    near = F.coalesce("by_network", F.lit(0)) - F.col("near")
    return joined.withColumn("known_to", F.greatest(F.coalesce("by_thing", F.lit(0)), near)).drop(
        "of_network", "by_thing", "by_network", "peer_internal"
    )
