"""Settings: typed, complete with defaults, from YAML. An unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from conf.sinks import Sink, parse

QUALITY_MODES = ("enforce", "warn", "off")
LOG_FORMATS = ("text", "json")
LEAST_KEEP_DAYS = 14
_LEAST_VERSIONS_DAYS = 7
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")


class SettingsError(ValueError):
    """The settings file is wrong; the message says where and what to write instead."""


@dataclass(frozen=True)
class Network:
    """A network with a name; `internal` networks count as inside the account."""

    cidr: str
    name: str
    internal: bool = False


@dataclass(frozen=True)
class Account:
    """An AWS account that is polled."""

    account_id: str
    role_arn: str = ""
    """role to assume; empty: the caller's own credentials, which must be of this account"""
    external_id: str = field(default="", repr=False)
    """what the role's trust policy asks for"""
    regions: tuple[str, ...] = ()
    """empty: those of the settings"""


@dataclass(frozen=True)
class ThreatList:
    """A file of addresses and networks that nobody should talk to."""

    name: str
    path: str


@dataclass(frozen=True)
class Tuning:
    """What is set of one detection."""

    detection_id: str
    dry_run: bool = False
    """its findings are kept as observations, and raise no alert"""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """instead of the detection's own"""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with its default."""

    raw: str = "raw"
    """folder with the raw files, as AWS laid them out, or s3://bucket/prefix of them"""
    lake: str = "lake"
    """folder of the Delta tables, or s3://bucket/prefix; credentials as for the AWS CLI (AWS_PROFILE, a role …)"""
    engine: str = "sail"
    """sail (embedded) or spark"""
    master: str = "local[*]"
    """Spark master, for the engine spark; under spark-submit what that says counts"""
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
    max_strangers_per_day: float = 0.05
    """nor do functions that are to be expected to meet more new peers than this on a day"""
    close_after_days: int = 7
    """an alert closes after this many quiet days; of something new it opens again if that comes back (memory_days)"""
    quality: str = "enforce"
    """what a failed critical check does: enforce (later jobs do not run), warn (it is only said); off: no checks"""
    log_format: str = "text"
    """what runs say while they run: text (bars, for people) or json (an object a line, on standard error)"""
    keep_versions_days: int = 30
    """so long earlier versions of the tables can be read: `explain --recompute` needs them, and so do readers"""
    keep_days: Mapping[str, int] = field(default_factory=dict)
    """by table: rows of days longer ago are deleted by `leasehold maintain`; of tables not named none are"""
    alerts_per_day: int = 25
    """of the alerts that open on one day only so many are raised, the most telling; 0: all"""
    flood_limit: int = 30
    """more alerts of one detection than this on one day, in an account and region, become one; 0: never"""
    detections: tuple[Tuning, ...] = field(default_factory=tuple)
    """what is set of single detections"""
    networks: tuple[Network, ...] = field(default_factory=tuple)
    """names for networks; the first that matches wins"""
    threat_lists: tuple[ThreatList, ...] = field(default_factory=tuple)
    """files with an address or a network a line, such as Tor's list of exits"""
    accounts: tuple[Account, ...] = field(default_factory=tuple)
    """accounts that `leasehold collect` polls; none: the caller's own"""
    regions: tuple[str, ...] = field(default_factory=tuple)
    """regions of accounts that list none; none: AWS_REGION, else that of the AWS profile"""
    responders: tuple[Account, ...] = field(default_factory=tuple)
    """accounts that `leasehold respond` acts in, each with the role for it (conf/iam/respond-role.yaml)"""
    protected_networks: tuple[str, ...] = field(default_factory=tuple)
    """networks that `leasehold respond` never blocks, beside the account's own"""
    network_acl_rules: int = 20
    """AWS's quota of rules in a network ACL, by direction and IP version; raise it where AWS has raised it"""
    security_group_rules: int = 60
    """likewise in a security group"""
    sinks: tuple[Sink, ...] = field(default_factory=tuple)
    """where `leasehold send` hands alerts over to: folders, Security Hub, webhooks, SNS (docs/hand_over.md)"""
    collect_threads: int = 8
    """so many accounts and regions are polled at once"""
    collect_attempts: int = 8
    """a call that AWS throttles, or fails to answer, is made so many times in all"""


