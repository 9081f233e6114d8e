"""From now on less is seen: a log was switched off, or polls are not answered any more."""

import functools
from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from transforms.columns import SCOPE, scope
from transforms.sight_changes import LOG_GROUP, SIGHT, STOPPED

LOOK_BACK_DAYS = 7
_ENTERING = ("assume_role", "get_caller_identity")
_NOT_TRIED = "NotAsked"
_LEASES = ("describe_network_interfaces", "list_functions", *_ENTERING)
"""Without these nobody knows any more which function has which address."""
_COLUMNS = (
    *SCOPE, "functions", "date", "subject", "severity", "summary", "expected", "principal", "peer_addr", "observed",
    "evidence_table", "evidence", "first_time", "last_time", "events", "surprise",
)  # fmt: skip


def detect(
    days: Sequence[date],
    function_changes: DataFrame,
    coverage: DataFrame,
    polls: DataFrame,
    failed_polls: DataFrame,
    *,
    min_hours: float = 3,
) -> DataFrame:
    """Observations of what blinds: flow logs deleted, a trail stopped or narrowed, GuardDuty off, the log group of a
    function that lives on deleted, a function taken out of its VPC, and polls that went unanswered in at least
    `min_hours` hours of a day.

    Who did it does not matter; what was refused counts less by one step.

    DeleteFlowLogs of fl-1 → high: `…:assumed-role/PowerUser deleted flow logs: fl-1; from 198.51.100.7.`
    describe_network_interfaces was denied from 10:00 on, each half hour → medium, in 14 hours.
    """
    del days  # other days are dropped by the caller
    parts = (
        _switched_off(function_changes), _log_groups(function_changes), _taken_out(function_changes, coverage),
        _unanswered(polls, failed_polls, min_hours),
    )  # fmt: skip
    return functools.reduce(DataFrame.unionByName, [part.select(*_COLUMNS) for part in parts])


def _switched_off(changes: DataFrame) -> DataFrame:
    stopped = (F.col("change") != "trail") | F.col("detail").startswith(STOPPED)
    did = F.when(F.col("change") == "flow logs", "deleted flow logs: ").when(
        F.col("change") == "guardduty", "switched GuardDuty off, in whole or in part: "
    )
    of_account = changes.where(F.col("change").isin(*SIGHT)).withColumns(
        {
            "functions": F.lit(None).cast("string"),
            "did": F.coalesce(did, F.lit("changed the trail: ")),
            "severe": F.when(stopped, "high").otherwise("medium"),
        }
    )
    return _by_day(of_account, "its flow logs, trails and detectors stay as they are")


def _log_groups(changes: DataFrame) -> DataFrame:
    key = (*SCOPE, "function_name")
    gone = changes.where((F.col("change") == "deleted") & F.col("detail").isNull() & F.col("error_code").isNull())
    # Deleted together with its function: on the same day, or on one of the days before.
    dead = gone.select(*key, F.explode(F.sequence("date", F.date_add("date", LOOK_BACK_DAYS))).alias("date")).distinct()
    groups = changes.where((F.col("change") == LOG_GROUP) & F.col("function_name").isNotNull())
    alive = groups.join(dead, [*key, "date"], "left_anti").withColumns(
        {
            "functions": F.col("function_name"),
            "did": F.concat(F.lit("deleted the log group of "), "function_name", F.lit(": ")),
            "severe": F.lit("medium"),
        }
    )
    return _by_day(alive, "a function that lives keeps its log group")


def _taken_out(changes: DataFrame, coverage: DataFrame) -> DataFrame:
    """Only where the function was in a VPC in the week before, as far as is known: some tools send an empty one."""
    key = [*SCOPE, "function_name"]
    outside = ~F.coalesce("detail", F.lit("")).contains("subnet-")
    out = changes.where((F.col("change") == "vpc") & F.col("function_name").isNotNull() & outside)
    told = coverage.where(F.col("function_name").isNotNull() & F.col("in_vpc").isNotNull())
    # A day counts for the week after it.
    ahead = F.sequence(F.date_add("date", 1), F.date_add("date", LOOK_BACK_DAYS))
    was = told.withColumn("date", F.explode(ahead)).groupBy(*key, "date").agg(
        F.max(F.col("in_vpc").cast("int")).alias("was")
    )  # fmt: skip
    left = out.join(was, [*key, "date"], "left").where(F.coalesce("was", F.lit(1)) == 1)
    marked = left.withColumns(
        {
            "functions": F.col("function_name"),
            "did": F.concat(F.lit("took "), "function_name", F.lit(" out of its VPC, where no flow log sees it: ")),
            "severe": F.lit("medium"),
        }
    )
    return _by_day(marked, "it stays in its VPC")


