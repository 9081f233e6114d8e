"""What every detection says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Detection:
    """A detection's metadata and its pure function."""

    id: str
    """also the module's name"""
    title: str
    severity: str
    """low, medium or high"""
    technique: str
    """ATT&CK technique"""
    attack_version: str
    tables: tuple[str, ...]
    """the tables it reads"""
    history_days: int
    """days of history without which it stays silent"""
    false_positives: tuple[str, ...]
    blind_spots: tuple[str, ...]
    runbook: tuple[str, ...]
    """what to do, in steps that name columns and time windows"""
    detect: Callable[[DataFrame, DataFrame], DataFrame]
    """(judged sightings, expected peers) → `observations`"""
