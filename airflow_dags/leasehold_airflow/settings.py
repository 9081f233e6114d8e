"""How the DAGs start the jobs, and when: one YAML file, by default `settings.yaml` beside the DAGs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

VARIABLE = "LEASEHOLD_AIRFLOW"
"""environment variable that names another file"""
STARTS = ("local", "spark-submit", "emr-serverless")
_DEFAULT = Path(__file__).parent.parent / "settings.yaml"
_NEEDS = {
    "local": (),
    "spark-submit": ("entry_point",),
    "emr-serverless": ("entry_point", "application_id", "execution_role_arn"),
}


class SettingsError(ValueError):
    """The file is wrong; Airflow shows the message as the DAGs' import error."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Relative folders and files are relative to the settings file."""

    first: datetime
    """the first hour that the schedules run by themselves (UTC); what is older is for a back-fill"""
    start: str = "local"
    """local (`leasehold …` on the Airflow worker), spark-submit or emr-serverless"""
    start_collect: str = ""
    """how `collect`, `send` and `respond expire` are started, which need no Spark; empty: as `start`"""

    config: str = ""
    """Leasehold's own settings file, as the started process sees it; empty: what its LEASEHOLD_CONFIG names, or none"""
    config_collect: str = ""
    """the same for these three, where they are started elsewhere; empty: `config`"""
    raw: str = ""
    """raw folder or s3://bucket/prefix; empty: as `config` says"""
    lake: str = ""
    """lake folder or s3://bucket/prefix; empty: as `config` says"""

    until: datetime | None = None
    """no run is scheduled for what begins then or later; none: for ever"""
    delivery_minutes: int = 45
    """an hourly run begins so long after its hour: AWS delivers late"""
    patience_hours: float = 4
    """a nightly run waits so long for the hourly ones of its day, then goes on without"""
    check_seconds: int = 300
    """how often it looks"""
    retries: int = 5
    """of each job; with the waits between them about an hour"""
    retry_seconds: int = 120
    """the wait before the first retry; each next one is twice as long, up to half an hour"""
    owner: str = "leasehold"
    """shown by Airflow"""
    sns_topic: str = ""
    """ARN of the SNS topic that is told of failures; empty: they are only logged and shown"""

    folder: str = ".."
    """where commands are started"""
    command: tuple[str, ...] = (".venv/bin/leasehold",)
    """local: the words that start `leasehold`"""
    spark_submit: tuple[str, ...] = ("spark-submit",)
    """spark-submit: the command with its options (--master, --packages, --py-files, --conf …)"""
    entry_point: str = ""
    """spark-submit, emr-serverless: the script that takes the words of `leasehold`"""
    application_id: str = ""
    """emr-serverless: the application"""
    execution_role_arn: str = ""
    """emr-serverless: the role of the jobs"""
    spark_submit_parameters: str = ""
    """emr-serverless: --py-files, --conf …, as one line"""
    log_uri: str = ""
    """emr-serverless: s3://bucket/prefix for logs; empty: AWS keeps them for 30 days"""
    region: str = ""
    """emr-serverless and SNS; empty: the region of Airflow's AWS connection"""


def load(path: str | None = None) -> Settings:
    """The settings of a file; without one, of that which LEASEHOLD_AIRFLOW names; else of `settings.yaml` here.

    Raises SettingsError for a file that is missing or unreadable, unknown keys, values of the wrong type, and what the
    way of starting needs and lacks.
    """
    file = Path(path or os.environ.get(VARIABLE) or _DEFAULT).resolve()
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from None
    if not isinstance(loaded, dict):
        raise SettingsError(f"{file}: expected `key: value` lines")
    return _checked(str(file), parsed(str(file), loaded))


def parsed(file: str, values: Mapping[str, Any]) -> Settings:
    """The settings of these keys and values; `file` is for messages, and for what is relative to it."""
    known = {one.name: one for one in fields(Settings)}
    unknown = sorted(map(str, set(values) - set(known)))
    if unknown:
        raise SettingsError(f"{file}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    if "first" not in values:
        raise SettingsError(f"{file}: first is missing: the first hour to run by schedule, like 2026-03-01T00:00Z")
    given: dict[str, Any] = {}
    for name, value in values.items():
        sample = known[name].default
        if name in ("first", "until"):
            given[name] = _hour(file, name, value)
        elif isinstance(sample, tuple):
            if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
                raise SettingsError(f"{file}: {name} must be a list of words, like [spark-submit, --master, yarn]")
            given[name] = tuple(value)
        else:
            number = isinstance(sample, (int, float))
            if isinstance(value, bool) or not isinstance(value, (int, float) if number else str):
                raise SettingsError(f"{file}: {name} must be {'a number' if number else 'a text'}, not {value!r}")
            if number and value < 0:
                raise SettingsError(f"{file}: {name} must not be negative, but is {value!r}")
            given[name] = value
    folder = Path(file).parent / given.get("folder", Settings.folder)
    return Settings(**{**given, "folder": str(folder.resolve())})


def _hour(file: str, name: str, value: object) -> datetime | None:
    if value is None and name == "until":
        return None
    try:
        moment = datetime.fromisoformat(str(value))  # YAML makes dates of what looks like one
    except ValueError:
        raise SettingsError(f"{file}: {name} must be an hour, like 2026-03-01T00:00Z, not {value!r}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
        raise SettingsError(f"{file}: {name} must be a whole hour, not {value!r}")
    return moment


def _checked(file: str, settings: Settings) -> Settings:
    for name, start in (("start", settings.start), ("start_collect", settings.start_collect or settings.start)):
        if start not in STARTS:
            raise SettingsError(f"{file}: {name} is one of {', '.join(STARTS)}, not {start!r}")
        lacking = [need for need in _NEEDS[start] if not getattr(settings, need)]
        if lacking:
            raise SettingsError(f"{file}: {name} is {start}, which needs {', '.join(lacking)}, too")
    return settings
