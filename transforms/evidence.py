"""When did functions run? Data events, their own API calls and CloudWatch's minutes as spans of time."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.cloudtrail import calling_function, function_name, function_owner, request, succeeded
from transforms.columns import SCOPE, padded, scope
from transforms.conversations import WINDOW_SECONDS
from transforms.metrics import by_minute
from transforms.peers import plain_address

LONGEST_SECONDS = 900
"""Lambda's own limit: no invocation lasts longer."""

_AROUND_CALL_SECONDS = 60
"""How far around an API call its invocation is believed to reach where nothing says how long it lasts."""

_COLUMNS = (
    *SCOPE, "function_name", "source", "evidence_id", "interface_id", "address", "begins", "ends", "invocations",
    "date",
)  # fmt: skip


def invocation_evidence(cloudtrail: DataFrame, metrics: DataFrame, functions: DataFrame) -> DataFrame:
    """`invocation_evidence`: from `cloudtrail_events`, `function_metrics` and `function_snapshots` of some days.

    - A data event (Invoke, InvokeExecution) that names an interface: it ran there, and was done at the event's
      time. It began in a minute with invocations the longest of which (CloudWatch's Duration) reaches so far; where
      no minute is known, its timeout before; and not before the asynchronous Invoke with the same request id. An
      Invoke that names no interface (taken for later, or outside a VPC), or that failed, says nothing.
    - An API call with the function's credentials (`inScopeOf`): it ran then. Where the call came through an
      endpoint of the VPC, its source is the interface's address.
    - A minute of CloudWatch's Invocations: so many began in it, none lasting longer than its Duration.

    Give it the day before the wanted ones, too (invocations cross midnight), and keep the wanted rows.

    Invocations 3 in the minute 10:00, the longest 2 s → [10:00:00, 10:01:02), 3; a data event at 10:00:05 on eni-1
    → [10:00:03, 10:00:06), 1.
    """
    ran = by_minute(metrics)
    limits = (
        functions.where(F.col("timeout_seconds").isNotNull())
        .groupBy(*scope(), "function_name")
        .agg(F.max("timeout_seconds").alias("timeout"))
    )
    timed = _with_begin(_data_events(cloudtrail).unionByName(_api_calls(cloudtrail)), ran, limits)
    longest = F.coalesce(F.least("timeout", F.lit(LONGEST_SECONDS)), F.lit(LONGEST_SECONDS))
    is_call = F.col("source") == "api call"
    moment = F.unix_timestamp("at")
    around = F.coalesce(moment - F.col("since"), F.least(longest, F.lit(_AROUND_CALL_SECONDS)))
    begins = F.when(is_call, moment - around).otherwise(F.coalesce("since", moment - longest))
    # Times are cut to the second: it was done within the second that begins with the event's time.
    ends = moment + 1 + F.when(is_call, around).otherwise(0)
    events = timed.withColumns(
        {
            "begins": F.timestamp_seconds(F.greatest(begins, "taken")),
            "ends": F.timestamp_seconds(ends),
            "invocations": F.lit(1.0),
            "date": F.to_date("at"),
        }
    )
    lasted = F.ceil(F.coalesce("longest_seconds", F.lit(float(LONGEST_SECONDS)))).cast("bigint")
    minutes = ran.where(F.col("invocations") > 0).select(
        *SCOPE,
        "function_name",
        F.lit("invocations").alias("source"),
        F.unix_timestamp("minute").cast("string").alias("evidence_id"),
        F.lit(None).cast("string").alias("interface_id"),
        F.lit(None).cast("string").alias("address"),
        F.col("minute").alias("begins"),
        F.timestamp_seconds(F.unix_timestamp("minute") + F.col("period") + lasted).alias("ends"),
        "invocations",
        F.to_date("minute").alias("date"),
    )
    return events.select(*_COLUMNS).unionByName(minutes.select(*_COLUMNS))


