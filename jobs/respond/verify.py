"""Does it hold? What flow logs, metrics and CloudTrail show since an action was applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.conditions import sql_time
from jobs.respond.journal import Action
from jobs.respond.model import Row
from jobs.show import moment
from jobs.storage import Lake
from transforms import blast_radius
from transforms.schemas import FLOW_LOGS, FUNCTION_API_CALLS, FUNCTION_FLOWS, FUNCTION_METRICS
from transforms.schemas.table import Table

SETTLING = timedelta(minutes=2)
"""Flow-log windows that begin so soon after the last call may hold packets from before it."""
HOLDS, LEAKS, QUIET, TOO_EARLY = "holds", "does not hold", "nothing was tried", "too early"


@dataclass(frozen=True)
class Verdict:
    """What the data say."""

    word: str
    said: str


def from_data(lake: Lake, action: Action) -> Verdict:
    """What has been seen since the action was applied."""
    assert action.applied_at is not None
    after = action.applied_at + SETTLING
    names = [name for name in str(action.row["functions"]).split(", ") if name]
    if action.row["destination"]:
        reached = _reached(lake, action, FLOW_LOGS, "end_time")
        flows = _of(lake, action, FUNCTION_FLOWS).where(_from(after, "window_start"))
        rows = blast_radius.since(flows, ip_network(action.row["destination"]), names).toArrow().to_pylist()
        return judge_traffic(rows, reached, after, str(action.row["way"]))
    if action.row["way"] == "reserved concurrency":
        reached = _reached(lake, action, FUNCTION_METRICS, "minute")
        minutes = (
            _of(lake, action, FUNCTION_METRICS).where(_from(after, "minute")).where(F.col("function_name").isin(*names))
        )
        invoked = F.when(F.col("metric_name") == "Invocations", F.col("value")).otherwise(0.0)
        throttled = F.when(F.col("metric_name") == "Throttles", F.col("value")).otherwise(0.0)
        found = minutes.agg(F.sum(invoked).alias("done"), F.sum(throttled).alias("refused"))
        return _judge(found.toArrow().to_pylist()[0], reached, after, ("invocations", "throttled ones"))
    reached = _reached(lake, action, FUNCTION_API_CALLS, "event_time")
    calls = (
        _of(lake, action, FUNCTION_API_CALLS)
        .where(_from(after, "event_time"))
        .where(F.col("function_name").isin(*names))
    )
    refused = F.coalesce(F.col("error_code"), F.lit("")).rlike("AccessDenied|Unauthorized|Forbidden")
    found = calls.agg(F.count_if(~refused).alias("done"), F.count_if(refused).alias("refused"))
    return _judge(found.toArrow().to_pylist()[0], reached, after, ("API calls", "denied ones"))


def judge_traffic(rows: list[Row], reached: datetime | None, after: datetime, way: str) -> Verdict:
    """`rows` are `blast_radius.since`'s; `reached`: how far the flow logs go.

    Before a network firewall the function's own flow log says ACCEPT: the firewall comes later. But nothing returns.
    """
    if reached is None or reached <= after:
        return _too_early(reached, after)
    mine = next((row for row in rows if row["concerned"]), None)
    beyond = next((row for row in rows if not row["concerned"] and row["accepted"]), None)
    more = "" if beyond is None else f" Other functions sent {beyond['bytes_out']:,} bytes to it."
    span = f"from {moment(after)} to {moment(reached)}"
    if mine is None:
        return Verdict(QUIET, f"No flow-log record shows the destination {span}: it is blocked, or nobody tried.{more}")
    through = mine["bytes_in"] if way == "network firewall" else mine["accepted"]
    if through:
        return Verdict(
            LEAKS,
            f"{mine['accepted']:,} conversations were accepted {span}, with {mine['bytes_out']:,} bytes sent and "
            f"{mine['bytes_in']:,} received, the last one at {moment(mine['last_accepted'])}.{more}",
        )
    if way == "network firewall":
        return Verdict(HOLDS, f"Nothing came back from the destination {span}.{more}")
    return Verdict(HOLDS, f"{mine['refused']:,} conversations are REJECT {span}, and no bytes went through.{more}")


def _judge(row: Row, reached: datetime | None, after: datetime, names: tuple[str, str]) -> Verdict:
    if reached is None or reached <= after:
        return _too_early(reached, after)
    done, refused = int(row["done"] or 0), int(row["refused"] or 0)
    span = f"from {moment(after)} to {moment(reached)}"
    if done:
        return Verdict(LEAKS, f"There were {done:,} {names[0]} {span}.")
    if refused:
        return Verdict(HOLDS, f"There were no {names[0]} {span}, but {refused:,} {names[1]}.")
    return Verdict(QUIET, f"There were no {names[0]} {span}, and nothing that was refused.")


def _too_early(reached: datetime | None, after: datetime) -> Verdict:
    until = f"go until {moment(reached)}" if reached else "are not there at all"
    return Verdict(TOO_EARLY, f"The data {until}: take in what came after {moment(after)} with `leasehold run hourly`.")


def _of(lake: Lake, action: Action, table: Table) -> DataFrame:
    """The rows of the action's account and region."""
    here = (F.col("account_id") == F.lit(action.row["account_id"])) & (F.col("region") == F.lit(action.row["region"]))
    return lake.read(table).where(here)


def _reached(lake: Lake, action: Action, table: Table, column: str) -> datetime | None:
    found: datetime | None = _of(lake, action, table).agg(F.max(column).alias("t")).toArrow().column(0)[0].as_py()
    return found


def _from(after: datetime, column: str) -> str:
    return f"date >= DATE '{after.date()}' AND {column} >= TIMESTAMP '{sql_time(after)}'"
