"""Flow-log records as the text files that AWS delivers: late, unsorted, some minutes to a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.account import ACCOUNT, FLOW_LOG, REGION, SUBNETS, ZONES, vpc_of
from simulator.files import save
from simulator.randomness import Keys, chance, mixed, stable_id
from simulator.traffic import Bools, Ints

DEFAULT_FORMAT = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol",
    "packets", "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
CUSTOM_FORMAT = (
    "account-id", "vpc-id", "subnet-id", "interface-id", "az-id", "region", "srcaddr", "dstaddr", "srcport",
    "dstport", "pkt-srcaddr", "pkt-dstaddr", "pkt-src-aws-service", "pkt-dst-aws-service", "protocol",
    "packets", "bytes", "start", "end", "flow-direction", "tcp-flags", "traffic-path", "type", "version",
    "action", "log-status",
)  # fmt: skip
"""A format as companies choose it: fields of versions 2 to 5, in an order of their own."""

OK, NODATA, SKIPDATA = 0, 1, 2
_ROWS_AT_ONCE = 50_000
_LATE_FILE = (20 * 60, 12 * 3_600)
"""how much later late files come, in seconds"""


@dataclass(frozen=True)
class Shape:
    """How the flow log is configured, and how AWS behaves."""

    fields: tuple[str, ...] = CUSTOM_FORMAT
    period_seconds: int = 600
    """aggregation: 60 or 600"""
    delivery_seconds: int = 300
    """one file holds what is delivered in this time; AWS: 5 minutes"""
    late_share: float = 0.01
    """of the records come up to 90 minutes late"""
    skip_share: float = 0.0005
    """of the (interface, window)s AWS skips, and says so"""
    lag_share: float = 0.02
    """of the (interface, window)s are taken down up to 60 seconds late"""
    nodata: bool = True
    skew_seconds: float = 0.0
    """in every (interface, window) the recorder's clock is off by up to this, either way"""
    late_file_share: float = 0.0
    """of the files come 20 minutes to 12 hours after the rest"""


@dataclass(frozen=True)
class Book:
    """What records name by number."""

    ids: list[str]
    """interface ids; with the same index: their subnets and own addresses"""
    subnets: list[str]
    own: list[str]
    addresses: list[str]
    services: list[str]
    """AWS's tags on packets; the first is none"""