def _data_events(cloudtrail: DataFrame) -> DataFrame:
    """function, at, interface_id, taken (seconds: when an asynchronous request was taken)."""
    calls = succeeded(cloudtrail, "lambda.amazonaws.com", "Invoke", "InvokeExecution")
    # The version's ARN says who ran; an alias or an unqualified name stands in the request.
    version = F.get_json_object("additional_event_data", "$.functionVersion")
    named = F.coalesce(
        F.when(version.startswith("arn:"), version),
        F.nullif(F.regexp_extract("resources", r'"(arn:[^:"]*:lambda:[^:"]*:[0-9]{12}:function:[^"]+)"', 1), F.lit("")),
        request("functionName"),
    )
    rows = calls.select(
        *function_owner(named),
        function_name(named).alias("function_name"),
        F.lit("data event").alias("source"),
        F.col("event_id").alias("evidence_id"),
        F.nullif(F.get_json_object("additional_event_data", "$.customerEniId"), F.lit("")).alias("interface_id"),
        F.lit(None).cast("string").alias("address"),
        F.col("event_time").alias("at"),
        "request_id",
    )
    taken = F.min(F.when(F.col("interface_id").isNull(), F.unix_timestamp("at")))
    of_request = Window.partitionBy(*SCOPE, "function_name", "request_id")
    paired = rows.withColumn("taken", F.when(F.col("request_id").isNotNull(), taken.over(of_request)))
    told = paired.where(F.col("interface_id").isNotNull() & F.col("function_name").isNotNull())
    # A call from another account is told of twice, under two ids; a retry has the same request, and its own time.
    copies = Window.partitionBy(
        *SCOPE, "function_name", "interface_id", "at", F.coalesce("request_id", "evidence_id")
    ).orderBy("evidence_id")
    return told.withColumn("copy", F.row_number().over(copies)).where(F.col("copy") == 1).drop("copy", "request_id")


def _api_calls(cloudtrail: DataFrame) -> DataFrame:
    calls = cloudtrail.where(F.col("in_scope_of_type").isNotNull()).withColumn("caller", calling_function())
    # Through an endpoint AWS sees the interface's own address, else the NAT gateway's or one of Lambda's.
    address = F.when(F.col("vpc_endpoint_id").isNotNull(), plain_address(F.col("source_ip_address")))
    return calls.select(
        *function_owner(F.col("caller")),
        function_name(F.col("caller")).alias("function_name"),
        F.lit("api call").alias("source"),
        F.col("event_id").alias("evidence_id"),
        F.lit(None).cast("string").alias("interface_id"),
        address.alias("address"),
        F.col("event_time").alias("at"),
        F.lit(None).cast("bigint").alias("taken"),
    ).where(F.col("function_name").isNotNull())


def _with_begin(events: DataFrame, ran: DataFrame, limits: DataFrame) -> DataFrame:
    """The events with `since`, the second in which what was going on then began at the earliest, and `timeout`.

    It began in a minute with invocations, the longest of which reaches as far as the event; NULL where there is none.

    Minutes 10:00 (longest 200 s) and 10:03 (longest 5 s): at 10:03:04 one of 10:00 may still run → 10:00:00 (200 s
    before would be 9:59:44, but it began in this minute); at 10:05:00 neither.
    """
    minutes = ran.where(F.col("longest_seconds").isNotNull() & (F.col("invocations") > 0)).select(
        *SCOPE,
        "function_name",
        F.unix_timestamp("minute").alias("second"),
        F.ceil("longest_seconds").cast("bigint").alias("lasts"),
        "period",
    )
    moments = events.withColumn("second", F.unix_timestamp("at"))
    both = padded(moments, minutes).unionByName(padded(minutes, moments))
    recent = Window.partitionBy(*SCOPE, "function_name").orderBy("second").rangeBetween(-(LONGEST_SECONDS + 60), 0)
    minute = F.when(F.col("lasts").isNotNull(), F.struct("second", "lasts", "period"))
    timed = both.withColumn("minutes", F.collect_list(minute).over(recent)).where(F.col("source").isNotNull())
    now = F.col("second")
    reaching = F.filter("minutes", lambda m: m["second"] + m["period"] + m["lasts"] >= now)
    since = F.array_min(F.transform(reaching, lambda m: F.greatest(m["second"], now - m["lasts"])))
    return (
        timed.withColumn("since", since)
        .drop("minutes", "second", "lasts", "period")
        .join(limits, [*SCOPE, "function_name"], "left")
    )


def hours_touched(tolerance_seconds: int) -> Column:
    """The hours whose conversations a piece of evidence bears on, as an array: those that may reach into it."""
    early = F.unix_timestamp("begins") - (WINDOW_SECONDS + 60 + tolerance_seconds)
    late = F.unix_timestamp("ends") + tolerance_seconds
    first, last = (F.date_trunc("hour", F.timestamp_seconds(edge)) for edge in (early, late))
    return F.sequence(first, last, F.expr("INTERVAL 1 HOUR"))


def changed_hours(before: DataFrame, after: DataFrame, tolerance_seconds: int) -> DataFrame:
    """The hours, as column `hour`, on which the two tables of evidence disagree."""
    columns = [c for c in _COLUMNS if c != "date"]
    both = before.select(*columns, F.lit(-1).alias("sign")).unionByName(after.select(*columns, F.lit(1).alias("sign")))
    differing = both.groupBy(*columns).agg(F.sum("sign").alias("sign")).where(F.col("sign") != 0)
    return differing.select(F.explode(hours_touched(tolerance_seconds)).alias("hour")).distinct()
