"""Who changes functions, and how usual that is."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.dangers import danger, foreign_accounts

HISTORY_DAYS = 36
"""So far back somebody who changes functions is remembered."""
SETTLED_DAYS = 14
HABIT_DAYS = 3
"""Who began so long ago, and changed functions on so many days since, does so usually: an intruder comes back, too."""
FIRST_DAYS = 7
"""So does who began in the first days that are known of the account."""
SHOWN = 5


def principals(function_changes: DataFrame) -> DataFrame:
    """Who changed functions of an account on a day, and how usual that is, by the changes of the 36 days before.

    account_id, principal, date; is_usual (first changed some successfully SETTLED_DAYS ago or longer, and on HABIT_DAYS
    or more, or began within FIRST_DAYS of the account's first; services of AWS are; who did something dangerous in its
    first SETTLED_DAYS is not for as long after the last such change), usual_ones (who else is usual, up
    to five of them), watched_days (since the account's first change).

    Deploy has released daily for a month, mike once three weeks ago and again today → (Deploy, true), (mike, false),
    both with usual_ones `…:assumed-role/Deploy` and watched_days 30.
    """
    day = F.unix_date("date")
    of_functions = function_changes.where(F.col("function_name").isNotNull()).withColumn("foreign", foreign_accounts())
    earlier = Window.partitionBy("account_id").orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    # Sail has NULL, not an empty list, where there is nothing to collect.
    met = F.coalesce(F.flatten(F.collect_set("foreign").over(earlier)), F.array().cast("array<string>"))
    told = of_functions.withColumn("met", met).withColumn("danger", danger(F.array_except("foreign", "met")))
    daily = told.groupBy("account_id", "principal", "date").agg(
        F.max(F.col("error_code").isNull().cast("int")).alias("done"),
        F.max(F.col("danger").isNotNull().cast("int")).alias("dangerous"),
    )
    changed = F.when(F.col("done") == 1, F.col("date"))
    before = Window.partitionBy("account_id", "principal").orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    endangered = F.when(F.col("dangerous") == 1, F.col("date"))
    of_account = Window.partitionBy("account_id").orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    known = daily.withColumns(
        {
            "since": F.min(changed).over(before),
            "habit": F.count(changed).over(before),
            "first_danger": F.min(endangered).over(before),
            "last_danger": F.max(endangered).over(before),
            "first_change": F.min(changed).over(of_account),
        }
    )
    # Not by what it did in the last days: an intruder who comes back is still one.
    age = F.date_diff("date", "since")
    # Of who has been there all the time the first changes are not known.
    suspect = (
        (F.date_diff("first_danger", "since") < SETTLED_DAYS)
        & (F.date_diff("date", "last_danger") < SETTLED_DAYS)
        & (age < HISTORY_DAYS - FIRST_DAYS)
    )
    settled = (age >= SETTLED_DAYS) & (F.col("habit") >= HABIT_DAYS) & ~F.coalesce(suspect, F.lit(False))
    always = F.date_diff("since", "first_change") < FIRST_DAYS
    by_aws = F.col("principal").rlike(r"\.amazonaws\.com$|:assumed-role/AWSServiceRoleFor")
    judged = known.withColumn("is_usual", by_aws | F.coalesce(settled | always, F.lit(False)))
    lately = Window.partitionBy("account_id").orderBy(day).rangeBetween(-HISTORY_DAYS, 0)
    usual = F.coalesce(
        F.collect_set(F.when(F.col("is_usual"), F.col("principal"))).over(lately), F.array().cast("array<string>")
    )
    more = F.when(F.size("names") > SHOWN, F.lit(", …")).otherwise("")
    return (
        judged.withColumn("names", F.array_sort(usual))
        .withColumns(
            {
                "usual_ones": F.concat(F.array_join(F.slice("names", 1, SHOWN), ", "), more),
                "watched_days": F.coalesce(F.date_diff("date", "first_change"), F.lit(0)),
            }
        )
        .select("account_id", "principal", "date", "is_usual", "usual_ones", "watched_days")
    )
