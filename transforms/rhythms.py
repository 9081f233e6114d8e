"""The rhythm of each function's contacts with each destination, from `function_flows`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.baselines import PEER_COLUMNS
from transforms.columns import SCOPE
from transforms.conversations import CONNECTION, WINDOW_SECONDS
from transforms.periodicity import FEWEST, Rhythm, judge_rhythm

MINUTE = 60
"""The shortest aggregation window, and how far off AWS says that a record's start may be."""

SILENT_SECONDS = 7_200
"""Ports that come again later than TCP's own keep-alive, two hours, are another connection's."""

_TCP = 6
_LONGER_THAN_A_MINUTE = 120
"""A record that lasts longer does not come from windows of a minute, be its times a minute off."""
_ROWS_OF_TWO_WINDOWS = 4
"""Two windows make at most so many rows of a connection: each direction may start in another minute."""
_NEARLY_ALL = 0.9
_SET = (*SCOPE, "candidates")
_MEASURES = (
    ("verdict", "string"), ("p_value", "double"), ("p_value_given_runs", "double"), ("period_seconds", "double"),
    ("period_error_seconds", "double"), ("jitter", "double"), ("growth", "double"), ("check_ins", "bigint"),
    ("occupancy", "double"), ("first_window", "bigint"), ("last_window", "bigint"), ("words", "string"),
)  # fmt: skip
_ARROW = {"string": pa.string(), "double": pa.float64(), "bigint": pa.int64()}


def rhythms(
    flows: DataFrame, evidence: DataFrame, key: Sequence[str] = PEER_COLUMNS, wanted: DataFrame | None = None
) -> DataFrame:
    """One row for each set of candidates and destination with contacts in at least six minutes.

    `flows` are the rows of `function_flows` of some days (seven show most), all that the functions said: their other
    conversations tell when they ran, as `evidence` (`invocation_evidence`) does. `key` names the destination, by
    columns of `flows` that are never NULL; `wanted` (account_id, region, candidates and `key`) keeps to some series.

    Several functions that share an interface are judged as one, by all of their contacts: to take from each
    conversation the likelier function only would tear holes into a beacon wherever evidence is thin.

    Contacts are judged in windows of `window_seconds`: 60, where the flow log has such windows, or where each contact
    is a connection of its own, because a connection's first record starts with its first packet, however long the
    window; else 600. See `transforms.periodicity.judge_rhythm` for the verdicts and measures; first_time and last_time
    are the edges of the regular stretch (UTC; last_time is the end of its last window).

    f is invoked every minute, and opens a connection to 192.0.2.1:443 at 0:00, 0:10, … for a day → beacon, 600 s.
    """
    marked = with_openings(once(flows).withColumn("destination", _destination(key)))
    lengths = window_lengths(marked)
    judged = marked if wanted is None else marked.join(wanted, [*_SET, *key], "left_semi")
    fresh = (F.count_distinct(*[F.col(c) for c in CONNECTION]) / F.count_distinct("conversation_id")).alias("fresh")
    series = (
        judged.join(F.broadcast(lengths), "interface_id", "left")
        .groupBy(*_SET, *key)
        .agg(
            F.collect_set("minute").alias("minutes"),
            F.collect_set(F.when(F.col("opened"), F.col("minute"))).alias("openings"),
            F.min((F.coalesce("window_seconds", F.lit(WINDOW_SECONDS)) == MINUTE).cast("int")).alias("by_minute"),
            F.max(F.col("rounded").cast("int")).alias("rounded"),
            fresh,
            F.max("destination").alias("destination"),
        )
        .where(F.size("minutes") >= FEWEST)
    )
    exact = (F.col("by_minute") == 1) | ((F.col("rounded") == 0) & (F.col("fresh") >= _NEARLY_ALL))
    ran = own_minutes(marked, evidence)
    elsewhere = F.filter("ran", lambda m: m["only"].isNull() | (m["only"] != F.col("destination")))
    ready = series.join(ran, list(_SET), "left").select(
        *_SET,
        *key,
        F.when(exact, MINUTE).otherwise(WINDOW_SECONDS).cast("bigint").alias("window_seconds"),
        "minutes",
        "openings",
        F.transform(elsewhere, lambda m: m["minute"]).alias("ran"),
    )
    types = {f.name: f.dataType.simpleString() for f in ready.schema.fields}
    kept = [*_SET, *key, "window_seconds"]
    schema = ", ".join([*(f"`{c}` {types[c]}" for c in kept), *(f"{name} {kind}" for name, kind in _MEASURES)])
    measured = ready.groupBy(*_SET, *key).applyInArrow(_judge(kept), schema)
    return measured.withColumns(
        {
            "first_time": F.timestamp_seconds(F.col("first_window") * F.col("window_seconds")),
            "last_time": F.timestamp_seconds((F.col("last_window") + 1) * F.col("window_seconds")),
        }
    ).drop("first_window", "last_window")


def once(flows: DataFrame) -> DataFrame:
    """Each conversation once: its rows are alike but for the function."""
    return flows.where(F.col("function_name") == F.get(F.split("candidates", ", "), F.lit(0)))