@dataclass
class Records:
    """Flow-log records as columns of one length; texts as numbers in the book, times in simulation seconds."""

    interface: Ints
    window: Ints
    key: Keys
    src: Ints
    dst: Ints
    src_port: Ints
    dst_port: Ints
    pkt_src: Ints
    pkt_dst: Ints
    service_src: Ints
    service_dst: Ints
    packets: Ints
    bytes: Ints
    start: Ints
    end: Ints
    egress: Bools
    flags: Ints
    accept: Bools
    path: Ints
    """0: none"""
    status: Ints

    def __len__(self) -> int:
        return len(self.interface)

    def where(self, chosen: Bools | Ints) -> Self:
        """The rows chosen by a mask or by their indices."""
        return type(self)(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All parts, one after the other."""
        return cls(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)})


def write_records(root: Path, rows: Records, book: Book, shape: Shape, start: int, seed: int) -> int:
    """Files by delivery time, minutes after the window closed, for some records more than an hour.

    Returns how many files. When a record comes depends on the record and on its file alone.
    """
    delay = 120 + 300 * chance(rows.key, 5)
    late = chance(rows.key, 6) < shape.late_share
    delay += np.where(late, 600 + 4_800 * chance(rows.key, 7), 0)
    file = (((rows.window + 1) * shape.period_seconds + delay) // shape.delivery_seconds).astype(np.int64)
    order = np.lexsort((rows.key, file))
    numbers, firsts = np.unique(file[order], return_index=True)
    edges = [*firsts.tolist(), len(order)]
    delivered = start + numbers * shape.delivery_seconds
    late_by = _lateness(numbers, shape, seed)
    header = (" ".join(shape.fields) + "\n").encode()
    # Some files at a time: the text of all would take much memory.
    first = 0
    while first < len(numbers):
        after = max(first + 1, int(np.searchsorted(edges, edges[first] + _ROWS_AT_ONCE, side="right")) - 1)
        base = edges[first]
        lines = _lines(rows.where(order[base : edges[after]]), book, shape.fields, start)
        _, offsets, data = lines.buffers()
        places, text = np.frombuffer(offsets, dtype=np.int64).tolist(), memoryview(data)
        for n in range(first, after):
            body = text[places[edges[n] - base] : places[edges[n + 1] - base]]
            key = _key(int(delivered[n]), int(late_by[n]))
            save(root, key, b"".join((header, body)))
        first = after
    return len(numbers)


def _lateness(numbers: Ints, shape: Shape, seed: int) -> Ints:
    """By how many seconds each file is late: whole deliveries."""
    keys = mixed(numbers.astype(np.uint64), seed, 8)
    least, most = (seconds // shape.delivery_seconds for seconds in _LATE_FILE)
    late = least + (chance(keys, 2) * (most - least + 1)).astype(np.int64)
    return np.where(chance(keys, 1) < shape.late_file_share, late * shape.delivery_seconds, 0)


def _key(moment: int, late_by: int) -> str:
    """Of the file of that moment. Its label stays when it is late: another can come in the same minute."""
    label = stable_id("", FLOW_LOG, datetime.fromtimestamp(moment, UTC), length=8)
    at = datetime.fromtimestamp(moment + late_by, UTC)
    folder = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{at:%Y/%m/%d}"
    return f"{folder}/{ACCOUNT}_vpcflowlogs_{REGION}_{FLOW_LOG}_{at:%Y%m%dT%H%MZ}_{label}.log.gz"


def _lines(rows: Records, book: Book, wanted: Sequence[str], start: int) -> pa.Array:
    """The records as text, each with its newline."""
    count = len(rows)
    ok = pa.array(rows.status == OK)

    def number(column: npt.NDArray[np.int64]) -> pa.Array:
        return pc.if_else(ok, pc.cast(pa.array(column), pa.string()), "-")

    def named(codes: Ints, names: list[str]) -> pa.Array:
        values = pa.array([name or "-" for name in names])
        return pc.if_else(ok, pc.take(values, pa.array(codes)), "-")

    def time(column: Ints) -> pa.Array:
        return pc.cast(pa.array(column + start), pa.string())

    def of_interface(values: list[str]) -> pa.Array:
        return pc.take(pa.array(values), pa.array(rows.interface))

    def constant(text: str, when_ok: bool = False) -> pa.Array:
        return pc.if_else(ok, text, "-") if when_ok else pa.repeat(text, count)

    def either(condition: Bools, yes: str, no: str) -> pa.Array:
        return pc.if_else(ok, pc.if_else(pa.array(condition), yes, no), "-")

    zones = [f"euw1-az{1 + list(SUBNETS.values()).index(ZONES[subnet])}" for subnet in book.subnets]
    makers: dict[str, Callable[[], pa.Array]] = {
        "version": lambda: constant("5" if "vpc-id" in wanted else "2"),
        "account-id": lambda: constant(ACCOUNT),
        "vpc-id": lambda: of_interface([vpc_of(subnet) for subnet in book.subnets]),
        "region": lambda: constant(REGION),
        "interface-id": lambda: of_interface(book.ids),
        "subnet-id": lambda: of_interface(book.subnets),
        "az-id": lambda: of_interface(zones),
        "srcaddr": lambda: named(rows.src, book.addresses),
        "dstaddr": lambda: named(rows.dst, book.addresses),
        "srcport": lambda: number(rows.src_port),
        "dstport": lambda: number(rows.dst_port),
        "pkt-srcaddr": lambda: named(rows.pkt_src, book.addresses),
        "pkt-dstaddr": lambda: named(rows.pkt_dst, book.addresses),
        "pkt-src-aws-service": lambda: named(rows.service_src, book.services),
        "pkt-dst-aws-service": lambda: named(rows.service_dst, book.services),
        "protocol": lambda: constant("6", when_ok=True),
        "packets": lambda: number(rows.packets),
        "bytes": lambda: number(rows.bytes),
        "start": lambda: time(rows.start),
        "end": lambda: time(rows.end),
        "flow-direction": lambda: either(rows.egress, "egress", "ingress"),
        "tcp-flags": lambda: number(rows.flags),
        "traffic-path": lambda: named(rows.path, ["-", *map(str, range(1, 9))]),
        "type": lambda: constant("IPv4", when_ok=True),
        "action": lambda: either(rows.accept, "ACCEPT", "REJECT"),
        "log-status": lambda: pc.take(pa.array(["OK", "NODATA", "SKIPDATA"]), pa.array(rows.status)),
    }
    texts = [pc.cast(makers[field](), pa.large_string()) for field in wanted]
    joined = pc.binary_join_element_wise(*texts, pa.scalar(" ", pa.large_string()))
    newline = pa.repeat(pa.scalar("\n", pa.large_string()), count)
    return pc.binary_join_element_wise(joined, newline, pa.scalar("", pa.large_string()))
