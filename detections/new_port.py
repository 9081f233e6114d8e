"""A function talks to a peer that it knows, on a port or by a protocol that it never used with it."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.connections import ACQUAINTANCES, new_connections
from detections.deployments import with_last_change
from detections.detection import Detection


def detect(
    days: Sequence[date], novelties: DataFrame, function_changes: DataFrame, *, acquaintances: float = ACQUAINTANCES
) -> DataFrame:
    """Observations of known peers on new ports."""
    del days  # novelties are judged day by day
    found = new_connections(novelties, F.col("other_port"), "in this way for the first time", acquaintances)
    return with_last_change(found, function_changes)


DETECTION = Detection(
    id="new_port",
    title="New port or protocol",
    severity="medium",
    technique="T1571 Non-Standard Port",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=1,
    false_positives=(
        "A release that uses another interface of the same resource: `change` names the last one.",
        "One network or service name that stands for many machines: name its parts in the settings (`networks`).",
    ),
    blind_spots=(
        "Functions outside a VPC have no flow logs.",
        "Flow logs without tcp-flags do not always tell which side's port is the service's.",
        "Anything that is done over a port which is already normal with that peer.",
    ),
    runbook=(
        "Read `summary`: is `peer_port` one by which the peer is administered (22, 3389, 445, 5985)? Then act at once.",
        "`change` names the last change in the 24 hours before opened_at, and who made it: a release that its owner "
        "confirms ends it here.",
        "Compare bytes_out with bytes_in, and read function_flows of that peer_addr from opened_at onward.",
    ),
    detect=detect,
    lasting=True,
    parameters={"acquaintances": ACQUAINTANCES},
)
