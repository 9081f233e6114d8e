"""Threat lists: files that the user supplies → the table `threats`."""

from __future__ import annotations

from pathlib import Path

from conf.settings import Settings
from jobs.errors import LeaseholdError
from jobs.storage import Lake
from transforms.schemas import THREATS
from transforms.threats import entries


def refresh(lake: Lake, settings: Settings) -> None:
    """Bring the table up to what the files say; nothing is written when they say the same.

    Raises LeaseholdError for a list that cannot be read or in which no line has an address: silence would look like
    safety.
    """
    rows = sorted({row for listed in settings.threat_lists for row in _read(listed.path, listed.name)})
    columns = THREATS.schema.names
    there = lake.read(THREATS).toArrow().to_pylist()
    if {tuple(row[c] for c in columns) for row in there} != set(rows):
        lake.overwrite(THREATS, lake.frame(THREATS, [dict(zip(columns, row, strict=True)) for row in rows]))


def _read(path: str, name: str) -> list[tuple[str, str, str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LeaseholdError(f"the threat list {name!r} cannot be read: {path}: {error.strerror}") from None
    found = [(name, entry, prefix) for entry, prefix in entries(lines)]
    if not found:
        raise LeaseholdError(f"the threat list {name!r} ({path}) has no address in any of its {len(lines)} lines")
    return found
