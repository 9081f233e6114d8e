"""Somebody new changed a function, and then it does what it never did."""

import math
from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.connections import ACQUAINTANCES, familiar
from detections.deployments import ago, effective
from detections.detection import Detection
from detections.words import is_shared, regulars
from transforms.behaviours import API_CALL, API_REGION, PEER, label
from transforms.columns import listed
from transforms.principals import HISTORY_DAYS, principals
from transforms.sensitive_calls import harm

SHOWN = 5
_LONGEST = 160
_SET = ("account_id", "region", "functions", "date")


def detect(
    days: Sequence[date],
    novelties: DataFrame,
    function_changes: DataFrame,
    *,
    within_hours: float = 24,
    min_history_days: float = 7,
    acquaintances: float = ACQUAINTANCES,
) -> DataFrame:
    """One observation per change by somebody new (`transforms.principals`) and day after which a function did something
    new within `within_hours`: both facts.

    What is new (a peer, a call, a region) counts on its first day, unless `acquaintances` others do so and it is no
    sensitive call, and follows the last such change before it. High, or medium where less than `min_history_days` of
    changes are known. What follows a change by who usually makes them is told once, by the alerts on what is new: they
    name the change, and stay as they are.

    mike, who never did, changed the code of f at 10:00; at 10:40 it talks to payroll-01 for the first time → high:
    `The code of f was changed by …:user/mike at 2026-03-01 10:00, from 198.51.100.7 (code hash abc=). 40 minutes later
    it began to: talk to payroll-01 (ec2, port 22). …`
    """
    del days  # novelties are judged day by day
    news = novelties.where(
        F.col("behaviour").isin(PEER, API_CALL, API_REGION)
        & (F.coalesce("first_seen", "date") == F.col("date"))
        & (~familiar(acquaintances) | harm(F.col("thing")).isNotNull())
        & ~((F.col("behaviour") == API_REGION) & (F.col("thing") == F.col("region")))
    ).withColumns(
        {
            "words": F.concat(_did(), label()),
            "function_name": F.explode(F.split("functions", ", ")),
            "peer": F.struct("first_time", "thing", "peer_kind", "peer_name", "peer_internal", "peer_port", "protocol",
                             "peer_addr", "local_addr"),
        }
    )  # fmt: skip
    reach = math.ceil(within_hours / 24)
    by_whom = principals(function_changes)
    calls = effective(function_changes).join(by_whom.where("NOT is_usual"), ["account_id", "principal", "date"])
    one_call = calls.groupBy("account_id", "region", "function_name", "event_id").agg(
        F.array_join(F.array_sort(F.collect_set("change")), ", ").alias("changes"),
        F.min("event_time").alias("event_time"),
        F.min("date").alias("changed_on"),
        *[F.min(c).alias(c) for c in ("principal", "source_ip_address", "detail", "usual_ones", "watched_days")],
    )
    told = ("event_time", "event_id", "function_name", "changes", "principal", "source_ip_address", "detail",
            "usual_ones", "watched_days")  # fmt: skip
    changes = one_call.select(
        "account_id", "region", "function_name", F.struct(*told).alias("after"),
        F.explode(F.sequence("changed_on", F.date_add("changed_on", reach))).alias("date"),
    )  # fmt: skip
    seconds = F.unix_timestamp("first_time") - F.unix_timestamp("after.event_time")
    followed = news.join(changes, ["account_id", "region", "function_name", "date"]).where(
        (F.col("after.event_time") <= F.col("first_time")) & (seconds < within_hours * 3_600)
    )
    last = followed.groupBy(*_SET, "behaviour", "thing").agg(
        F.max("after").alias("after"),
        F.max("words").alias("words"),
        F.max("peer").alias("peer"),
        F.max("surprise").alias("surprise"),
        *[F.max(c).alias(c) for c in ("last_time", "events", "bytes_out", "bytes_in", "baseline_from")],
        F.max("baseline_days").alias("baseline_days"),
    )
    together = last.groupBy(*_SET, "after").agg(
        F.min("peer").alias("first"),
        F.array_sort(F.collect_set("words")).alias("words"),
        F.max("surprise").alias("surprise"),
        F.max("last_time").alias("last_time"),
        *[F.sum(c).alias(c) for c in ("events", "bytes_out", "bytes_in")],
        F.min("baseline_from").alias("baseline_from"),
        F.min("baseline_days").alias("baseline_days"),
    )
    return _told(together.select("*", "after.*", "first.*"), min_history_days)


