"""A function calls AWS in a region in which it never did."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from detections.deployments import with_last_change
from detections.detection import Detection
from detections.words import known_since, who
from transforms.behaviours import API_REGION


def detect(days: Sequence[date], novelties: DataFrame, function_changes: DataFrame) -> DataFrame:
    """One observation per function, day and new region; its own region is never news.

    f in eu-west-1 calls ec2 in sa-east-1 → `f called AWS in sa-east-1 for the first time, from 192.0.2.1. In 39 active
    days since 2026-02-01 its regions were: eu-west-1.`
    """
    del days  # novelties are judged day by day
    fresh = novelties.where((F.col("behaviour") == API_REGION) & (F.col("thing") != F.col("region")))
    found = fresh.withColumns(
        {
            "subject": F.col("thing"),
            "summary": F.concat(
                who(), F.lit(" called AWS in "), "thing", F.lit(" for the first time, from "),
                F.coalesce("peer_addr", F.lit("nowhere that CloudTrail names")), F.lit(". "),
                known_since(F.lit("regions")),
            ),
            "evidence_table": F.lit("function_api_calls"),
            "baseline_to": F.col("date"),
        }
    )  # fmt: skip
    return with_last_change(found, function_changes)


DETECTION = Detection(
    id="api_new_region",
    title="API calls in a new region",
    severity="medium",
    technique="T1535 Unused/Unsupported Cloud Regions",
    attack_version="19",
    tables=("novelties", "function_changes"),
    history_days=1,
    false_positives=(
        "A release that replicates into, or fails over to, another region: `change` names the last one.",
        "A bucket or a table of another region that a customer or a colleague named in a request.",
    ),
    blind_spots=(
        "A region whose events no trail writes: a trail of one region sees the calls to that region only.",
        "Services of the whole world (IAM, STS by its old endpoint, Route 53): their calls have no region.",
    ),
    runbook=(
        "Read `summary`: does the company use that region (`subject`) at all?",
        "In function_api_calls, read what the function (`functions`) called there from opened_at onward (api_region), "
        "and what was refused.",
        "If nobody knows the region, look in it for machines, functions and users made since opened_at.",
    ),
    detect=detect,
    lasting=True,
)
