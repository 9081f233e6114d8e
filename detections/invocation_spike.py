"""A function is invoked far more often than it ever was at this time."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import PRICES, cost, of_function, record, times, told, when, whole
from transforms.measures import FUNCTION, unusual
from transforms.seasonal import HISTORY_DAYS, Limits


def detect(
    days: Sequence[date],
    function_metrics_hourly: DataFrame,
    *,
    min_rise: float = 30,
    min_ratio: float = 2.5,
    min_surprise: float = 3,
    min_history_days: float = 7,
    usd_per_million_requests: float = PRICES["usd_per_million_requests"],
    usd_per_gb_second: float = PRICES["usd_per_gb_second"],
    memory_mb: float = PRICES["memory_mb"],
) -> DataFrame:
    """Observations of functions with far more invocations in an hour, in six hours, on a day or on two days.

    At least `min_rise` more and `min_ratio` times as many as usual at these hours of the week, more than ever at this
    time of day, and so many that `transforms.seasonal` finds it likely on at most one day in 10 ** `min_surprise`.

    100 an hour for 36 days, and 1,000 in one → observed 1,000, usual 100.
    """
    limits = Limits(3.0, min_rise, min_ratio, min_surprise, min_history_days)
    found = unusual(function_metrics_hourly, FUNCTION, days, F.col("invocations"), limits)
    hours = function_metrics_hourly.select(*FUNCTION, "hour", "duration_seconds", "invocations")
    within = (F.col("hour") >= F.col("first")) & (
        F.unix_timestamp("hour") < F.unix_timestamp("first") + F.col("span") * 3_600
    )
    took = (
        found.select(*FUNCTION, "date", "first", "span")
        .join(hours, list(FUNCTION))
        .where(within)
        .groupBy(*FUNCTION, "date")
        .agg(F.sum("duration_seconds").alias("seconds"), F.sum("invocations").alias("count"))
    )
    joined = found.join(took, [*FUNCTION, "date"], "left")
    more = (F.col("observed") - F.col("usual")) / F.col("span")
    each = F.coalesce(F.col("seconds") / F.col("count"), F.lit(0.0))
    summary = F.concat(
        "function_name", F.lit(" was invoked "), whole(F.col("observed")), F.lit(" times"), when(),
        times(F.col("observed"), F.col("usual")), F.lit("."), record(whole(F.col("highest"))),
        cost(more, more * each, usd_per_million_requests, usd_per_gb_second, memory_mb),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), whole(F.col("usual")), F.lit(" invocations"))
    return of_function(told(joined, summary, expected), "invocations")


DETECTION = Detection(
    id="invocation_spike",
    title="Invoked far more often than usual",
    severity="medium",
    technique="T1499 Endpoint Denial of Service",
    attack_version="19",
    tables=("function_metrics_hourly",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A campaign, a migration or a backlog that is worked off: whoever owns the caller knows.",
        "A retry storm: something that the function depends on was down, and every event came again.",
        "A release that calls the function more often: look for changes of its trigger in function_changes.",
    ),
    blind_spots=(
        "Functions that ran for fewer days than `min_history_days`, and those that did not run in the 36 days before.",
        "Functions whose own load varies as much: the more bursty, the larger the rise that it takes.",
        "A rise by less than two and a half times, and one that takes weeks: it becomes usual on the way.",
    ),
    runbook=(
        "Read `summary`, and in function_metrics_hourly the hours of the function from opened_at onward: does it last?",
        "Look for who calls: invocations by other principals in cloudtrail_events, new triggers and permissions in "
        "function_changes in the day before opened_at.",
        "If nobody knows, limit the function (`functions`) to its usual concurrency, and watch throttles and errors.",
    ),
    detect=detect,
    parameters={"min_rise": 30, "min_ratio": 2.5, "min_surprise": 3, "min_history_days": 7, **PRICES},
)
