"""What every detection says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Detection:
    """A detection's metadata and its pure function."""

    id: str
    """also the module's name"""
    title: str
    severity: str
    """low, medium or high; an observation may say otherwise"""
    technique: str
    """ATT&CK technique"""
    attack_version: str
    tables: tuple[str, ...]
    """the tables it reads, which are also the names of its function's parameters"""
    history_days: int
    """so many days before the judged ones it wants of these tables"""
    false_positives: tuple[str, ...]
    blind_spots: tuple[str, ...]
    runbook: tuple[str, ...]
    """what to do, in steps that name columns and time windows"""
    detect: Callable[..., DataFrame]
    """detect(days, <a DataFrame for each of tables, by name>, <parameters, by name>) → columns of `observations`.

    `days` are the judged dates. Of a table with dates it gets the rows from `history_days` before the first
    of them to the last. What it returns of other days is dropped, and columns that it leaves out are NULL.
    """
    parameters: Mapping[str, float] = field(default_factory=dict)
    """what the settings may change (`detections: {<id>: {<parameter>: …}}`), with the defaults"""
    lasting: bool = False
    """it tells of what is new: that stays the same news for as long as it is remembered, however long it was quiet"""