def with_openings(flows: DataFrame) -> DataFrame:
    """`flows` (one row a conversation) with `minute` (number of the minute since 1970), `opened` and `close_rows`.

    opened: a connection began there: no row of the same ports came within two hours before it. What is not TCP, or has
    no ports, is opened each time. close_rows: four rows of the connection came within the last 600 s.

    Rows of one connection at 10:00, 10:05 and 13:00 → opened, not, opened.
    """
    second = F.unix_timestamp("window_start")
    before = Window.partitionBy(*CONNECTION).orderBy("minute")
    silence = F.col("minute") * MINUTE - F.lag("minute").over(before) * MINUTE
    known = (F.col("protocol") == _TCP) & (F.col("local_port") > 0)
    started = F.unix_timestamp("start_time")
    close = started - F.lag(started, _ROWS_OF_TWO_WINDOWS).over(before) < WINDOW_SECONDS
    return flows.withColumn("minute", (second / MINUTE).cast("bigint")).withColumns(
        {
            "opened": ~known | silence.isNull() | (silence > SILENT_SECONDS),
            "close_rows": F.coalesce(close, F.lit(False)),
        }
    )


def window_lengths(marked: DataFrame) -> DataFrame:
    """interface_id, window_seconds and rounded, as its records show the flow log's aggregation window.

    `marked` is what `with_openings` gives. window_seconds is 600 where a record lasts more than two minutes; 60 where
    five rows of one connection start within ten minutes (two windows make at most four); else NULL: nothing tells.
    rounded: the records start where windows of 600 s do, and not with their first packets.
    """
    started = F.unix_timestamp("start_time")
    lasts = F.unix_timestamp("end_time") - started
    # What lasts longer than any window has a wrong time.
    long = (lasts > _LONGER_THAN_A_MINUTE) & (lasts <= WINDOW_SECONDS + MINUTE)
    on_edge = F.count_if(started % WINDOW_SECONDS == 0) / F.count(F.lit(1))
    return marked.groupBy("interface_id").agg(
        F.when(F.count_if(long) > 0, WINDOW_SECONDS)
        .when(F.count_if(F.col("close_rows")) > 0, MINUTE)
        .cast("bigint")
        .alias("window_seconds"),
        (on_edge >= _NEARLY_ALL).alias("rounded"),
    )


def own_minutes(marked: DataFrame, evidence: DataFrame) -> DataFrame:
    """account_id, region, candidates and `ran`: the minutes in which one of the candidates is known to have run.

    An array of `minute` and `only`: the one destination whose contacts alone tell so, NULL where more does. Invocations
    and data events tell (API calls are made in some invocations only), and so do conversations.
    """
    said = marked.groupBy(*_SET, "minute").agg(
        F.when(F.min("destination") == F.max("destination"), F.min("destination")).alias("only")
    )
    counted, done = F.col("source") == "invocations", F.unix_timestamp("ends") - 1
    # Of a minute with invocations, from its beginning for as long as the longest lasted; of a data event, its end.
    begun = F.when(counted, F.unix_timestamp("begins")).otherwise(done)
    until = F.when(counted, F.greatest(begun, done - MINUTE)).otherwise(done)
    minutes = F.sequence((begun / MINUTE).cast("bigint"), (until / MINUTE).cast("bigint"))
    told = evidence.where(F.col("source") != "api call").select(
        *SCOPE, "function_name", F.explode(minutes).alias("minute")
    )
    members = marked.select(*_SET).distinct().withColumn("function_name", F.explode(F.split("candidates", ", ")))
    invoked = members.join(told, [*SCOPE, "function_name"]).select(
        *_SET, "minute", F.lit(None).cast("bigint").alias("only")
    )
    ran = said.unionByName(invoked).groupBy(*_SET, "minute")
    # Once NULL, always NULL: something else tells so, too.
    sole = F.when(F.count("only") == F.count(F.lit(1)), F.max("only"))
    return ran.agg(sole.alias("only")).groupBy(*_SET).agg(F.collect_list(F.struct("minute", "only")).alias("ran"))


def _destination(key: Sequence[str]) -> Column:
    return F.crc32(F.concat_ws("\x1f", *[F.col(c).cast("string") for c in key]).cast("binary")).cast("bigint")


def _judge(kept: Sequence[str]) -> Callable[[pa.Table], pa.Table]:
    """The work on one series: one row, with its minutes as arrays."""

    def work(group: pa.Table) -> pa.Table:
        found: list[Rhythm] = []
        for row in range(group.num_rows):
            minutes = {
                c: np.asarray(group[c][row].values or [], dtype=np.int64) for c in ("minutes", "openings", "ran")
            }
            length = group["window_seconds"][row].as_py()
            seen, opened, ran = (np.unique(minutes[c] * MINUTE // length) for c in ("minutes", "openings", "ran"))
            found.append(judge_rhythm(seen, length, opened, ran if len(ran) else None))
        measures = [asdict(rhythm) for rhythm in found]
        columns = [pa.array([m[name] for m in measures], _ARROW[kind]) for name, kind in _MEASURES]
        return pa.table([*(group[c] for c in kept), *columns], names=[*kept, *(name for name, _ in _MEASURES)])

    return work
