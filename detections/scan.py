"""A function knocks at many doors, and nobody answers."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from detections.connections import FEW_DOORS
from detections.deployments import with_last_change
from detections.detection import Detection
from detections.words import who
from transforms.behaviours import PEER
from transforms.columns import SCOPE
from transforms.days import is_one_of

HISTORY_DAYS = 36
_SET = (*SCOPE, "candidates", "inside")
_FUNCTION = (*SCOPE, "function_name")


def detect(
    days: Sequence[date],
    function_activity_hourly: DataFrame,
    function_changes: DataFrame,
    *,
    min_doors: float = FEW_DOORS,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of candidate sets that tried at least `min_doors` new (peer, port) in vain on one day.

    New is what they had not tried in the history before, in vain is what brought no byte back all day (a REJECT, or
    silence). Half as many on the median day of the history before would be the function's nature: then it stays
    silent, as it does on less history than `min_history_days` from the first conversation.

    f has talked to two databases for ten days, and tries 10.0.1.1 to 10.0.1.20 on port 22, of which one answers → one
    observation: 19 doors.
    """
    rows = function_activity_hourly.where(F.col("behaviour") == PEER).withColumn(
        "inside", F.coalesce("peer_internal", F.lit(False))
    )
    # However many days are judged at once: each looks back as far as if it were alone.
    day = F.unix_date("date")
    tried = rows.groupBy(*_SET, "function_name", "thing", "date").agg(
        F.max("first_peer_addr").alias("address"),
        F.max("peer_port").alias("port"),
        F.sum("events").alias("events"),
        F.sum("bytes_out").alias("bytes_out"),
        F.sum(F.coalesce("bytes_in", F.lit(0))).alias("bytes_in"),
        F.min(F.struct("first_time", "first_evidence", "first_local_addr")).alias("first"),
        F.max("last_time").alias("last_time"),
    )
    # In which sets of candidates a function is seen changes from hour to hour: its history is its own.
    met = Window.partitionBy(*_FUNCTION, "inside", "thing").orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    fresh = tried.withColumn("in_vain", F.max("date").over(met).isNull() & (F.col("bytes_in") == 0))
    # Every candidate has the same conversations: take them once, and what is new for all of them.
    first_of = ("address", "port", "events", "bytes_out", "first", "last_time")
    once = fresh.groupBy(*_SET, "thing", "date").agg(
        F.min(F.col("in_vain").cast("int")).alias("in_vain"), *[F.max(name).alias(name) for name in first_of]
    )
    daily = (
        once.where(F.col("in_vain") == 1)
        .groupBy(*_SET, "date")
        .agg(
            F.count(F.lit(1)).alias("doors"),
            F.count_distinct("port").alias("ports"),
            F.count_distinct("address").alias("addresses"),
            F.array_sort(F.collect_set(F.concat_ws(":", "address", F.col("port").cast("string")))).alias("names"),
            F.sum("events").alias("events"),
            F.sum("bytes_out").alias("bytes_out"),
            F.min("first").alias("first"),
            F.max("last_time").alias("last_time"),
        )
    )
    many = daily.where((F.col("doors") >= min_doors) & is_one_of(F.col("date"), days))
    at_least = F.size(F.filter("earlier", lambda n: n >= F.col("doors")))
    found = (
        many.join(_histories(fresh), [*_SET, "date"])
        .withColumn("as_many", at_least)
        .where((F.date_diff("date", "since") >= min_history_days) & (F.col("usual") < min_doors / 2))
    )
    side = F.when(F.col("inside"), "internal").otherwise("external")
    shown = F.array_join(F.slice("names", 1, 5), ", ")
    more = F.when(F.size("names") > 5, ", …").otherwise("")
    told = found.withColumn("functions", F.col("candidates")).withColumns(
        {
            "subject": F.concat(side, F.lit(" scan")),
            "severity": F.when(F.col("inside"), "high").otherwise("medium"),
            "surprise": F.round(F.log10((F.size("earlier") + 1) / (F.col("as_many") + 1)), 3),
            "observed": F.col("doors").cast("double"),
            "summary": F.concat(
                who(), F.lit(" knocked at "), F.col("doors").cast("string"), F.lit(" "), side,
                F.lit(" doors that it had never tried before, and nobody answered: "),
                F.col("addresses").cast("string"), F.lit(" addresses, "), F.col("ports").cast("string"),
                F.lit(" ports ("), shown, more, F.lit("). On its median day it tries "),
                F.col("usual").cast("int").cast("string"), F.lit("."),
            ),
            "expected": F.concat(F.col("usual").cast("int").cast("string"), F.lit(" new unanswered peers a day")),
            "peer_internal": F.col("inside"),
            "local_addr": F.col("first.first_local_addr"),
            "first_time": F.col("first.first_time"),
            "evidence_table": F.lit("function_flows"),
            "evidence": F.col("first.first_evidence"),
            "baseline_from": F.col("since"),
            "baseline_to": F.col("date"),
            "baseline_days": F.size("earlier").cast("bigint"),
        }
    )  # fmt: skip
    return with_last_change(told, function_changes)


