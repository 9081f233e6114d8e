"""Which functions may have held a conversation's address while it lasted: the join of conversations with leases.

A hash join looks up equal keys only, so time is made one: the history of an address is cut into buckets, each lease
is put into those that it meets, and a conversation looks into the one in which it starts. Where an address had few
leases, they are all in one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.conversations import WINDOW_SECONDS
from transforms.intervals import FIRST_SNAPSHOT, earliest, latest

LONGEST_SECONDS = WINDOW_SECONDS + 60
"""No record lasts longer than a window and a minute: a wilder end_time must not reach for other leases."""

_FEW = 16  # leases of an address that are not worth cutting
_CUTS = 4  # how many buckets a lease of mean length is cut into
_SECOND = 1_000_000  # microseconds, in which all is counted
_EVER = 2**62  # stands for "no bound", so that no condition has to care for NULL
_KEY = ("lease_interface", "lease_address")
_SCALE = ("lease_start", "lease_width", "lease_last")
_SPANS = "array<struct<name:string,low:bigint,high:bigint>>"
_GROUNDS = "array<struct<low:bigint,high:bigint,presumed_to:bigint,creator:boolean>>"


def serving(leases: DataFrame) -> DataFrame:
    """The leases that say which function it was: those of Lambda interfaces with a name and times."""
    named = F.col("owner_name").isNotNull() & F.col("valid_from").isNotNull()
    return leases.where((F.col("owner_kind") == "lambda") & named)


def in_time(leases: DataFrame, since: datetime, until: datetime, tolerance_seconds: int) -> DataFrame:
    """The leases that may cover a conversation that starts in [since, until): all that a job needs for its window.

    Window [10:00, 11:00), tolerance 60 s: a lease that ended at 9:58 ± 0 s is left out, one that ended at
    9:50 ± 600 s is kept; so is one that began at 11:11, because a record of 10:59 may last until 11:10.
    """
    first = since - timedelta(seconds=tolerance_seconds)
    last = until + timedelta(seconds=LONGEST_SECONDS + tolerance_seconds)
    begun = earliest().isNull() | (earliest() < F.lit(last))
    return leases.where(begun & (latest().isNull() | (latest() > F.lit(first))))


def candidates(conversations: DataFrame, leases: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Each conversation once, with the functions whose lease of its interface and local_addr may cover it.

    `conversations` has interface_id, local_addr, start_time, end_time and any other columns, none of which is
    called `lease_…`. Added are:

    - names (array<string>): the functions, sorted, each once; empty when no lease covers it;
    - presumed: all of them only by what the first snapshot of all shows, which may have been so before (functions
      that were gone by then are not known). False without names;
    - basis: `creator` when all those leases know only who caused the interface's creation, else `configuration`;
      NULL without names.

    A lease may cover it when the lease's time, widened by its own uncertainty, meets [start_time, end_time]
    ± the tolerance: AWS's times may be off by a minute. Leases are half-open.

    f holds eni-1 until 12:00 ± 0 s, g from 12:00. 11:30:00 to 11:30:20 → [f]; 12:00:20 to 12:00:40 → [f, g] with 60 s
    of tolerance, [g] with 0, and so does 12:00:00 sharp. Were g known from the first snapshot, at 12:00, and f
    not at all: 11:30 → [g], presumed.
    """
    tolerance = int(tolerance_seconds) * _SECOND
    claims = _claims(leases, reach=LONGEST_SECONDS * _SECOND + 2 * tolerance)
    start = F.unix_micros("start_time")
    end = F.greatest(start, F.least(F.unix_micros("end_time"), start + LONGEST_SECONDS * _SECOND))
    # One row an address, then one row a bucket: neither join can multiply conversations.
    scaled = _beside(claims.select(*_KEY, *_SCALE).distinct(), conversations).drop(*_KEY)
    timed = scaled.withColumns({"lease_since": start - tolerance, "lease_until": end + tolerance})
    timed = timed.withColumn("lease_at", _bucket(F.col("lease_since")))
    met = _beside(_buckets(claims), timed, F.col("lease_bucket") == F.col("lease_at"))
    since, until = F.col("lease_since"), F.col("lease_until")

    def covers(claim: Column) -> Column:
        return (claim["low"] <= until) & (since < claim["high"])

    found = F.transform(F.filter("lease_spans", covers), lambda claim: claim["name"])
    # What is rare costs only where it occurs: most addresses have leases, and one of each function.
    names = (
        F.when(F.col("lease_count").isNull(), F.array().cast("array<string>"))
        .when(F.col("lease_twice"), F.array_distinct(found))
        .otherwise(found)
    )
    presumed = F.forall("lease_grounds", lambda claim: ~covers(claim) | (until < claim["presumed_to"]))
    created = F.forall("lease_grounds", lambda claim: ~covers(claim) | claim["creator"])
    created = F.when(F.col("lease_creators") == F.col("lease_count"), True).otherwise(
        F.when(F.col("lease_creators") > 0, created).otherwise(False)
    )
    named = met.withColumn("names", names)
    some = F.size("names") > 0
    return named.select(
        *[F.col(column) for column in conversations.columns],
        "names",
        F.when(some & (until < F.col("lease_presumed_to")), presumed).otherwise(False).alias("presumed"),
        F.when(some, F.when(created, "creator").otherwise("configuration")).alias("basis"),
    )


