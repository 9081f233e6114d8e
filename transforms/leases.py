"""Who may have held an address, from when to when."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.columns import SCOPE
from transforms.intervals import BOUNDARIES, intersection, no_times, start_date, union_intervals

_PLACE = (*SCOPE, "vpc_id", "subnet_id", "interface_id", "address")


def ip_leases(interfaces: DataFrame, configs: DataFrame) -> DataFrame:
    """`ip_leases`: address × candidate owner over time, from `interfaces` and `function_configs`.

    A Lambda interface serves every function version with its subnet and exactly its security groups
    (AWS's own FindEniMappings rule), so each gives a lease over the time that both share; versions of one
    function are one candidate. Without any such function the creator's name in the description is all
    there is (`creator`). Other interfaces belong to their resource.

    eni-1 (subnet a, group g) lives [10:00, 14:00); f has (a, g) since 9:00, h [12:00, 13:00) → f [10:00, 14:00)
    and h [12:00, 13:00).
    """
    columns = [*_PLACE, "owner_kind", "owner_name", "basis", *BOUNDARIES]
    is_lambda = F.col("owner_kind") == "lambda"
    resources = interfaces.where(~is_lambda).withColumn("basis", F.lit("resource"))
    of_lambda = interfaces.where(is_lambda)
    pairs = _pairs(of_lambda, configs)
    key = [*_PLACE, "owner_name"]
    dated = union_intervals(pairs.where(F.col("valid_from").isNotNull()), key)
    undated = pairs.where(F.col("valid_from").isNull()).select(*key).distinct()
    by_function = dated.select(*key, *BOUNDARIES).unionByName(undated.select(*key, *no_times("undated snapshot")))
    by_function = by_function.withColumns({"owner_kind": F.lit("lambda"), "basis": F.lit("configuration")})
    served = pairs.select("interface_id").distinct()
    by_creator = of_lambda.join(served, "interface_id", "left_anti").withColumn("basis", F.lit("creator"))
    parts = (by_function.select(*columns), by_creator.select(*columns))
    return resources.select(*columns).unionByName(parts[0]).unionByName(parts[1]).select("*", start_date())


def _pairs(of_lambda: DataFrame, configs: DataFrame) -> DataFrame:
    """Each interface with each configuration that it serves, over the time that they share."""
    by_subnet = configs.where(F.col("subnet_ids") != "").withColumn("subnet", F.explode(F.split("subnet_ids", ",")))
    i, c = of_lambda.alias("i"), by_subnet.alias("c")
    same = (
        (F.col("i.account_id") == F.col("c.account_id"))
        & (F.col("i.region") == F.col("c.region"))
        & (F.col("i.subnet_id") == F.col("c.subnet"))
        & (F.col("i.security_group_ids") == F.col("c.security_group_ids"))
    )
    # NULL starts are unknown times: such rows only meet each other.
    undated = F.col("i.valid_from").isNull() & F.col("c.valid_from").isNull()
    overlap = (F.col("c.valid_to").isNull() | (F.col("i.valid_from") < F.col("c.valid_to"))) & (
        F.col("i.valid_to").isNull() | (F.col("c.valid_from") < F.col("i.valid_to"))
    )
    dated = F.col("i.valid_from").isNotNull() & F.col("c.valid_from").isNotNull()
    return i.join(c, same & (undated | (dated & overlap)), "inner").select(
        *[F.col(f"i.{name}").alias(name) for name in _PLACE],
        F.col("c.function_name").alias("owner_name"),
        *[column.alias(name) for name, column in intersection("i.", "c.").items()],
    )
