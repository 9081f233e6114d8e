"""Somebody changes a function who never did, or opens it to strangers."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.triage import SEVERITIES
from detections.words import regulars
from transforms.columns import listed
from transforms.dangers import danger, foreign_accounts
from transforms.days import is_one_of
from transforms.principals import HABIT_DAYS, HISTORY_DAYS, SETTLED_DAYS, principals
from transforms.sight_changes import LOG_GROUP

SHOWN = 5
_LONGEST = 160
_NEWCOMER = (
    f"It is new to changing functions (for less than {SETTLED_DAYS} days, or on fewer than {HABIT_DAYS}, or it began "
    "with dangerous ones); "
)
# By somebody new these are what an intruder does; the others may be, too.
_TELLING = ("code", "layer", "role", "role policy", "vpc", "url", "permission", "trigger")


def detect(days: Sequence[date], function_changes: DataFrame, *, min_history_days: float = 7) -> DataFrame:
    """One observation per principal, function and day: changes by somebody new, and dangerous ones by whoever.

    New is who began to change functions less than two weeks ago, or did so on fewer than three days, in the 36 days
    before; unless it began in the account's first week. Who began with dangerous changes stays new for two weeks after
    each.

    Dangerous is what opens a function to anybody or to another account, a layer, an image or a trigger of an account
    that was not used before, a role or policy that is mighty by its name, and lifting a role's boundary. By somebody
    new that is high, by who changes functions regularly medium, unless the same function has been opened so before.
    Other changes by somebody new are medium (code, layer, role …) or low (a timeout, a variable …). What was refused
    counts less by one step. Nobody is new in an account whose first known change is younger than `min_history_days`.

    Deploy has released daily for a month. mike, for the first time, changes the code of f → medium; and gives it an URL
    without authentication → high. Deploy lets another account call g → medium.
    """
    of_functions = function_changes.where(
        F.col("function_name").isNotNull() & ~F.col("change").isin("published", LOG_GROUP)
    )
    known = of_functions.join(principals(function_changes), ["account_id", "principal", "date"])
    judged = _with_history(known).where(is_one_of(F.col("date"), days))
    watched = F.col("watched_days") >= min_history_days
    ranked = judged.withColumn("rank", _rank(F.col("is_usual"), watched)).where(F.col("rank") > 0)
    # One call that changes a role is a change of each of its functions.
    one_call = ranked.groupBy("account_id", "region", "date", "principal", "event_id").agg(
        F.array_join(F.array_sort(F.collect_set("function_name")), ", ").alias("functions"),
        F.array_sort(F.collect_set(_words())).alias("words"),
        F.max("rank").alias("rank"),
        F.max(F.col("danger").isNotNull().cast("int")).alias("dangerous"),
        F.min(F.col("error_code").isNotNull().cast("int")).alias("refused"),
        F.max("is_usual").alias("is_usual"),
        F.max("usual_ones").alias("usual_ones"),
        F.max("watched_days").alias("watched_days"),
        F.min(F.struct("event_time", "event_id", "source_ip_address", "user_agent")).alias("call"),
    )
    daily = one_call.groupBy("account_id", "region", "date", "principal", "functions").agg(
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("words")))).alias("words"),
        F.max("rank").alias("rank"),
        F.min("refused").alias("refused"),
        F.max("is_usual").alias("is_usual"),
        F.max("usual_ones").alias("usual_ones"),
        F.max("watched_days").alias("watched_days"),
        F.min("call").alias("first"),
        F.max("call.event_time").alias("last_time"),
        F.count(F.lit(1)).alias("events"),
    )
    return _told(daily, min_history_days)


def _with_history(changes: DataFrame) -> DataFrame:
    """Adds `danger`: what is dangerous of a change, in words, and `done_before`: the function was so changed before."""
    day = F.unix_date("date")
    account = Window.partitionBy("account_id").orderBy(day)
    same = Window.partitionBy("account_id", "region", "function_name", "change", "detail").orderBy(day)
    done = F.col("error_code").isNull()
    named = changes.withColumn("foreign", foreign_accounts())
    # What somebody new brought in is not known the day after.
    lately = F.collect_set(F.when(done & F.col("is_usual"), F.col("foreign"))).over(
        account.rangeBetween(-SETTLED_DAYS, -1)
    )
    long_ago = F.collect_set(F.when(done, F.col("foreign"))).over(account.rangeBetween(-HISTORY_DAYS, -SETTLED_DAYS))
    # Sail has NULL, not an empty list, where nothing came before.
    none = F.array().cast("array<array<string>>")
    met = F.flatten(F.concat(F.coalesce(lately, none), F.coalesce(long_ago, none)))
    told = named.withColumns(
        {"met": met, "times": F.count(F.when(done, F.lit(1))).over(same.rangeBetween(-HISTORY_DAYS, -1))}
    )
    said = danger(F.array_except("foreign", "met"))
    return told.withColumns({"danger": said, "done_before": F.col("times") > 0}).drop("foreign", "met", "times")


def _rank(usual: Column, watched: Column) -> Column:
    """1 low, 2 medium, 3 high; 0: nothing to tell."""
    dangerous = F.col("danger").isNotNull()
    rank = (
        F.when(dangerous & ~usual, 3)
        .when(dangerous & ~F.col("done_before"), 2)
        .when(usual | ~watched, 0)
        .when(F.col("change").isin(*_TELLING), 2)
        .otherwise(1)
    )
    return F.when(F.col("error_code").isNull() | (rank == 0), rank).otherwise(F.greatest(rank - 1, F.lit(1)))


def _words() -> Column:
    """`code (code hash abc=)`, `permission (lambda:InvokeFunction for anybody: opens it to anybody), refused`"""
    remark = F.concat_ws(": ", F.substring("detail", 1, _LONGEST), "danger")
    told = F.concat("change", F.when(remark == "", "").otherwise(F.concat(F.lit(" ("), remark, F.lit(")"))))
    return F.concat(told, F.when(F.col("error_code").isNull(), "").otherwise(", refused"))


def _told(daily: DataFrame, min_history_days: float) -> DataFrame:
    first = F.col("first")
    did = F.when(F.col("refused") == 1, " tried in vain to change ").otherwise(" changed ")
    since = F.concat(F.lit(_NEWCOMER), regulars())
    standing = (
        F.when(F.col("is_usual"), "It changes functions regularly, but this is dangerous whoever does it")
        .when(F.col("watched_days") < min_history_days, "Too little is known of earlier changes to say who does so")
        .otherwise(since)
    )  # fmt: skip
    return daily.withColumns(
        {
            "subject": F.concat(F.lit("changed by "), "principal"),
            "severity": F.element_at(F.array(*[F.lit(name) for name in SEVERITIES]), F.col("rank").cast("int")),
            # The chance that a day brings somebody new, by the rule of succession.
            "surprise": F.when(F.col("is_usual"), F.lit(0.3)).otherwise(F.round(F.log10(F.col("watched_days") + 2), 3)),
            "summary": F.concat(
                "principal", did, "functions", F.lit(": "), listed(F.col("words"), SHOWN, "; "),
                F.lit("; from "), F.coalesce(first["source_ip_address"], F.lit("an address that is not told")),
                F.lit(" with "), F.coalesce(F.substring(first["user_agent"], 1, 80), F.lit("an unknown program")),
                F.lit(". "), standing, F.lit("."),
            ),
            "expected": F.when(F.col("usual_ones") == "", "no changes").otherwise(
                F.concat(F.lit("changes by "), F.col("usual_ones"))
            ),
            "peer_addr": first["source_ip_address"],
            "first_time": first["event_time"],
            "observed": F.col("events").cast("double"),
            "evidence_table": F.lit("function_changes"),
            "evidence": first["event_id"],
            "baseline_to": F.col("date"),
            "baseline_days": F.col("watched_days").cast("bigint"),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="control_plane_change",
    title="Change of a function by somebody new, or to strangers",
    severity="medium",
    technique="T1648 Serverless Execution",
    attack_version="19",
    tables=("function_changes",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A colleague who helps out, or a new pipeline: each function's first week with it is told.",
        "A webhook that is meant to be public, or a partner's account: accept it once, and it is quiet for 36 days.",
        "A layer of a vendor (monitoring, AWS's own extensions) that is used for the first time.",
        "People who share one role: `principal` has no session's name, so a stranger among them is not new.",
    ),
    blind_spots=(
        "What who deploys regularly deploys, by a stolen token of the pipeline, or by a change of its sources.",
        "What CloudTrail hides: the values of environment variables, and the code.",
        "Changes while no trail was written, and layers that are changed by their owner.",
    ),
    runbook=(
        "Read `summary`, and ask the person behind `principal` whether it was them, from peer_addr, at opened_at.",
        "In cloudtrail_events, read all that this identity (user_arn) did in the day around opened_at: how did it log "
        "in, and what else did it change?",
        "Unless somebody answers for it, undo the change of `functions` (an older version is still there), and end the "
        "sessions of `principal`.",
    ),
    detect=detect,
    parameters={"min_history_days": 7},
)
