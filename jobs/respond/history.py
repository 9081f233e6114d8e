"""What the lake knows of a destination and of functions, for the blast radius."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.conditions import on_dates
from jobs.respond.guarded import WIDEST
from jobs.respond.model import FunctionPlace, History, Network, Row, Talker
from jobs.storage import Lake, exists
from transforms import blast_radius
from transforms.schemas import (
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_BASELINES,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS_HOURLY,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
)
from transforms.schemas.table import Table


def history(lake: Lake, alert: Row, functions: Sequence[str], network: Network | None, days: int) -> History:
    """Of the account and region of an alert, over the last days that the lake has activity of."""
    last = _last_day(lake, FUNCTION_ACTIVITY_HOURLY, "date") or alert["updated_at"].date()
    first = last - timedelta(days=days - 1)
    here = (F.col("account_id").eqNullSafe(F.lit(alert["account_id"]))) & (
        F.col("region").eqNullSafe(F.lit(alert["region"]))
    )

    def of(table: Table) -> DataFrame:
        within = f"date >= DATE '{first}' AND date <= DATE '{last}'"
        return lake.read(table).where(within).where(here)

    interfaces = lake.read(INTERFACES).where(here)
    talkers: list[Row] = []
    if network is not None:
        wide = network.supernet(new_prefix=min(network.prefixlen, WIDEST[network.version]))
        judged = _last_day(lake, FUNCTION_BASELINES, "as_of_date")
        baselines = lake.read(FUNCTION_BASELINES).where(here)
        baselines = baselines.where(on_dates("as_of_date", [judged] if judged else []))
        parts = blast_radius.talkers(of(FUNCTION_FLOWS), interfaces, baselines, wide).unionByName(
            blast_radius.others(of(FLOW_LOGS), interfaces, wide)
        )
        talkers = parts.toArrow().to_pylist()
    metrics, activity = of(FUNCTION_METRICS_HOURLY), of(FUNCTION_ACTIVITY_HOURLY)
    configs = lake.read(FUNCTION_CONFIGS).where(here).where(F.col("valid_to").isNull())
    names = sorted({*functions, *_sharing_role(configs, functions)})
    work = blast_radius.work(metrics, activity, names).toArrow().to_pylist() if names else []
    return History(
        first_day=str(first),
        last_day=str(last),
        talkers=tuple(_talker(row) for row in talkers),
        functions=tuple(_place(row) for row in configs.orderBy("function_name", "version").toArrow().to_pylist()),
        work={row["function_name"]: row for row in work},
        own_addresses=tuple(own_addresses(lake, alert["account_id"], alert["region"])),
    )


def _last_day(lake: Lake, table: Table, column: str) -> date | None:
    if not exists(lake.root, table):
        return None
    found: date | None = lake.read(table).agg(F.max(column).alias("day")).toArrow().column(0)[0].as_py()
    return found


def _sharing_role(configs: DataFrame, functions: Sequence[str]) -> list[str]:
    if not functions:
        return []
    roles = configs.where(F.col("function_name").isin(*functions)).select("role").distinct()
    return [str(n) for n in configs.join(roles, "role", "left_semi").toArrow().column("function_name").to_pylist()]


def own_addresses(lake: Lake, account_id: str | None, region: str | None) -> list[str]:
    """Addresses that interfaces hold now, or held at the last poll; public ones of all accounts and regions."""
    here = F.col("account_id").eqNullSafe(F.lit(account_id)) & F.col("region").eqNullSafe(F.lit(region))
    now = lake.read(INTERFACES).where(here).where(F.col("valid_to").isNull()).select("address")
    polled = _last_day(lake, INTERFACE_SNAPSHOTS, "date")
    if polled:
        public = F.explode("public_ip_addresses").alias("address")
        now = now.union(lake.read(INTERFACE_SNAPSHOTS).where(on_dates("date", [polled])).select(public))
    return sorted({str(a) for a in now.distinct().toArrow().column(0).to_pylist() if a})


def _talker(row: Row) -> Talker:
    fields = {name: row[name] for name in Talker.__dataclass_fields__}
    return Talker(**fields)


def _place(row: Row) -> FunctionPlace:
    return FunctionPlace(
        row["function_name"],
        row["vpc_id"],
        _split(row["subnet_ids"]),
        _split(row["security_group_ids"]),
        row["role"],
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
