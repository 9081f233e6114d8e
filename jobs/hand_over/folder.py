"""A folder, or s3://bucket/prefix: a file a parcel, whose name is its id, so that twice is once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jobs import object_store
from jobs.hand_over.parcels import NOT_TRIED, Outcome, Parcel
from jobs.object_store import is_remote
from jobs.whole_file import in_place_of

_LIMIT = 5_000_000
_PATIENCE = 3


def deliver(root: str, parcels: Sequence[Parcel]) -> Iterator[Outcome]:
    """Write `<root>/2026-03-12/<alert>-<digest>.json`, whole or not at all; the day is that on which it opened."""
    lost = 0
    for number, parcel in enumerate(parcels):
        try:
            _write(f"{root.rstrip('/')}/{parcel.alert['opened_at'].date()}", f"{_name(parcel.id)}.json", parcel)
            lost = 0
            yield parcel, ""
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            yield parcel, f"cannot be written: {said}"
            lost += 1
            if lost == _PATIENCE:
                yield from ((rest, f"{NOT_TRIED}nothing could be written") for rest in parcels[number + 1 :])
                return


def _name(id: str) -> str:
    """A name that leads nowhere else, whatever the id."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", id)[:200]


def _write(folder: str, name: str, parcel: Parcel) -> None:
    data = (parcel.text(_LIMIT) + "\n").encode("ascii")
    if is_remote(folder):
        object_store.put(f"{folder}/{name}", data)
        return
    target = Path(folder) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with in_place_of(target) as half:
        half.write_bytes(data)
