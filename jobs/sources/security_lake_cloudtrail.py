"""Security Lake's CloudTrail records as the events that CloudTrail itself would have delivered.

OCSF moves some fields of an event to places of its own and keeps the others, flattened, in `unmapped`:
`additionalEventData.customerEniId`. Here all go back to where they were, so that one reader makes rows of both.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from jobs.sources.arrow import Row
from jobs.sources.files import Receipt
from jobs.sources.parquet_columns import is_text
from jobs.sources.parquet_files import Plan, read_parts, refuse
from jobs.sources.security_lake import is_ocsf, kind_of
from jobs.sources.times import LATEST

MAX_EVENT_BYTES = 1 << 20
"""An event of more is rejected; CloudTrail's own limit is a quarter of it."""
_BATCH_ROWS = 128
_COLUMNS = (
    "metadata", "time", "time_dt", "cloud", "api", "actor", "http_request", "src_endpoint", "resources", "unmapped",
)  # fmt: skip
# Flattened texts, and these whole ones, may be JSON.
_OBJECTS = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "userIdentity")
_CATEGORIES = ("Management", "Data", "NetworkActivity", "Insight")
_Event = tuple[int, Row]


def ocsf_events(path: str, receipt: Receipt) -> Iterator[_Event]:
    """(number from 1, event) of each record of an OCSF file; what cannot be read goes to the receipt.

    Of an event there is what OCSF carries: texts where CloudTrail has numbers or booleans, if it moved them to
    `unmapped`, and no more of sessionContext than its times and its issuer. A record that is no event of CloudTrail
    still gives an object, which lacks what makes one.
    """
    return read_parts(path, receipt, _plan, _BATCH_ROWS)


def _plan(file: pq.ParquetFile, receipt: Receipt) -> Plan[_Event] | None:
    if not is_ocsf(file.schema_arrow):
        refuse(receipt, "a Parquet file of CloudTrail that is not Security Lake's")
        return None
    kind, reason = kind_of(file)
    if kind != "cloudtrail":
        receipt.skip(reason or "flow logs in OCSF, not CloudTrail")
        return None
    names = file.schema_arrow.names
    return [name for name in _COLUMNS if names.count(name) == 1], partial(_events, receipt)


def _events(receipt: Receipt, batch: pa.RecordBatch, first: int) -> Iterator[_Event]:
    """The batch at once where it is small, else record by record: a text that is there once may be meant often."""
    if _text_bytes(batch.to_struct_array()) <= MAX_EVENT_BYTES:
        try:
            records = batch.to_pylist()
        except (ValueError, OverflowError):  # not UTF-8; a time out of range
            records = None
        if records is not None:
            yield from ((number, _event(record)) for number, record in enumerate(records, first))
            return
    for number in range(first, first + batch.num_rows):
        row = batch.slice(number - first, 1)
        size = _text_bytes(row.to_struct_array())
        if size > MAX_EVENT_BYTES:
            receipt.reject(number, b"", f"an event of {size:,} bytes")
            continue
        try:
            event = _event(row.to_pylist()[0])
        except (ValueError, OverflowError) as error:
            receipt.reject(number, b"", f"a value that cannot be read: {str(error)[:200]}")
        else:
            yield number, event


def _text_bytes(array: pa.Array) -> int:
    """How long all its texts are together; raises ValueError for a value that is not in its dictionary."""
    if types.is_dictionary(array.type):
        span = pc.min_max(array.indices)
        if span["min"].is_valid and not 0 <= span["min"].as_py() <= span["max"].as_py() < len(array.dictionary):
            raise ValueError("a value that is not in its dictionary")
        if not is_text(array.type.value_type):
            return int(array.nbytes)
        return pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0
    if types.is_struct(array.type):
        return sum(map(_text_bytes, array.flatten()))
    if types.is_map(array.type) or types.is_list(array.type):
        first, last = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
        parts = (array.keys, array.items) if types.is_map(array.type) else (array.values,)
        return sum(_text_bytes(part.slice(first, last - first)) for part in parts)
    return int(array.nbytes)


