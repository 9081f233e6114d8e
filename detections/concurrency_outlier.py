"""Far more of a function runs at once than ever did."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import of_function, record, times, told, when, whole
from transforms.measures import FUNCTION, unusual
from transforms.seasonal import HISTORY_DAYS, Limits


def detect(
    days: Sequence[date],
    function_metrics_hourly: DataFrame,
    *,
    min_rise: float = 10,
    min_ratio: float = 3,
    min_surprise: float = 4,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of functions of which `min_rise` more ran at once, in an hour, than usually do at that time.

    At most 2 at once for 36 days, and 60 in one hour → observed 60, usual 2.
    """
    limits = Limits(2.0, min_rise, min_ratio, min_surprise, min_history_days, spans=(1,))
    found = unusual(function_metrics_hourly, FUNCTION, days, F.col("concurrent_executions"), limits)
    summary = F.concat(
        whole(F.col("observed")), F.lit(" of "), "function_name", F.lit(" ran at once"), when(),
        times(F.col("observed"), F.col("usual")), F.lit("."), record(whole(F.col("highest"))),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), whole(F.col("usual")), F.lit(" at once"))
    return of_function(told(found, summary, expected), "concurrency")


DETECTION = Detection(
    id="concurrency_outlier",
    title="Far more at once than usual",
    severity="low",
    technique="T1499 Endpoint Denial of Service",
    attack_version="19",
    tables=("function_metrics_hourly",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A backlog that is worked off after an outage, or a large file that was split into many parts.",
        "Something that the function waits for became slow, so that more of it wait at once.",
    ),
    blind_spots=(
        "Accounts whose polls do not ask for ConcurrentExecutions.",
        "Functions with a reserved concurrency that they always use up: look for throttles instead.",
    ),
    runbook=(
        "In function_metrics_hourly, did invocations or duration_seconds rise from opened_at onward?",
        "If invocations rose, look who calls `functions`; if each takes longer, what it waits for or computes.",
        "In function_changes, look for a new trigger or a change of concurrency in the day before opened_at.",
    ),
    detect=detect,
    parameters={"min_rise": 10, "min_ratio": 3, "min_surprise": 4, "min_history_days": 7},
)
