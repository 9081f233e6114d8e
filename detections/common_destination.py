"""Several unrelated functions meet the same stranger within days: what they share has been tampered with."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from transforms.behaviours import PEER

_PEER = ("account_id", "region", "thing")


def detect(
    days: Sequence[date], novelties: DataFrame, *, min_functions: float = 3, within_days: float = 3
) -> DataFrame:
    """Observations of external peers that are new for at least `min_functions` candidate sets within `within_days`.

    One library, layer or stolen key makes unrelated functions do the same new thing. An internal peer is more often
    a new service of the owner's, so only external ones count.

    f meets 192.0.2.9 on the 3rd, g on the 4th, h on the 5th → an observation on the 5th, which names all three.
    """
    del days  # days before the judged ones are dropped by the caller
    fresh = novelties.where((F.col("behaviour") == PEER) & ~F.col("peer_internal"))
    by_day = fresh.groupBy(*_PEER, "date").agg(
        F.collect_set("functions").alias("sets"),
        F.max("peer_kind").alias("peer_kind"),
        F.max("peer_name").alias("peer_name"),
        F.max("peer_port").alias("peer_port"),
        F.max("protocol").alias("protocol"),
        F.min("surprise").alias("least"),
        F.min(F.struct("first_time", "evidence", "peer_addr", "local_addr")).alias("first"),
        F.max("last_time").alias("last_time"),
        F.sum("events").alias("events"),
        F.sum("bytes_out").alias("bytes_out"),
        F.sum("bytes_in").alias("bytes_in"),
    )
    day_number = F.unix_date("date")
    recent = Window.partitionBy(*_PEER).orderBy(day_number).rangeBetween(-int(within_days) + 1, 0)
    sets = F.array_sort(F.array_distinct(F.flatten(F.collect_list("sets").over(recent))))
    met = by_day.withColumn("all_sets", sets).where(F.size("all_sets") >= min_functions)
    count = F.size("all_sets")
    return met.withColumns(
        {
            "subject": F.col("thing"),
            # As if they had met independently, which is what is denied; the cap keeps it comparable.
            "surprise": F.least(F.round(F.col("least") * count, 3), F.lit(12.0)),
            "observed": count.cast("double"),
            "usual": F.lit(1.0),
            "summary": F.concat(
                count.cast("string"), F.lit(" unrelated functions began to talk to "), "peer_name",
                F.lit(" (port "), F.col("peer_port").cast("string"), F.lit(") within "),
                F.lit(str(int(within_days))), F.lit(" days, none of which ever had before: "),
                F.array_join("all_sets", "; "), F.lit("."),
            ),
            "expected": F.lit("unrelated functions meet different strangers"),
            "peer_internal": F.lit(False),
            "peer_addr": F.col("first.peer_addr"),
            "local_addr": F.col("first.local_addr"),
            "first_time": F.col("first.first_time"),
            "evidence_table": F.lit("function_flows"),
            "evidence": F.col("first.evidence"),
            "baseline_to": F.col("date"),
        }
    )  # fmt: skip


DETECTION = Detection(
    id="common_destination",
    title="The same stranger for several functions",
    severity="high",
    technique="T1195.001 Compromise Software Dependencies and Development Tools",
    attack_version="19",
    tables=("novelties",),
    history_days=3,
    false_positives=(
        "A service that all functions use moved to a new address: name its network in the settings (`networks`).",
        "A common library was rolled out with a new endpoint: look for deployments of these functions on that day.",
    ),
    blind_spots=(
        "Functions that meet strangers all the time are not known well enough to count.",
        "A destination with another address for each function, unless its network has a name.",
    ),
    runbook=(
        "Read `summary`: what do these functions share: a layer, a package, a role, a subnet?",
        "In function_changes, look for changes of each of them in the day before opened_at.",
        "If nobody knows `peer_addr`, block it for all of them at once (`leasehold respond plan` of each function's "
        "own alert on it says how, and who would notice), and compare bytes_out.",
    ),
    detect=detect,
    parameters={"min_functions": 3, "within_days": 3},
)
