"""Most invocations of a function fail, which they never did."""

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
    min_rise: float = 3,
    min_share: float = 0.5,
    min_ratio: float = 3,
    min_surprise: float = 2,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of functions of which a part of `min_share` more than usual failed, in an hour, in three or in six.

    At least `min_rise` more errors, and `min_ratio` times as many, as so many invocations usually have; more than in
    any hour of the history.

    1 of 100 an hour fails for 36 days, and 70 of 100 in one hour → observed 70, usual 1.
    """
    limits = Limits(1.0, min_rise, min_ratio, min_surprise, min_history_days, min_share, (1, 3, 6), 12)
    found = unusual(function_metrics_hourly, FUNCTION, days, F.col("errors"), limits, "invocations")
    share = F.col("observed") / F.col("weight")
    summary = F.concat(
        whole(F.col("observed")), F.lit(" of the "), whole(F.col("weight")), F.lit(" invocations of "), "function_name",
        F.lit(" failed"), when(), F.lit(" ("), whole(100 * share), F.lit(" %). Of as many "),
        whole(F.col("usual")), F.lit(" usually fail."), record(whole(F.col("highest"))),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), whole(F.col("usual")), F.lit(" errors"))
    return of_function(told(found, summary, expected), "errors")


DETECTION = Detection(
    id="error_outlier",
    title="Far more errors than usual",
    severity="low",
    technique="T1190 Exploit Public-Facing Application",
    attack_version="19",
    tables=("function_metrics_hourly",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A release with a mistake in it: look for changes of its code in function_changes in the hour before.",
        "Something that the function depends on is down: then other functions fail in the same hours, too.",
        "A permission or a secret that expired: look for AccessDenied in function_api_calls.",
    ),
    blind_spots=(
        "Errors that the function's code catches are none for Lambda.",
        "Functions with few invocations: a handful of errors is nothing to go by.",
        "Functions that fail as often in any hour of the 36 days before.",
    ),
    runbook=(
        "Read `summary`, and in function_metrics_hourly the hours of the function from opened_at onward: errors of "
        "invocations, and duration_seconds: does it fail at once, or after its timeout?",
        "In function_changes, look for a change in the day before opened_at; in function_api_calls, for calls that "
        "were refused and that it never made before.",
        "Read the function's own log (`functions`) of that hour: odd input from outside is somebody who tries doors.",
    ),
    detect=detect,
    parameters={"min_rise": 3, "min_share": 0.5, "min_ratio": 3, "min_surprise": 2, "min_history_days": 7},
)
