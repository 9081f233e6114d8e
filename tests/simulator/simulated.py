"""A simulation on disk, with plain readers of what it wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from simulator.lifecycle import History
from simulator.simulate import Options, simulate

Row = dict[str, Any]


@dataclass(frozen=True)
class Simulated:
    """One simulation on disk."""

    root: Path
    options: Options

    @property
    def history(self) -> History:
        return self.options.world

    def files(self, under: str) -> list[Path]:
        """The raw files whose path holds that text, in order of time."""
        return sorted(p for p in (self.root / "raw").rglob("*.gz") if under in p.relative_to(self.root).as_posix())

    def truth(self, table: str) -> list[Row]:
        """A table of the truth."""
        rows: list[Row] = pq.read_table(self.root / "truth" / f"{table}.parquet").to_pylist()
        return rows

    @cached_property
    def flow_lines(self) -> list[tuple[Path, list[str]]]:
        """Each flow-log file with its lines, the header first."""
        return [(p, gzip.decompress(p.read_bytes()).decode().splitlines()) for p in self.files("vpcflowlogs")]

    @cached_property
    def records(self) -> list[Row]:
        """Every flow-log record by its own file's header."""
        made = []
        for _, (header, *lines) in self.flow_lines:
            fields = header.split(" ")
            made += [dict(zip(fields, line.split(" "), strict=True)) for line in lines]
        return made

    def trail(self) -> Iterator[tuple[Path, list[Row]]]:
        """Each CloudTrail file with its events."""
        for path in self.files("/CloudTrail/"):
            yield path, json.loads(gzip.decompress(path.read_bytes()))["Records"]

    @cached_property
    def events(self) -> list[Row]:
        """Every CloudTrail event once, by time."""
        by_id = {event["eventID"]: event for _, events in self.trail() for event in events}
        return sorted(by_id.values(), key=lambda e: (e["eventTime"], e["eventID"]))

    def polls(self, operation: str) -> list[Row]:
        """The stored answers of an operation, in order of time."""
        return [json.loads(gzip.decompress(p.read_bytes())) for p in self.files(f"snapshots/{operation}/")]


def make(root: Path, **options: Any) -> Simulated:
    """Simulate into a folder."""
    chosen = Options(**options)
    simulate(root, chosen)
    return Simulated(root, chosen)
