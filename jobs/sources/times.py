"""What counts as a time in a raw file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EARLIEST, LATEST = 1_262_304_000, 4_102_444_800
"""Unix seconds: AWS wrote no such log before 2010, and what claims to be from 2100 or later is damaged."""


def instant(value: Any) -> datetime | None:
    """ISO text, UTC unless it says otherwise, as a moment; None for anything else, or a time out of range."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if EARLIEST <= moment.timestamp() < LATEST else None
