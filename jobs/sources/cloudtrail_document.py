"""The events in a CloudTrail file, whatever it is wrapped in and wherever it is broken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from jobs.sources.files import KEPT_RECORD_BYTES, Receipt

# NaN and Infinity are no JSON, though Python reads and writes them: as text they can be stored.
_DECODER = json.JSONDecoder(parse_constant=str)
# Possessive, because what a regular expression may have to give back costs 180 bytes a character.
_BETWEEN = re.compile(r'(?:[\s,\[\]}]++|\{\s*"Records"\s*:\s*\[)*+')
# Where reading goes on after a broken event: at the next line of a file with an event a line, or where AWS
# begins an event.
_NEXT = re.compile(r'\n(?=\{)|(?=\{\s*"eventVersion"\s*:)')
_NESTED = 20_000
"""characters that the parser looks at, about, before it gives up on an event that is nested too deeply"""
_ATTEMPTS = 4
"""so often is a text parsed in vain before the rest of it is given up"""
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def events_of(data: bytes, damage: str, receipt: Receipt) -> Iterator[tuple[int, Any]]:
    """(index from 1, parsed event) of all that can be parsed; of the rest one rejection each, at its index.

    `damage` says why the data end where they do, if that is not where the file ended.
    """
    if not data.strip():
        if damage:
            receipt.reject(0, b"", damage)
        else:
            receipt.skip("empty file")
        return
    text, is_unicode = _decoded(data)
    index = 0
    for index, event in _events(text, damage, receipt):
        if is_unicode or not _ESCAPED_BYTE.search(json.dumps(event, ensure_ascii=False)):
            yield index, event
        else:
            receipt.reject(index, json.dumps(event), "not UTF-8: the bytes \\udcXX stand for 0xXX")
    if index == 0 and receipt.outcome == "read" and not receipt.rejected:
        receipt.note("no events in it")
    if damage and not (receipt.rejected and receipt.rejected[-1].reason.startswith(damage)):
        receipt.reject(index + 1, b"", damage)
    if damage:
        receipt.note(damage)


def _decoded(data: bytes) -> tuple[str, bool]:
    try:
        return data.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", "surrogateescape"), False


def _events(text: str, damage: str, receipt: Receipt) -> Iterator[tuple[int, Any]]:
    try:
        document = _DECODER.decode(text)
    except (ValueError, RecursionError):
        yield from _one_by_one(text, damage, receipt)
        return
    if isinstance(document, list):
        yield from enumerate(document, 1)
    elif not isinstance(document, dict):
        receipt.reject(0, text, f"expected an object with `Records`, found {type(document).__name__}")
    elif isinstance(document.get("Records"), list):
        yield from enumerate(document["Records"], 1)
    elif "eventName" in document or "eventVersion" in document:
        yield 1, document
    elif "digestStartTime" in document:
        receipt.skip("a CloudTrail digest file, not events")
    else:
        keys = ", ".join(sorted(document)[:8]) or "none"
        receipt.reject(0, text, f"`Records` is missing; the keys are: {keys}")


def _one_by_one(text: str, damage: str, receipt: Receipt) -> Iterator[tuple[int, Any]]:
    """Events of a file that is not one JSON document: broken somewhere, or several documents one after the other."""
    index, position, wasted = 0, 0, 0
    while True:
        between = _BETWEEN.match(text, position)
        position = between.end() if between else position
        if position == len(text):
            return
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            index += 1
            wasted += error.pos - position if isinstance(error, json.JSONDecodeError) else _NESTED
            # What is parsed again and again, because every start of an event in it fails: only a hostile file.
            follows = _NEXT.search(text, position + 1) if wasted <= _ATTEMPTS * max(len(text), _NESTED) else None
            end = follows.start() if follows else len(text)
            reason = damage if damage and not follows else _reason(error)
            reason += "" if follows else "; what follows is lost"
            receipt.reject(index, text[position : min(end, position + KEPT_RECORD_BYTES + 1)], reason)
            if not follows:
                return
            position = end
        else:
            records = value.get("Records") if isinstance(value, dict) else None
            for event in records if isinstance(records, list) else [value]:
                index += 1
                yield index, event


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON at character {error.pos:,}: {error.msg}"
    return "nested too deeply" if isinstance(error, RecursionError) else f"broken JSON: {error}"
