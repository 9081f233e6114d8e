"""VPC flow logs as AWS writes them: both sides of each conversation, cut into windows, late and unsorted."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulator.account import (
    ACCOUNT,
    DAY,
    FLOW_LOG,
    REGION,
    SUBNET_A,
    SUBNETS,
    VPC,
    Interface,
    Resource,
    stable_id,
)
from simulator.traffic import Conversations

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

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

_AFTER_TRAFFIC = ("interface", "window", "src", "dst", "sport", "dport", "pkt_src", "pkt_dst", "service_src",
                  "service_dst", "packets", "bytes", "start", "end", "egress", "flags", "accept", "outside", "status")  # fmt: skip
_OK, _NODATA, _SKIPDATA = 0, 1, 2
_SYN, _SYN_ACK, _FIN = 2, 18, 1
_SCANNER = "10.0.3.250"


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
    skip_share: float = 0.0003
    """of the (interface, window)s AWS skips, and says so"""
    nodata: bool = True


def write_flow_logs(
    root: Path,
    conversations: Conversations,
    interfaces: Sequence[Interface],
    resources: Sequence[Resource],
    days: float,
    start: int,
    shape: Shape,
    rng: np.random.Generator,
) -> Bools:
    """Write the files below `root`; returns for each conversation whether the function's own interface logged it.

    `start` is the simulation's start in Unix seconds. Where AWS skipped a window (SKIPDATA), its records are lost.
    """
    ids = [i.interface_id for i in interfaces] + [r.interface_id for r in resources]
    addresses = [i.address for i in interfaces] + [r.address for r in resources]
    subnets = [i.subnet for i in interfaces] + [SUBNET_A] * len(resources)
    begins = np.array([i.start for i in interfaces] + [0.0] * len(resources))
    ends = np.array([min(i.end, days * DAY) for i in interfaces] + [days * DAY] * len(resources))

    pieces = _cut(conversations, shape.period_seconds)
    parts = _traffic(conversations, pieces, np.array(addresses), resources, len(interfaces), rng)
    parts.append(_noise(np.array(addresses), begins, ends, days, shape.period_seconds, rng))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in _AFTER_TRAFFIC}

    # What AWS skips is chosen by (interface, window), before it is known which windows are empty.
    windows = int(days * DAY // shape.period_seconds) + 2
    slot = rows["interface"] * windows + rows["window"]
    used = np.unique(slot)
    skipped = used[rng.random(len(used)) < shape.skip_share]
    kept = ~np.isin(slot, skipped)
    rows = {name: column[kept] for name, column in rows.items()}
    notes = [_status_rows(skipped // windows, skipped % windows, _SKIPDATA, shape.period_seconds)]
    if shape.nodata:
        every = np.concatenate(
            [
                index * windows
                + np.arange(np.ceil(b / shape.period_seconds), e // shape.period_seconds, dtype=np.int64)
                for index, (b, e) in enumerate(zip(begins, ends, strict=True))
            ]
        )
        empty = np.setdiff1d(every, used)
        notes.append(_status_rows(empty // windows, empty % windows, _NODATA, shape.period_seconds))
    rows = {name: np.concatenate([rows[name], *[note[name] for note in notes]]) for name in _AFTER_TRAFFIC}

    lines = _lines(rows, shape.fields, ids, subnets, start)
    _write(root, lines, rows["window"], shape, start, rng)
    return _logged(pieces, conversations, windows, skipped)


def _cut(conversations: Conversations, period: int) -> dict[str, npt.NDArray[np.float64] | Ints]:
    """Each conversation in each aggregation window that it touches."""
    first = (conversations.start // period).astype(np.int64)
    last = (conversations.end // period).astype(np.int64)
    count = last - first + 1
    index = np.repeat(np.arange(len(conversations)), count)
    part = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    window = first[index] + part
    begin = np.maximum(conversations.start[index], window * period)
    end = np.minimum(conversations.end[index], (window + 1) * period - 1e-3)
    length = np.maximum(conversations.end - conversations.start, 1e-6)[index]
    return {
        "index": index, "window": window, "begin": begin, "end": np.maximum(begin, end),
        "share": np.where(count[index] == 1, 1.0, (end - begin) / length),
        "first": (part == 0).astype(np.int64), "last": (part == count[index] - 1).astype(np.int64),
    }  # fmt: skip


def _traffic(
    conversations: Conversations,
    pieces: dict[str, npt.NDArray[np.float64] | Ints],
    addresses: npt.NDArray[np.str_],
    resources: Sequence[Resource],
    first_resource: int,
    rng: np.random.Generator,
) -> list[dict[str, npt.NDArray]]:  # type: ignore[type-arg]
    """Records of the function's interface, of an internal peer's, and of the NAT gateway's for external peers."""
    index = pieces["index"].astype(np.int64)
    own = conversations.interface[index]
    local, peer = addresses[own], conversations.peer_addr[index]
    local_port, peer_port = conversations.local_port[index], conversations.peer_port[index]
    service = conversations.service[index]
    sent = np.maximum((conversations.bytes_out[index] * pieces["share"]).astype(np.int64), 40)
    received = np.maximum((conversations.bytes_in[index] * pieces["share"]).astype(np.int64), 40)
    start, end = pieces["begin"].astype(np.int64), pieces["end"].astype(np.int64)
    reply = np.minimum(start + (rng.random(len(index)) < 0.1), end)
    fin = pieces["last"].astype(np.int64) * _FIN
    flags_out = pieces["first"].astype(np.int64) * _SYN | fin
    flags_in = pieces["first"].astype(np.int64) * _SYN_ACK | fin
    none = np.full(len(index), "")
    internal = np.char.startswith(peer, "10.")

    def rows(interface, src, dst, sport, dport, data, begin, egress, flags, **more):  # type: ignore[no-untyped-def]
        made = {
            "interface": interface, "window": pieces["window"].astype(np.int64), "src": src, "dst": dst, "sport": sport,
            "dport": dport, "pkt_src": src, "pkt_dst": dst, "service_src": none, "service_dst": none,
            "packets": np.maximum(data // 1_000, 1) + 3, "bytes": data, "start": begin, "end": end,
            "egress": np.full(len(index), egress), "flags": flags, "accept": np.ones(len(index), dtype=bool),
            "outside": ~internal, "status": np.zeros(len(index), dtype=np.int64),
        }  # fmt: skip
        return made | more

    there = rows(own, local, peer, local_port, peer_port, sent, start, True, flags_out, service_dst=service)
    back = rows(
        own, peer, local, peer_port, local_port, received, reply, False, flags_in, service_src=service
    )
    parts = [there, back]

    by_address = {resource.address: first_resource + n for n, resource in enumerate(resources)}
    far = np.array([by_address.get(address, -1) for address in np.unique(peer)])[
        np.unique(peer, return_inverse=True)[1]
    ]
    known = far >= 0
    parts += [
        _some(rows(far, local, peer, local_port, peer_port, sent, start, False, flags_out), known),
        _some(rows(far, peer, local, peer_port, local_port, received, reply, True, flags_in), known),
    ]
    gateway = next((n for n, r in enumerate(resources) if r.interface_type == "nat_gateway"), None)
    if gateway is not None:
        # The gateway repeats what passes: its own address stands in, and the packet's addresses tell the truth.
        nat = np.full(len(index), first_resource + gateway)
        address = np.full(len(index), resources[gateway].address)
        port = 1_024 + local_port % 60_000
        through = ~internal & (service == "")
        parts += [
            _some(
                rows(nat, local, address, local_port, peer_port, sent, start, False, flags_out, pkt_dst=peer),
                through,
            ),
            _some(rows(nat, address, peer, port, peer_port, sent, start, True, flags_out), through),
            _some(rows(nat, peer, address, peer_port, port, received, reply, False, flags_in), through),
            _some(
                rows(
                    nat, address, local, peer_port, local_port, received, reply, True, flags_in, pkt_src=peer
                ),
                through,
            ),
        ]
    return parts


def _some(rows: dict[str, npt.NDArray], chosen: Bools) -> dict[str, npt.NDArray]:  # type: ignore[type-arg]
    return {name: column[chosen] for name, column in rows.items()}


def _noise(
    addresses: npt.NDArray[np.str_],
    begins: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    days: float,
    period: int,
    rng: np.random.Generator,
) -> dict[str, npt.NDArray]:  # type: ignore[type-arg]
    """A scanner inside the company knocks at every interface a few times a day, and is refused."""
    count = rng.poisson(3 * days * len(addresses))
    interface = rng.integers(0, len(addresses), count)
    moment = rng.uniform(0, days * DAY, count)
    alive = (moment >= begins[interface]) & (moment < ends[interface])
    interface, moment = interface[alive], moment[alive]
    count = len(moment)
    zeros, none = np.zeros(count, dtype=np.int64), np.full(count, "")
    scanner, target = np.full(count, _SCANNER), addresses[interface]
    return {
        "interface": interface, "window": (moment // period).astype(np.int64), "src": scanner, "dst": target,
        "sport": rng.integers(1_024, 65_536, count), "dport": rng.choice([22, 23, 445, 3389], count),
        "pkt_src": scanner, "pkt_dst": target, "service_src": none, "service_dst": none,
        "packets": zeros + 1, "bytes": zeros + 40, "start": moment.astype(np.int64), "end": moment.astype(np.int64),
        "egress": zeros.astype(bool), "flags": zeros + _SYN, "accept": zeros.astype(bool),
        "outside": zeros.astype(bool), "status": zeros + _OK,
    }  # fmt: skip


def _status_rows(interface: Ints, window: Ints, status: int, period: int) -> dict[str, npt.NDArray]:  # type: ignore[type-arg]
    count = len(interface)
    zeros, none = np.zeros(count, dtype=np.int64), np.full(count, "")
    rows = dict.fromkeys(("src", "dst", "pkt_src", "pkt_dst", "service_src", "service_dst"), none)
    numbers = dict.fromkeys(("sport", "dport", "packets", "bytes", "flags"), zeros)
    flags = dict.fromkeys(("egress", "accept", "outside"), zeros.astype(bool))
    times = {"start": window * period, "end": (window + 1) * period - 1}
    return {
        **rows,
        **numbers,
        **flags,
        **times,
        "interface": interface,
        "window": window,
        "status": zeros + status,
    }


def _lines(
    rows: dict[str, npt.NDArray],
    fields: tuple[str, ...],
    ids: list[str],
    subnets: list[str],
    start: int,  # type: ignore[type-arg]
) -> pa.Array:
    """The records as text, each with its newline."""
    ok = pa.array(rows["status"] == _OK)
    interface = pa.array(rows["interface"])

    def text(column: npt.NDArray, always: bool = False) -> pa.Array:  # type: ignore[type-arg]
        values = pc.cast(pa.array(column), pa.string())
        return values if always else pc.if_else(pc.and_(ok, pc.not_equal(values, "")), values, "-")

    def of_interface(values: list[str]) -> pa.Array:
        return pc.take(pa.array(values), interface)

    def chosen(condition: npt.NDArray, yes: str, no: str) -> pa.Array:  # type: ignore[type-arg]
        return pc.if_else(ok, pc.if_else(pa.array(condition), yes, no), "-")

    constants = {
        "version": "5" if "vpc-id" in fields else "2", "account-id": ACCOUNT, "vpc-id": VPC, "region": REGION,
    }  # fmt: skip
    zones = [f"euw1-az{1 + list(SUBNETS).index(subnet)}" for subnet in subnets]
    makers = {
        "interface-id": lambda: of_interface(ids),
        "subnet-id": lambda: of_interface(subnets),
        "az-id": lambda: of_interface(zones),
        "srcaddr": lambda: text(rows["src"]),
        "dstaddr": lambda: text(rows["dst"]),
        "srcport": lambda: text(rows["sport"]),
        "dstport": lambda: text(rows["dport"]),
        "pkt-srcaddr": lambda: text(rows["pkt_src"]),
        "pkt-dstaddr": lambda: text(rows["pkt_dst"]),
        "pkt-src-aws-service": lambda: text(rows["service_src"]),
        "pkt-dst-aws-service": lambda: text(rows["service_dst"]),
        "protocol": lambda: chosen(rows["accept"], "6", "6"),
        "packets": lambda: text(rows["packets"]),
        "bytes": lambda: text(rows["bytes"]),
        "start": lambda: text(rows["start"] + start, always=True),
        "end": lambda: text(rows["end"] + start, always=True),
        "flow-direction": lambda: chosen(rows["egress"], "egress", "ingress"),
        "tcp-flags": lambda: text(rows["flags"]),
        # 1: within the VPC; 8: through an internet gateway. Only egress records have it.
        "traffic-path": lambda: pc.if_else(pa.array(rows["egress"]), chosen(rows["outside"], "8", "1"), "-"),
        "type": lambda: chosen(rows["accept"], "IPv4", "IPv4"),
        "action": lambda: chosen(rows["accept"], "ACCEPT", "REJECT"),
        "log-status": lambda: pc.take(pa.array(["OK", "NODATA", "SKIPDATA"]), pa.array(rows["status"])),
    }
    columns = [
        pa.repeat(pa.scalar(constants[field]), len(ok)) if field in constants else makers[field]()
        for field in fields
    ]
    joined = pc.binary_join_element_wise(
        *[pc.cast(c, pa.large_string()) for c in columns], pa.scalar(" ", pa.large_string())
    )
    newline = pa.repeat(pa.scalar("\n", pa.large_string()), len(ok))
    return pc.binary_join_element_wise(joined, newline, pa.scalar("", pa.large_string()))


def _write(
    root: Path, lines: pa.Array, window: Ints, shape: Shape, start: int, rng: np.random.Generator
) -> None:
    """Files by delivery time: minutes after the window closed, for some records more than an hour."""
    count = len(lines)
    closed = (window + 1) * shape.period_seconds
    delay = rng.uniform(120, 420, count)
    late = rng.random(count) < shape.late_share
    delay[late] += rng.uniform(600, 5_400, int(late.sum()))
    file = ((closed + delay) // shape.delivery_seconds).astype(np.int64)
    shuffled = rng.permutation(count)
    order = shuffled[np.argsort(file[shuffled], kind="stable")]
    lines = lines.take(pa.array(order))
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64, count=count + 1)
    text = memoryview(data)
    header = (" ".join(shape.fields) + "\n").encode()
    numbers, firsts = np.unique(file[order], return_index=True)
    for number, first, last in zip(numbers, firsts, [*firsts[1:], count], strict=True):
        moment = datetime.fromtimestamp(start + int(number) * shape.delivery_seconds, UTC)
        folder = root / f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{moment:%Y/%m/%d}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{FLOW_LOG}_{moment:%Y%m%dT%H%MZ}_{stable_id('', number, length=8)}.log.gz"
        body = header + bytes(text[ends[first] : ends[last]])
        (folder / name).write_bytes(gzip.compress(body, compresslevel=3, mtime=0))


def _logged(
    pieces: dict[str, npt.NDArray[np.float64] | Ints],
    conversations: Conversations,
    windows: int,
    skipped: Ints,
) -> Bools:
    index = pieces["index"].astype(np.int64)
    slot = conversations.interface[index] * windows + pieces["window"].astype(np.int64)
    logged = np.zeros(len(conversations), dtype=bool)
    logged[index[~np.isin(slot, skipped)]] = True
    return logged
