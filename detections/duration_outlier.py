"""A function's invocations last far longer than they ever did: somebody else's computing runs to the timeout."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.deployments import releases
from detections.detection import Detection
from detections.words import PRICES, cost, decimal, of_function, told, when
from transforms.measures import FUNCTION, unusual
from transforms.seasonal import HISTORY_DAYS, LEVEL_DAYS, Limits

_FEWEST = 3
"""Invocations, that a mean is taken of: a single one may always be slow."""


def detect(
    days: Sequence[date],
    function_metrics_hourly: DataFrame,
    function_changes: DataFrame,
    *,
    min_rise_seconds: float = 20,
    min_mean_rise_seconds: float = 0.2,
    min_ratio: float = 2.5,
    min_surprise: float = 2.5,
    min_history_days: float = 7,
    min_ratio_after_release: float = 10,
    usd_per_gb_second: float = PRICES["usd_per_gb_second"],
    memory_mb: float = PRICES["memory_mb"],
) -> DataFrame:
    """Observations of functions whose mean duration, over six hours, a day or two, is far above the usual at that time.

    They must have computed `min_rise_seconds` more than so many invocations usually take, and each on average
    `min_mean_rise_seconds` more. A single hour is not judged: a few slow starts are enough to fill one. After a change
    by who usually makes them, until a new level is usual, that must be `min_ratio_after_release` times as long.

    100 invocations an hour that take 0.5 s for 36 days, and 2.5 s for 12 hours → a mean of 2.5 s, usually 0.5 s. After
    a release by Deploy, who releases daily, they may take up to 5 s.
    """
    limits = Limits(
        5.0, min_rise_seconds, min_ratio, min_surprise, min_history_days, min_mean_rise_seconds, (6, 24, 48), 12
    )
    found = unusual(function_metrics_hourly, FUNCTION, days, F.col("duration_seconds"), limits, "invocations")
    found = found.where(F.col("weight") >= _FEWEST)
    of_all = {"all_seconds": F.col("observed"), "all_usual": F.col("usual")}
    means = {"observed": F.col("observed") / F.col("weight"), "usual": F.col("usual") / F.col("weight")}
    slow = found.withColumns(of_all).withColumns({name: F.round(mean, 6) for name, mean in means.items()})
    slow = slow.join(releases(function_changes), list(FUNCTION), "left").where(
        ~_after_release() | (F.col("observed") >= min_ratio_after_release * F.col("usual"))
    )
    more = (F.col("all_seconds") - F.col("all_usual")) / F.col("span")
    seconds = F.lit(" s")
    summary = F.concat(
        F.lit("Invocations of "), "function_name", F.lit(" took "), decimal(F.col("observed")),
        F.lit(" s on average"), when(), F.lit(", usually "), decimal(F.col("usual")), F.lit(" s at that time. In the "),
        F.col("days").cast("string"), F.lit(" days before they never took as long."),
        cost(F.lit(0.0), more, 0.0, usd_per_gb_second, memory_mb),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), decimal(F.col("usual")), seconds, F.lit(" on average"))
    return of_function(told(slow, summary, expected), "duration")


def _after_release() -> Column:
    """Was it released in the span, or in the days before until which a level is new?"""
    earliest = F.col("first") - F.expr(f"INTERVAL {LEVEL_DAYS} DAYS")
    return F.exists(
        F.coalesce("released", F.array().cast("array<timestamp>")), lambda t: t.between(earliest, F.col("end"))
    )


DETECTION = Detection(
    id="duration_outlier",
    title="Runs far longer than usual",
    severity="medium",
    technique="T1496.001 Compute Hijacking",
    attack_version="19",
    tables=("function_metrics_hourly", "function_changes"),
    history_days=HISTORY_DAYS,
    false_positives=(
        "Something that the function waits for became slow: then others that use it are slow in the same hours.",
        "A release by somebody who does not usually make them, or after which it takes ten times as long.",
        "Larger input, as at the end of a month.",
    ),
    blind_spots=(
        "Computing that fits into the usual duration, and a rise within a single hour.",
        "Functions whose duration varies as much by itself: mean durations of few invocations do.",
        f"Up to ten times the duration, in the {LEVEL_DAYS} days after a change by who usually makes them.",
    ),
    runbook=(
        "In function_metrics_hourly, compare duration_seconds with longest_seconds from opened_at onward: if nearly "
        "all invocations run to the timeout, somebody uses them up.",
        "In function_changes, look for a change of code, layers or environment in the day before opened_at.",
        "Look at what `functions` talked to in function_flows since: mining needs a pool; waiting needs somebody slow.",
    ),
    detect=detect,
    parameters={
        "min_rise_seconds": 20,
        "min_mean_rise_seconds": 0.2,
        "min_ratio": 2.5,
        "min_surprise": 2.5,
        "min_history_days": 7,
        "min_ratio_after_release": 10,
        "usd_per_gb_second": PRICES["usd_per_gb_second"],
        "memory_mb": PRICES["memory_mb"],
    },
)
