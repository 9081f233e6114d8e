"""What `detect` judged with: versions of tables, days, parameters and code, kept so that it can be done again.

A judgement is kept *before* its observations are committed, under the version of `observations` that this commit will
have. A kill in between leaves one that is not in force: `observations` has not reached its version, and the next run
replaces it. So of a day the latest in force is what its observations were made with.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

from pyspark.sql import functions as F

import detections
from jobs.storage import Lake, exists
from transforms.schemas import ALL, JUDGEMENTS, OBSERVATIONS

_TABLES = {table.name: table for table in ALL}
_AT_ONCE = 8


@dataclass(frozen=True)
class Judgement:
    """What some days were judged with."""

    days: list[date]
    table_versions: dict[str, int]
    parameters: dict[str, dict[str, float]]
    """by detection"""
    code: str


def record(lake: Lake, days: list[date], parameters: Mapping[str, Mapping[str, float]]) -> None:
    """Keep what these days are judged with; call it before the observations are committed."""
    names = sorted({name for detection in detections.ALL for name in detection.tables})
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        versions = pool.map(lake.version, [OBSERVATIONS, *(_TABLES[name] for name in names)])
    last, *read = versions
    row = {
        "observations_version": last + 1,
        "first_day": days[0],
        "last_day": days[-1],
        "days": json.dumps([day.isoformat() for day in days]),
        "table_versions": json.dumps(dict(zip(names, read, strict=True))),
        "parameters": json.dumps(parameters, sort_keys=True),
        "code": code(),
    }
    lake.replace(JUDGEMENTS, f"observations_version = {last + 1}", lake.frame(JUDGEMENTS, [row]))


def of_days(lake: Lake, days: list[date]) -> dict[date, Judgement | None]:
    """The judgement in force of each day; None where none was kept, as before there was this table."""
    if not days or not exists(lake.root, JUDGEMENTS):
        return dict.fromkeys(days)
    reached = F.col("observations_version") <= lake.version(OBSERVATIONS)
    near = (F.col("first_day") <= F.lit(max(days))) & (F.col("last_day") >= F.lit(min(days)))
    rows = lake.read(JUDGEMENTS).where(reached & near).orderBy("observations_version").toArrow().to_pylist()
    found: dict[date, Judgement | None] = dict.fromkeys(days)
    for row in rows:
        judged = [date.fromisoformat(day) for day in json.loads(row["days"])]
        made = Judgement(judged, json.loads(row["table_versions"]), json.loads(row["parameters"]), row["code"])
        found.update(dict.fromkeys(set(judged) & set(days), made))
    return found


@functools.cache
def code() -> str:
    """`0.1.0+3f5c9ab01d22`: the release, and a digest of the code that decides what is found."""
    digest = hashlib.sha256()
    for package in ("detections", "transforms"):
        for name, text in sorted(_sources(files(package), package)):
            digest.update(name.encode() + b"\0" + text + b"\0")
    return f"{release()}+{digest.hexdigest()[:12]}"


def release() -> str:
    """Leasehold's version."""
    try:
        return version("leasehold")
    except PackageNotFoundError:  # imported from a .zip on a cluster
        return "unknown"


def _sources(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            found += _sources(entry, name)
        elif name.endswith(".py"):
            found.append((name, entry.read_bytes()))
    return found
