"""A function talks to an external destination that it never talked to."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.connections import new_connections
from detections.detection import Detection


def detect(days: Sequence[date], novelties: DataFrame) -> DataFrame:
    """Observations of new external peers."""
    del days  # novelties are judged day by day
    return new_connections(novelties, ~F.col("peer_internal") & ~F.col("other_port"), "for the first time")


DETECTION = Detection(
    id="new_external_connection",
    title="New external connection",
    severity="medium",
    technique="T1071 Application Layer Protocol",
    attack_version="19",
    tables=("novelties",),
    history_days=0,
    false_positives=(
        "A service behind changing addresses: name its network in the settings (`networks`), and it is one peer.",
        "A release that calls a new API: look for UpdateFunctionCode in cloudtrail_events in the hour before.",
    ),
    blind_spots=(
        "Functions outside a VPC have no flow logs.",
        "Functions that meet strangers all the time (unseen_mass or strangers_per_day above its limit) do not alarm.",
        "Traffic to a destination that is already normal, whatever it carries.",
    ),
    runbook=(
        "Read `summary`; look `peer_addr` up in your reputation source, and compare bytes_out with bytes_in.",
        "Look for Update events of the function (`functions`) in cloudtrail_events in the day before opened_at.",
        "If nobody knows the destination, block it, and read function_flows of that peer_addr from opened_at onward "
        "for other functions.",
    ),
    detect=detect,
)
