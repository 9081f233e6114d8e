"""VPC flow-log records: both sides of each conversation cut into windows, noise, silence and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulator.account import GATEWAY_ENDPOINTS, subnet_of, vpc_of
from simulator.flow_log_text import NODATA, OK, SKIPDATA, Book, Records, Shape, write_records
from simulator.lifecycle import History
from simulator.randomness import Keys, chance, draw_keys, mixed, stream
from simulator.traffic import Bools, Conversations, Floats, Ints, Texts

_SYN, _SYN_ACK, _FIN = 2, 18, 1
_SCANNER = "10.0.3.250"
# Where egress leaves: within the VPC or to an AWS-managed interface, a gateway endpoint, an internet gateway.
_VPC, _GATEWAY, _INTERNET = 1, 7, 8


@dataclass(frozen=True)
class Written:
    """What was written, and which conversations can be found in it."""

    records: int
    files: int
    logged: Bools
    """for each conversation: every record of it on the function's own interface is in the log"""


def write_flow_logs(
    root: Path,
    conversations: Conversations,
    history: History,
    start: int,
    seed: int,
    shape: Shape,
    stopped: Sequence[tuple[float, float]] = (),
) -> Written:
    """Write the files below `root`; `start` is the simulation's start in Unix seconds.

    Where AWS skipped a window (SKIPDATA), its records are lost; over the spans of `stopped` there is no flow log.
    """
    book = _book(conversations, history)
    spans = [*((i.start, i.end) for i in history.interfaces), *(r.life for r in history.resources)]
    lives = (np.array([s for s, _ in spans]), np.array([min(end, history.seconds) for _, end in spans]))

    pieces = _cut(conversations, shape.period_seconds)
    parts = _traffic(conversations, pieces, history, book)
    parts.append(_noise(book, lives, history, shape.period_seconds, stream(seed, "noise")))
    rows = Records.joined(parts)

    # What AWS skips is chosen by (interface, window) alone.
    windows = int(history.seconds // shape.period_seconds) + 2
    slot = rows.interface * windows + rows.window
    used = np.unique(slot)
    skipped = used[chance(_slot_keys(used // windows, used % windows, seed), 1) < shape.skip_share]
    notes = [rows.where(~np.isin(slot, skipped)), _status(skipped, windows, SKIPDATA, shape, seed)]
    if shape.nodata:
        empty = np.setdiff1d(_live_slots(lives, windows, shape.period_seconds), used)
        notes.append(_status(empty, windows, NODATA, shape, seed))
    everything = Records.joined(notes)
    for since, until in stopped:
        begun = everything.window * shape.period_seconds
        everything = everything.where((begun + shape.period_seconds <= since) | (begun >= until))
    _misdate(everything, shape, seed)
    files = write_records(root, everything, book, shape, start, seed)

    own = conversations.interface[pieces.index] * windows + pieces.window
    logged = np.ones(len(conversations), dtype=bool)
    logged[pieces.index[np.isin(own, skipped)]] = False
    for since, until in stopped:
        logged &= (conversations.end < since - shape.period_seconds) | (conversations.start >= until)
    return Written(len(everything), files, logged)


@dataclass
class _Pieces:
    """Each conversation in each aggregation window that it touches."""

    index: Ints
    """which conversation"""
    window: Ints
    begin: Ints
    end: Ints
    """first and last second"""
    out: Ints
    back: Ints
    """bytes of the window; over all windows they add up to the conversation's"""
    first: Bools
    last: Bools


def _cut(conversations: Conversations, period: int) -> _Pieces:
    first = (conversations.start // period).astype(np.int64)
    last = (conversations.end // period).astype(np.int64)
    count = last - first + 1
    index = np.repeat(np.arange(len(conversations)), count)
    part = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    window = first[index] + part
    begin = np.maximum(conversations.start[index], window * period)
    end = np.minimum(conversations.end[index], (window + 1) * period)
    length = np.maximum(conversations.end - conversations.start, 1e-6)[index]
    is_last = part == count[index] - 1
    until = np.where(is_last, 1.0, (end - conversations.start[index]) / length)
    since = np.where(part == 0, 0.0, (begin - conversations.start[index]) / length)

    def spread(total: Ints) -> Ints:
        # Every window has a packet; differences of rounded sums add up exactly.
        rest = (total - 40 * count)[index]
        upto: Ints = np.floor(rest * until).astype(np.int64)
        before: Ints = np.floor(rest * since).astype(np.int64)
        return upto - before + 40

    return _Pieces(
        index, window, begin.astype(np.int64), np.minimum(end.astype(np.int64), (window + 1) * period - 1),
        spread(conversations.bytes_out), spread(conversations.bytes_in), part == 0, is_last,
    )  # fmt: skip


def _book(conversations: Conversations, history: History) -> Book:
    """Everything that records name by number."""
    ids = [i.interface_id for i in history.interfaces] + [r.interface_id for r in history.resources]
    own = [i.address for i in history.interfaces] + [r.address for r in history.resources]
    subnets = [i.subnet for i in history.interfaces]
    subnets += [subnet_of(r.address) for r in history.resources]
    peers = np.unique(conversations.peer_addr).tolist()
    addresses = list(dict.fromkeys([*own, _SCANNER, *peers, ""]))
    services = ["", *sorted({s for s in np.unique(conversations.service).tolist() if s})]
    return Book(ids, subnets, own, addresses, services)


def _codes(values: Sequence[str] | Texts, book: list[str]) -> Ints:
    """The numbers of these texts in the book."""
    found = pa.array(values).dictionary_encode()
    place = {text: n for n, text in enumerate(book)}
    table = np.array([place[text] for text in found.dictionary.to_pylist()], dtype=np.int64)
    return table[found.indices.to_numpy()] if len(table) else np.zeros(0, dtype=np.int64)


def _traffic(conversations: Conversations, pieces: _Pieces, history: History, book: Book) -> list[Records]:
    """Records of the function's interface, of an internal peer's, and of the NAT gateway's for external peers."""
    index = pieces.index
    own = conversations.interface[index]
    addresses = _codes(book.own, book.addresses)
    local, peer = addresses[own], _codes(conversations.peer_addr, book.addresses)[index]
    port, peer_port = conversations.local_port[index], conversations.peer_port[index]
    service = _codes(conversations.service, book.services)[index]
    key = mixed(conversations.key[index], pieces.window)
    reply = np.minimum(pieces.begin + (chance(key, 2) < 0.1), pieces.end)
    refused = conversations.refused[index]
    silent = refused > 0
    flags_out = pieces.first * _SYN | pieces.last * _FIN * ~silent
    flags_back = pieces.first * _SYN_ACK | pieces.last * _FIN
    inside = np.array([a.startswith("10.") for a in book.addresses])[peer]
    gateways = [n for n, s in enumerate(book.services) if s in GATEWAY_ENDPOINTS]
    gateway = np.isin(service, gateways)
    none = np.zeros(len(index), dtype=np.int64)
    holders = {r.address: len(history.interfaces) + n for n, r in enumerate(history.resources)}
    far = np.array([holders.get(address, -1) for address in book.addresses])[peer]

    def allowed(interface: Ints) -> Bools:
        answer: Bools = ~((refused == 1) & (interface == own)) & ~((refused == 2) & (interface == far))
        return answer

    def sent(
        salt: int, interface: Ints, source: Ints, target: Ints, ports: tuple[Ints, Ints], path: Ints | None
    ) -> Records:
        """What goes towards the peer; with a path: as it leaves that interface."""
        return Records(
            interface, pieces.window, mixed(key, salt), source, target, *ports, source, peer, none, service,
            np.maximum(pieces.out // 1_000, 1) + 3, pieces.out, pieces.begin, pieces.end,
            np.full(len(index), path is not None), flags_out, allowed(interface),
            none if path is None else path, none + OK,
        )  # fmt: skip

    def returned(
        salt: int, interface: Ints, source: Ints, target: Ints, ports: tuple[Ints, Ints], path: Ints | None
    ) -> Records:
        """What comes back from the peer."""
        return Records(
            interface, pieces.window, mixed(key, salt), source, target, *ports, peer, target, service, none,
            np.maximum(pieces.back // 1_000, 1) + 3, pieces.back, reply, pieces.end,
            np.full(len(index), path is not None), flags_back, ~none.astype(bool),
            none if path is None else path, none + OK,
        )  # fmt: skip

    there, home = (port, peer_port), (peer_port, port)
    parts = [
        sent(11, own, local, peer, there, np.where(gateway, _GATEWAY, _VPC)),
        returned(12, own, peer, local, home, None).where(~silent),
        sent(13, far, local, peer, there, None).where((far >= 0) & (refused != 1)),
        returned(14, far, peer, local, home, none + _VPC).where((far >= 0) & ~silent),
    ]
    # The gateway repeats what passes: its own address stands in, and the packet's addresses tell the truth.
    nat = _gateways(history)[own]
    address = addresses[nat]
    mapped = 1_024 + (port + 31_337) % 64_000
    through = ~inside & ~gateway & (refused != 1)
    parts += [
        sent(15, nat, local, address, there, None).where(through),
        sent(16, nat, address, peer, (mapped, peer_port), none + _INTERNET).where(through),
        returned(17, nat, peer, address, (peer_port, mapped), None).where(through & ~silent),
        returned(18, nat, address, local, home, none + _VPC).where(through & ~silent),
    ]
    return parts


def _gateways(history: History) -> Ints:
    """Number of the interface of its VPC's NAT gateway for each of Lambda's interfaces."""
    first = len(history.interfaces)
    there = {
        vpc_of(subnet_of(r.address)): first + n
        for n, r in enumerate(history.resources)
        if r.interface_type == "nat_gateway"
    }
    return np.array([there[vpc_of(i.subnet)] for i in history.interfaces], dtype=np.int64)


def _noise(
    book: Book, lives: tuple[Floats, Floats], history: History, period: int, rng: np.random.Generator
) -> Records:
    """A scanner inside the company knocks at every interface a few times a day, and is refused."""
    count = rng.poisson(3 * history.days * len(book.ids))
    interface = rng.integers(0, len(book.ids), count)
    moment = rng.uniform(0, history.seconds, count)
    ports = rng.integers(1_024, 65_536, count), rng.choice([22, 23, 445, 3389], count)
    key = draw_keys(rng, count)
    zeros = np.zeros(count, dtype=np.int64)
    target = _codes(book.own, book.addresses)[interface]
    scanner = zeros + book.addresses.index(_SCANNER)
    second, no = moment.astype(np.int64), zeros.astype(bool)
    everything = Records(
        interface, second // period, key, scanner, target, *ports, scanner, target, zeros, zeros,
        zeros + 1, zeros + 40, second, second, no, zeros + _SYN, no, zeros, zeros + OK,
    )  # fmt: skip
    return everything.where((moment >= lives[0][interface]) & (moment < lives[1][interface]))


def _live_slots(lives: tuple[Floats, Floats], windows: int, period: int) -> Ints:
    """Every (interface, window) in which the interface existed from beginning to end."""
    spans = zip(*lives, strict=True)
    return np.concatenate(
        [
            n * windows + np.arange(np.ceil(begin / period), end // period, dtype=np.int64)
            for n, (begin, end) in enumerate(spans)
        ]
    )


def _status(slots: Ints, windows: int, status: int, shape: Shape, seed: int) -> Records:
    """Lines that say that a window had no traffic, or was skipped."""
    interface, window = slots // windows, slots % windows
    zeros, no = np.zeros(len(slots), dtype=np.int64), np.zeros(len(slots), dtype=bool)
    start = window * shape.period_seconds
    return Records(
        interface, window, _slot_keys(interface, window, seed),
        zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros, zeros,
        start, start + shape.period_seconds - 1, no, zeros, no, zeros, zeros + status,
    )  # fmt: skip


def _slot_keys(interface: Ints, window: Ints, seed: int) -> Keys:
    return mixed(interface.astype(np.uint64), window, seed)


def _misdate(rows: Records, shape: Shape, seed: int) -> None:
    """In some windows of an interface AWS takes packets down up to a minute after they passed.

    And in each of them its clock may be off: all records of the window by the same.
    """
    keys = _slot_keys(rows.interface, rows.window, seed)
    late = (chance(keys, 3) < shape.lag_share) & (rows.status == OK)
    seconds = np.where(late, 1 + (chance(keys, 4) * 60).astype(np.int64), 0)
    skew = np.rint(shape.skew_seconds * (2 * chance(keys, 5) - 1)).astype(np.int64)
    seconds += np.where(rows.status == OK, skew, 0)
    rows.start += seconds
    rows.end += seconds
