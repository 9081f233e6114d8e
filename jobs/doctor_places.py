"""Facts about this machine, the raw folder and the lake's place, for `leasehold doctor`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conf.settings import Settings
from jobs.session import missing_for

_LOOKED_AT = 20_000
"""So many names are looked at, level by level; a folder of AWS's layout tells by its name what is in it."""

_KINDS = (
    ("vpc_flow_logs", re.compile(r"vpcflowlogs")),
    ("cloudtrail", re.compile(r"(?:^|/)CloudTrail/|_CloudTrail_")),
    *(
        (operation, re.compile(rf"(?:^|/)snapshots/{operation}/"))
        for operation in ("describe_network_interfaces", "list_functions", "get_metric_data")
    ),
)


@dataclass(frozen=True)
class Machine:
    """What the engine needs here."""

    engine: str
    lack: str | None
    """as `session.missing_for` says it"""
    jars: bool = True
    """Spark has fetched its Delta jars; also where that is no concern"""


@dataclass(frozen=True)
class Raw:
    """What lies below the raw folder."""

    root: str
    problem: str = ""
    """why it cannot be listed"""
    remedy: str = ""
    kinds: frozenset[str] = field(default_factory=frozenset)
    unnamed: int = 0
    """files whose path does not tell what they are"""
    whole: bool = True
    """everything was looked at"""
    checked: bool = True


def machine(settings: Settings) -> Machine:
    """Can the engine of the settings run here?"""
    lack = missing_for(settings.engine)
    local = settings.engine == "spark" and settings.master.startswith("local")
    return Machine(settings.engine, lack, not local or bool(list(Path.home().glob(".ivy2*/jars/io.delta_delta-*.jar"))))


def local_raw(root: str) -> Raw:
    """What a local raw folder holds, by the names in it."""
    path = Path(root)
    if not path.is_dir():
        return Raw(root, f"there is no raw folder {root!r}")
    try:
        return of_names(root, *_names(path))
    except OSError as error:
        return Raw(root, f"the raw folder {root!r} cannot be read: {error.strerror}")


def of_names(root: str, names: Iterable[str], whole: bool) -> Raw:
    """The same of paths below the root."""
    kinds, unnamed = set(), 0
    for name in names:
        kind = kind_of(name)
        if kind:
            kinds.add(kind)
        elif "/snapshots/" not in f"/{name}":
            unnamed += 1
    return Raw(root, kinds=frozenset(kinds), unnamed=unnamed, whole=whole)


def kind_of(name: str) -> str | None:
    """What a path says of its content."""
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), None)


def _names(root: Path) -> tuple[list[str], bool]:
    """Files below the root, level by level; of a folder whose name tells the kind one file is enough."""
    found: list[str] = []
    waiting, looked = [""], 0
    while waiting:
        below = waiting.pop(0)
        for entry in _entries(root / below):
            looked += 1
            name = f"{below}{entry.name}"
            if looked > _LOOKED_AT:
                return found, False
            if not entry.is_dir():
                found.append(name)
            elif kind_of(f"{name}/"):
                found += _first_file(root, f"{name}/")
            else:
                waiting.append(f"{name}/")
    return found, True


def _first_file(root: Path, below: str) -> list[str]:
    for folder, _, files in os.walk(root / below):
        named = [name for name in files if not name.startswith(".")]
        if named:
            return [(Path(folder) / named[0]).relative_to(root).as_posix()]
    return []


def _entries(folder: Path) -> Iterator[os.DirEntry[Any]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))