def _histories(fresh: DataFrame) -> DataFrame:
    """Per candidate set, side and day: since when the youngest candidate is known, the doors that each of them tried in
    vain on the days before (`earlier`), and how many that are on the median day of the one that tries most.
    """
    day = F.unix_date("date")
    own = Window.partitionBy(*_FUNCTION, "inside").orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    ever = Window.partitionBy(*_FUNCTION).orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    doors = F.count_distinct(F.when(F.col("in_vain"), F.col("thing"))).alias("doors")
    daily = fresh.groupBy(*_FUNCTION, "inside", "date").agg(doors)
    # Sail has NULL, not an empty list, where nothing came before.
    earlier = F.coalesce(F.collect_list("doors").over(own), F.array().cast("array<bigint>"))
    known = daily.withColumns({"earlier": earlier, "since": F.min("date").over(ever)})
    # The first day of the history meets everything for the first time.
    middle = F.get(F.array_sort("earlier"), F.greatest((F.size("earlier") / 2).cast("int") - 1, F.lit(0)))
    usual = known.withColumn("usual", F.coalesce(middle, F.lit(0)).cast("double"))
    members = fresh.select(*_SET, "function_name", "date").distinct()
    return (
        members.join(usual, [*_FUNCTION, "inside", "date"])
        .groupBy(*_SET, "date")
        .agg(
            F.max("usual").alias("usual"),
            F.max("since").alias("since"),
            F.min(F.col("since").isNotNull().cast("int")).alias("all_known"),
            F.flatten(F.collect_list("earlier")).alias("earlier"),
        )
        .where(F.col("all_known") == 1)
    )


DETECTION = Detection(
    id="scan",
    title="Knocking at many doors",
    severity="high",
    technique="T1046 Network Service Discovery",
    attack_version="19",
    tables=("function_activity_hourly", "function_changes"),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A monitoring job whose list of targets was just extended to machines that are not up yet.",
        "A service behind many addresses that went down: one name for its network (`networks`) makes it one peer.",
    ),
    blind_spots=(
        "Doors that answer are no part of it: those are new connections, each with its own alert.",
        "Flow logs that have one direction only: nothing is ever answered there, so that nobody stands out.",
        "A scan that takes days, a door now and then: each is a new connection.",
    ),
    runbook=(
        "Read `summary`: neighbouring addresses on one port are a search, many ports of one address a probe.",
        "In function_flows, read what the functions (`functions`) did from opened_at onward: did one open?",
        "`change` names the last change in the 24 hours before opened_at, and who made it; unless its owner confirms "
        "it, take the function out of service.",
    ),
    detect=detect,
    parameters={"min_doors": FEW_DOORS, "min_history_days": 7},
)
