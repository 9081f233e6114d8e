"""The truth about the logs, as Parquet: what only somebody who made them can know. It lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.account import Quiet
from simulator.cloudtrail import request_ids
from simulator.lifecycle import Configuration, History
from simulator.traffic import ApiCalls, Bools, Conversations, Invocations

_TIME = pa.timestamp("us", "UTC")


def write_truth(
    root: Path,
    history: History,
    invocations: Invocations,
    conversations: Conversations,
    api_calls: ApiCalls,
    story: list[dict[str, object]],
    logged: Bools,
    start: int,
) -> None:
    """Write the tables below `root`; `start` is the simulation's start in Unix seconds.

    Times are UTC; `scenario` is empty where all was normal. `request_id` leads from everything to the
    invocation that did it.
    """
    root.mkdir(parents=True, exist_ok=True)
    requests = request_ids(invocations)
    tables = {
        "invocations": _invocations(history, invocations, requests, start),
        "conversations": _conversations(history, invocations, conversations, requests, logged, start),
        "api_calls": _api_calls(history, invocations, api_calls, requests, start),
        "leases": _leases(history, start),
        "scenarios": _story(story, start),
        "quiet": _quiet(history.quiet, start),
    }
    for name, table in tables.items():
        pq.write_table(table, root / f"{name}.parquet", compression="zstd")


def _times(seconds: npt.NDArray[np.float64], start: int) -> pa.Array:
    return pa.array(np.round((seconds + start) * 1_000_000).astype(np.int64)).cast(_TIME)


def _interfaces(history: History, index: npt.NDArray[np.int64]) -> tuple[pa.Array, pa.Array]:
    """Interface id and address, NULL outside the VPC."""
    known = pa.array(index, mask=index < 0)
    ids = pa.array([i.interface_id for i in history.interfaces]).take(known)
    return ids, pa.array([i.address for i in history.interfaces]).take(known)


def _requests(invocations: Invocations, requests: list[str], keys: npt.NDArray[np.uint64]) -> pa.Array:
    order = np.argsort(invocations.key)
    place = order[np.searchsorted(invocations.key[order], keys)]
    return pa.array(requests, pa.string()).take(pa.array(place))


def _invocations(history: History, rows: Invocations, requests: list[str], start: int) -> pa.Table:
    """One invocation: who ran, on which interface, whether it failed."""
    ids, _ = _interfaces(history, rows.interface)
    return pa.table(
        {
            "request_id": pa.array(requests, pa.string()),
            "start": _times(rows.start, start),
            "end": _times(rows.end, start),
            "function_name": pa.array(rows.function),
            "version": pa.array(rows.version),
            "interface_id": ids,
            "failed": pa.array(rows.failed),
            "scenario": pa.array(rows.scenario),
        }
    )


def _conversations(
    history: History,
    invocations: Invocations,
    rows: Conversations,
    requests: list[str],
    logged: Bools,
    start: int,
) -> pa.Table:
    """One connection: which function opened it, to whom, how much; `logged`: nothing of it was skipped."""
    ids, addresses = _interfaces(history, rows.interface)
    return pa.table(
        {
            "start": _times(rows.start, start),
            "end": _times(rows.end, start),
            "function_name": pa.array(rows.function),
            "interface_id": ids,
            "local_addr": addresses,
            "local_port": pa.array(rows.local_port.astype(np.int32)),
            "peer_addr": pa.array(rows.peer_addr),
            "peer_port": pa.array(rows.peer_port.astype(np.int32)),
            "peer": pa.array(rows.peer),
            "bytes_out": pa.array(rows.bytes_out),
            "bytes_in": pa.array(rows.bytes_in),
            "request_id": _requests(invocations, requests, rows.invocation),
            "scenario": pa.array(rows.scenario),
            "refused": pa.array(rows.refused > 0),
            "logged": pa.array(logged),
        }
    )


def _api_calls(history: History, invocations: Invocations, rows: ApiCalls, requests: list[str], start: int) -> pa.Table:
    """One API call of a function; `via` is how it reached AWS."""
    ids, _ = _interfaces(history, rows.interface)
    return pa.table(
        {
            "time": _times(rows.time, start),
            "function_name": pa.array(rows.function),
            "interface_id": ids,
            "event_source": pa.array(rows.source),
            "event_name": pa.array(rows.name),
            "via": pa.array(rows.via),
            "request_id": _requests(invocations, requests, rows.invocation),
            "scenario": pa.array(rows.scenario),
        }
    )


def _leases(history: History, start: int) -> pa.Table:
    """Who could use an address: interface × function over [valid_from, valid_to).

    `valid_from` NULL: since before the simulation; `valid_to` NULL: beyond its end.
    """
    rows = []
    by_groups: dict[tuple[str, ...], list[Configuration]] = {}
    for configuration in history.configurations:
        by_groups.setdefault(configuration.groups, []).append(configuration)
    for interface in history.interfaces:
        for configuration in by_groups.get(interface.groups, ()):
            function = history.function(configuration.function)
            begin = max(interface.start, configuration.start)
            end = min(interface.end, configuration.end)
            if interface.subnet in function.subnets and begin < end:
                rows.append((interface, function.name, begin, end))
    begins, ends = np.array([r[2] for r in rows]), np.array([r[3] for r in rows])
    open_end = ends > history.seconds
    return pa.table(
        {
            "interface_id": [r[0].interface_id for r in rows],
            "address": [r[0].address for r in rows],
            "function_name": [r[1] for r in rows],
            "valid_from": _masked(begins, begins == 0, start),
            "valid_to": _masked(np.where(open_end, 0, ends), open_end, start),
        }
    )


def _masked(seconds: npt.NDArray[np.float64], unknown: Bools, start: int) -> pa.Array:
    micros = np.round((seconds + start) * 1_000_000).astype(np.int64)
    return pa.array(micros, mask=unknown).cast(_TIME)


def _story(story: list[dict[str, object]], start: int) -> pa.Table:
    """What each scenario did, to which function (NULL: to the account), in words.

    `families`: kinds of detections that it should be seen by, first the one that it is made for; `addresses`: whose.
    """

    def column(name: str) -> list[object]:
        return [row[name] for row in story]

    return pa.table(
        {
            "scenario": pa.array(column("scenario"), pa.string()),
            "function_name": pa.array(column("function_name"), pa.string()),
            "start": _times(np.array(column("start"), dtype=float), start),
            "end": _times(np.array(column("end"), dtype=float), start),
            "peer": pa.array(column("peer"), pa.string()),
            "description": pa.array(column("description"), pa.string()),
            "families": pa.array(column("families"), pa.list_(pa.string())),
            "addresses": pa.array(column("addresses"), pa.list_(pa.string())),
        }
    )


def _quiet(changes: Sequence[Quiet], start: int) -> pa.Table:
    """What changes without anything being wrong, and the kinds of alerts that one may have of it nevertheless."""
    return pa.table(
        {
            "change": pa.array([q.name for q in changes], pa.string()),
            "function_name": pa.array([q.function for q in changes], pa.string()),
            "start": _times(np.array([q.start for q in changes], dtype=float), start),
            "end": _times(np.array([q.end for q in changes], dtype=float), start),
            "acceptable": pa.array([list(q.acceptable) for q in changes], pa.list_(pa.string())),
            "description": pa.array([q.description for q in changes], pa.string()),
        }
    )


def write_threat_list(root: Path, addresses: Sequence[str]) -> None:
    """`root/threat_lists/tor_exits.txt`, an address a line: those that are used, among many that are not."""
    folder = root / "threat_lists"
    folder.mkdir(parents=True, exist_ok=True)
    others = [f"198.19.{244 + n % 4}.{n * 37 % 253 + 1}" for n in range(400)]
    (folder / "tor_exits.txt").write_text("\n".join(sorted({*others, *addresses})) + "\n", encoding="utf-8")
