"""Connections that outlive an invocation."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from simulated import Simulated, make

from simulator.keep_alive import kept_open
from simulator.traffic import Conversations, Invocations


def _one_function(spans: list[tuple[float, float]], interfaces: list[int]) -> Conversations:
    """Invocations with these spans, each with one conversation of 1,000 bytes that is as long."""
    count = len(spans)
    start, end = np.array(spans).T
    keys, empty = np.arange(count, dtype=np.uint64) + 7, np.full(count, "")
    numbers = np.array(interfaces)
    invocations = Invocations(start, end, keys, empty, empty, numbers, np.zeros(count, dtype=bool), empty)
    ones = np.ones(count, dtype=np.int64)
    size = 1_000 * ones
    conversations = Conversations(
        start, end, keys + np.uint64(100), keys, empty, numbers, ones, np.full(count, "10.0.16.10"), ones,
        size, size, np.full(count, "db-00"), empty, empty, 0 * ones,
    )  # fmt: skip
    return kept_open(invocations, conversations)


@pytest.mark.parametrize(
    ("spans", "interfaces", "expected"),
    [
        ([(0, 2), (60, 62), (480, 482)], [0, 0, 0], [(0, 62, 7), (480, 482, 9)]),
        ([(0, 2), (1, 3), (10, 12)], [0, 0, 0], [(0, 2, 7), (1, 12, 8)]),  # the environment used last goes on
        ([(0, 2), (60, 62)], [0, 1], [(0, 2, 7), (60, 62, 8)]),  # another interface: another environment
        ([(500, 502), (590, 592), (610, 612)], [0, 0, 0], [(500, 592, 7), (610, 612, 9)]),  # too old
    ],
)
def test_what_follows_closely_in_one_environment_is_one_connection(
    spans: list[tuple[float, float]], interfaces: list[int], expected: list[tuple[float, float, int]]
) -> None:
    made = _one_function(spans, interfaces)
    rows = sorted(zip(made.start.tolist(), made.end.tolist(), made.invocation.tolist(), strict=True))
    assert rows == expected
    assert 0 <= made.bytes_out.sum() - 1_000 * len(spans) < 80 * len(made) + 40 * 10


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A small crowd whose connections end with the invocation."""
    return make(tmp_path_factory.mktemp("without"), account="crowd", interfaces=3, days=1, seed=2)


def test_kept_connections_are_logged_to_the_byte(without: Simulated, tmp_path: Path) -> None:
    kept = make(tmp_path, account="crowd", interfaces=3, days=1, seed=2, keep_alive=1.0)
    assert kept.truth("invocations") == without.truth("invocations")
    few, many = kept.truth("conversations"), without.truth("conversations")
    assert 0.1 * len(many) < len(few) < 0.8 * len(many)
    requests = {c["request_id"] for c in many}
    assert all(c["request_id"] in requests for c in few)
    sums: dict[tuple[str, ...], int] = defaultdict(int)
    for r in kept.records:
        if r["log-status"] == "OK":
            sums[(r["interface-id"], r["srcport"], r["dstaddr"], r["dstport"])] += int(r["bytes"])
    ends = {i.interface_id: i.end for i in kept.history.interfaces}
    begun = min(c["start"] for c in few).replace(hour=0, minute=0, second=0, microsecond=0)
    used: dict[tuple[str, ...], int] = defaultdict(int)
    for c in few:
        if c["logged"]:
            used[(c["interface_id"], str(c["local_port"]), c["peer_addr"], str(c["peer_port"]))] += c["bytes_out"]
        assert (c["end"] - begun).total_seconds() < ends[c["interface_id"]]
    assert len(used) > 1_000
    assert all(sums[key] == size for key, size in used.items())
    longer = [c for c in few if (c["end"] - c["start"]).total_seconds() > 240]
    assert len(longer) > 100
