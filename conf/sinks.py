"""Where alerts are handed over to, as the settings name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

KINDS = ("folder", "security_hub", "sns", "webhook")
SEVERITIES = ("low", "medium", "high")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_URL = re.compile(r"https://\S+|http://(?:localhost|127\.0\.0\.1|\[::1\])[:/]\S*")
_PLACES = {
    "folder": (re.compile(r"\S.*"), "a folder or s3://bucket/prefix"),
    "security_hub": (re.compile(f"(?:{_REGION.pattern})?"), "a region, like eu-west-1, or nothing"),
    "sns": (_TOPIC, "the ARN of a topic"),
    "webhook": (_URL, "an https:// address"),
}


@dataclass(frozen=True)
class Sink:
    """Somebody who gets the alerts."""

    name: str
    kind: str
    """one of KINDS"""
    to: str = field(default="", repr=False)
    """folder or s3://bucket/prefix; region of Security Hub (empty: AWS_REGION); ARN of the topic; https:// address"""
    to_env: str = ""
    """instead: the environment variable that holds it, since a webhook's address is a secret"""
    secret_env: str = ""
    """of a webhook: the environment variable with the key that its requests are signed with"""
    severity: str = "low"
    """only alerts of this severity and above"""


def parse(entry: Any) -> Sink:
    """A sink of the settings; raises ValueError, which says what to write instead, and never shows an address.

    `{name: siem, kind: folder, to: s3://bucket/findings}`
    """
    known = {"name", "kind", "to", "to_env", "secret_env", "severity"}
    if not isinstance(entry, dict) or not {"name", "kind"} <= set(entry) <= known:
        raise ValueError("a sink needs name and kind (and may have to or to_env, secret_env, severity)")
    made = Sink(**{key: str(value) for key, value in entry.items() if value is not None})
    if not _NAME.fullmatch(made.name):
        raise ValueError(f"a sink's name is of small letters, digits, - and _, not {made.name!r}")
    if made.kind not in KINDS:
        raise ValueError(f"sink {made.name}: kind is one of {', '.join(KINDS)}, not {made.kind!r}")
    if made.severity not in SEVERITIES:
        raise ValueError(f"sink {made.name}: severity is one of {', '.join(SEVERITIES)}, not {made.severity!r}")
    if made.to and made.to_env:
        raise ValueError(f"sink {made.name} has to and to_env: give one of them")
    for variable in (made.to_env, made.secret_env):
        if variable and not _VARIABLE.fullmatch(variable):
            raise ValueError(f"sink {made.name}: to_env and secret_env are names of environment variables")
    if made.secret_env and made.kind != "webhook":
        raise ValueError(f"sink {made.name}: only a webhook has a secret_env")
    if not made.to_env:
        check_place(made, made.to)
    return made


def check_place(sink: Sink, place: str) -> None:
    """Raise ValueError if a sink of that kind cannot be there."""
    form, what = _PLACES[sink.kind]
    if not form.fullmatch(place):
        where = f"the environment variable {sink.to_env}" if sink.to_env else "to"
        raise ValueError(f"sink {sink.name}: {where} must be {what}")
