"""Changes of functions that are dangerous whoever makes them."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_POWERFUL = "(?i)administrator|[^a-z]admin|poweruser|iamfullaccess"
_ACCOUNT = r"(?::|^|image )([0-9]{12})(?::|\.dkr\.ecr\.)"


def foreign_accounts() -> Column:
    """Other accounts that a layer, an image or a trigger comes from, sorted; NULL where there are none."""
    parts = F.regexp_extract_all(F.coalesce("detail", F.lit("")), F.lit(_ACCOUNT), 1)
    others = F.array_sort(F.array_except(parts, F.array("account_id")))
    return F.when(F.col("change").isin("layer", "trigger", "code") & (F.size(others) > 0) & _gives(), others)


def danger(strangers: Column) -> Column:
    """What is dangerous of a row of `function_changes`, in words; NULL: nothing.

    `strangers` are those of its `foreign_accounts` that were never used before.

    A permission for anybody → `opens it to anybody`
    """
    unmet = F.array_join(strangers, ", ")
    from_stranger = F.when(unmet != "", F.concat(F.lit("of the account "), unmet, F.lit(", never used before")))
    mighty = F.col("change").isin("role", "role policy", "created") & F.col("detail").rlike(_POWERFUL)
    unbound = (F.col("change") == "role policy") & F.col("detail").startswith("delete role permissions boundary")
    return F.coalesce(
        F.concat(F.lit("opens it to "), "opens_to"),
        from_stranger,
        F.when(mighty & _gives(), F.lit("mighty by its name")),
        F.when(unbound, F.lit("lifts its boundary")),
    )


def _gives() -> Column:
    return ~F.coalesce("detail", F.lit("")).rlike("^(?:detach|delete|removed)")
