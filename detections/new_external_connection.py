"""A function talks to an external destination that it never talked to."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from detections.connections import ACQUAINTANCES, new_connections
from detections.deployments import with_last_change
from detections.detection import Detection
from transforms.behaviours import network, network_thing


def detect(
    days: Sequence[date], novelties: DataFrame, function_changes: DataFrame, *, acquaintances: float = ACQUAINTANCES
) -> DataFrame:
    """Observations of new external peers; those that are bare addresses of one /24, on one port, are one.

    f talks to 192.0.2.1 and 192.0.2.7 on port 443, never seen before → one observation, of 192.0.2.1; the subject is
    `6|443|network|192.0.2.0/24`, so that 192.0.2.9 on the day after is the same alert.
    """
    del days  # novelties are judged day by day
    found = new_connections(
        novelties, ~F.col("peer_internal") & ~F.col("other_port"), "for the first time", acquaintances
    )
    subject = F.coalesce(network_thing(), F.col("subject"))
    one = Window.partitionBy("date", "account_id", "region", "functions", "subject")
    merged = found.withColumn("subject", subject).withColumns(
        {
            "place": F.row_number().over(one.orderBy("first_time", "evidence", "thing")),
            "more": F.count(F.lit(1)).over(one) - 1,
            **{name: F.sum(name).over(one) for name in ("events", "bytes_out", "bytes_in")},
            "last_time": F.max("last_time").over(one),
        }
    )
    others = F.concat(
        F.lit(" So were "), F.col("more").cast("string"), F.lit(" more addresses of "), network(), F.lit(".")
    )
    told = F.concat("summary", F.when(F.col("more") > 0, others).otherwise(""))
    return with_last_change(merged.where(F.col("place") == 1).withColumn("summary", told), function_changes)


DETECTION = Detection(
    id="new_external_connection",
    title="New external connection",
    severity="medium",
    technique="T1071 Application Layer Protocol",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=1,
    false_positives=(
        "A service behind addresses of many networks: name them in the settings (`networks`), and it is one peer.",
        "A release that calls a new API: `change` names the last one in the 24 hours before.",
    ),
    blind_spots=(
        "Functions outside a VPC have no flow logs.",
        "Functions that meet strangers all the time (unseen_mass or strangers_per_day above its limit) do not alarm.",
        "Traffic to a destination that is already normal, whatever it carries, and to one that is normal for "
        "`acquaintances` other functions: see the detections of volumes and of rhythms.",
        "What another function behind the same interface, far likelier, did more often: its alert tells of it.",
        "A stranger beside a service that rotates: once three addresses of a /24 are normal on a port, all of it is.",
    ),
    runbook=(
        "Read `summary`; look `peer_addr` up in your reputation source, and compare bytes_out with bytes_in.",
        "`change` names the last change in the 24 hours before opened_at, and who made it: a release that its owner "
        "confirms ends it here.",
        "If nobody knows the destination, block it (`leasehold respond plan ALERT` says how, and who would notice), "
        "and read function_flows of that peer_addr from opened_at onward for other functions.",
    ),
    detect=detect,
    lasting=True,
    parameters={"acquaintances": ACQUAINTANCES},
)
