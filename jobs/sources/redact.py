"""Credentials that AWS, or a mishap, wrote into logs: never stored, not even in the text of a rejected record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

REDACTED = "REDACTED"
MAX_DEPTH = 100
"""Ten times as deep as AWS nests; a limit of our own, because Python's depends on its version and on the caller."""
as_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

_NAMES = (
    r"(?:access[-_]?key[-_]?id|secret[-_]?access[-_]?key|(?:session|security|access|refresh|id|authorization)[-_]?token"
    r"|passwords?|passphrase|secret[-_]?(?:string|binary|key)|client[-_]?secret|api[-_]?key|private[-_]?key"
    r"|key[-_]?material|x-amz-signature|plaintext)"
)
_SECRET_KEY = re.compile(rf".*{_NAMES}", re.IGNORECASE | re.DOTALL)
# Name, separator, value: JSON, also broken off or inside a JSON string, `name = value`, query strings.
_PAIR = re.compile(
    rf"(?P<name>{_NAMES}(?:\\*[\"']\s*[:=]\s*|\s*=\s*|:[ \t]+))(?!null|true|false)"
    r"(?:(?P<quote>\\+\")[^\"]*?(?:\\+\"|\"|\Z)|(?P<plain>\")(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'[^']*(?:'|\Z)"
    r"|[^\s,;&\"'\\{}\[\]]+)",
    re.IGNORECASE | re.DOTALL,
)
_BARE = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\b(?:IQoJ|FwoG|FQoG)[\w+/=%]*(?:[\w+/=%]{40}|\Z)")
# What makes it worth looking into values: key ids, tokens, JSON inside strings, assignments.
_MARKS = (
    "akia",
    "asia",
    "iqoj",
    "fwog",
    "fqog",
    '\\"',
    "token=",
    "secret=",
    "word=",
    "word:",
    "phrase=",
    "key=",
    "keyid=",
)


def redacted_text(text: str) -> str:
    """Text of any kind, also broken JSON, without what looks like a credential.

    >>> redacted_text('{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "sessionToken": "IQoJb3Jp')
    '{"accessKeyId": "REDACTED", "sessionToken": "REDACTED"'
    """
    return _BARE.sub(REDACTED, _PAIR.sub(_hidden, text))


def redacted_json(value: Any) -> str:
    """Parsed JSON as text, keys sorted, every credential REDACTED; `value` itself is changed.

    Raises RecursionError for what is nested more than MAX_DEPTH levels deep.
    """
    _hide(value, in_text=False)
    text = as_json(value)
    lower = text.lower()
    if any(mark in lower for mark in _MARKS):
        _hide(value, in_text=True)
        text = as_json(value)
    return text


def _hide(value: Any, in_text: bool) -> None:
    """Hide the values of telling names; with `in_text` also what stands in the midst of other values."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RecursionError
        pairs = part.items() if type(part) is dict else enumerate(part) if type(part) is list else ()
        for key, inner in pairs:
            kind = type(inner)
            if kind is dict or kind is list:
                waiting.append((inner, depth + 1))
            elif type(key) is str and _is_secret(key) and inner is not None and kind is not bool:
                part[key] = REDACTED
            elif in_text and kind is str:
                part[key] = redacted_text(inner)


def _hidden(found: re.Match[str]) -> str:
    quote = found["quote"] or found["plain"] or ""
    return f"{found['name']}{quote}{REDACTED}{quote}"


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.fullmatch(key) is not None