def _did() -> Column:
    behaviour = F.col("behaviour")
    return F.when(behaviour == PEER, "talk to ").when(behaviour == API_CALL, "call ").otherwise("call AWS in ")


def _told(found: DataFrame, min_history_days: float) -> DataFrame:
    watched = F.col("watched_days") >= min_history_days
    later = ago(F.unix_timestamp("first_time") - F.unix_timestamp("event_time"))
    it = F.when(is_shared(), F.concat(F.lit("one of "), "functions", F.lit(" (they share an interface)"))).otherwise(
        "it"
    )
    standing = F.when(~watched, "Too little is known of earlier changes to say who does so").otherwise(
        F.concat(F.lit("Who changed it is new to changing functions; "), regulars())
    )
    minute = F.date_format("event_time", "yyyy-MM-dd HH:mm")
    detail = F.coalesce(F.concat(F.lit(" ("), F.substring("detail", 1, _LONGEST), F.lit(")")), F.lit(""))
    severity = F.when(watched, "high").otherwise("medium")
    return found.withColumns(
        {
            "subject": F.concat(F.lit("after a change at "), F.date_format("event_time", "yyyy-MM-dd HH:mm:ss")),
            "severity": severity,
            "surprise": F.when(severity == "high", F.round(F.col("surprise") + F.log10(F.col("watched_days") + 2), 3))
            .otherwise(F.col("surprise")),
            "summary": F.concat(
                F.lit("The "), "changes", F.lit(" of "), "function_name", F.lit(" was changed by "), "principal",
                F.lit(" at "), minute, F.lit(", from "),
                F.coalesce("source_ip_address", F.lit("an address that is not told")), detail, F.lit(". "), later,
                F.lit(" later "), it, F.lit(" began to: "), listed(F.col("words"), SHOWN, "; "),
                F.lit(". "), standing, F.lit("."),
            ),
            "expected": F.lit("a changed function does what it did before"),
            "observed": F.size("words").cast("double"),
            "evidence_table": F.lit("function_changes"),
            "evidence": F.col("event_id"),
            "baseline_to": F.col("date"),
            "change": F.concat("changes", F.lit(" by "), "principal", F.lit(" at "), minute),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="change_then_new_behaviour",
    title="Changed by somebody new, and then something new",
    severity="medium",
    technique="T1648 Serverless Execution",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=HISTORY_DAYS,
    false_positives=("A colleague's first release: ask them whether what is new belongs to it.",),
    blind_spots=(
        "What begins later than a day after the change, and what a changed function does that it did before.",
        "Changes by who usually makes them, as by a pipeline that was taken over: the alerts on what is new name them.",
        "Functions that meet strangers all the time: nothing is new of them.",
        "Changes while no trail was written, and of what is loaded from elsewhere at run time.",
    ),
    runbook=(
        "Read `summary`: who made the change (`principal`), and does what is new belong to it?",
        "In function_changes, read all changes of `functions` in the day before opened_at, and their "
        "source_ip_address.",
        "Unless the owner confirms it, put the version before the change back, and read function_flows and "
        "function_api_calls of it from opened_at onward.",
    ),
    detect=detect,
    parameters={"within_hours": 24, "min_history_days": 7, "acquaintances": ACQUAINTANCES},
)
