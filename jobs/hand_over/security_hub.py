"""AWS Security Hub: findings in its own format (ASFF), a hundred a call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

import detections
from jobs.hand_over.aws import client, why
from jobs.hand_over.parcels import NOT_TRIED, Outcome, Parcel, fitting
from jobs.show import Row, safe

_FINDINGS, _BATCH_BYTES, _BYTES = 100, 6_000_000, 240_000
"""AWS's limits: findings a call, bytes a call, bytes a finding."""
_PAUSE = 0.1
"""Seconds between calls: AWS allows ten a second for an account and region."""
_LABELS = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_TYPE = "Unusual Behaviors/Serverless function"


def deliver(region: str, parcels: Sequence[Parcel], pause: Callable[[float], None] = time.sleep) -> Iterator[Outcome]:
    """Import them into the caller's own account: AWS takes findings of no other under the default product."""
    try:
        hub = client("securityhub", region)
        account = client("sts", region).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        yield from ((parcel, why(error, "sts:GetCallerIdentity")) for parcel in parcels[:1])
        yield from ((parcel, f"{NOT_TRIED}whose account it is cannot be told") for parcel in parcels[1:])
        return
    now = datetime.now(UTC)
    made = {parcel.id: asff(parcel, account, hub.meta.region_name, hub.meta.partition, now) for parcel in parcels}
    calls = list(batches(parcels, made))
    for number, batch in enumerate(calls):
        if number:
            pause(_PAUSE)
        try:
            answer = hub.batch_import_findings(Findings=[made[parcel.id] for parcel in batch])
        except (BotoCoreError, ClientError) as error:
            yield from ((parcel, why(error, "securityhub:BatchImportFindings")) for parcel in batch)
            yield from ((p, f"{NOT_TRIED}Security Hub took nothing") for later in calls[number + 1 :] for p in later)
            return
        refused = {one["Id"]: one for one in answer.get("FailedFindings", ())}
        for parcel in batch:
            one = refused.get(made[parcel.id]["Id"])
            yield parcel, f"{one['ErrorCode']}: {safe(one['ErrorMessage'])[:300]}" if one else ""


def batches(parcels: Sequence[Parcel], made: dict[str, Row]) -> Iterator[list[Parcel]]:
    """Parcels for one call each: at most a hundred, and 6 MB."""
    batch: list[Parcel] = []
    size = 0
    for parcel in parcels:
        own = len(json.dumps(made[parcel.id]))
        if batch and (len(batch) == _FINDINGS or size + own > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += own
    if batch:
        yield batch


def asff(parcel: Parcel, account: str, region: str, partition: str, now: datetime) -> Row:
    """An alert as a finding of the account and region that import it; its own are those of its resources.

    Lengths are kept to AWS's. UpdatedAt is `now`: AWS drops what is not newer than what it has. Severity goes where a
    provider may change it later (FindingProviderFields); closed and suppressed alerts are archived.
    """
    alert, ocsf = parcel.alert, parcel.finding
    title = alert["title"] or alert["detection_id"]
    made = {
        "SchemaVersion": "2018-10-08",
        "Id": _text(f"leasehold/{alert['alert_id']}", 512),
        "ProductArn": f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default",
        "ProductName": "Leasehold",
        "CompanyName": "Leasehold",
        "GeneratorId": _text(f"leasehold/{alert['detection_id']}", 512),
        "AwsAccountId": account,
        "CreatedAt": _time(alert["opened_at"]),
        "UpdatedAt": _time(now),
        "FirstObservedAt": _time(alert["opened_at"]),
        "LastObservedAt": _time(alert["updated_at"] or alert["opened_at"]),
        "Title": _text(title, 256),
        "Description": _text(alert["summary"] or title, 1_024),
        "Remediation": {"Recommendation": {"Text": _text(_advice(alert), 512)}},
        "Resources": _resources(ocsf, alert, region, partition),
        "FindingProviderFields": {
            "Severity": {"Label": _LABELS.get(alert["severity"], "MEDIUM"), "Original": _text(alert["severity"], 64)},
            "Types": [_TYPE],
        },
        "ProductFields": _fields(parcel),
        "RecordState": "ARCHIVED" if alert["status"] in ("closed", "suppressed") else "ACTIVE",
    }
    whole: Row = json.loads(fitting(made, _BYTES))
    return whole


def _resources(ocsf: Row, alert: Row, region: str, partition: str) -> list[Row]:
    made = [
        {
            "Type": "AwsLambdaFunction" if one["type"] == "AWS::Lambda::Function" else "AwsAccount",
            "Id": _text(one.get("uid") or one.get("name"), 512),
            "Partition": partition,
            "Region": _text(one.get("region") or region, 16),
        }
        for one in ocsf.get("resources", ())[:32]
    ]
    # AWS wants one at least.
    return made or [{"Type": "Other", "Id": _text(alert["functions"] or alert["account_id"] or "unknown", 512)}]


def _fields(parcel: Parcel) -> dict[str, str]:
    alert = parcel.alert
    said: dict[str, Any] = {
        "delivery": parcel.id, "status": alert["status"], "verdict": alert["verdict"], "expected": alert["expected"],
        "technique": alert["technique"], "account": alert["account_id"], "region": alert["region"],
        "functions": alert["functions"], "subject": alert["subject"], "peer": alert["peer_name"],
        "peer_address": alert["peer_addr"], "evidence": alert["evidence"], "evidence_table": alert["evidence_table"],
        "change": alert["change"],
    }  # fmt: skip
    return {f"leasehold/{name}": _text(value, 2_048) for name, value in said.items() if value}


def _advice(alert: Row) -> str:
    steps = next((d.runbook for d in detections.ALL if d.id == alert["detection_id"]), ())
    return f"leasehold explain {alert['alert_id']}. {' '.join(steps)}"


def _time(moment: datetime) -> str:
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any, longest: int) -> str:
    """One line, not empty, of at most so many characters."""
    text = safe(value).strip() or "—"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