def _by_day(marked: DataFrame, expected: str) -> DataFrame:
    """One observation per sort of change, function and day; functions, did and severe say what it is."""
    done = F.col("error_code").isNull()
    less = F.when(F.col("severe") == "high", "medium").otherwise("low")
    facts = marked.withColumns({"severity": F.when(done, F.col("severe")).otherwise(less), "done": done.cast("int")})
    call = F.struct("event_time", "event_id", "principal", "source_ip_address")
    daily = facts.groupBy(*SCOPE, "functions", "date", "change").agg(
        F.min(F.struct(F.array_position(_ranks(), F.col("severity")).alias("rank"), "severity", "did")).alias("worst"),
        F.array_join(F.slice(F.array_sort(F.collect_set("detail")), 1, 5), "; ").alias("details"),
        F.max("done").alias("done"),
        F.min(call).alias("first"),
        F.max("event_time").alias("last_time"),
        F.count_distinct("event_id").alias("events"),
    )
    first = F.col("first")
    vain = F.when(F.col("done") == 1, "").otherwise(" It was refused.")
    return daily.withColumns(
        {
            "subject": F.col("change"),
            "severity": F.col("worst.severity"),
            "summary": F.concat(
                first["principal"], F.lit(" "), F.col("worst.did"), "details", F.lit("; from "),
                F.coalesce(first["source_ip_address"], F.lit("an address that is not told")), F.lit("."), vain,
            ),
            "expected": F.lit(expected),
            "principal": first["principal"],
            "peer_addr": first["source_ip_address"],
            "observed": F.col("events").cast("double"),
            "evidence_table": F.lit("function_changes"),
            "evidence": first["event_id"],
            "first_time": first["event_time"],
            # An account does so on one day in a hundred, at most.
            "surprise": F.lit(2.0),
        }
    )  # fmt: skip


def _ranks() -> Column:
    return F.array(F.lit("high"), F.lit("medium"), F.lit("low"))


def _unanswered(polls: DataFrame, failed_polls: DataFrame, min_hours: float) -> DataFrame:
    hour = F.date_trunc("hour", "polled_at").alias("hour")
    failed = failed_polls.where(F.col("polled_at").isNotNull() & (F.col("error_code") != _NOT_TRIED)).select(
        *scope(), "date", hour, "operation", "polled_at", "error_code", "source_file", "source_line"
    )
    answered = polls.select(*scope(), hour, "operation").distinct()
    # Who could enter the account was answered something.
    entered = answered.select(
        *SCOPE, "hour", F.explode(F.array(*[F.lit(name) for name in _ENTERING])).alias("operation")
    )
    told = failed.join(answered.unionByName(entered.distinct()), [*SCOPE, "hour", "operation"], "left_anti")
    first = F.min(F.struct("polled_at", "source_file", "source_line", "error_code")).alias("first")
    daily = told.groupBy(*SCOPE, "date", "operation").agg(
        F.count_distinct("hour").alias("hours"),
        F.count(F.lit(1)).alias("events"),
        F.max("polled_at").alias("last_time"),
        first,
    )
    hours = F.col("hours").cast("string")
    return daily.where(F.col("hours") >= min_hours).withColumns(
        {
            "functions": F.lit(None).cast("string"),
            "subject": F.concat(F.lit("polls "), "operation"),
            "severity": F.when(F.col("operation").isin(*_LEASES), "medium").otherwise("low"),
            "summary": F.concat(
                "operation", F.lit(" failed in "), hours, F.lit(" hours of the day and was answered in none of them: "),
                F.coalesce("first.error_code", F.lit("no reason is told")), F.lit("."),
            ),
            "expected": F.lit("polls are answered"),
            "principal": F.lit(None).cast("string"),
            "peer_addr": F.lit(None).cast("string"),
            "observed": F.col("hours").cast("double"),
            "evidence_table": F.lit("failed_polls"),
            "evidence": F.concat_ws(":", "first.source_file", F.col("first.source_line").cast("string")),
            "first_time": F.col("first.polled_at"),
            "surprise": F.lit(1.0),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="loss_of_sight",
    title="Less is seen than before",
    severity="high",
    technique="T1685.002 Disable or Modify Cloud Log",
    attack_version="19",
    tables=("function_changes", "coverage", "polls", "failed_polls"),
    history_days=LOOK_BACK_DAYS,
    false_positives=(
        "Infrastructure as code that replaces a flow log: in cloudtrail_events a CreateFlowLogs follows at once.",
        "A trail that is moved to another bucket, or an environment that is taken down as a whole.",
        "A role for polling that lost a permission by mistake: `leasehold doctor` says which.",
    ),
    blind_spots=(
        "What happens after a trail was stopped, if it is the only one.",
        "A bucket policy, a key or a lifecycle rule that makes the files unreadable: then gaps show in coverage.",
        "A function that no CloudTrail event takes out of its VPC: coverage has it with in_vpc false.",
    ),
    runbook=(
        "Read `summary`: did the team of `principal` plan it, and is a new log there already?",
        "Switch the log on again first; then read in cloudtrail_events all that `principal` did in the day before "
        "opened_at, and in coverage what is missing since.",
        "Of polls, run `leasehold doctor`: it says which permission is lacking since opened_at, and what that costs.",
    ),
    detect=detect,
    parameters={"min_hours": 3},
)
