"""Lambda turns a function's invocations away, as it never did."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import of_function, record, told, when, whole
from transforms.measures import FUNCTION, unusual
from transforms.seasonal import HISTORY_DAYS, Limits


def detect(
    days: Sequence[date],
    function_metrics_hourly: DataFrame,
    *,
    min_rise: float = 10,
    min_ratio: float = 3,
    min_surprise: float = 3,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of functions with at least `min_rise` more throttled invocations than usual, in one or six hours.

    None for 36 days, and 60 in one hour → observed 60, usual 0.
    """
    limits = Limits(1.0, min_rise, min_ratio, min_surprise, min_history_days, spans=(1, 6), around=12)
    found = unusual(function_metrics_hourly, FUNCTION, days, F.col("throttles"), limits)
    summary = F.concat(
        F.lit("Lambda turned "), whole(F.col("observed")), F.lit(" invocations of "), "function_name",
        F.lit(" away"), when(), F.lit(", usually "), whole(F.col("usual")), F.lit("."),
        record(whole(F.col("highest"))),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), whole(F.col("usual")), F.lit(" throttled invocations"))
    return of_function(told(found, summary, expected), "throttles")


DETECTION = Detection(
    id="throttle_outlier",
    title="Throttled far more than usual",
    severity="low",
    technique="T1499 Endpoint Denial of Service",
    attack_version="19",
    tables=("function_metrics_hourly",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "Its reserved concurrency was lowered on purpose: look for changes of concurrency in function_changes.",
        "A backlog that was worked off in a hurry, with more workers than the function is allowed.",
    ),
    blind_spots=(
        "Functions that are throttled as much in any hour of the 36 days before.",
        "Accounts whose polls do not ask for Throttles.",
    ),
    runbook=(
        "In function_metrics_hourly, look which function of the account ran most at once (concurrent_executions) from "
        "opened_at onward: it may be another one that eats the account's concurrency.",
        "In function_changes, look for changes of concurrency of `functions` in the day before opened_at.",
        "If its invocations rose, too, look who calls `functions`; reserve concurrency for what must not stop.",
    ),
    detect=detect,
    parameters={"min_rise": 10, "min_ratio": 3, "min_surprise": 3, "min_history_days": 7},
)