def _claims(leases: DataFrame, reach: int) -> DataFrame:
    """The serving leases in microseconds, each beside the scale by which its address's history is cut.

    A lease covers what lasts until `low` or later and starts before `high`, so what starts since `enters`: nothing
    lasts longer than `reach`.

    The buckets are lease_width wide and begin at lease_start; the first reaches back for ever, the last, lease_last,
    on for ever. The width follows from the mean length of the address's leases, so that however long they are,
    each is in _CUTS + 2 buckets on average.
    """
    low, high, begins = F.unix_micros(earliest()), F.unix_micros(latest()), F.unix_micros("valid_from")
    claims = serving(leases).select(
        F.col("interface_id").alias("lease_interface"),
        F.col("address").alias("lease_address"),
        F.col("owner_name").alias("name"),
        F.coalesce(low, F.lit(-_EVER)).alias("low"),
        F.coalesce(low - reach, F.lit(-_EVER)).alias("enters"),
        F.coalesce(high, F.lit(_EVER)).alias("high"),
        F.when(F.col("from_evidence") == FIRST_SNAPSHOT, begins).otherwise(F.lit(-_EVER)).alias("presumed_to"),
        F.coalesce(F.col("basis") == "creator", F.lit(False)).alias("creator"),
        F.least(low, begins).alias("starts"),
        F.greatest(high, begins).alias("ends"),
    )
    address = Window.partitionBy(*_KEY)
    bounded = claims.withColumns(
        {
            "lease_start": F.min(F.col("starts") - reach).over(address),
            "lease_end": F.max("ends").over(address),
            "leases": F.count(F.lit(1)).over(address),
        }
    )
    length = F.least("high", "lease_end") - F.greatest("enters", "lease_start")
    # Whole seconds and no averages: the sum cannot overflow, and is the same however often it is made.
    seconds = F.sum(F.floor(length / _SECOND)).over(address)
    width = F.floor(seconds * _SECOND / (F.col("leases") * _CUTS))
    few = F.col("leases") <= _FEW
    whole = F.col("lease_end") - F.col("lease_start") + 1
    scaled = bounded.withColumn("lease_width", F.when(few, whole).otherwise(F.greatest(width, F.lit(_SECOND))))
    return scaled.withColumn(
        "lease_last", F.floor((F.col("lease_end") - F.col("lease_start")) / F.col("lease_width"))
    ).drop("starts", "ends", "lease_end", "leases")


def _bucket(moment: Column) -> Column:
    """In which bucket of its address's history a moment is."""
    counted = F.floor((moment - F.col("lease_start")) / F.col("lease_width"))
    return F.when(F.col("lease_last") > 0, F.greatest(F.lit(0), F.least("lease_last", counted))).otherwise(F.lit(0))


def _buckets(claims: DataFrame) -> DataFrame:
    """One row an address and bucket, with the leases that may cover what starts in it, in the order of names."""
    entries = F.sequence(_bucket(F.col("enters")), _bucket(F.col("high")))
    claim = F.struct("name", "low", "high", "presumed_to", "creator")
    grouped = (
        claims.withColumn("lease_bucket", F.explode(entries))
        .groupBy(*_KEY, "lease_bucket")
        .agg(
            F.array_sort(F.collect_list(claim)).alias("claims"),
            F.max("presumed_to").alias("lease_presumed_to"),
            F.count_if("creator").alias("lease_creators"),
            F.count(F.lit(1)).alias("lease_count"),
        )
    )
    mixed = (F.col("lease_creators") > 0) & (F.col("lease_creators") < F.col("lease_count"))
    matter = mixed | (F.col("lease_presumed_to") > -_EVER)

    def parts(*names: str) -> Column:
        return F.transform("claims", lambda claim: F.struct(*[claim[name].alias(name) for name in names]))

    names = F.transform("claims", lambda claim: claim["name"])
    return grouped.withColumns(
        {
            "lease_twice": F.size(F.array_distinct(names)) < F.col("lease_count"),
            "lease_spans": parts("name", "low", "high").cast(_SPANS),
            "lease_grounds": F.when(matter, parts("low", "high", "presumed_to", "creator")).cast(_GROUNDS),
        }
    ).drop("claims")


def _beside(few: DataFrame, many: DataFrame, *more: Column) -> DataFrame:
    """All rows of `many`, beside the row of `few` for their interface and address, if there is one.

    The small side is the left one, on which Sail builds its hash table. On Spark it is sent to every task, so that
    an interface with half of all traffic burdens none of them.
    """
    same = (F.col("interface_id") == F.col("lease_interface")) & (F.col("local_addr") == F.col("lease_address"))
    for condition in more:
        same = same & condition
    return F.broadcast(few).join(many, same, "right")
