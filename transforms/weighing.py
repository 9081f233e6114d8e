"""Probabilities for conversations with several candidates: evidence brought to each interface and hour, and weighed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.columns import SCOPE, padded
from transforms.conversations import WINDOW_SECONDS
from transforms.evidence import hours_touched
from transforms.intervals import earliest, latest
from transforms.posterior import Activity, Conversations, Floats, Ints, weigh

_PLACE = ("interface_id", "block")
_BLOCK_HOURS = 6
"""Engines pay for each group that they hand to Python: hours come six at a time, and are weighed each for itself."""
_TOLD = ("source", "runner", "begins", "ends", "invocations")
_CLAIMS = "array<struct<name:string,probability:double>>"
SEPARATOR = "\x1f"
"""Between the names of candidates in one text; no name has one."""
_TOLD_AS = {"data event": "data events", "api call": "api calls", "invocations": "invocations"}


def weighed(talks: DataFrame, leases: DataFrame, evidence: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Conversations with `claims` (array of name and probability, by name) and `evidence`, one row for one row.

    `talks` has names (the candidates, sorted, joined by SEPARATOR), interface_id, account_id, region, window_start,
    start_time, end_time, conversation_id and what names the peer; `leases` are those of Lambda interfaces;
    `evidence` is `invocation_evidence`. One candidate has probability 1; of several see `transforms.posterior`;
    where no evidence bears on the interface in the hour they have equal parts and `evidence` is empty. A data event
    that names the interface makes its function a candidate, whatever configurations say.
    """
    minutes = _polled_hours(evidence, tolerance_seconds)
    timed = talks.withColumn("hour", F.date_trunc("hour", "window_start"))
    known = timed.join(F.broadcast(minutes), [*SCOPE, "hour"], "left")
    placed = _placed(evidence, leases, tolerance_seconds)
    both = padded(known, placed).unionByName(padded(placed, known)).withColumn("block", _block())
    kept = talks.columns
    fields = {f.name: f.dataType.simpleString() for f in talks.schema.fields}
    schema = ", ".join([*(f"`{c}` {fields[c]}" for c in kept), f"claims {_CLAIMS}", "evidence string"])
    return both.groupBy(*_PLACE).applyInArrow(_weigher(kept, tolerance_seconds), schema)


def _block() -> Column:
    return F.floor(F.unix_timestamp("hour") / (_BLOCK_HOURS * 3600))


