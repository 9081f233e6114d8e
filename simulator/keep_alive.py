"""Connections that outlive an invocation: an execution environment keeps them for its next ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.traffic import Conversations, Ints, Invocations

_IDLE = 240
"""seconds after which an unused connection is closed, and is opened anew when it is needed again"""
_AGE = 600
"""about how long a connection is used at most, in seconds"""
_WARM = 600
"""seconds after which Lambda takes an unused execution environment away"""


def kept_open(invocations: Invocations, conversations: Conversations) -> Conversations:
    """One function's conversations, those that one environment has with one peer joined where they follow closely.

    A joined conversation lasts from the first one's start to the last one's end, idle time in between included,
    has the bytes of all (the flow log spreads them evenly), and belongs to the invocation that opened it.

    Example: invocations at 10:00:00, 10:01:00 and 10:08:00 of one environment that each talk to a database for 2 s
    make two conversations, 10:00:00 to 10:01:02 and, for 240 s had passed, 10:08:00 to 10:08:02.
    """
    if not len(conversations):
        return conversations
    by_key = np.argsort(invocations.key)
    place = by_key[np.searchsorted(invocations.key[by_key], conversations.invocation)]
    environment = _environments(invocations)[place]
    _, peer = np.unique(conversations.peer, return_inverse=True)
    order = np.lexsort((conversations.start, peer, environment))
    rows, environment, peer = conversations.where(order), environment[order], peer[order]
    # Ages are cut at fixed times, other ones in each environment.
    age = (rows.start + environment * 97) // _AGE
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = (
        (np.diff(environment) != 0)
        | (np.diff(peer) != 0)
        | (np.diff(age) != 0)
        | (rows.start[1:] - rows.end[:-1] > _IDLE)
    )
    first = np.flatnonzero(opens)
    end = np.maximum.reduceat(rows.end, first)
    # At least 40 bytes in each window that it touches, also in those in which it is idle.
    least = (40 * (2 + (end - rows.start[first]) // 60)).astype(np.int64)
    return replace(
        rows.where(first),
        end=end,
        bytes_out=np.add.reduceat(rows.bytes_out, first) + least,
        bytes_in=np.add.reduceat(rows.bytes_in, first) + least,
    )


def _environments(invocations: Invocations) -> Ints:
    """Number of the execution environment of each: one invocation at a time, on one interface, of one version.

    Of those that are warm and free, the one used last takes the next invocation.
    """
    warm: dict[tuple[int, str], dict[int, float]] = {}
    found = np.zeros(len(invocations), dtype=np.int64)
    count = 0
    order = np.argsort(invocations.start, kind="stable")
    starts, ends = invocations.start.tolist(), invocations.end.tolist()
    places = list(zip(invocations.interface.tolist(), invocations.version.tolist(), strict=True))
    for n in order.tolist():
        start = starts[n]
        there = {e: until for e, until in warm.get(places[n], {}).items() if until > start - _WARM}
        free = [e for e, until in there.items() if until <= start]
        chosen = max(free, key=there.__getitem__, default=count)
        count += chosen == count
        there[chosen] = ends[n]
        warm[places[n]] = there
        found[n] = chosen
    return found
