"""A function talks to an external destination that it never talked to."""

from pyspark.sql import DataFrame

from detections.connections import new_connections
from detections.detection import Detection


def detect(judged: DataFrame, expected: DataFrame) -> DataFrame:
    """`observations` of new external peers."""
    return new_connections(judged, expected, "new_external_connection", internal=False)


DETECTION = Detection(
    id="new_external_connection",
    title="New external connection",
    severity="medium",
    technique="T1071 Application Layer Protocol",
    attack_version="19",
    tables=("function_activity_hourly", "function_baselines"),
    history_days=7,
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
