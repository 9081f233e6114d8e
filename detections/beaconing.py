"""A function checks in with an untrusted destination by the clock."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from detections.deployments import with_last_change
from detections.detection import Detection
from detections.words import who
from transforms.behaviours import PEER
from transforms.columns import SCOPE
from transforms.days import is_one_of
from transforms.peers import is_tenant, network_of
from transforms.periodicity import BEACON
from transforms.rhythms import once, rhythms

LOOK_BACK_DAYS = 7
_SET = (*SCOPE, "candidates")
_KEY = ("destination_name", "peer_port", "protocol")


def detect(
    days: Sequence[date],
    function_flows: DataFrame,
    invocation_evidence: DataFrame,
    function_baselines: DataFrame,
    function_changes: DataFrame,
    *,
    trusted_after_days: float = 14,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of external destinations that are contacted regularly, new, and not a matter of its own schedule.

    Each judged day looks back over seven. A destination is a named peer, or the /24 (IPv6: the first 48 bits) of
    addresses without a name, so that rotating addresses are one. It is trusted if one of the candidates has normally
    talked to something of it for `trusted_after_days`, or since the week in which the function was first seen. Tenants
    of AWS's addresses, of whom the baseline knows the landlord alone, are trusted if they were contacted on the day
    before the seven already: if that was new, it has been judged on each day since. Nothing is said of functions that
    are younger than `min_history_days`.

    f has talked to S3 for a month, and since yesterday noon opens a connection to 192.0.2.9:443 each ten minutes,
    though it is invoked each minute → an observation of 192.0.2.0/24, period 600 s.
    """
    attributed = function_flows.where(F.col("candidates").isNotNull()).withColumn("destination_name", _destination())
    judged = _with_days(attributed, days)
    strangers = _strangers(judged, _tenants_before(attributed, days), function_baselines, trusted_after_days,
                           min_history_days)  # fmt: skip
    # A judged day's look-back is a world of its own: it goes into the names of the region and of the interface.
    whose = strangers.select("judged", *_SET).distinct()
    flows = _apart(judged.join(whose, ["judged", *_SET], "left_semi")).withColumn(
        "interface_id", F.concat_ws("@", "interface_id", F.col("judged").cast("string"))
    )
    told = _apart(_with_days(invocation_evidence, days))
    found = rhythms(flows, told, _KEY, _apart(strangers).select(*_SET, *_KEY)).where(F.col("verdict") == BEACON)
    return with_last_change(_observations(found, flows), function_changes)


def _with_days(rows: DataFrame, days: Sequence[date]) -> DataFrame:
    """Each row once for each judged day that looks back on it."""
    looked = F.sequence("date", F.date_add("date", LOOK_BACK_DAYS - 1))
    return rows.withColumn("judged", F.explode(looked)).where(is_one_of(F.col("judged"), days))


def _apart(rows: DataFrame) -> DataFrame:
    return rows.withColumn("region", F.concat_ws("@", "region", F.col("judged").cast("string")))


def _destination() -> Column:
    """`192.0.2.0/24` for an address without a name of its own, else the name."""
    nameless = (F.col("peer_kind") == "address") | is_tenant()
    return F.when(nameless, network_of("peer_addr")).otherwise(F.col("peer_name"))


def _tenants_before(attributed: DataFrame, days: Sequence[date]) -> DataFrame:
    """judged, function and destination_name: tenants that were contacted on the day before a judged day's look-back."""
    before = attributed.withColumn("judged", F.date_add("date", LOOK_BACK_DAYS)).where(is_one_of(F.col("judged"), days))
    return before.where(is_tenant()).select("judged", *SCOPE, "function_name", "destination_name")


def _strangers(
    judged: DataFrame,
    tenants_before: DataFrame,
    function_baselines: DataFrame,
    trusted_after_days: float,
    min_history_days: float,
) -> DataFrame:
    """judged, the set of candidates and the destination: external ones that none of the set has long talked to."""
    known = function_baselines.where(F.col("behaviour") == PEER).withColumnRenamed("as_of_date", "judged")
    age, start = F.date_diff("judged", "first_seen"), F.date_diff("first_seen", "learned_from")
    old = (F.col("status") == "normal") & ((age >= trusted_after_days) | (start < min_history_days))
    whose = ["judged", *SCOPE, "function_name"]
    grown = known.where(F.date_diff("judged", "learned_from") >= min_history_days).select(*whose).distinct()
    # The baseline knows peers by name; of nameless ones that is the address, of a landlord's only the landlord.
    named = known.where(old).withColumn("peer_addr", F.col("peer_name"))
    by_name = named.select(*whose, _destination().alias("destination_name"))
    trusted = by_name.unionByName(tenants_before).distinct().withColumn("old", F.lit(1))
    met = judged.where(~F.col("peer_internal")).select(*whose, "candidates", *_KEY).distinct()
    asked = met.join(grown.withColumn("grown", F.lit(1)), whose, "left").join(
        trusted, [*whose, "destination_name"], "left"
    )
    by_set = asked.groupBy("judged", *_SET, *_KEY).agg(
        F.max(F.coalesce("old", F.lit(0))).alias("old"), F.min(F.coalesce("grown", F.lit(0))).alias("grown")
    )
    return by_set.where((F.col("old") == 0) & (F.col("grown") == 1)).drop("old", "grown")


