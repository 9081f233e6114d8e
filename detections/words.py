"""The sentences that somebody reads at 3 a.m.: parts that several detections share."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.behaviours import kind_in_words, service_in_words


def who() -> Column:
    """`RDSQueryLogger`, or `One of f, g (they share an interface)`."""
    return F.when(is_shared(), F.concat(F.lit("One of "), "functions", F.lit(" (they share an interface)"))).otherwise(
        F.col("functions")
    )


def is_shared() -> Column:
    """Are there several candidates?"""
    return F.col("functions").contains(", ")


def named_peer() -> Column:
    """`payroll-01 (ec2, 10.0.1.60)`, `the AWS service S3 (192.0.2.9)`, `192.0.2.1`."""
    address = F.concat(F.lit(" ("), "peer_addr", F.lit(")"))
    kind = F.col("peer_kind")
    return (
        F.when(kind == "address", F.col("peer_name"))
        .when(kind == "aws_service", F.concat(F.lit("the AWS service "), "peer_name", address))
        .otherwise(F.concat("peer_name", F.lit(" ("), kind_in_words(), F.lit(", "), "peer_addr", F.lit(")")))
    )


def on_service() -> Column:
    """` on port 22`, ` by icmp`"""
    by_port = F.col("protocol").isin(6, 17)
    return F.concat(F.when(by_port, " on ").otherwise(" by "), service_in_words())


def known_since(what: Column) -> Column:
    """`In 39 active days since 2026-02-01 its internal peers were: orders-db (rds, port 5432).`

    From baseline_days, baseline_from and expected; `what` is `internal peers`, `API calls`, …
    """
    since = F.concat(F.lit("In "), F.col("baseline_days").cast("string"), F.lit(" active days since "))
    whose = F.when(is_shared(), " their ").otherwise(" its ")
    usual = F.when(F.col("expected") == "none", "none at all").otherwise(F.col("expected"))
    said = F.concat(since, F.col("baseline_from").cast("string"), whose, what, F.lit(" were: "), usual, F.lit("."))
    return F.coalesce(said, F.lit("Nothing is known of it from before."))
