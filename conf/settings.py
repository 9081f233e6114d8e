"""Settings: typed, complete with defaults, from YAML. An unknown key is an error."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml


class SettingsError(ValueError):
    """The settings file is wrong; the message says where and what to write instead."""


@dataclass(frozen=True)
class Network:
    """A network with a name; `internal` networks count as inside the account."""

    cidr: str
    name: str
    internal: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with its default."""

    raw: str = "raw"
    """folder with the raw files, as AWS laid them out"""
    lake: str = "lake"
    """folder of the Delta tables"""
    engine: str = "sail"
    """sail (embedded) or spark"""
    master: str = "local[*]"
    """Spark master, for the engine spark; empty = whatever spark-submit says"""
    lateness_hours: int = 2
    """files named up to this long after the window's end are taken in with it: AWS delivers late"""
    lookback_days: int = 3
    """how far back a run looks for files that came late"""
    clock_tolerance_seconds: int = 60
    """AWS: a record's start may be off by 60 seconds"""
    min_history_days: int = 7
    """days of activity before a function can alarm: until then everything it does is learned"""
    memory_days: int = 36
    """a peer not seen for this long is forgotten"""
    max_unseen_mass: float = 0.05
    """functions that meet strangers more often than this (Good-Turing) do not alarm on one"""
    max_strangers_per_day: float = 0.2
    """nor do functions that are to be expected to meet more new peers than this on a day"""
    close_after_days: int = 7
    """an alert closes after this many quiet days"""
    networks: tuple[Network, ...] = field(default_factory=tuple)
    """names for networks; the first that matches wins"""


def load(path: str | None = None, **overrides: Any) -> Settings:
    """The settings of a YAML file (defaults without one), with the overrides that are not None.

    Raises SettingsError for a file that is missing or unreadable, an unknown key, a value of the wrong
    type, or a network that is none.
    """
    values: dict[str, Any] = {}
    if path:
        try:
            loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: cannot be read: {error}") from None
        if loaded is not None and not isinstance(loaded, dict):
            raise SettingsError(f"{path}: expected `key: value` lines")
        values = dict(loaded or {})
    known = {f.name: f for f in fields(Settings)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SettingsError(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    networks = values.pop("networks", None) or []
    if not isinstance(networks, list):
        raise SettingsError(f"{path}: networks must be a list, not {networks!r}")
    for name, value in values.items():
        expected: Any = type(known[name].default)
        if isinstance(value, bool) or not isinstance(value, (int, float) if expected is float else expected):
            raise SettingsError(f"{path}: {name} must be of type {expected.__name__}, not {value!r}")
        if expected in (int, float) and value < 0:
            raise SettingsError(f"{path}: {name} must not be negative, but is {value!r}")
    values["networks"] = tuple(_network(path, entry) for entry in networks)
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Settings(**values)


def _network(path: str | None, entry: Any) -> Network:
    if not isinstance(entry, dict) or not {"cidr", "name"} <= set(entry) <= {"cidr", "name", "internal"}:
        raise SettingsError(f"{path}: a network needs cidr and name (and may have internal), not {entry!r}")
    try:
        cidr = str(ip_network(entry["cidr"]))
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None
    return Network(cidr, str(entry["name"]), bool(entry.get("internal", False)))
