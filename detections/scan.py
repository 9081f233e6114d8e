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

HISTORY_DAYS = 36
_SET = ("account_id", "region", "candidates", "inside")


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
    del days  # days before the judged ones are dropped by the caller
    rows = function_activity_hourly.where(F.col("behaviour") == PEER).withColumn(
        "inside", F.coalesce("peer_internal", F.lit(False))
    )
    # Every candidate has the same conversations: take them once.
    hours = rows.dropDuplicates([*_SET, "hour", "thing"])
    tried = hours.groupBy(*_SET, "thing", "date").agg(
        F.max("first_peer_addr").alias("address"),
        F.max("peer_port").alias("port"),
        F.sum("events").alias("events"),
        F.sum("bytes_out").alias("bytes_out"),
        F.sum(F.coalesce("bytes_in", F.lit(0))).alias("bytes_in"),
        F.min(F.struct("first_time", "first_evidence", "first_local_addr")).alias("first"),
        F.max("last_time").alias("last_time"),
    )
    # However many days are judged at once: each looks back as far as if it were alone.
    day = F.unix_date("date")
    met = F.max("date").over(Window.partitionBy(*_SET, "thing").orderBy(day).rangeBetween(-HISTORY_DAYS, -1))
    in_vain = F.col("met").isNull() & (F.col("bytes_in") == 0)
    fresh = tried.withColumn("met", met)
    daily = fresh.groupBy(*_SET, "date").agg(
        F.count_if(in_vain).alias("doors"),
        F.count_distinct(F.when(in_vain, F.col("port"))).alias("ports"),
        F.count_distinct(F.when(in_vain, F.col("address"))).alias("addresses"),
        F.array_sort(F.collect_set(F.when(in_vain, F.concat_ws(":", "address", F.col("port").cast("string"))))).alias(
            "names"
        ),
        F.sum(F.when(in_vain, F.col("events"))).alias("events"),
        F.sum(F.when(in_vain, F.col("bytes_out"))).alias("bytes_out"),
        F.min(F.when(in_vain, F.col("first"))).alias("first"),
        F.max(F.when(in_vain, F.col("last_time"))).alias("last_time"),
    )
    before = Window.partitionBy(*_SET).orderBy(day).rangeBetween(-HISTORY_DAYS, -1)
    judged = daily.withColumns(
        {
            "earlier": F.collect_list("doors").over(before),
            "since": F.min("date").over(before),
        }
    )
    # The first day of the history meets everything for the first time.
    usual = F.slice(F.array_sort("earlier"), F.greatest(F.size("earlier").cast("int") / 2, F.lit(1)).cast("int"), 1)[0]
    at_least = F.size(F.filter("earlier", lambda n: n >= F.col("doors")))
    found = judged.withColumns({"usual": usual.cast("double"), "as_many": at_least}).where(
        (F.col("doors") >= min_doors)
        & (F.date_diff("date", "since") >= min_history_days)
        & (F.col("usual") < min_doors / 2)
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
