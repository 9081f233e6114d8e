"""Flow logs for benchmarks: many, with the values that traffic has, and nothing behind them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

V2 = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
CUSTOM = (
    "version", "account-id", "vpc-id", "subnet-id", "interface-id", "az-id", "srcaddr", "dstaddr", "srcport",
    "dstport", "pkt-srcaddr", "pkt-dstaddr", "pkt-src-aws-service", "pkt-dst-aws-service", "protocol", "tcp-flags",
    "type", "packets", "bytes", "start", "end", "flow-direction", "traffic-path", "action", "log-status",
)  # fmt: skip
_ALWAYS = {"version", "account-id", "interface-id", "start", "end", "log-status", "vpc-id", "subnet-id", "az-id"}
"""Set in NODATA records, too."""
_FIRST = datetime(2026, 1, 5, tzinfo=UTC)


def generate(folder: Path, fields: tuple[str, ...], records: int, files: int) -> list[Path]:
    """Files with AWS's names: few interfaces, thousands of peers, all ports, 3 % NODATA; the same at every call."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    paths = []
    for index in range(files):
        moment = _FIRST + timedelta(minutes=5 * index)
        name = f"123456789012_vpcflowlogs_eu-west-1_fl-0abc_{moment:%Y%m%dT%H%M}Z_{index:08x}.log.gz"
        text = " ".join(fields) + "\n" + _lines(fields, records // files, moment, rng)
        (folder / name).write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        paths.append(folder / name)
    return paths


def _lines(fields: tuple[str, ...], rows: int, moment: datetime, rng: np.random.Generator) -> str:
    def pick(values: list[str]) -> pa.Array:
        return pa.array(values).take(pa.array(rng.integers(0, len(values), rows)))

    def number(low: int, high: int) -> pa.Array:
        return pa.array(rng.integers(low, high, rows)).cast(pa.string())

    inside = [f"10.{a}.{b}.{c}" for a, b, c in rng.integers(1, 250, (400, 3))]
    outside = [f"198.51.{b}.{c}" for b, c in rng.integers(0, 250, (3000, 2))]
    start = int(moment.timestamp()) - rng.integers(60, 600, rows)
    idle = pa.array(rng.random(rows) < 0.03)
    columns = {
        "version": pick(["2" if fields == V2 else "5"]),
        "account-id": pick(["123456789012"]),
        "interface-id": pick([f"eni-{n:017x}" for n in rng.integers(1 << 60, 1 << 62, 400)]),
        "srcaddr": pick(inside),
        "dstaddr": pick(outside),
        "srcport": number(1024, 65536),
        "dstport": pick(["443", "5432", "6379", "80", "53"]),
        "protocol": pick(["6", "6", "6", "17"]),
        "packets": number(1, 400),
        "bytes": number(40, 900_000),
        "start": pa.array(start).cast(pa.string()),
        "end": pa.array(start + rng.integers(0, 60, rows)).cast(pa.string()),
        "action": pick(["ACCEPT"] * 19 + ["REJECT"]),
        "log-status": pc.if_else(idle, "NODATA", "OK"),
        "vpc-id": pick(["vpc-0123456789abcdef0"]),
        "subnet-id": pick([f"subnet-{n:017x}" for n in range(6)]),
        "az-id": pick(["euw1-az1", "euw1-az2", "euw1-az3"]),
        "pkt-srcaddr": pick(inside),
        "pkt-dstaddr": pick(outside),
        "pkt-src-aws-service": pick(["-"]),
        "pkt-dst-aws-service": pick(["-", "-", "S3", "DYNAMODB", "AMAZON"]),
        "tcp-flags": pick(["0", "2", "3", "18", "19"]),
        "type": pick(["IPv4"]),
        "flow-direction": pick(["ingress", "egress"]),
        "traffic-path": pick(["-", "1", "8"]),
    }
    shown = [columns[f] if f in _ALWAYS else pc.if_else(idle, "-", columns[f]) for f in fields]
    return "\n".join(pc.binary_join_element_wise(*shown, " ").to_pylist()) + "\n"