def load(path: str | None = None, **overrides: Any) -> Settings:
    """The settings of a YAML file (defaults without one), with the overrides that are not None.

    Raises SettingsError for a file that is missing or unreadable, an unknown key, a value of the wrong
    type, or a network, an account or a region that is none.
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
    lists = ("networks", "accounts", "regions", "threat_lists", "responders", "protected_networks", "sinks")
    networks, accounts, regions, threat_lists, responders, kept, sinks = (_list(path, values, name) for name in lists)
    tuned = values.pop("detections", None) or {}
    if not isinstance(tuned, dict):
        raise SettingsError(f"{path}: detections must be `<detection>: {{…}}` lines, not {tuned!r}")
    keep_days = _keep_days(path, values.pop("keep_days", None) or {})
    for name, value in values.items():
        expected: Any = type(known[name].default)
        if isinstance(value, bool) or not isinstance(value, (int, float) if expected is float else expected):
            raise SettingsError(f"{path}: {name} must be of type {expected.__name__}, not {value!r}")
        if expected in (int, float) and value < 0:
            raise SettingsError(f"{path}: {name} must not be negative, but is {value!r}")
    values["keep_days"] = keep_days
    if values.get("keep_versions_days", _LEAST_VERSIONS_DAYS) < _LEAST_VERSIONS_DAYS:
        raise SettingsError(f"{path}: keep_versions_days must be at least {_LEAST_VERSIONS_DAYS}: readers are reading")
    values["networks"] = tuple(_network(path, entry) for entry in networks)
    values["accounts"] = tuple(_account(path, entry) for entry in accounts)
    values["regions"] = tuple(_region(path, entry) for entry in regions)
    values["detections"] = tuple(_tuning(path, str(name), entry) for name, entry in tuned.items())
    values["threat_lists"] = tuple(_threat_list(path, entry) for entry in threat_lists)
    values["responders"] = tuple(_account(path, entry) for entry in responders)
    values["sinks"] = tuple(_sink(path, entry) for entry in sinks)
    names = [sink.name for sink in values["sinks"]]
    if len(names) != len(set(names)):
        raise SettingsError(f"{path}: two sinks have one name; what was sent is kept by it")
    values["protected_networks"] = tuple(_cidr(path, entry) for entry in kept)
    for name in ("accounts", "responders"):
        ids = [account.account_id for account in values[name]]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise SettingsError(f"{path}: {name} lists {', '.join(twice)} more than once")
    values.update({name: value for name, value in overrides.items() if value is not None})
    if values.get("quality", "enforce") not in QUALITY_MODES:
        raise SettingsError(f"quality is one of {', '.join(QUALITY_MODES)}, not {values['quality']!r}")
    if values.get("log_format", "text") not in LOG_FORMATS:
        raise SettingsError(f"log_format is one of {', '.join(LOG_FORMATS)}, not {values['log_format']!r}")
    return Settings(**values)


def _keep_days(path: str | None, entry: Any) -> dict[str, int]:
    if not isinstance(entry, dict) or any(isinstance(n, bool) or not isinstance(n, int) for n in entry.values()):
        raise SettingsError(f"{path}: keep_days must be `<table>: <days>` lines, not {entry!r}")
    short = [str(name) for name, days in entry.items() if days < LEAST_KEEP_DAYS]
    if short:
        raise SettingsError(
            f"{path}: keep_days of {', '.join(short)} must be at least {LEAST_KEEP_DAYS}: files come late"
        )
    return {str(name): days for name, days in entry.items()}


def _list(path: str | None, values: dict[str, Any], name: str) -> list[Any]:
    entries = values.pop(name, None) or []
    if not isinstance(entries, list):
        raise SettingsError(f"{path}: {name} must be a list, not {entries!r}")
    return entries


def _network(path: str | None, entry: Any) -> Network:
    if not isinstance(entry, dict) or not {"cidr", "name"} <= set(entry) <= {"cidr", "name", "internal"}:
        raise SettingsError(f"{path}: a network needs cidr and name (and may have internal), not {entry!r}")
    return Network(_cidr(path, entry["cidr"]), str(entry["name"]), bool(entry.get("internal", False)))


def _cidr(path: str | None, entry: Any) -> str:
    try:
        return str(ip_network(entry))
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _tuning(path: str | None, detection: str, entry: Any) -> Tuning:
    numbers: dict[str, Any] = {"": None}
    if isinstance(entry, dict):
        numbers = {str(k): v for k, v in entry.items() if k != "dry_run"}
    wrong = [k for k, v in numbers.items() if isinstance(v, bool) or not isinstance(v, (int, float))]
    if wrong or not isinstance(entry.get("dry_run", False), bool):
        raise SettingsError(
            f"{path}: a detection has dry_run (true or false) and numbers, not {entry!r} (`leasehold detections`)"
        )
    return Tuning(detection, entry.get("dry_run", False), numbers)


def _threat_list(path: str | None, entry: Any) -> ThreatList:
    if not isinstance(entry, dict) or set(entry) != {"name", "path"}:
        raise SettingsError(f"{path}: a threat list needs name and path, not {entry!r}")
    return ThreatList(str(entry["name"]), str(entry["path"]))


def _account(path: str | None, entry: Any) -> Account:
    known = {"account_id", "role_arn", "role_name", "external_id", "regions"}
    if not isinstance(entry, dict) or not {"account_id"} <= set(entry) <= known:
        # The entry itself is not shown: an external id need not be seen.
        raise SettingsError(
            f"{path}: an account needs account_id (and may have role_name or role_arn, external_id, regions)"
        )
    account_id = str(entry["account_id"])
    if not re.fullmatch(r"\d{12}", account_id):
        raise SettingsError(f"{path}: account_id must be 12 digits, in quotes, not {entry['account_id']!r}")
    role_arn, role_name = str(entry.get("role_arn") or ""), str(entry.get("role_name") or "")
    if role_arn and role_name:
        raise SettingsError(f"{path}: account {account_id} has role_arn and role_name: give one of them")
    if role_name:
        role_arn = f"arn:aws:iam::{account_id}:role/{role_name}"
    if role_arn and not re.fullmatch(rf"arn:[a-z-]+:iam::{account_id}:role/[\w+=,.@/-]+", role_arn):
        raise SettingsError(
            f"{path}: account {account_id} has no role {role_arn!r}: expected arn:aws:iam::{account_id}:role/NAME"
        )
    if entry.get("external_id") and not role_arn:
        raise SettingsError(f"{path}: account {account_id} has an external_id, but no role_name or role_arn")
    regions = tuple(_region(path, region) for region in _list(path, dict(entry), "regions"))
    return Account(account_id, role_arn, str(entry.get("external_id") or ""), regions)


def _sink(path: str | None, entry: Any) -> Sink:
    try:
        return parse(entry)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _region(path: str | None, entry: Any) -> str:
    if not isinstance(entry, str) or not REGION.fullmatch(entry):
        raise SettingsError(f"{path}: a region is named as eu-west-1, not {entry!r}")
    return entry
