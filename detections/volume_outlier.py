"""A function sends far more than ever to where it has always sent something."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from detections.detection import Detection
from detections.words import decimal, named_peer, on_service, span_in_words, told, when, who
from transforms.behaviours import PEER
from transforms.columns import SCOPE
from transforms.measures import unusual
from transforms.seasonal import HISTORY_DAYS, HOURS, Limits

_SET = (*SCOPE, "candidates")
_PEER = ("peer_kind", "peer_name", "peer_port", "protocol")
_ALL = "all external peers"
_MEGABYTE = 1e6


def detect(
    days: Sequence[date],
    function_activity_hourly: DataFrame,
    *,
    min_rise_megabytes: float = 5,
    min_ratio: float = 3,
    min_ramp: float = 10,
    min_surprise: float = 2.5,
    min_history_days: float = 7,
) -> DataFrame:
    """Observations of bytes sent to an external peer that is known for `min_history_days`, or to all of them together.

    At least `min_rise_megabytes` more, and `min_ratio` times as much, as usual at these hours, over an hour, six
    hours, a day or two days; or more and more from day to day until it is `min_ramp` times as much. Functions that
    share an interface are judged as one, by what any of them sent. All peers together are told where no single one is,
    and instead of several: a function that does more, or somebody behind many addresses, is one piece of news.

    f sends 10 MB a day to S3 for 36 days, and 1 GB within an hour → observed 1,000,000,000.
    """
    sent = F.col("bytes_out").cast("double")
    peers = function_activity_hourly.where(F.col("behaviour") == PEER)
    outside = peers.where(~F.coalesce("peer_internal", F.lit(False)))
    # Every candidate has the same conversations: take them once.
    once = outside.groupBy(*_SET, "thing", "hour", "date").agg(F.max(sent).alias("bytes"))
    whole = once.groupBy(*_SET, "hour", "date").agg(F.sum("bytes").alias("bytes"))
    both = once.unionByName(whole.withColumn("thing", F.lit(_ALL)))
    limits = Limits(
        _MEGABYTE / 10, min_rise_megabytes * _MEGABYTE, min_ratio, min_surprise, min_history_days, ramp=min_ramp
    )
    found = unusual(both, (*_SET, "thing"), days, F.col("bytes"), limits, everything=peers)
    of_set = Window.partitionBy(*_SET, "date")
    is_whole = F.col("thing") == _ALL
    peers_told, whole_told = (F.count_if(which).over(of_set) for which in (~is_whole, is_whole))
    kept = (
        found.withColumns({"peers_told": peers_told, "whole_told": whole_told})
        .where(
            (is_whole & (F.col("peers_told") != 1))
            | (~is_whole & ((F.col("peers_told") == 1) | (F.col("whole_told") == 0)))
        )
        .drop("peers_told", "whole_told")
    )
    first = F.struct("first_time", "first_evidence", "first_peer_addr", "first_local_addr")
    shown = (
        outside.join(
            kept.select(*_SET, "thing", F.col("peak").alias("hour")).distinct(), [*_SET, "thing", "hour"], "left_semi"
        )
        .groupBy(*_SET, "thing", F.col("hour").alias("peak"))
        .agg(*[F.max(name).alias(name) for name in _PEER], F.min(first).alias("first_of"))
    )
    named = kept.join(shown, [*_SET, "thing", "peak"], "left").withColumns(
        {"functions": F.col("candidates"), "peer_addr": F.col("first_of.first_peer_addr")}
    )
    peer = F.when(F.col("thing") == _ALL, "all its external peers together").otherwise(
        F.concat(named_peer(), on_service())
    )
    observed, usual = F.col("observed"), F.col("usual")
    seldom = F.when(usual < 1, F.lit(" usually sends it nothing")).otherwise(
        F.concat(F.lit(" usually sends "), _size(usual))
    )
    jump = F.concat(
        who(), F.lit(" sent "), _size(observed), F.lit(" to "), peer, when(), F.lit("; at that time it"), seldom,
        F.lit(". In the "), F.col("days").cast("string"), F.lit(" days before it was at most "),
        _size(F.col("highest")), F.lit(" in "), span_in_words(), F.lit("."),
    )  # fmt: skip
    ramp = F.concat(
        who(), F.lit(" sends more and more to "), peer, F.lit(": "), _size(observed), F.lit(" on "),
        F.col("date").cast("string"), F.lit(", after "), _size(usual), F.lit(" a day "),
        (F.col("span") / HOURS).cast("int").cast("string"), F.lit(" days earlier."),
    )  # fmt: skip
    expected = F.concat(F.lit("about "), _size(usual))
    rows = told(named, F.when(F.col("span") > 2 * HOURS, ramp).otherwise(jump), expected)
    return rows.withColumns(
        {
            "subject": F.concat(F.lit("volume "), "thing"),
            "peer_internal": F.lit(False),
            "local_addr": F.col("first_of.first_local_addr"),
            "bytes_out": observed.cast("bigint"),
            "evidence_table": F.when(F.col("thing") != _ALL, "function_flows"),
            "evidence": F.col("first_of.first_evidence"),
        }
    )


def _size(number: Column) -> Column:
    """1,500,000,000 → `1.5 GB`, 20,000,000 → `20 MB`, 900 → `0.9 kB`."""
    return (
        F.when(number >= 1e9, F.concat(decimal(number / 1e9), F.lit(" GB")))
        .when(number >= 1e6, F.concat(decimal(number / 1e6), F.lit(" MB")))
        .otherwise(F.concat(decimal(number / 1e3), F.lit(" kB")))
    )


DETECTION = Detection(
    id="volume_outlier",
    title="Sends far more than usual",
    severity="high",
    technique="T1567 Exfiltration Over Web Service",
    attack_version="19",
    tables=("function_activity_hourly",),
    history_days=HISTORY_DAYS,
    false_positives=(
        "A migration, a first full export, or a backlog that is sent after an outage: whoever owns the function knows.",
        "More work of the same sort: look whether invocations in function_metrics_hourly rose as much.",
        "A release that writes larger files or more logs: look for changes of code in function_changes.",
    ),
    blind_spots=(
        "Peers that are new: each is an alert of its own, however much is sent to it.",
        "Functions outside a VPC, and traffic that flow logs skipped (SKIPDATA).",
        "What is sent bit by bit within the usual, and a function whose volumes vary as much by themselves.",
    ),
    runbook=(
        "In function_flows, sum up bytes_out of `functions` to `peer_name` by hour since the day before opened_at.",
        "In function_metrics_hourly, look whether its invocations rose as much as bytes_out did: if not, each of them "
        "sends more.",
        "In function_api_calls, look what it read in these hours; a stranger's bucket has the same `peer_name`.",
        "If its owner cannot explain it, cut it off from `peer_addr` until it is known what left.",
    ),
    detect=detect,
    parameters={
        "min_rise_megabytes": 5,
        "min_ratio": 3,
        "min_ramp": 10,
        "min_surprise": 2.5,
        "min_history_days": 7,
    },
)
