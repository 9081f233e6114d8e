"""What was seen of each function and account on a day, how surely, and what was not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import SCOPE, padded, scope
from transforms.gaps import each_of, gaps, overlaps, polled_on
from transforms.sightings import FUNCTION_POLL, INTERFACE_POLL

_KEY = (*SCOPE, "date", "function_name")
_KINDS = ("unique", "weighted", "shared", "presumed", "unknown")
_ENTERING = ("assume_role", "get_caller_identity")
_FAILED = {
    "interface_polls_failed": (INTERFACE_POLL, *_ENTERING),
    "function_polls_failed": (FUNCTION_POLL, "get_function_configuration", *_ENTERING),
    "metric_polls_failed": ("get_metric_data", *_ENTERING),
}
"""By what a poll fails; where the account could not be entered, all of its polls did."""
_CONSEQUENCE = "NotAsked"
"""Code of polls that were not even tried, because one before them failed: that one says why."""
_POLLS = ("interface_polls", "interface_polls_missed", "function_polls", "function_polls_missed", *_FAILED)
_OF_ACCOUNT = ("skipdata_records", "nodata_records", *_POLLS, "unleased_interfaces")
_BILLIONTHS = 1_000_000_000


def coverage(
    function_flows: DataFrame,
    flow_logs: DataFrame,
    leases: DataFrame,
    configs: DataFrame,
    evidence: DataFrame,
    polls: DataFrame,
    failed: DataFrame,
    days: Sequence[date],
) -> DataFrame:
    """`coverage` of `days`: per function how sure attribution was, per account (function_name NULL) what is lacking.

    `function_flows`, `flow_logs` and `evidence` (`invocation_evidence`) are of these days; `leases`, `configs` and
    `polls` may be of all days: of polls OUTAGE_DAYS on either side matter; so may `failed` (`failed_polls`). Each
    day's rows depend on the tables alone, and not on which other days are asked for.

    On one day f has 10 conversations of its own and, with g, 4 that nothing tells apart; f has data events, w is
    outside any VPC: f (unique 10, shared 2, gain 1), g (shared 2, gain 1) and w (nothing, in_vpc false). A poll was
    due every half hour and two are missing between 12:00 and 13:30: interface_polls 46, interface_polls_missed 2; if
    the one of 12:30 left word that it was denied, interface_polls_failed 1 and last_poll_error AccessDenied. An account
    that was never polled, because its role denies it, has a row of such counts. Of eni-1 there is a record or NODATA
    line for each window but those of 14:00 to 15:00: gap_interfaces 1.
    """
    functions = _functions(function_flows, configs, evidence, days)
    account = gaps(flow_logs, leases, _polled(polls, failed, days), days).withColumn(
        "function_name", F.lit(None).cast("string")
    )
    both = padded(functions, account).unionByName(padded(account, functions))
    whole = both.groupBy(*_KEY).agg(*[F.max(name).alias(name) for name in both.columns if name not in _KEY])
    is_account, zero = F.col("function_name").isNull(), F.lit(0)
    counts = [f"{kind}_{what}" for kind in _KINDS for what in ("conversations", "bytes")]
    # What is not there is 0 where it could have been, and NULL in a row that does not tell of it.
    return whole.withColumns(
        {name: F.coalesce(name, zero) for name in counts}
        | {name: F.when(is_account, F.coalesce(name, zero)) for name in _OF_ACCOUNT}
        | {"gain_conversations": F.when(~is_account, F.coalesce("gain_conversations", zero))}
        | {"data_events": F.when(~is_account, F.coalesce("data_events", zero) == 1)}
        | {"in_vpc": F.col("in_vpc") == 1}
    )


def stale_days(
    stored: DataFrame, polls: DataFrame, failed: DataFrame, configs: DataFrame, days: Sequence[date]
) -> DataFrame:
    """The days, as `date`, of `stored` (the table `coverage`, of `days`) that polls or configurations contradict.

    A day's polls and the functions outside a VPC may change without any conversation changing: a poll that comes
    late, or word that one failed; the next one after a gap over midnight; a function that turns out to be deleted.
    """
    is_account = F.col("function_name").isNull()
    counted = [*SCOPE, "date", *_POLLS, "last_poll_error"]
    told = stored.where(is_account).select(*counted, F.lit(-1).alias("sign"))
    both = told.unionByName(_polled(polls, failed, days).select(*counted, F.lit(1).alias("sign")))
    # A row of zeros is as good as none.
    differing = both.where(f"{' + '.join(_POLLS)} > 0").groupBy(*counted).agg(F.sum("sign").alias("sign"))
    of_polls = differing.where(F.col("sign") != 0).select("date")
    was = F.col("in_vpc").cast("int").alias("was")
    functions = stored.where(~is_account).select(*_KEY, was, F.lit(1).alias("there"))
    joined = functions.join(_configured(configs, days), list(_KEY), "full")
    differs = F.when(F.col("there").isNull(), F.col("in_vpc") == 0).otherwise(~F.col("was").eqNullSafe(F.col("in_vpc")))
    return of_polls.unionByName(joined.where(differs).select("date")).distinct()


def _polled(polls: DataFrame, failed: DataFrame, days: Sequence[date]) -> DataFrame:
    """Polls that were answered, missed and failed, per account, region and day."""
    both = polled_on(polls, days).join(_failed_on(failed, days), [*SCOPE, "date"], "full")
    return both.withColumns({name: F.coalesce(name, F.lit(0)) for name in _POLLS})


def _failed_on(failed: DataFrame, days: Sequence[date]) -> DataFrame:
    """Per account, region and day: how many polls of each sort failed, and the code of the last one."""
    counted = sorted({name for names in _FAILED.values() for name in names})
    on_days = failed.where(F.col("date").isin(*days) & F.col("polled_at").isNotNull())
    rows = on_days.where(F.col("operation").isin(*counted)).select(
        *scope(), "date", "operation", "polled_at", "error_code"
    )
    tells = (F.col("error_code") != _CONSEQUENCE).cast("int").alias("tells")
    # Of the same second the later code in the alphabet: the order of files must not show.
    last = F.max(F.struct(tells, "polled_at", "error_code")).alias("last")
    counts = [F.count_if(F.col("operation").isin(*names)).alias(name) for name, names in _FAILED.items()]
    found = rows.groupBy(*SCOPE, "date").agg(*counts, last)
    return found.withColumn("last_poll_error", F.col("last.error_code")).drop("last")


def _functions(function_flows: DataFrame, configs: DataFrame, evidence: DataFrame, days: Sequence[date]) -> DataFrame:
    """Rows of functions with conversations or outside a VPC; NULL for conversations that are nobody's."""
    all_of_it = Window.partitionBy("date", "conversation_id")
    by_data_events = F.coalesce("evidence", F.lit("")).contains("data events")
    unsettled = F.col("attribution").isin("shared", "weighted") & ~by_data_events
    flows = function_flows.select(
        *_KEY,
        "attribution",
        "probability",
        (F.coalesce("bytes_out", F.lit(0)) + F.coalesce("bytes_in", F.lit(0))).alias("bytes"),
        F.when(F.col("attribution") == "unknown", F.col("interface_id")).alias("unleased"),
        F.when(unsettled, F.col("probability") * (1 - F.max("probability").over(all_of_it))).alias("gain"),
    )

    def conversations(kind: str) -> Column:
        if kind in ("unique", "unknown"):
            return F.count_if(F.col("attribution") == kind)
        return _total(F.when(F.col("attribution") == kind, F.col("probability")))

    def sizes(kind: str) -> Column:
        # Rounded one by one: the order of adding must not show in the table.
        part = F.round(F.col("probability") * F.col("bytes")).cast("bigint")
        return F.sum(F.when(F.col("attribution") == kind, part).otherwise(0))

    seen = flows.groupBy(*_KEY).agg(
        *[conversations(kind).alias(f"{kind}_conversations") for kind in _KINDS],
        *[sizes(kind).alias(f"{kind}_bytes") for kind in _KINDS],
        _total(F.col("gain")).alias("gain_conversations"),
        F.size(F.collect_set("unleased")).cast("bigint").alias("unleased_interfaces"),
        F.lit(1).alias("seen"),
    )
    told = evidence.where(F.col("source") == "data event").select(*_KEY, F.lit(1).alias("data_events")).distinct()
    joined = seen.join(_configured(configs, days), list(_KEY), "full").join(told, list(_KEY), "left")
    return joined.where((F.col("seen") == 1) | (F.col("in_vpc") == 0)).drop("seen")


def _configured(configs: DataFrame, days: Sequence[date]) -> DataFrame:
    """Functions that were configured on a day, with in_vpc: 1 if any version was in a VPC then."""
    began = configs.where(F.col("valid_from").isNotNull())
    daily = began.withColumn("date", each_of(days)).where(overlaps(F.col("valid_from"), F.col("valid_to")))
    return daily.groupBy(*_KEY).agg(F.max(F.col("vpc_id").isNotNull().cast("int")).alias("in_vpc"))


def _total(part: Column) -> Column:
    """The sum of probabilities; added up as whole billionths, because the order of adding must not show."""
    billionths = F.sum(F.round(F.coalesce(part, F.lit(0.0)) * _BILLIONTHS).cast("bigint"))
    return F.round(billionths / _BILLIONTHS, 6)