def _observations(found: DataFrame, flows: DataFrame) -> DataFrame:
    first = F.min(F.struct("window_start", "conversation_id", "peer_addr", "local_addr", "peer_kind", "peer_name"))
    said = once(flows).join(found.select(*_SET, *_KEY), [*_SET, *_KEY], "left_semi")
    facts = said.groupBy("judged", *_SET, *_KEY).agg(
        first.alias("first"),
        F.count(F.lit(1)).alias("events"),
        F.sum("bytes_out").alias("bytes_out"),
        F.sum("bytes_in").alias("bytes_in"),
        F.count_distinct("peer_addr").alias("addresses"),
    )
    rows = found.join(facts, [*_SET, *_KEY]).withColumn("functions", F.col("candidates"))
    single = F.col("addresses") == 1
    name = F.col("destination_name")
    alone = F.when(F.col("first.peer_kind") == "address", F.col("first.peer_addr")).otherwise(name)
    where = F.when(single, alone).otherwise(
        F.concat(name, F.lit(" ("), F.col("addresses").cast("string"), F.lit(" addresses)"))
    )
    summary = F.concat(
        who(), F.lit(" checks in with "), where, F.lit(" on port "), F.col("peer_port").cast("string"),
        F.lit(" by the clock. "), "words", F.lit(" This destination is new to it."),
    )  # fmt: skip
    return rows.select(
        F.col("judged").alias("date"),
        "account_id",
        F.regexp_replace("region", "@[0-9-]+$", "").alias("region"),
        "functions",
        F.concat_ws(" ", F.lit("rhythm"), "protocol", "peer_port", name).alias("subject"),
        F.least(F.round(-F.log10(F.greatest("p_value", F.lit(1e-12))), 3), F.lit(12.0)).alias("surprise"),
        summary.alias("summary"),
        F.lit("no regular contact with a destination that is new to it").alias("expected"),
        F.col("first.peer_kind").alias("peer_kind"),
        F.when(single, F.col("first.peer_name")).otherwise(name).alias("peer_name"),
        F.lit(False).alias("peer_internal"),
        "peer_port",
        "protocol",
        F.col("first.peer_addr").alias("peer_addr"),
        F.col("first.local_addr").alias("local_addr"),
        F.round("period_seconds", 3).alias("observed"),
        F.lit("function_flows").alias("evidence_table"),
        F.col("first.conversation_id").alias("evidence"),
        F.col("judged").alias("baseline_to"),
        "first_time",
        "last_time",
        "events",
        "bytes_out",
        "bytes_in",
        # Only on days on which it went on: last_time is the end of a window.
    ).where(F.to_date(F.col("last_time") - F.expr("INTERVAL 1 SECOND")) == F.col("date"))


DETECTION = Detection(
    id="beaconing",
    title="Checking in by the clock",
    severity="high",
    technique="T1071.001 Web Protocols",
    attack_version="19",
    tables=("function_flows", "invocation_evidence", "function_baselines", "function_changes"),
    # A day more for what was changed before the first check-in.
    history_days=LOOK_BACK_DAYS,
    false_positives=(
        "A new service that is polled, or that wants a heartbeat: a deployment just before (`change`) says so.",
        "A job whose runs nobody knows, because neither its metrics nor data events are there.",
    ),
    blind_spots=(
        "Periods below about two windows of the flow log, and above twelve hours.",
        "A channel that is kept open, and an implant that speaks in every run of its function.",
        "What began in the first week in which a function was seen counts as trusted; so does, a week after it began, "
        "a destination on AWS's addresses that anybody may rent.",
        "Functions outside a VPC have no flow logs.",
    ),
    runbook=(
        "Read `summary`, and look `peer_addr` up in your reputation source.",
        "In function_flows, read all conversations with that peer_addr from opened_at onward: are bytes_out alike?",
        "`change` names the last change in the 24 hours before opened_at, and who made it; unless its owner confirms "
        "it, take the function out of service and keep its code.",
    ),
    detect=detect,
    parameters={"trusted_after_days": 14, "min_history_days": 7},
)
