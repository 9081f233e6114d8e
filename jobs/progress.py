"""How a job says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""(done, of all) in the job's own units: files, days, steps"""


def quiet(done: int, total: int) -> None:
    """Say nothing."""
    del done, total
