"""An SNS topic: a message a parcel, with attributes to filter by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobs.hand_over.aws import client, why
from jobs.hand_over.parcels import NOT_TRIED, Outcome, Parcel
from jobs.show import safe

_LIMIT = 256 * 1_024
"""Bytes of message and attributes together, by AWS."""
_SUBJECT = 100
_PATIENCE = 3


def deliver(topic: str, parcels: Sequence[Parcel]) -> Iterator[Outcome]:
    """Publish each. On a FIFO topic what is sent twice within five minutes comes once."""
    publisher, lost = client("sns", topic.split(":")[3]), 0
    for number, parcel in enumerate(parcels):
        try:
            publisher.publish(**message(topic, parcel))
            lost = 0
            yield parcel, ""
        except (BotoCoreError, ClientError, ValueError) as error:
            yield parcel, why(error, "sns:Publish")
            lost += 1
            if lost == _PATIENCE:
                yield from ((rest, f"{NOT_TRIED}the topic took nothing") for rest in parcels[number + 1 :])
                return


def message(topic: str, parcel: Parcel) -> dict[str, Any]:
    """What `Publish` takes: at most 256 KiB with its attributes, and a subject of one line of ASCII."""
    alert = parcel.alert
    said = {
        "severity": alert["severity"], "status": alert["status"], "detection": alert["detection_id"],
        "account": alert["account_id"], "region": alert["region"], "delivery": parcel.id,
    }  # fmt: skip
    attributes = {
        name: {"DataType": "String", "StringValue": safe(value)[:256]} for name, value in said.items() if value
    }
    size = sum(len(name) + 6 + len(a["StringValue"].encode()) for name, a in attributes.items())
    made: dict[str, Any] = {
        "TopicArn": topic,
        "Message": parcel.text(_LIMIT - size),
        "MessageAttributes": attributes,
        "Subject": _subject(f"Leasehold: {alert['severity']}: {alert['title'] or alert['detection_id']}"),
    }
    if topic.endswith(".fifo"):
        made |= {"MessageGroupId": alert["alert_id"][:128], "MessageDeduplicationId": parcel.id[:128]}
    return made


def _subject(text: str) -> str:
    return safe(text).encode("ascii", "replace").decode("ascii")[:_SUBJECT]
