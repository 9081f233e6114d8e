"""A function calls AWS in a way that it never did."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.connections import ACQUAINTANCES, familiar
from detections.deployments import with_last_change
from detections.detection import Detection
from detections.words import known_since, who
from transforms.behaviours import API_CALL, API_ERROR, since
from transforms.columns import listed
from transforms.sensitive_calls import DENIED, LOOKS, harm

SHOWN = 6
_WHOSE = ("date", "account_id", "region", "functions")


def detect(
    days: Sequence[date],
    novelties: DataFrame,
    function_changes: DataFrame,
    *,
    min_looks: float = 6,
    acquaintances: float = ACQUAINTANCES,
) -> DataFrame:
    """One observation per function, day, and day on which its calls were new; it names them, the harmful ones first.

    It is high when one of them is sensitive (`transforms.sensitive_calls`), when two ask who may do what, or when at
    least `min_looks` only look around in three services or more; medium otherwise. Calls that began on one day are one
    subject as long as they go on: what comes another day is told for itself. Calls that say nothing of this kind and
    are normal for `acquaintances` other functions are told beside others only.

    f, which calls dynamodb:PutItem, calls sts:GetCallerIdentity, iam:ListUsers and iam:CreateUser (which is refused)
    → one observation, high: `f called iam:CreateUser (gives rights; refused), iam:ListUsers (asks who may do what)
    and sts:GetCallerIdentity for the first time …`.
    """
    del days  # novelties are judged day by day
    fresh = novelties.withColumn("first_seen", F.coalesce("first_seen", "date"))
    errors = fresh.where((F.col("behaviour") == API_ERROR) & F.substring_index("thing", " ", -1).rlike(DENIED))
    refused = errors.groupBy(*_WHOSE, F.substring_index("thing", " ", 1).alias("thing")).agg(
        F.sum("events").alias("refused")
    )
    calls = fresh.where(F.col("behaviour") == API_CALL).join(refused, [*_WHOSE, "thing"], "left")
    read = F.regexp_extract("thing", ":(?:BatchGet|Describe|Get|Head|List|Lookup|Search|Scan|Query)", 0) != ""
    all_refused = F.coalesce(F.col("refused") >= F.col("events"), F.lit(False))
    does = harm(F.col("thing"))
    asks = does == LOOKS
    remark = F.concat_ws("; ", does, F.when(all_refused, "refused"))
    words = F.concat("thing", F.when(remark == "", "").otherwise(F.concat(F.lit(" ("), remark, F.lit(")"))))
    said = calls.withColumns(
        {
            "harm": F.when(~asks, does),
            "asks": F.when(asks, 1),
            # The harmful ones first.
            "words": F.struct(does.isNull().alias("plain"), words.alias("text")),
            "looks": F.when(read, F.substring_index("thing", ":", 1)),
            "news": F.when(does.isNotNull() | ~familiar(acquaintances), 1),
            "subject": since(),
        }
    )
    first = F.min(F.struct("first_time", "evidence", "peer_addr"))
    daily = said.groupBy(*_WHOSE, "subject").agg(
        F.array_sort(F.collect_list("words")).alias("words"),
        F.count("harm").alias("harms"),
        F.count("asks").alias("asks"),
        F.count("news").alias("news"),
        F.count("looks").alias("looked"),
        F.count_distinct("looks").alias("looked_in"),
        F.max("surprise").alias("surprise"),
        F.sum("events").alias("events"),
        F.max("last_time").alias("last_time"),
        F.min("baseline_from").alias("baseline_from"),
        F.min("baseline_days").alias("baseline_days"),
        F.max("expected").alias("expected"),
        first.alias("first"),
    )
    looks_around = (F.col("asks") > 1) | ((F.col("looked") >= min_looks) & (F.col("looked_in") >= 3))
    found = daily.where(F.col("news") > 0).withColumns(
        {
            "severity": F.when((F.col("harms") > 0) | looks_around, "high").otherwise("medium"),
            "summary": F.concat(
                who(), F.lit(" called "), _enumerated(), F.lit(" for the first time, from "),
                F.coalesce("first.peer_addr", F.lit("nowhere that CloudTrail names")), F.lit(". "),
                known_since(F.lit("API calls")),
            ),
            "observed": F.size("words").cast("double"),
            "peer_addr": F.col("first.peer_addr"),
            "first_time": F.col("first.first_time"),
            "evidence_table": F.lit("function_api_calls"),
            "evidence": F.col("first.evidence"),
            "baseline_to": F.col("date"),
        }
    )  # fmt: skip
    return with_last_change(found, function_changes)


def _enumerated() -> Column:
    """`a, b and c`; of many the first ones, `and 3 more`."""
    texts, count = F.transform("words", lambda w: w["text"]), F.size("words")
    few = F.concat_ws(
        " and ", F.nullif(F.array_join(F.slice(texts, 1, F.greatest(count - 1, F.lit(0))), ", "), F.lit("")),
        F.element_at(texts, -1),
    )  # fmt: skip
    return F.when(count > SHOWN, listed(texts, SHOWN)).otherwise(few)


DETECTION = Detection(
    id="unusual_api_call",
    title="API call that a function never made",
    severity="medium",
    technique="T1078.004 Cloud Accounts",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=1,
    false_positives=(
        "A release that uses another API: `change` names the last one in the 24 hours before, and who made it.",
        "Data events that were switched on today: all functions then call S3 or DynamoDB for the first time.",
        "A path that is hardly ever taken: a monthly job, or how an error is handled.",
    ),
    blind_spots=(
        "What CloudTrail does not write: data events unless they are switched on, and all calls without a trail.",
        "A call that is normal for the function, whatever it asks for: another secret, another bucket, another role.",
        "Functions outside a VPC that never called anything are not known well enough for a first call to be news.",
    ),
    runbook=(
        "Read `summary`: a call that gives rights, reads secrets or runs code elsewhere is what an intruder wants.",
        "In function_api_calls, read all calls of the function (`functions`) from an hour before opened_at onward, "
        "with their source_ip_address and error_code.",
        "If `change` names a release whose owner confirms the call, it ends here; else revoke the role's sessions, and "
        "look in cloudtrail_events for what was made or shared from opened_at onward.",
    ),
    detect=detect,
    lasting=True,
    parameters={"min_looks": 6, "acquaintances": ACQUAINTANCES},
)
