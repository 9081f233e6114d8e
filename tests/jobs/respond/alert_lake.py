"""A lake with an alert about a function of the account."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from jobs.storage import Lake
from tests.jobs.respond.account import NOON, Account
from tests.rows import ACCOUNT, REGION, Row
from transforms.schemas import (
    ALERTS,
    FLOW_LOGS,
    FUNCTION_ACTIVITY_HOURLY,
    FUNCTION_API_CALLS,
    FUNCTION_BASELINES,
    FUNCTION_CONFIGS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS,
    FUNCTION_METRICS_HOURLY,
    INTERFACE_SNAPSHOTS,
    INTERFACES,
)

HERE = {"account_id": ACCOUNT, "region": REGION}
ALERT = "3817659373e098d0"
HOSTILE = "\x1b[2Jg[red]"


def flow(conversation: str, when: datetime, **fields: Any) -> Row:
    row: Row = {
        **HERE, "conversation_id": conversation, "interface_id": "eni-1", "plausible": "orders",
        "peer_addr": "198.51.100.66", "peer_port": 443, "protocol": 6, "peer_kind": "address",
        "peer_name": "198.51.100.66", "bytes_out": 900, "bytes_in": 90, "rejected": False, "window_start": when,
        "start_time": when, "end_time": when, "date": when.date(), "probability": 1.0, "attribution": "unique",
    }  # fmt: skip
    return row | fields


def alert_lake(spark: SparkSession, account: Account, folder: Path) -> Lake:
    """An alert about `orders`, which is in the account's two subnets; somebody hostile talks to the same address."""
    made = Lake(spark, str(folder))
    day = {"date": NOON.date()}
    alert = {
        **HERE, "alert_id": ALERT, "detection_id": "new_external_connection", "functions": "orders", "status": "open",
        "peer_kind": "address", "peer_name": "198.51.100.66", "peer_addr": "198.51.100.66", "opened_at": NOON,
        "updated_at": NOON,
    }  # fmt: skip
    config = {
        **HERE, **day, "function_name": "orders", "version": "$LATEST", "vpc_id": account.vpc,
        "subnet_ids": ", ".join(account.subnets), "security_group_ids": account.group, "valid_from": NOON,
        "role": "arn:aws:iam::123456789012:role/service/worker",
    }  # fmt: skip
    interface = {
        **HERE, **day, "interface_id": "eni-1", "vpc_id": account.vpc, "subnet_id": account.subnets[0],
        "address": "10.7.1.4", "owner_kind": "lambda", "owner_name": "orders", "valid_from": NOON,
        "security_group_ids": account.group,
    }  # fmt: skip
    rows: dict[Any, list[Row]] = {
        ALERTS: [alert],
        FUNCTION_CONFIGS: [config],
        INTERFACES: [interface],
        FUNCTION_FLOWS: [flow("c1", NOON), flow("c2", NOON, plausible=HOSTILE)],
        FUNCTION_ACTIVITY_HOURLY: [{**HERE, **day, "function_name": "orders", "behaviour": "peer", "thing": "x"}],
        FLOW_LOGS: [], FUNCTION_BASELINES: [], FUNCTION_METRICS_HOURLY: [], INTERFACE_SNAPSHOTS: [],
        FUNCTION_METRICS: [], FUNCTION_API_CALLS: [],
    }  # fmt: skip
    made.create(rows)
    for table, some in rows.items():
        if some:
            made.append(table, made.frame(table, some))
    return made
