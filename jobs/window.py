"""The event-time window of a run: a job's only notion of now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.errors import LeaseholdError


@dataclass(frozen=True)
class Window:
    """A half-open interval [start, end) of whole hours, UTC.

    `Window.parse("2026-01-05", "2026-01-06")` is the day of 5 January;
    `Window.parse("2026-01-05T10", "2026-01-05T11:00Z")` is the hour from ten to eleven.
    """

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, start: str, end: str) -> Window:
        """The window between two ISO times (UTC unless they say otherwise).

        Raises LeaseholdError when a time cannot be read, is not a whole hour, or end is not after start.
        """
        first, last = parse_time(start, "--start"), parse_time(end, "--end")
        for option, moment in (("--start", first), ("--end", last)):
            if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
                raise LeaseholdError(f"{option} must be a whole hour, not {moment.isoformat()}")
        if last <= first:
            raise LeaseholdError(f"--end ({last.isoformat()}) must be after --start ({first.isoformat()})")
        return cls(first, last)

    def hours(self, first: datetime, last: datetime) -> list[datetime]:
        """The start of each hour in the window that is in [first, last]; `first` is a whole hour."""
        hour, found = max(self.start, first), []
        while hour < self.end and hour <= last:
            found.append(hour)
            hour += timedelta(hours=1)
        return found


def parse_time(text: str, what: str) -> datetime:
    """An ISO 8601 time as UTC: `2026-01-05`, `2026-01-05T10`, `2026-01-05T10:30:00Z`, `…+02:00`."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise LeaseholdError(f"{what}: {text!r} is not a time; write it like 2026-01-05T10:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
