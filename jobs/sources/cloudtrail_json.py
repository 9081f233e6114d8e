"""CloudTrail events as rows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from jobs.sources.arrow import Row, arrow_schema
from jobs.sources.cloudtrail_document import events_of
from jobs.sources.files import FileName, Receipt
from jobs.sources.redact import as_json, redacted_json
from jobs.sources.streams import UnreadableError, whole
from jobs.sources.times import instant
from transforms.schemas.sources import CLOUDTRAIL_EVENTS

SCHEMA = arrow_schema(CLOUDTRAIL_EVENTS.schema)

OTHER_FILES = re.compile(r"CloudTrail-(Digest|Insight|Aggregated)/")
"""Folders beside CloudTrail's, of files that hold no events of this kind."""


def json_events(path: str, receipt: Receipt) -> Iterator[tuple[int, Any]]:
    """(index from 1, event or what stands in its place) of a file of JSON; what cannot be parsed is rejected."""
    other = OTHER_FILES.search(receipt.source_file)
    if other:
        receipt.skip(f"a CloudTrail {other[1].lower()} file, not events")
        return
    try:
        data, damage = whole(path)
    except UnreadableError as error:
        receipt.unreadable(str(error))
        return
    for index, event in events_of(data, damage, receipt):
        yield index, _unwrapped(event)


def row_or_rejection(index: int, event: Any, name: FileName, receipt: Receipt) -> Row | None:
    """The event as a row of CLOUDTRAIL_EVENTS, `event` itself redacted; None, and a rejection, if it is none."""
    try:
        row = _row(event, name)
    except (_NoEventError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        receipt.reject(index, _shown(event), reason)
        return None
    return {**row, "source_file": receipt.source_file, "source_line": index}


def _unwrapped(event: Any) -> Any:
    """The event itself, where EventBridge (`detail`) or OpenSearch (`aws.cloudtrail`) put it into another object."""
    if not isinstance(event, dict) or "eventTime" in event:
        return event
    inner = event.get("detail") or _dict(event.get("aws")).get("cloudtrail")
    return inner if isinstance(inner, dict) and "eventTime" in inner else event


class _NoEventError(ValueError):
    pass


def _row(event: Any, name: FileName) -> Row:
    if not isinstance(event, dict):
        raise _NoEventError(f"an event is an object, not {type(event).__name__}")
    moment = instant(event.get("eventTime"))
    if moment is None:
        raise _NoEventError(f"eventTime is {'no time' if event.get('eventTime') else 'missing'}")
    for field in ("eventName", "eventSource"):
        if not isinstance(event.get(field), str) or not event[field]:
            raise _NoEventError(f"{field} is {'no text' if event.get(field) else 'missing'}")
    raw = redacted_json(event)
    user = _dict(event.get("userIdentity"))
    issuer = _dict(_dict(user.get("sessionContext")).get("sessionIssuer"))
    scope = _dict(user.get("inScopeOf"))
    arn, principal = _text(user.get("arn")), _text(user.get("principalId"))
    return {
        # Some old events have no id: then the content is the identity.
        "event_id": _text(event.get("eventID")) or f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}",
        "event_time": moment,
        "event_source": _text(event["eventSource"]),
        "event_name": _text(event["eventName"]),
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
        "request_parameters": _json(event.get("requestParameters")),
        "response_elements": _json(event.get("responseElements")),
        "additional_event_data": _json(event.get("additionalEventData")),
        "resources": _json(event.get("resources")),
        "raw": raw,
        "delivered_at": name.time,
        "date": moment.date(),
    }


def _session_name(user: Row, arn: str | None, principal: str | None) -> str | None:
    if user.get("type") != "AssumedRole":
        return None
    if principal and ":" in principal:
        return principal.split(":", 1)[1]
    return arn.rsplit("/", 1)[-1] if arn else None


def _json(value: Any) -> str | None:
    return None if value is None else as_json(value)


def _shown(event: Any) -> str:
    try:
        return json.dumps(event)
    except RecursionError:
        return ""


def _text(value: Any) -> str | None:
    """Strings as they are; anything else that has a value as JSON: hostile or odd shapes stay visible."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        return json.dumps(value, sort_keys=True)
    # A lone surrogate is legal in JSON and in no UTF-8 column.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _dict(value: Any) -> Row:
    return value if isinstance(value, dict) else {}
