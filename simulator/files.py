"""Compressed files that come out the same each time."""

from __future__ import annotations

import gzip
from pathlib import Path


def save(root: Path, key: str, content: bytes) -> None:
    """Write `root/key` as gz. The time of writing is left out of it: equal content, equal bytes."""
    path = root / key
    data = gzip.compress(content, compresslevel=1, mtime=0)
    try:
        path.write_bytes(data)
    except FileNotFoundError:
        # Only the first file of a day lacks its folder: cheaper than to look each time.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
