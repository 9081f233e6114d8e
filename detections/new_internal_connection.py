"""A function talks to an internal resource that it never talked to."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.connections import ACQUAINTANCES, new_connections
from detections.deployments import with_last_change
from detections.detection import Detection


def detect(days: Sequence[date], novelties: DataFrame, function_changes: DataFrame) -> DataFrame:
    """Observations of new internal peers."""
    del days  # novelties are judged day by day
    found = new_connections(
        novelties, F.col("peer_internal") & ~F.col("other_port"), "for the first time", ACQUAINTANCES
    )
    return with_last_change(found, function_changes)


DETECTION = Detection(
    id="new_internal_connection",
    title="New internal connection",
    severity="high",
    technique="T1046 Network Service Discovery",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=1,
    false_positives=(
        "A deployment that added a dependency: `change` names the last one in the 24 hours before.",
        "A database that failed over and was used by one or two functions only: of three it is known.",
        "A resource that was given another name (its Name tag): `peer_addr` is an address that was known before.",
        "Another function on the same interface that knocks at a few doors a day: look whether that one scans, too.",
    ),
    blind_spots=(
        "Functions outside a VPC have no flow logs.",
        "A peer that another function on the same interface normally talks to explains the connection; so does one "
        "that it, too, was new to and talked to more often that day: its alert names the peer.",
        "Anything done in the first days is learned as normal.",
        "What a third of all functions talk to, and what takes the place of a resource that nobody talks to any more.",
    ),
    runbook=(
        "Read `summary`, and in function_flows the row whose conversation_id is `evidence`, ± 1 hour: "
        "were bytes_in received, or was it rejected?",
        "`change` names the last change in the 24 hours before opened_at, and who made it: a release that its owner "
        "confirms ends it here.",
        "Otherwise take the function out of service and look at the peer (`peer_name`) from opened_at onward.",
    ),
    detect=detect,
    lasting=True,
)
