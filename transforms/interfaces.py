"""Network interfaces and their addresses over time."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from transforms.cloudtrail import request, response, succeeded, values_of
from transforms.columns import SCOPE, content, scope, sorted_list
from transforms.intervals import earliest, half_gap, midpoint, no_times, seconds_between, start_date
from transforms.sightings import INTERFACE_ATTRIBUTES, INTERFACE_KEY, owned
from transforms.timelines import observed_intervals

_ATTRIBUTES = INTERFACE_ATTRIBUTES


def interfaces(sightings: DataFrame, polls: DataFrame, events: DataFrame) -> DataFrame:
    """`interfaces`: interface × address over time, from `interface_sightings`, their `polls` and `lease_events`.

    A poll says that an interface was there; CloudTrail's CreateNetworkInterface and DeleteNetworkInterface
    (without errorCode: a denied or dry-run call changed nothing) say when it came and went. An interface's id
    is never used again, so its creation begins the first interval of each of its addresses, and its deletion
    ends the last one; what no poll saw has the attributes that the creation names. Where several polls and
    events agree on nothing better, a boundary is the middle between two polls: see `observed_intervals`.

    For one (vpc, address) an interval ends at the latest where the next one begins: an address has one holder.
    The first holder that a first snapshot shows may have held it any time earlier (± NULL); a later one not
    before the one before it.

    Polls at 10:00, 10:30, 11:00; eni-1 only in the second, created 10:12 → [10:12 cloudtrail ± 0, 10:45 snapshot
    ± 900). eni-2, created at 10:40 and deleted at 10:50, is in no poll → [10:40, 10:50), both cloudtrail ± 0.
    A snapshot without a poll time gives a row without times (`undated snapshot`): it answers who, not when.
    """
    dated = sightings.where(F.col("first_at").isNotNull())
    complete = polls.where("complete").select(*SCOPE, "polled_at").distinct()
    born, died = _creations(events), _deletions(events)
    observed = observed_intervals(dated, SCOPE, INTERFACE_KEY, _ATTRIBUTES, polls)
    known = dated.select("interface_id").distinct()
    lives = _with_events(observed, born, died).unionByName(
        _never_polled(born.join(known, "interface_id", "left_anti"), died, complete)
    )
    named = known.unionByName(born.select("interface_id")).distinct()
    return _one_holder(lives).unionByName(_undated(sightings, named)).select("*", start_date())


def _creations(cloudtrail: DataFrame) -> DataFrame:
    """One row an interface: created_at, addresses, scope and attributes."""
    made = "networkInterface"
    groups = values_of(response(f"{made}.groupSet"), "groupId")
    more = values_of(response(f"{made}.privateIpAddressesSet"), "privateIpAddress")
    ipv6 = values_of(response(f"{made}.ipv6AddressesSet"), "ipv6Address")
    named = F.concat(F.array(response(f"{made}.privateIpAddress")), more, ipv6)
    nothing = F.lit(None).cast("string")
    rows = succeeded(cloudtrail, "ec2.amazonaws.com", "CreateNetworkInterface").select(
        # CloudTrail's account is the caller's; in a shared VPC, too: who creates an interface owns it.
        *scope(),
        response(f"{made}.networkInterfaceId").alias("interface_id"),
        F.col("event_time").alias("created_at"),
        F.array_distinct(F.transform(F.filter(named, F.isnotnull), F.lower)).alias("addresses"),
        response(f"{made}.vpcId").alias("vpc_id"),
        response(f"{made}.subnetId").alias("subnet_id"),
        sorted_list(groups).alias("security_group_ids"),
        response(f"{made}.description").alias("description"),
        response(f"{made}.interfaceType").alias("interface_type"),
        nothing.alias("instance_id"),
        nothing.alias("name"),
        response(f"{made}.requesterId").alias("requester_id"),
    )
    made_with = F.struct(*SCOPE, "addresses", *_ATTRIBUTES)
    return (
        owned(rows.where(F.col("interface_id").isNotNull()))
        .groupBy("interface_id")
        .agg(F.min("created_at").alias("created_at"), F.min_by(made_with, "created_at").alias("made"))
        .select("interface_id", "created_at", "made.*")
    )


def _deletions(cloudtrail: DataFrame) -> DataFrame:
    """One row an interface: deleted_at."""
    return (
        succeeded(cloudtrail, "ec2.amazonaws.com", "DeleteNetworkInterface")
        .select(request("networkInterfaceId").alias("interface_id"), "event_time")
        .where(F.col("interface_id").isNotNull())
        .groupBy("interface_id")
        .agg(F.min("event_time").alias("deleted_at"))
    )


def _with_events(observed: DataFrame, born: DataFrame, died: DataFrame) -> DataFrame:
    """What polls saw, with the creation and the deletion where CloudTrail tells of them."""
    whole = Window.partitionBy("interface_id")
    rows = (
        observed.join(
            born.select("interface_id", "created_at", F.col("addresses").alias("made_with")), "interface_id", "left"
        )
        .join(died, "interface_id", "left")
        .withColumns(
            {
                "is_first": F.col("first_seen") == F.min("first_seen").over(whole),
                "is_last": F.col("last_seen") == F.max("last_seen").over(whole),
            }
        )
    )
    created, first_seen, last_seen = F.col("created_at"), F.col("first_seen"), F.col("last_seen")
    made_so = (F.size("made_with") == 0) | F.array_contains("made_with", F.col("address"))
    begins = F.col("is_first") & created.isNotNull() & made_so
    # An address that the interface was not made with came between then and the first poll that shows it.
    added = F.col("is_first") & created.isNotNull() & ~made_so & (created < first_seen)
    since = F.greatest("before_poll", "created_at")
    # The clocks of the poll and of CloudTrail may differ: what was seen was there.
    start = F.least(created, first_seen)
    ends = F.col("is_last") & F.col("deleted_at").isNotNull()
    just_after = last_seen + F.expr("INTERVAL 1 SECOND")
    end = F.when(F.col("deleted_at") > last_seen, F.col("deleted_at")).otherwise(just_after)
    return rows.select(
        *SCOPE,
        "interface_id",
        "address",
        *_ATTRIBUTES,
        F.when(begins, start)
        .when(added, midpoint(since, first_seen))
        .otherwise(F.col("valid_from"))
        .alias("valid_from"),
        F.when(ends, end).otherwise(F.col("valid_to")).alias("valid_to"),
        F.when(begins, "cloudtrail").when(added, "snapshot").otherwise(F.col("from_evidence")).alias("from_evidence"),
        F.when(begins, seconds_between(start, created))
        .when(added, half_gap(since, first_seen))
        .otherwise(F.col("from_uncertainty_seconds"))
        .alias("from_uncertainty_seconds"),
        F.when(ends, "cloudtrail").otherwise(F.col("to_evidence")).alias("to_evidence"),
        F.when(ends, seconds_between(F.col("deleted_at"), end))
        .otherwise(F.col("to_uncertainty_seconds"))
        .alias("to_uncertainty_seconds"),
        F.when(begins, start).otherwise(first_seen).alias("known_from"),
        last_seen.alias("known_until"),
    )


def _never_polled(born: DataFrame, died: DataFrame, polls: DataFrame) -> DataFrame:
    """Interfaces that only CloudTrail tells of: gone at the deletion, else before the next poll."""
    events = born.withColumn("at", F.col("created_at")).withColumn("poll", F.lit(None).cast("timestamp"))
    timeline = events.unionByName(
        polls.select(*SCOPE, F.col("polled_at").alias("at"), F.col("polled_at").alias("poll")),
        allowMissingColumns=True,
    )
    backwards = Window.partitionBy(*SCOPE).orderBy(F.col("at").desc(), F.col("poll").asc_nulls_first())
    after = F.min("poll").over(backwards.rowsBetween(Window.unboundedPreceding, 0))
    rows = timeline.withColumn("after", after).where(F.col("poll").isNull()).join(died, "interface_id", "left")
    created, deleted, missing = F.col("created_at"), F.col("deleted_at"), F.col("after")
    exact = F.lit(0).cast("bigint")
    return rows.select(
        *SCOPE,
        "interface_id",
        F.explode("addresses").alias("address"),
        *_ATTRIBUTES,
        created.alias("valid_from"),
        F.coalesce(deleted, midpoint(created, missing)).alias("valid_to"),
        F.lit("cloudtrail").alias("from_evidence"),
        exact.alias("from_uncertainty_seconds"),
        F.when(deleted.isNotNull(), "cloudtrail").when(missing.isNotNull(), "snapshot").alias("to_evidence"),
        F.when(deleted.isNotNull(), exact).otherwise(half_gap(created, missing)).alias("to_uncertainty_seconds"),
        created.alias("known_from"),
        created.alias("known_until"),
    )


def _one_holder(lives: DataFrame) -> DataFrame:
    """Let each interval of a (vpc, address) begin after the one before and end before the next one begins.

    They are ordered by `known_from`, when each surely held the address: an uncertain start may seem to be
    before a short life that it came after.
    """
    # A VPC's id is unique in the world; without one, addresses are compared within an account and region.
    place = F.coalesce("vpc_id", F.concat_ws("/", *SCOPE))
    line = Window.partitionBy(place, "address").orderBy("known_from", "valid_from", "interface_id")
    surely_until = F.when(F.col("to_evidence") == "cloudtrail", F.col("valid_to")).otherwise(F.col("known_until"))
    begins, unsure = F.col("valid_from"), F.col("from_uncertainty_seconds")
    held_before = F.max(surely_until).over(line.rowsBetween(Window.unboundedPreceding, -1))
    rows = lives.withColumn("held_before", held_before)
    raised = F.col("held_before").isNotNull() & (begins < F.col("held_before"))
    bounded = F.col("held_before").isNotNull() & (raised | unsure.isNull())
    start = F.greatest(begins, "held_before")
    reach = F.greatest(
        F.abs(seconds_between(start, F.col("known_from"))),
        seconds_between(F.greatest(earliest(), "held_before"), start),
    )
    rows = rows.withColumns(
        {"begins": start, "unsure": F.when(bounded, reach).otherwise(unsure)},
    ).withColumns({"next_begins": F.lead("begins").over(line), "next_unsure": F.lead("unsure").over(line)})
    following = F.col("next_begins")
    cut = following.isNotNull() & (F.col("valid_to").isNull() | (following < F.col("valid_to")))
    # The true end is between the last sight of this holder and the true start of the next.
    around = F.greatest(F.abs(seconds_between(F.col("known_until"), following)), F.coalesce("next_unsure", F.lit(0)))
    return rows.select(
        *SCOPE,
        "interface_id",
        "address",
        *_ATTRIBUTES,
        F.col("begins").alias("valid_from"),
        F.when(cut, following).otherwise(F.col("valid_to")).alias("valid_to"),
        "from_evidence",
        F.col("unsure").alias("from_uncertainty_seconds"),
        F.when(cut, "address reused").otherwise(F.col("to_evidence")).alias("to_evidence"),
        F.when(cut, around).otherwise(F.col("to_uncertainty_seconds")).alias("to_uncertainty_seconds"),
    ).where(F.col("valid_to").isNull() | (F.col("valid_from") < F.col("valid_to")))


def _undated(seen: DataFrame, known: DataFrame) -> DataFrame:
    """Interfaces known only from snapshots without a time, once each."""
    rows = seen.where(F.col("first_at").isNull()).join(known, "interface_id", "left_anti")
    once = rows.groupBy(*SCOPE, "interface_id", "address").agg(
        F.max_by(F.struct(*_ATTRIBUTES), content(_ATTRIBUTES)).alias("values")
    )
    return once.select(*SCOPE, "interface_id", "address", "values.*").select(
        *SCOPE, "interface_id", "address", *_ATTRIBUTES, *no_times("undated snapshot")
    )
