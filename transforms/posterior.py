"""Who of several sent it? Probabilities from what is known of when each ran. Arrays only: no Spark, no clock.

The model, for the conversations of one interface in one hour:

- A function's invocations come with times between which each ran. Spread over the seconds between, they give the
  function's *activity* at each second: expected invocations that open a connection there. A conversation seen at
  second s is proportional to it. What nobody recorded happens, too: `UNSEEN` is added.
- AWS's clock for the flow log and the other clocks differ by an unknown shift of up to the tolerance. The shift is
  learned with the rest: for the hour, and for each ten minutes as far as their conversations tell another one.
- A function keeps its habits: how many conversations with a peer it has per invocation. Learned from the same hour,
  with all other conversations weighing by their own probabilities (expectation-maximisation, a fixed number of
  rounds).

Nothing here depends on other hours, so that late evidence changes the hours that it belongs to and no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNSEEN = 1 / 21_600
"""Invocations a second that no evidence shows: one in six hours."""

NEVER_SURE = 0.999
"""The highest probability where there is more than one candidate."""

_ROUNDS = 12
_STEP = 2
_SLOT = 600
_KEPT_OPEN = 0.1
"""How much less likely it is that a connection ends when its function does not run: kept open between invocations."""
_HOUR_PRIOR, _SLOT_PRIOR = 20.0, 3.0
"""The prior's weights, in conversations: of no shift in the hour, of the hour's shift in ten minutes."""
_HABIT_PRIOR = 0.5
"""In invocations."""
_LEARNING = 20_000
"""Conversations to learn from; the others are weighed with what was learned."""
_CELLS = 1 << 24
"""Numbers in one array: what bounds the memory."""


@dataclass(frozen=True)
class Activity:
    """What is known of when functions ran: one row per piece of evidence, times in seconds."""

    function: Ints
    """index of the candidate"""
    begins: Floats
    ends: Floats
    """it ran for some time between the two"""
    count: Floats
    """invocations"""


@dataclass(frozen=True)
class Conversations:
    """One row per conversation, times in seconds."""

    start: Floats
    end: Floats
    peer: Ints
    """a number for each peer"""
    may: Bools
    """conversation × candidate: a lease covers it"""


def weigh(talks: Conversations, activity: Activity, known: Bools, tolerance: int) -> Floats:
    """conversation × candidate: the probability that it was this one; each row adds up to 1.

    `known` says of each candidate whether its evidence would show when it ran; one of which nothing is known
    is taken to run as often as the others do on average, at any time. There is at least one conversation.

    f ran at 10:00:00-10:00:03, g at 10:00:20-10:00:23, tolerance 60: a conversation at 10:00:01 is most likely f's,
    and one at 10:00:21 g's; if all conversations are seen 20 seconds late, the ones at 10:00:21 are f's.
    """
    shifts = np.arange(-(tolerance // _STEP), tolerance // _STEP + 1) * _STEP
    grid = _Grid.of(talks, activity, known, tolerance)
    rows = max(1, min(_LEARNING, _CELLS // (len(known) * len(shifts))))
    step = -(-len(talks.start) // rows)
    learned = _learn(_some(talks, slice(None, None, step)), int(talks.peer.max()) + 1, grid, shifts, bool(known.any()))
    parts = [
        _weighed(_some(talks, slice(at, at + rows)), grid, shifts, learned) for at in range(0, len(talks.start), rows)
    ]
    return _floored(np.concatenate(parts), talks.may)


@dataclass(frozen=True)
class _Grid:
    """Each candidate's activity second by second."""

    origin: int
    opens: Floats
    """candidate × second: expected invocations that open a connection in it"""
    runs: Floats
    """candidate × second: expected invocations that run in it"""
    invocations: Floats
    """of each candidate in all"""

    @classmethod
    def of(cls, talks: Conversations, activity: Activity, known: Bools, tolerance: int) -> _Grid:
        origin = int(talks.start.min()) - tolerance - 2
        length = int(talks.end.max()) + tolerance + 4 - origin
        # A second more on either side: times are given in whole seconds.
        first = np.clip(np.floor(activity.begins) - 1 - origin, 0, length).astype(np.int64)
        last = np.clip(np.ceil(activity.ends) + 1 - origin, 0, length).astype(np.int64)
        width = np.maximum(np.ceil(activity.ends) - np.floor(activity.begins) + 2, 1)
        inside = (last - first) / width
        opens, runs = np.zeros((len(known), length + 1)), np.zeros((len(known), length + 1))
        for grid, each in ((opens, activity.count / width), (runs, activity.count)):
            np.add.at(grid, (activity.function, first), each)
            np.add.at(grid, (activity.function, last), -each)
        opens, runs = (np.maximum(np.cumsum(grid, axis=1)[:, :length], 0.0) for grid in (opens, runs))
        invocations: Floats = np.bincount(activity.function, activity.count * inside, len(known)).astype(np.float64)
        if not known.all():
            # What is known of the others, else of those of whom something is known, shows but a part of what runs.
            usual = invocations[known].mean() if known.any() else max(invocations.max(), 1.0)
            opens[~known] += usual / length
            runs[~known] = 1.0
            invocations[~known] += usual
        return cls(origin, opens + UNSEEN, runs, invocations + UNSEEN * length)

    def likelihood(self, talks: Conversations, shifts: Ints) -> Floats:
        """conversation × candidate × shift."""
        last = self.opens.shape[1] - 1
        # The record says `start`; by the other clocks it was `start - shift`.
        start = np.clip(talks.start.astype(np.int64)[:, None] - shifts - self.origin, 0, last)
        end = np.clip(talks.end.astype(np.int64)[:, None] - shifts - self.origin, 0, last)
        made = self.opens[:, start] * (np.minimum(self.runs[:, end], 1.0) + _KEPT_OPEN)
        return np.moveaxis(made, 0, 1) * talks.may[:, :, None]