def _event(record: Row) -> Row:
    """The record as CloudTrail writes it.

    `{"metadata": {"uid": "8a…"}, "api": {"operation": "Invoke", "service": {"name": "lambda.amazonaws.com"}}, "time":
    1773223200000, "unmapped": [("additionalEventData.customerEniId", "eni-1")]}` → `{"eventID": "8a…", "eventName":
    "Invoke", "eventSource": "lambda.amazonaws.com", "eventTime": "2026-03-11T10:00:00Z", "additionalEventData":
    {"customerEniId": "eni-1"}}`
    """
    metadata, api, source = (_dict(record.get(name)) for name in ("metadata", "api", "src_endpoint"))
    product, request, response = (_dict(metadata.get("product")), _dict(api.get("request")), _dict(api.get("response")))
    category = _dict(product.get("feature")).get("name")
    unmapped = record.get("unmapped")
    event = _nested(unmapped if isinstance(unmapped, list) else _dict(unmapped).items())
    told = {
        "eventVersion": product.get("version"),
        "eventTime": _time(record.get("time_dt")) or _time(record.get("time")),
        "eventSource": _dict(api.get("service")).get("name"),
        "eventName": api.get("operation"),
        "apiVersion": api.get("version"),
        "awsRegion": _dict(record.get("cloud")).get("region"),
        "sourceIPAddress": source.get("ip") or source.get("domain"),
        "userAgent": _dict(record.get("http_request")).get("user_agent"),
        "errorCode": response.get("error"),
        "errorMessage": response.get("message"),
        # AWS's own records have two quotation marks where there is none.
        "requestID": None if request.get("uid") == "''" else request.get("uid"),
        "eventID": metadata.get("uid"),
        "eventType": metadata.get("event_code"),
        "eventCategory": category if category in _CATEGORIES else None,
        "vpcEndpointId": source.get("uid"),
        "requestParameters": _parsed(request.get("data")),
        "responseElements": _parsed(response.get("data")),
        "resources": _resources(record.get("resources")),
    }
    _add(event, told)
    identity = _identity(_dict(record.get("actor")), _dict(event.get("userIdentity")))
    _add(event, {"userIdentity": identity or None})
    return event


def _identity(actor: Row, identity: Row) -> Row:
    user, session = _dict(actor.get("user")), _dict(actor.get("session"))
    # Source version 1 has the ARN in `uuid` and the principal in `uid`, version 2 in `uid` and `uid_alt`.
    arn, principal = ("uuid", "uid") if "uuid" in user else ("uid", "uid_alt")
    account = _dict(user.get("account")).get("uid") or user.get("account_uid")
    _add(
        identity,
        {
            "type": user.get("type"),
            "principalId": user.get(principal),
            "arn": user.get(arn),
            "accountId": account,
            "accessKeyId": user.get("credential_uid"),
            "userName": user.get("name"),
            "invokedBy": actor.get("invoked_by"),
        },
    )
    mfa = session.get("is_mfa", session.get("mfa"))
    attributes: Row = {}
    created = _time(session.get("created_time_dt")) or _time(session.get("created_time"))
    _add(attributes, {"creationDate": created, "mfaAuthenticated": str(mfa).lower() if mfa is not None else None})
    context = _dict(identity.get("sessionContext"))
    issuer = _dict(context.get("sessionIssuer"))
    _add(issuer, {"arn": session.get("issuer")})
    _add(context, {"attributes": attributes or None, "sessionIssuer": issuer or None})
    _add(identity, {"sessionContext": context or None})
    return identity


def _nested(pairs: Iterable[Any]) -> Row:
    """`[("a.b", "1"), ("a.c", "2"), ("d", "3")]` → `{"a": {"b": "1", "c": "2"}, "d": "3"}`."""
    event: Row = {}
    for key, value in pairs:
        if not isinstance(key, str) or value is None:
            continue
        *outer, name = key.split(".")
        place: Any = event
        for part in outer:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            is_json = isinstance(value, str) and (key in _OBJECTS or value.startswith("["))
            place[name] = _parsed(value) if is_json else value
        else:  # under a text there is no place
            event[key] = value
    return event


def _resources(found: Any) -> list[Row] | None:
    if not isinstance(found, list):
        return None
    resources = []
    for item in map(_dict, found):
        account = _dict(_dict(item.get("owner")).get("account")).get("uid") or item.get("account_uid")
        resource: Row = {}
        _add(resource, {"ARN": item.get("uid"), "accountId": account, "type": item.get("type")})
        resources.append(resource)
    return resources or None


def _parsed(text: Any) -> Any:
    """JSON as what it stands for, any other text as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _time(value: Any) -> str | None:
    """A moment, or Unix seconds or milliseconds, as CloudTrail writes it; what is no such time as text."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LATEST * 1_000:
        return _time(datetime.fromtimestamp(value if value < LATEST else value // 1_000, UTC))
    return None if value is None else str(value)


def _add(to: Row, told: Row) -> None:
    to.update({name: value for name, value in told.items() if value is not None and value != ""})


def _dict(value: Any) -> Row:
    return value if isinstance(value, dict) else {}
