"""CloudWatch's minutes of functions, by the hour."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import SCOPE, scope


def by_minute(metrics: DataFrame) -> DataFrame:
    """`function_metrics` with a row for each function and minute; of each point the newest answer counts.

    Columns: account_id, region, function_name, minute, invocations, errors, throttles, mean_seconds, longest_seconds,
    concurrent_executions (NULL: no such point), and period: seconds from here to the next point.
    """
    newest = metrics.groupBy(*scope(), "function_name", "minute", "metric_name", "stat").agg(
        F.max_by("value", F.struct("polled_at", "value")).alias("value"),
        F.max("period_seconds").alias("period"),
    )

    def value(metric: str, stat: str) -> Column:
        return F.max(F.when((F.col("metric_name") == metric) & (F.col("stat") == stat), F.col("value")))

    return newest.groupBy(*SCOPE, "function_name", "minute").agg(
        value("Invocations", "Sum").alias("invocations"),
        value("Errors", "Sum").alias("errors"),
        value("Throttles", "Sum").alias("throttles"),
        (value("Duration", "Average") / 1_000).alias("mean_seconds"),
        (value("Duration", "Maximum") / 1_000).alias("longest_seconds"),
        value("ConcurrentExecutions", "Maximum").alias("concurrent_executions"),
        F.max(F.coalesce("period", F.lit(60))).alias("period"),
    )


def metrics_hourly(metrics: DataFrame) -> DataFrame:
    """`function_metrics_hourly` from `function_metrics`.

    Two minutes, of 3 and 5 invocations that took 0.2 and 0.4 s on average → invocations 8, peak_invocations 5,
    duration_seconds 3 × 0.2 + 5 × 0.4 = 2.6. A metric that was not polled is NULL, not 0.
    """
    minutes = by_minute(metrics)
    return minutes.groupBy(*SCOPE, "function_name", F.date_trunc("hour", "minute").alias("hour")).agg(
        F.count("invocations").alias("minutes"),
        F.sum("invocations").alias("invocations"),
        F.max("invocations").alias("peak_invocations"),
        F.sum("errors").alias("errors"),
        F.sum("throttles").alias("throttles"),
        # Rounded, because the engines add in different orders.
        F.round(F.sum(F.col("mean_seconds") * F.col("invocations")), 6).alias("duration_seconds"),
        F.max("longest_seconds").alias("longest_seconds"),
        F.max("concurrent_executions").alias("concurrent_executions"),
        F.max_by("minute", F.struct("invocations", "minute")).alias("peak_minute"),
        F.max(F.to_date("minute")).alias("date"),
    )