@dataclass(frozen=True)
class _Learned:
    habits: Floats
    """peer × candidate: conversations per invocation"""
    first_slot: int
    shift: Floats
    """ten minutes (of the other clocks) × shift: probability"""


def _learn(talks: Conversations, peers: int, grid: _Grid, shifts: Ints, habitual: bool) -> _Learned:
    candidates = talks.may.shape[1]
    slot = _slots(talks, shifts)
    first = int(slot.min())
    slot -= first
    no_shift = np.full(len(shifts), 0.5 / len(shifts))
    no_shift[len(shifts) // 2] += 0.5
    seen = grid.likelihood(talks, shifts)
    shift = np.tile(no_shift, (int(slot.max()) + 1, 1))
    habits = np.ones((peers, candidates))
    column = np.arange(len(shifts))
    for _ in range(_ROUNDS):
        joint = seen * (shift[slot, column][:, None, :] * habits[talks.peer][:, :, None])
        total = np.maximum(joint.sum(axis=(1, 2)), 1e-300)
        of_shift = joint.sum(axis=1) / total[:, None]
        of_candidate = joint.sum(axis=2) / total[:, None]
        hour = _normal(_HOUR_PRIOR * no_shift + of_shift.sum(axis=0))
        by_slot = np.zeros_like(shift)
        np.add.at(by_slot, (slot, np.broadcast_to(column, slot.shape)), of_shift)
        shift = _normal(_SLOT_PRIOR * hour + by_slot)
        if not habitual:
            # Where nothing says when anybody did not run, habits would be learned from their own guesses.
            continue
        met = np.zeros((peers, candidates))
        np.add.at(met, talks.peer, of_candidate)
        share = met.sum(axis=0) / peers
        usual = (share + _HABIT_PRIOR / peers) / (grid.invocations + _HABIT_PRIOR)
        habits = (met + _HABIT_PRIOR * usual) / (grid.invocations + _HABIT_PRIOR)
    return _Learned(habits, first, shift)


def _weighed(talks: Conversations, grid: _Grid, shifts: Ints, learned: _Learned) -> Floats:
    slot = np.clip(_slots(talks, shifts) - learned.first_slot, 0, len(learned.shift) - 1)
    shift = learned.shift[slot, np.arange(len(shifts))]
    seen = np.einsum("cfs,cs->cf", grid.likelihood(talks, shifts), shift)
    return _normal(seen * learned.habits[talks.peer])


def _slots(talks: Conversations, shifts: Ints) -> Ints:
    """conversation × shift: in which ten minutes it was by the other clocks."""
    slots: Ints = (talks.start.astype(np.int64)[:, None] - shifts) // _SLOT
    return slots


def _some(talks: Conversations, part: slice) -> Conversations:
    return Conversations(talks.start[part], talks.end[part], talks.peer[part], talks.may[part])


def _normal(weights: Floats) -> Floats:
    normal: Floats = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)
    return normal


def _floored(probability: Floats, may: Bools) -> Floats:
    """No candidate among several is certain, and none is impossible."""
    count = may.sum(axis=1, keepdims=True)
    least = np.where(count > 1, (1 - NEVER_SURE) / np.maximum(count - 1, 1), 0.0)
    mixed: Floats = (probability * (1 - count * least) + least) * may
    return mixed
