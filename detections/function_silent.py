"""A function that ran regularly does not run any more, though nobody has deleted it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import decimal, of_function, whole
from transforms.measures import FUNCTION, Grid, by_series
from transforms.seasonal import HISTORY_DAYS
from transforms.silences import Silence, silences


def detect(
    days: Sequence[date],
    function_metrics_hourly: DataFrame,
    function_changes: DataFrame,
    *,
    min_hours: float = 24,
    min_ratio: float = 2.5,
    min_surprise: float = 4.5,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of functions that have not run for `min_hours`, and `min_ratio` times as long as ever before.

    Only hours count in which other functions of the account and region have points: else it may be that nobody looked.
    A function that CloudTrail says was deleted in the time may be silent.

    f ran every hour for 30 days and not for 30 hours, while g did → an observation: 30 hours.
    """
    invoked = function_metrics_hourly.withColumn("value", F.coalesce("invocations", F.lit(0.0)))

    def work(grid: Grid, judged: list[int]) -> list[Any]:
        ran = grid.exists & (grid.values > 0)
        return silences(ran, grid.known, judged, min_hours, min_ratio, min_surprise, min_history_days)

    found = by_series(invoked, function_metrics_hourly, FUNCTION, days, work, Silence)
    gone = function_changes.where((F.col("change") == "deleted") & F.col("error_code").isNull()).select(
        *FUNCTION, "event_time"
    )
    deleted = (
        found.select(*FUNCTION, "date", "last", "end")
        .join(gone, list(FUNCTION))
        .where((F.col("event_time") >= F.col("last")) & (F.col("event_time") < F.col("end")))
    )
    left = found.join(deleted.select(*FUNCTION, "date").distinct(), [*FUNCTION, "date"], "left_anti")
    hours = (F.col("hours") - 1).cast("double")
    longest = F.when(F.col("longest") == 1, "not missed an hour").otherwise(
        F.concat(F.lit("never been silent for more than "), whole(F.col("longest") - 1), F.lit(" hours"))
    )
    ran = F.date_format("last", "yyyy-MM-dd HH:mm")
    summary = F.concat(
        "function_name", F.lit(" has not run for "), whole(hours), F.lit(" hours (last in the hour from "), ran,
        F.lit("), while other functions of the account did. On the "), F.col("days").cast("string"),
        F.lit(" days before on which it ran it had "), longest, F.lit("."),
    )  # fmt: skip
    told = left.withColumns(
        {
            "observed": hours,
            "usual": F.col("typical"),
            "summary": summary,
            "expected": F.concat(F.lit("a run each "), decimal(F.col("typical")), F.lit(" hours")),
            "first_time": F.col("begin"),
            "last_time": F.col("end"),
            "events": F.ceil((F.unix_timestamp("end") - F.unix_timestamp("begin")) / 3_600).cast("bigint"),
            "evidence": ran,
            "baseline_from": F.to_date("since"),
            "baseline_to": F.date_add(F.to_date("last"), 1),
            "baseline_days": F.col("days"),
        }
    )
    return of_function(told, "silence")


DETECTION = Detection(
    id="function_silent",
    title="Does not run any more",
    severity="medium",
    technique="T1489 Service Stop",
    attack_version="19",
    tables=("function_metrics_hourly", "function_changes"),
    history_days=HISTORY_DAYS,
    false_positives=(
        "It was replaced by another function, or its trigger was switched off on purpose: look in function_changes.",
        "Holidays, of a function that people's work sets off and that has not seen any in the 36 days before.",
        "The polls left the function out: then `leasehold coverage` counts failed polls, and its flow logs go on.",
    ),
    blind_spots=(
        "Functions that run so seldom that a silence says nothing: it takes two and a half times the longest so far.",
        "Accounts and regions in which no other function has points: nobody may have looked.",
        "A silence of less than a day: it takes longer to tell one from a pause.",
    ),
    runbook=(
        "In function_metrics_hourly, read the last hours of `functions` before opened_at: did it end in errors or "
        "throttles?",
        "In function_changes, look for its trigger, permission or concurrency (0 stops it) since `evidence`, and who "
        "changed it (principal).",
        "If it watches something, or writes an audit, ask what was not seen since opened_at.",
    ),
    detect=detect,
    parameters={"min_hours": 24, "min_ratio": 2.5, "min_surprise": 4.5, "min_history_days": 7},
)
