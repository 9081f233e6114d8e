"""CloudTrail files: one JSON document with Records, an array, a single event, or an event a line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from jobs.sources.arrow import arrow_schema, batch_of
from jobs.sources.files import FileName, Receipt, whole
from transforms.schemas.sources import CLOUDTRAIL_EVENTS

SCHEMA = arrow_schema(CLOUDTRAIL_EVENTS.schema)
_BATCH = 5_000

# Credentials that AWS writes into events (responses of AssumeRole and the like): never stored.
_SECRET = re.compile(
    r'("(?:accessKeyId|secretAccessKey|sessionToken|password|secretString|masterUserPassword)":\s*)"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)


def read_cloudtrail(path: str, source_file: str, receipt: Receipt) -> Iterator[pa.RecordBatch]:
    """A CloudTrail file as batches of CLOUDTRAIL_EVENTS's schema; what cannot be read goes to the receipt.

    Digest, Insight and aggregated files hold no events of this kind: they are skipped, with the reason.
    """
    folder = re.search(r"CloudTrail-(Digest|Insight|Aggregated)", source_file)
    if folder:
        receipt.skip(f"a CloudTrail {folder[1].lower()} file, not events")
        return
    data = whole(path, receipt)
    if not data.strip():
        receipt.skip("empty file")
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        receipt.reject(0, b"", f"invalid UTF-8 at byte {error.start:,}: its bytes are escaped")
        text = data.decode("utf-8", "backslashreplace")
    name = FileName.parse(source_file)
    rows = []
    for index, event in enumerate(_events(text, receipt), 1):
        row = _row(event, name, receipt, index)
        if row is not None:
            row.update(source_file=source_file, source_line=index)
            rows.append(row)
            if len(rows) >= _BATCH:
                yield _batch(rows, receipt)
                rows = []
    if rows:
        yield _batch(rows, receipt)


def _batch(rows: list[dict[str, Any]], receipt: Receipt) -> pa.RecordBatch:
    receipt.records += len(rows)
    times = [row["event_time"] for row in rows]
    receipt.saw(min(times), max(times))
    return batch_of(rows, SCHEMA)


def _events(text: str, receipt: Receipt) -> list[Any]:
    """The events of a document; of a broken one those before the break, which is rejected."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        return _salvage(text, error, receipt)
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        if isinstance(document.get("Records"), list):
            return list(document["Records"])
        if "eventName" in document or "eventVersion" in document:
            return [document]
        if "digestStartTime" in document:
            receipt.skip("a CloudTrail digest file, not events")
            return []
        keys = ", ".join(sorted(map(str, document))[:8]) or "none"
        receipt.reject(0, text, f"`Records` is missing; the keys are: {keys}")
        return []
    receipt.reject(0, text, f"expected an object with `Records`, found {type(document).__name__}")
    return []


def _salvage(text: str, error: json.JSONDecodeError, receipt: Receipt) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip()]
    decoder = json.JSONDecoder()
    events: list[Any] = []
    if len(lines) > 1 and lines[0].lstrip().startswith("{") and lines[0].rstrip().endswith("}"):
        for number, line in enumerate(lines, 1):
            try:
                events.append(decoder.decode(line.strip()))
            except json.JSONDecodeError as bad:
                events.append(None)  # keeps the numbering; None is rejected without a second entry
                receipt.reject(number, line, f"broken JSON at character {bad.pos:,}: {bad.msg}")
        return [_BROKEN if event is None else event for event in events]
    begin = re.match(r"\s*(?:\{\s*\"Records\"\s*:\s*)?\[", text)
    position = begin.end() if begin else len(text)
    while True:
        start = re.compile(r"[\s,]*").match(text, position)
        position = start.end() if start else position
        try:
            event, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            break
        events.append(event)
    receipt.reject(
        len(events) + 1,
        text[max(0, error.pos - 100) : error.pos + 100],
        f"broken JSON at character {error.pos:,}: {error.msg}; {len(events)} events before it were read",
    )
    return events


_BROKEN = object()


def _row(event: Any, name: FileName, receipt: Receipt, index: int) -> dict[str, Any] | None:
    if event is _BROKEN:
        return None
    if not isinstance(event, dict):
        receipt.reject(index, json.dumps(event)[:4096], "an event must be an object")
        return None
    event_name, source = event.get("eventName"), event.get("eventSource")
    moment = _time(event.get("eventTime"))
    if moment is None or not isinstance(event_name, str) or not isinstance(source, str):
        lacking = "eventTime" if moment is None else "eventName" if not isinstance(event_name, str) else "eventSource"
        receipt.reject(index, _redacted(event) or "", f"{lacking} is missing or not what it should be")
        return None
    user = _dict(event.get("userIdentity"))
    issuer = _dict(_dict(user.get("sessionContext")).get("sessionIssuer"))
    scope = _dict(user.get("inScopeOf"))
    arn, principal = _text(user.get("arn")), _text(user.get("principalId"))
    raw = _redacted(event) or ""
    return {
        # Before 1.0x some events had no id: then the content is the identity.
        "event_id": _text(event.get("eventID")) or f"sha256:{_digest(raw)}",
        "event_time": moment,
        "event_source": source,
        "event_name": event_name,
        "event_version": _text(event.get("eventVersion")),
        "event_type": _text(event.get("eventType")),
        "event_category": _text(event.get("eventCategory")),
        "account_id": _text(event.get("recipientAccountId")) or _text(user.get("accountId")) or name.account_id,
        "region": _text(event.get("awsRegion")) or name.region,
        "source_ip_address": _text(event.get("sourceIPAddress")),
        "user_agent": _text(event.get("userAgent")),
        "error_code": _text(event.get("errorCode")),
        "error_message": _text(event.get("errorMessage")),
        "read_only": _boolean(event.get("readOnly")),
        "request_id": _text(event.get("requestID")),
        "user_type": _text(user.get("type")),
        "user_arn": arn,
        "user_principal_id": principal,
        "user_account_id": _text(user.get("accountId")),
        "session_name": _session_name(user, arn, principal),
        "role_arn": _text(issuer.get("arn")),
        "invoked_by": _text(user.get("invokedBy")),
        "in_scope_of_type": _text(scope.get("issuerType")),
        "in_scope_of_arn": _text(scope.get("credentialsIssuedTo")),
        "in_scope_of_version": _text(scope.get("credentialsIssuedToVersion")),
        "vpc_endpoint_id": _text(event.get("vpcEndpointId")),
        "request_parameters": _redacted(event.get("requestParameters")),
        "response_elements": _redacted(event.get("responseElements")),
        "additional_event_data": _redacted(event.get("additionalEventData")),
        "resources": _redacted(event.get("resources")),
        "raw": raw,
        "delivered_at": name.time,
        "date": moment.date(),
    }


def _session_name(user: dict[str, Any], arn: str | None, principal: str | None) -> str | None:
    if user.get("type") != "AssumedRole":
        return None
    if principal and ":" in principal:
        return principal.split(":", 1)[1]
    return arn.rsplit("/", 1)[-1] if arn else None


def _redacted(value: Any) -> str | None:
    if value is None:
        return None
    return _SECRET.sub(r'\1"REDACTED"', json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: Any) -> str | None:
    """Strings as they are; anything else that has a value as JSON: hostile or odd shapes stay visible."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True)
    # A lone surrogate is legal in JSON and in no UTF-8 column.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
