"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.errors import LeaseholdError


@contextmanager
def in_place_of(target: Path) -> Iterator[Path]:
    """A file beside the target to write into. It takes the target's place at the end; after an error it is removed.

    Raises OSError.
    """
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield half
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


@contextmanager
def output_file(output: Path | str) -> Iterator[Path]:
    """`in_place_of` for a file that somebody has named. Raises LeaseholdError if it cannot be written."""
    try:
        with in_place_of(Path(output)) as half:
            yield half
    except OSError as error:
        raise LeaseholdError(f"cannot write {str(output)!r}: {error.strerror}") from error