def _polled_hours(evidence: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Account, region and the hours of which CloudWatch's minutes are known: who is in none of them did not run."""
    told = evidence.where(F.col("source") == "invocations")
    hours = told.select(*SCOPE, F.explode(hours_touched(tolerance_seconds)).alias("hour"))
    return hours.distinct().withColumn("polled", F.lit(True))


def _placed(evidence: DataFrame, leases: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Each piece of evidence once for each interface and hour on which it may bear."""
    hourly = _unexplained(evidence.withColumn("hour", F.explode(hours_touched(tolerance_seconds))))
    pieces = hourly.select(
        *SCOPE,
        "hour",
        F.col("interface_id").alias("named_interface"),
        "address",
        "source",
        F.col("function_name").alias("runner"),
        "begins",
        "ends",
        "invocations",
    )
    named = F.col("named_interface").isNotNull()
    direct = pieces.where(named).select(F.col("named_interface").alias("interface_id"), "hour", *_TOLD)
    may = leases.where((F.col("owner_kind") == "lambda") & F.col("owner_name").isNotNull()).select(
        *SCOPE,
        "interface_id",
        F.col("address").alias("own_address"),
        F.col("owner_name").alias("runner"),
        earliest().alias("since"),
        latest().alias("until"),
    )
    there = (
        (F.col("address").isNull() | (F.col("address") == F.col("own_address")))
        & (F.col("since").isNull() | (F.col("since") < F.col("hour") + F.expr("INTERVAL 2 HOURS")))
        & (F.col("until").isNull() | (F.col("until") > F.col("hour") - F.expr("INTERVAL 1 HOUR")))
    )
    spread = pieces.where(~named).join(may, [*SCOPE, "runner"], "inner").where(there)
    return direct.unionByName(spread.select("interface_id", "hour", *_TOLD).distinct())


def _unexplained(hourly: DataFrame) -> DataFrame:
    """Evidence by hour without what is told twice: of CloudWatch's invocations those that no data event tells of.

    Per function and hour: 10 invocations and 8 data events leave 0.2 of each minute's. With data events, API calls
    say nothing new.
    """
    together = Window.partitionBy(*SCOPE, "function_name", "hour")

    def total(source: str) -> Column:
        return F.sum(F.when(F.col("source") == source, F.col("invocations")).otherwise(0.0)).over(together)

    counted = hourly.withColumns({"events": total("data event"), "counted": total("invocations")})
    missing = F.greatest(F.col("counted") - F.col("events"), F.lit(0.0)) / F.greatest("counted", F.lit(1.0))
    left = F.when(F.col("source") == "invocations", F.col("invocations") * missing).otherwise(F.col("invocations"))
    new = (F.col("source") != "api call") | (F.col("events") == 0)
    return counted.where(new).withColumn("invocations", left).drop("events", "counted")


def _weigher(kept: Sequence[str], tolerance_seconds: int) -> Callable[[pa.Table], pa.Table]:
    """The work on one interface and block of hours."""

    def work(group: pa.Table) -> pa.Table:
        is_evidence = pc.is_valid(group["source"])
        talks, told = group.filter(pc.invert(is_evidence)), group.filter(is_evidence)
        # Where one function can have spoken there is nothing to weigh, and no need to look at each hour.
        contested = _contested(talks, told)
        calm = talks.filter(pc.invert(pc.is_in(talks["hour"], contested)))
        parts = [_claimed(calm, told.slice(0, 0), tolerance_seconds)]
        for hour in contested:
            here, there = (rows.filter(pc.equal(rows["hour"], hour)) for rows in (talks, told))
            parts.append(_claimed(here, there, tolerance_seconds))
        return pa.concat_tables(parts).select([*kept, "claims", "evidence"])

    return work


def _contested(talks: pa.Table, told: pa.Table) -> pa.Array:
    """The hours in which a conversation has several candidates, or evidence may add one."""
    several = talks.filter(pc.match_substring(talks["names"], SEPARATOR))["hour"]
    named = told.filter(pc.equal(told["source"], "data event"))["hour"]
    spoken = pc.unique(talks["hour"])
    either = pa.concat_arrays([*several.chunks, *named.chunks]) if several.num_chunks + named.num_chunks else spoken[:0]
    return spoken.filter(pc.is_in(spoken, either))


def _claimed(talks: pa.Table, told: pa.Table, tolerance_seconds: int) -> pa.Table:
    """Conversations with their claims and what these rest on, from the evidence of the hour they are in."""
    # The engines bring rows in any order; sums of floats must not show it.
    talks = talks.take(pc.sort_indices(talks["conversation_id"]))
    told = told.take(pc.sort_indices(told, [(c, "ascending") for c in _TOLD]))
    claims, evidence = _claims(talks, told, tolerance_seconds)
    return talks.append_column("claims", claims).append_column("evidence", evidence)


def _claims(talks: pa.Table, told: pa.Table, tolerance_seconds: int) -> tuple[pa.Array, pa.Array]:
    """For each conversation its candidates with their probabilities, and what they rest on."""
    # Few sets of candidates, however many conversations.
    sets = talks["names"].combine_chunks().dictionary_encode()
    code = sets.indices.to_numpy()
    by_lease = [tuple(text.split(SEPARATOR)) if text else () for text in sets.dictionary.to_pylist()]
    seen_here = pc.unique(told.filter(pc.equal(told["source"], "data event"))["runner"]).to_pylist()
    candidates = [tuple(sorted({*names, *seen_here})) for names in by_lease]
    everyone = sorted({name for names in candidates for name in names})
    place = {name: i for i, name in enumerate(everyone)}
    of_set = np.zeros((len(candidates), len(everyone)), bool)
    for number, names in enumerate(candidates):
        of_set[number, [place[name] for name in names]] = True
    may = of_set[code]
    count = may.sum(axis=1)
    chance = may / np.maximum(count, 1)[:, None]
    told = told.append_column("place", pc.index_in(told["runner"], pa.array(everyone, pa.string())))
    told = told.filter(pc.is_valid(told["place"]))
    several = np.flatnonzero(count > 1)
    if told.num_rows and len(several):
        runner = told["place"].to_numpy().astype(np.int64)
        known = np.full(len(everyone), bool(pc.any(pc.coalesce(talks["polled"], False)).as_py()))
        # A function makes API calls in some of its invocations only: they do not say when it did not run.
        known[runner[pc.not_equal(told["source"], "api call").to_numpy()]] = True
        activity = Activity(runner, _seconds(told["begins"]), _seconds(told["ends"]), told["invocations"].to_numpy())
        start, end = _seconds(talks["start_time"])[several], _seconds(talks["end_time"])[several]
        # No record lasts longer than a window, whatever it says.
        end = np.clip(end, start, start + WINDOW_SECONDS + 60)
        spoken = Conversations(start, end, _peers(talks)[several], may[several])
        chance[several] = weigh(spoken, activity, known, tolerance_seconds)
    used = set(pc.unique(told["source"]).to_pylist())
    words = ", ".join(words for source, words in _TOLD_AS.items() if source in used)
    rests_on = [
        None if not names else words if len(names) > 1 else "data events" if not leased else "sole candidate"
        for names, leased in zip(candidates, by_lease, strict=True)
    ]
    evidence = pa.array(rests_on, pa.string()).take(pa.array(code))
    row, column = np.nonzero(may)
    values = [pa.array(everyone, pa.string()).take(pa.array(column)), pa.array(chance[row, column])]
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    pairs = pa.StructArray.from_arrays(values, names=["name", "probability"])
    return pa.ListArray.from_arrays(pa.array(offsets), pairs), evidence


def _seconds(times: pa.ChunkedArray) -> Floats:
    seconds: Floats = times.cast(pa.int64()).to_numpy() / 1e6
    return seconds


def _peers(talks: pa.Table) -> Ints:
    """A number for each peer."""
    texts = [pc.coalesce(talks[c].cast(pa.string()), "") for c in ("peer_kind", "peer_name", "peer_port")]
    joined = pc.binary_join_element_wise(*texts, "\x1f")
    return pc.rank(joined, tiebreaker="dense").to_numpy().astype(np.int64) - 1 if len(joined) else np.zeros(0, np.int64)
