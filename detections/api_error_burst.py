"""A function is refused much that it never asked for, or far more often than ever."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.deployments import with_last_change
from detections.detection import Detection
from transforms.behaviours import API_CALL, API_ERROR
from transforms.columns import listed
from transforms.sensitive_calls import DENIED, harm

HISTORY_DAYS = 36
SHOWN = 6
MANY = 10
_FUNCTION = ("account_id", "region", "function_name")


def detect(
    days: Sequence[date],
    function_activity_hourly: DataFrame,
    function_changes: DataFrame,
    *,
    min_actions: float = 5,
    min_refusals: float = 20,
    times_usual: float = 5,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of functions that were refused at least `min_actions` calls in a day that had not been refused in
    the history before, or at least `min_refusals` in all and `times_usual` as many as on the worst day before.

    Refused is what AWS calls so (`transforms.sensitive_calls.DENIED`), not what merely went wrong. Many new calls, or
    sensitive ones, are somebody who tries what the role may do: high or medium. The same few calls again and again are
    more likely a permission that was taken away: low. Nothing is said before CloudTrail has been read for
    `min_history_days`.

    f, which was never refused, is refused iam:ListUsers, s3:ListBuckets and four other calls → medium; ten → high. g is
    refused dynamodb:PutItem 300 times, on the worst day before 4 times → low.
    """
    del days  # days before the judged ones are dropped by the caller
    day, before = F.unix_date("date"), (-HISTORY_DAYS, -1)
    api = function_activity_hourly.where(F.col("behaviour").isin(API_CALL, API_ERROR))
    # What is refused is a call, too: each day with a refusal is here.
    accounts = api.groupBy("account_id", "date").agg(F.lit(1).alias("one"))
    read = accounts.withColumn(
        "read_from", F.min("date").over(Window.partitionBy("account_id").orderBy(day).rangeBetween(*before))
    ).drop("one")
    code = F.substring_index("thing", " ", -1)
    refused = api.where((F.col("behaviour") == API_ERROR) & code.rlike(DENIED))
    tried = refused.groupBy(*_FUNCTION, F.substring_index("thing", " ", 1).alias("action"), "date").agg(
        F.sum("events").alias("events"),
        F.min(F.struct("first_time", "first_evidence", "first_peer_addr")).alias("first"),
        F.max("last_time").alias("last_time"),
    )
    met = F.max("date").over(Window.partitionBy(*_FUNCTION, "action").orderBy(day).rangeBetween(*before))
    told = tried.withColumn("is_new", met.isNull()).withColumn("harm", harm(F.col("action")))
    order = F.struct((~F.col("is_new")).alias("old"), F.col("harm").isNull().alias("plain"), F.col("action"))
    daily = told.groupBy(*_FUNCTION, "date").agg(
        F.sum("events").alias("events"),
        F.count(F.lit(1)).alias("actions"),
        F.count_if("is_new").alias("news"),
        F.count(F.when(F.col("is_new"), F.col("harm"))).alias("harms"),
        F.array_sort(F.collect_list(order)).alias("order"),
        F.min("first").alias("first"),
        F.max("last_time").alias("last_time"),
    )
    own = Window.partitionBy(*_FUNCTION).orderBy(day).rangeBetween(*before)
    judged = daily.withColumn("most", F.coalesce(F.max("events").over(own), F.lit(0))).join(
        read, ["account_id", "date"], "left"
    )
    age = F.date_diff("date", "read_from")
    tries = F.col("news") >= min_actions
    floods = F.col("events") >= F.greatest(F.lit(min_refusals), F.col("most") * times_usual)
    found = judged.where((age >= min_history_days) & (tries | floods))
    return with_last_change(_told(found, tries, age), function_changes)


def _told(found: DataFrame, tries: Column, age: Column) -> DataFrame:
    names = F.transform("order", lambda o: o["action"])
    strong = tries & ((F.col("news") >= MANY) | (F.col("harms") > 0))
    return found.withColumns(
        {
            "functions": F.col("function_name"),
            "subject": F.lit("refusals"),
            "severity": F.when(strong, "high").when(tries | (F.col("actions") >= 3), "medium").otherwise("low"),
            "surprise": F.round(F.log10(age + 1), 3),
            "summary": F.concat(
                "function_name", F.lit(" was refused "), F.col("events").cast("string"), F.lit(" times: "),
                listed(names, SHOWN), F.lit(". "), F.col("news").cast("string"),
                F.lit(f" of these calls had not been refused in the {HISTORY_DAYS} days before, in which the worst day "
                      "had "),
                F.col("most").cast("string"), F.lit(" refusals."),
            ),
            "expected": F.concat(F.lit("at most "), F.col("most").cast("string"), F.lit(" refusals a day")),
            "observed": F.col("events").cast("double"),
            "usual": F.col("most").cast("double"),
            "peer_addr": F.col("first.first_peer_addr"),
            "first_time": F.col("first.first_time"),
            "evidence_table": F.lit("function_api_calls"),
            "evidence": F.col("first.first_evidence"),
            "baseline_from": F.col("read_from"),
            "baseline_to": F.col("date"),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="api_error_burst",
    title="Many refused API calls",
    severity="medium",
    technique="T1580 Cloud Infrastructure Discovery",
    attack_version="19",
    tables=("function_activity_hourly", "function_changes"),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A release or a change of the role's policy that forgot permissions: then one or two calls fail all the time.",
        "A permission boundary or an organisation's policy that was tightened: many functions are refused at once.",
    ),
    blind_spots=(
        "Calls that CloudTrail does not write: refused data events are there only if data events are switched on.",
        "Somebody who asks only for what the role may do: see the alerts on new calls.",
    ),
    runbook=(
        "Read `summary`: different services that only look around (List, Describe, Get) are somebody who tries out.",
        "In function_api_calls, read all calls of the function (`functions`) in the hour around opened_at: what was "
        "not refused, and from which source_ip_address?",
        "`change` names the last change of it, or of its role, in the 24 hours before opened_at, and who made it; "
        "unless its owner confirms it, take the function out of service and keep its code.",
    ),
    detect=detect,
    parameters={"min_actions": 5, "min_refusals": 20, "times_usual": 5, "min_history_days": 7},
)
