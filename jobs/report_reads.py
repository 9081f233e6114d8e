"""What a report reads: each part is asked of the engine as one bounded query, with how many rows more there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs import conditions
from jobs.bounded import Some, some
from jobs.show import Row
from jobs.storage import Lake
from transforms.behaviours import API_CALL, API_ERROR, PEER, label
from transforms.columns import UNKNOWN
from transforms.schemas import (
    ALERTS,
    DECISIONS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    FUNCTION_CHANGES,
    FUNCTION_METRICS_HOURLY,
    NOVELTIES,
    OBSERVATIONS,
)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Who:
    """Functions of an account and region; no names: all of them; an account or region that nothing tells: any."""

    account_id: str | None = None
    region: str | None = None
    names: tuple[str, ...] = ()

    def scope(self) -> Column:
        """Is it of the account and region?"""
        said = F.lit(True)
        for column, value in (("account_id", self.account_id), ("region", self.region)):
            if value not in (None, UNKNOWN):
                said = said & (F.col(column) == F.lit(value))
        return said

    def own(self) -> Column:
        """Is it of one of the functions, by function_name?"""
        return self.scope() & (F.col("function_name").isin(*self.names) if self.names else F.lit(True))

    def among(self) -> Column:
        """Is it of one of the functions, by functions, which may be several?"""
        if not self.names:
            return self.scope()
        return self.scope() & F.arrays_overlap(F.split("functions", ", "), F.array(*map(F.lit, self.names)))


class Measure(NamedTuple):
    """What a number over time is."""

    title: str
    value: Column
    of_activity: Column | None = None
    """which rows of function_activity_hourly; None: it is of function_metrics_hourly"""


def things(
    lake: Lake, who: Who, behaviours: tuple[str, ...], first: date, last: date, since: date, limit: int
) -> tuple[Some, list[Row]]:
    """What the functions did within [first, last], by thing: new ones first, then the most regular; and by day.

    The first has behaviour, thing, label, is_new (first seen on `since` or later), first, last, days, events,
    bytes_out, bytes_in; the second thing, date, events, of these things only.
    """
    here = lake.read(FUNCTION_ACTIVITY_HOURLY).where(F.col("date").between(F.lit(first), F.lit(last)))
    key = ("behaviour", "thing")
    daily = (
        here.where(who.own() & F.col("behaviour").isin(*behaviours))
        .withColumn("label", label())
        .groupBy(*key, "label", "date", "function_name")
        .agg(*[F.sum(name).alias(name) for name in ("events", "bytes_out", "bytes_in")])
        # Every candidate of a shared interface has the same conversations.
        .groupBy(*key, "label", "date")
        .agg(*[F.max(name).alias(name) for name in ("events", "bytes_out", "bytes_in")])
    )
    whole = daily.groupBy(*key).agg(
        F.max("label").alias("label"),
        (F.min("date") >= F.lit(since)).alias("is_new"),
        F.min("date").alias("first"),
        F.max("date").alias("last"),
        F.count_distinct("date").alias("days"),
        *[F.sum(name).alias(name) for name in ("events", "bytes_out", "bytes_in")],
    )
    found = some(whole, limit, F.col("is_new").desc(), F.col("days").desc(), F.col("events").desc(), *key)
    names = [row["thing"] for row in found.rows]
    if not names:
        return found, []
    cells = daily.where(F.col("thing").isin(*names)).groupBy("thing", "date").agg(F.sum("events").alias("events"))
    rows: list[Row] = cells.orderBy("thing", "date").toArrow().to_pylist()
    return found, rows


def measured(alert: Row) -> Measure | None:
    """The number that an alert is about, if it is about one."""
    subject, sum_of = str(alert["subject"] or ""), F.sum
    peers = (F.col("behaviour") == PEER) & ~F.coalesce("peer_internal", F.lit(False))
    if subject.startswith("volume ") and subject != "volume all external peers":
        peers = peers & (F.col("thing") == F.lit(subject.removeprefix("volume ")))
    made = {
        "invocation_spike": Measure("invocations", sum_of("invocations")),
        "function_silent": Measure("invocations", sum_of("invocations")),
        "concurrency_outlier": Measure("running at once", F.max("concurrent_executions")),
        "duration_outlier": Measure("seconds an invocation", sum_of("duration_seconds") / sum_of("invocations")),
        "error_outlier": Measure("errors", sum_of("errors")),
        "throttle_outlier": Measure("invocations refused", sum_of("throttles")),
        "api_error_burst": Measure("API calls refused", sum_of("events"), F.col("behaviour") == API_ERROR),
        "volume_outlier": Measure("bytes sent to external peers", sum_of("bytes_out"), peers),
    }
    return made.get(str(alert["detection_id"]))


def invocations() -> Measure:
    """How often functions ran."""
    return Measure("invocations", F.sum("invocations"))


def bytes_sent() -> Measure:
    """What functions sent to all their peers."""
    return Measure("bytes sent", F.sum("bytes_out"), F.col("behaviour") == PEER)


def series(
    lake: Lake, who: Who, measure: Measure, first: date, last: date, hourly: bool
) -> list[tuple[datetime, float]]:
    """The number by hour, or by day, over the last 31 days of [first, last]; of several functions the most."""
    first = max(first, last - 30 * _DAY)
    table = FUNCTION_METRICS_HOURLY if measure.of_activity is None else FUNCTION_ACTIVITY_HOURLY
    here = lake.read(table).where(F.col("date").between(F.lit(first), F.lit(last)) & who.own())
    if measure.of_activity is not None:
        here = here.where(measure.of_activity)
    at = F.unix_timestamp("hour" if hourly else F.col("date").cast("timestamp")).alias("at")
    found = (
        here.groupBy("function_name", at)
        .agg(measure.value.alias("value"))
        .groupBy("at")
        .agg(F.max("value").alias("value"))
    )
    rows = found.where(F.col("value").isNotNull()).orderBy("at").toArrow().to_pylist()
    return [(datetime.fromtimestamp(row["at"], UTC), float(row["value"])) for row in rows]


def changes(lake: Lake, who: Who, start: datetime, end: datetime, limit: int) -> Some:
    """Changes of the functions, and of what watches them, within [start, end)."""
    days = [start.date() + n * _DAY for n in range((end.date() - start.date()).days + 1)]
    theirs = who.own() | (who.scope() & F.col("function_name").isNull())
    here = lake.read(FUNCTION_CHANGES).where(conditions.on_dates("date", days)).where(theirs)
    at = F.col("event_time")
    return some(here.where((at >= F.lit(start)) & (at < F.lit(end))), limit, "event_time", "event_id", "change")


def alerts(lake: Lake, who: Who, start: datetime | None, end: datetime | None, limit: int, but: str = "") -> Some:
    """Alerts of the functions that were seen within [start, end), the latest first; not the one with the id `but`."""
    here = lake.read(ALERTS).where(who.among() & (F.col("alert_id") != F.lit(but)))
    if start:
        here = here.where(F.coalesce("updated_at", "opened_at") >= F.lit(start))
    if end:
        here = here.where(F.col("opened_at") < F.lit(end))
    return some(here, limit, F.col("opened_at").desc(), "alert_id")


def days_of(lake: Lake, alert: Row, limit: int) -> Some:
    """The observations that an alert is made of, day by day."""
    same = F.lit(True)
    for name in ("detection_id", "account_id", "region", "functions", "subject"):
        same = same & F.col(name).eqNullSafe(F.lit(alert[name]))
    first = F.col("date") >= F.lit(alert["opened_at"].date())
    return some(lake.read(OBSERVATIONS).where(first & same), limit, "date")


def decisions(lake: Lake, alert: Row, limit: int) -> Some:
    """What people decided about an alert, and the rule that suppresses it."""
    about = F.col("alert_id") == F.lit(alert["alert_id"])
    rule = F.col("decision_id") == F.lit(alert["suppressed_by"] or "")
    return some(lake.read(DECISIONS).where(about | rule), limit, "made_at", "decision_id")


def baseline(lake: Lake, who: Who, as_of: date | None, limit: int) -> tuple[date | None, Some]:
    """What was normal, as known on a day, or on the last one there is: as_of, and the rows with a `label`."""
    whole = lake.read(FUNCTION_BASELINES)
    if as_of is None:
        as_of = whole.where(who.own()).agg(F.max("as_of_date").alias("last")).toArrow().to_pylist()[0]["last"]
    if as_of is None:
        return None, Some([], 0)
    here = whole.where(F.col("as_of_date") == F.lit(as_of)).where(who.own()).withColumn("label", label())
    return as_of, some(here, limit, "behaviour", F.col("days_seen").desc(), "function_name", "thing")


def novelties(lake: Lake, day: date, limit: int) -> Some:
    """What functions did on a day for the first time, the most surprising first."""
    here = lake.read(NOVELTIES).where(F.col("date") == F.lit(day)).withColumn("label", label())
    return some(here, limit, F.col("surprise").desc(), "account_id", "region", "functions", "behaviour", "thing")


def busy(lake: Lake, day: date, limit: int) -> tuple[Some, list[Row]]:
    """The functions of a day, those with the most behaviour first; and theirs by hour: function_name, hour, events."""
    here = lake.read(FUNCTION_ACTIVITY_HOURLY).where(F.col("date") == F.lit(day))
    here = here.where(F.col("behaviour").isin(PEER, API_CALL, API_ERROR))
    key = ("account_id", "region", "function_name")
    sums = [F.sum(name).alias(name) for name in ("events", "bytes_out", "bytes_in")]
    told = here.groupBy(*key).agg(F.count_distinct("thing").alias("things"), *sums)
    found = some(told, limit, F.col("events").desc(), *key)
    names = [row["function_name"] for row in found.rows]
    by_hour = here.where(F.col("function_name").isin(*names)) if names else here.limit(0)
    hours = by_hour.groupBy("function_name", "hour").agg(F.sum("events").alias("events"))
    rows: list[Row] = hours.orderBy("function_name", "hour").toArrow().to_pylist()
    return found, rows


def places(lake: Lake, name: str) -> list[Row]:
    """The accounts and regions in which a function of that name is known, with the last day of its activity."""
    frames = []
    for table, day in ((FUNCTION_ACTIVITY_HOURLY, "date"), (FUNCTION_BASELINES, "as_of_date")):
        here = lake.read(table).where(F.col("function_name") == F.lit(name))
        # A baseline knows the days before its own.
        last = F.max(day) if day == "date" else F.date_sub(F.max(day), 1)
        frames.append(here.groupBy("account_id", "region").agg(last.alias("last")))
    found = frames[0].unionByName(frames[1]).groupBy("account_id", "region").agg(F.max("last").alias("last"))
    rows: list[Row] = found.orderBy("account_id", "region").toArrow().to_pylist()
    return rows
