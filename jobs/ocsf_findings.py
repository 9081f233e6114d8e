"""An alert as an OCSF Detection Finding (class 2004), valid in each of VERSIONS."""

from __future__ import annotations

import ipaddress
import math
import re
from datetime import UTC, date, datetime
from typing import Any

import detections
from jobs.judgements import release
from jobs.show import Row, moment

VERSIONS = ("1.6.0", "1.8.0")
"""AWS Security Hub uses the first."""

_FINDINGS, _DETECTION_FINDING = 2, 2004
_ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
_STATUSES = {"open": (1, "New"), "snoozed": (2, "In Progress"), "suppressed": (3, "Suppressed"),
             "closed": (4, "Resolved")}  # fmt: skip
_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High")}
# An attempt is an attack that was seen rightly; OCSF has no word for one that did not succeed.
_VERDICTS = {"true": (2, "True Positive"), "attempt": (2, "True Positive"), "benign trigger": (5, "Benign"),
             "false": (1, "False Positive")}  # fmt: skip
_UNKNOWN = (0, "Unknown")
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
_CHANGES = "function_changes"
_IP, _RESOURCE, _USER = (2, "IP Address"), (10, "Resource UID"), (31, "User: Unique ID")
_UNMAPPED = (
    "subject", "surprise", "days", "bytes_out", "bytes_in", "verdict", "verdict_by", "snoozed_until", "suppressed_by",
    "change",
)  # fmt: skip


def finding(alert: Row, version: str = VERSIONS[0], event: Row | None = None) -> Row:
    """A row of `alerts` as a finding; `event` is the CloudTrail event that is its evidence, where one is.

    What the alert does not know is left out. Nothing comes from the clock: `time` is that of the last activity
    (opened, seen again, closed), and an alert that did not change gives the same finding. Consumers put findings of
    one alert together by `finding_info.uid`.

    RDSQueryLogger's new connection, seen once and open → activity_id 1 (Create), type_uid 200401, status_id 1 (New).
    """
    activity = _activity(alert)
    changed = alert["closed_at"] if activity == 3 else alert["opened_at"] if activity == 1 else alert["updated_at"]
    severity, status = _SEVERITIES.get(alert["severity"], _UNKNOWN), _STATUSES[alert["status"]]
    verdict = _VERDICTS.get(alert["verdict"], _UNKNOWN)
    evidence, resources = _evidence(alert, event), _resources(alert)
    return _known(
        activity_id=activity,
        activity_name=_ACTIVITIES[activity],
        category_uid=_FINDINGS,
        category_name="Findings",
        class_uid=_DETECTION_FINDING,
        class_name="Detection Finding",
        type_uid=_DETECTION_FINDING * 100 + activity,
        type_name=f"Detection Finding: {_ACTIVITIES[activity]}",
        time=_milliseconds(changed or alert["updated_at"] or alert["opened_at"]),
        start_time=_milliseconds(alert["opened_at"]),
        end_time=_milliseconds(alert["updated_at"]),
        severity_id=severity[0],
        severity=severity[1],
        status_id=status[0],
        status=status[1],
        verdict_id=verdict[0],
        verdict=verdict[1],
        is_alert=alert["status"] == "open",
        message=alert["summary"],
        count=alert["events"],
        metadata=_metadata(version, alert),
        cloud=_known(provider="AWS", account=_account(alert), region=_named(alert["region"])),
        finding_info=_finding_info(alert, changed),
        resources=resources,
        evidences=[evidence] if evidence else None,
        observables=_observables(resources, evidence),
        anomaly_analyses=_anomalies(alert),
        remediation=_runbook(alert),
        unmapped=_known(**{name: _plain(alert[name]) for name in _UNMAPPED}),
    )


def _activity(alert: Row) -> int:
    if alert["status"] == "closed":
        return 3
    touched = alert["status"] != "open" or alert["verdict"] or (alert["days"] or 1) > 1
    return 2 if touched else 1


def _metadata(version: str, alert: Row) -> Row:
    product = {"name": "Leasehold", "uid": "leasehold", "vendor_name": "Leasehold", "version": release()}
    # With the profile `incident` comes verdict_id, with `cloud` the object cloud.
    return _known(
        version=version, profiles=["cloud", "incident"], product=product, tenant_uid=_named(alert["account_id"])
    )


def _finding_info(alert: Row, changed: datetime | None) -> Row:
    # What was held against a baseline is behavioural; the rest is a rule.
    is_behavioural = any(alert[name] is not None for name in ("baseline_to", "baseline_from", "usual"))
    analytic = _known(
        type_id=2 if is_behavioural else 1,
        type="Behavioral" if is_behavioural else "Rule",
        uid=alert["detection_id"],
        name=alert["title"] or alert["detection_id"],
        version=release(),
    )
    return _known(
        uid=alert["alert_id"],
        title=alert["title"] or alert["detection_id"],
        desc=alert["summary"],
        analytic=analytic,
        attacks=_attacks(alert),
        created_time=_milliseconds(alert["opened_at"]),
        first_seen_time=_milliseconds(alert["opened_at"]),
        last_seen_time=_milliseconds(alert["updated_at"]),
        modified_time=_milliseconds(changed),
        data_sources=[alert["evidence_table"]] if alert["evidence_table"] else None,
    )


def _attacks(alert: Row) -> list[Row] | None:
    """`T1071.001 Web Protocols` → the technique T1071 and its sub-technique."""
    said = re.fullmatch(r"(T\d{4})(\.\d{3})?(?: (.+))?", alert["technique"] or "")
    if not said:
        return None
    technique, below, name = said.groups()
    if not below:
        return [_known(version=alert["attack_version"], technique=_known(uid=technique, name=name))]
    sub = _known(uid=technique + below, name=name)
    return [_known(version=alert["attack_version"], technique={"uid": technique}, sub_technique=sub)]


def _resources(alert: Row) -> list[Row] | None:
    """The functions, or the account where the finding is about none."""
    account, region, owner = _named(alert["account_id"]), _named(alert["region"]), _owner(alert)
    partition = _partition(region) if region else None
    shared: Row = {"cloud_partition": partition, "region": region, "owner": owner}
    names = [name for name in str(alert["functions"] or "").split(", ") if name]
    if not names:
        whole = _known(type="AWS::Account", uid=account, role_id=3, role="Affected", **shared)
        return [whole] if account else None
    # Several share what did it: each is a candidate. What was changed was changed, all of it.
    role = (2, "Actor") if len(names) == 1 else (4, "Related")
    role = (3, "Affected") if alert["evidence_table"] == _CHANGES else role
    arn = f"arn:{partition}:lambda:{region}:{account}:function:" if account and region else None
    of_all: Row = {"type": "AWS::Lambda::Function", "role_id": role[0], "role": role[1], **shared}
    return [_known(name=name, uid=arn and arn + name, **of_all) for name in names]


def _partition(region: str) -> str:
    return next((name for start, name in _PARTITIONS.items() if region.startswith(f"{start}-")), "aws")


def _account(alert: Row) -> Row | None:
    account = _named(alert["account_id"])
    return {"uid": account, "type_id": 10, "type": "AWS Account"} if account else None


def _owner(alert: Row) -> Row | None:
    account = _account(alert)
    return {"account": account} if account else None


def _evidence(alert: Row, event: Row | None) -> Row | None:
    """The connection, or the API call, with the key of the first row that shows it."""
    is_traffic = alert["protocol"] is not None or alert["peer_kind"] is not None
    peer, local = _endpoint(alert["peer_addr"]), _endpoint(alert["local_addr"])
    actor = {"user": {"uid": alert["principal"]}} if alert["principal"] else None
    key = _known(uid=alert["evidence"], name=alert["evidence_table"])
    if is_traffic:
        named = _known(name=alert["peer_name"], port=alert["peer_port"], **(peer or {}))
        shown = _known(actor=actor, src_endpoint=local, dst_endpoint=named, connection_info=_connection(alert))
    else:
        shown = _known(actor=actor, src_endpoint=peer or local, api=_api(event) if event else None)
    # OCSF wants one artifact at least: of hours and counts there is only the row.
    return key | (shown or _known(data=key)) or None


def _endpoint(address: str | None) -> Row | None:
    """`{"ip": "10.0.1.5"}`; a service calls under its name."""
    if not address:
        return None
    try:
        return {"ip": str(ipaddress.ip_address(address.partition("%")[0]))}
    except ValueError:
        return {"svc_name": address}


def _connection(alert: Row) -> Row:
    inside, protocol = alert["peer_internal"], alert["protocol"]
    direction = _UNKNOWN if inside is None else (3, "Lateral") if inside else (2, "Outbound")
    # Flow logs may leave the protocol out: then it is -1.
    number = protocol if protocol is not None and protocol >= 0 else None
    return _known(
        direction_id=direction[0],
        direction=direction[1],
        protocol_num=number,
        protocol_name=_PROTOCOLS.get(number) if number is not None else None,
    )


def _api(event: Row) -> Row | None:
    if not event["event_name"]:
        return None
    service = {"name": event["event_source"]} if event["event_source"] else None
    response = {"error": event["error_code"]} if event["error_code"] else None
    return _known(operation=event["event_name"], service=service, response=response)


def _observables(resources: list[Row] | None, evidence: Row | None) -> list[Row] | None:
    """What is worth searching for elsewhere, each with where it stands in the finding."""
    places = [(f"resources[{n}].uid", _RESOURCE, found.get("uid")) for n, found in enumerate(resources or ())]
    for side in ("src_endpoint", "dst_endpoint"):
        places.append((f"evidences[0].{side}.ip", _IP, (evidence or {}).get(side, {}).get("ip")))
    places.append(("evidences[0].actor.user.uid", _USER, (evidence or {}).get("actor", {}).get("user", {}).get("uid")))
    found = [{"name": n, "type_id": kind[0], "type": kind[1], "value": value} for n, kind, value in places if value]
    return found or None


def _anomalies(alert: Row) -> list[Row] | None:
    """Observed against usual: numbers where there are any, else words."""
    if alert["expected"] is None and alert["usual"] is None:
        return None
    parameter = alert["title"] or alert["detection_id"]
    seen = _number(alert["observed"]) or alert["summary"] or alert["subject"]
    usual = _number(alert["usual"]) or alert["expected"]
    known = _known(value=usual, count=alert["baseline_days"], timespan=_learned(alert))
    target = {"name": alert["functions"] or _named(alert["account_id"]) or "unknown", "type": "AWS Lambda function"}
    if not alert["functions"]:
        target["type"] = "AWS account"
    anomaly = _known(
        observation_parameter=parameter,
        observations=[_known(value=seen, count=alert["events"])],
        observed_pattern=alert["subject"],
    )
    baseline = _known(observation_parameter=parameter, observations=[known], observed_pattern=alert["expected"])
    return [{"analysis_targets": [target], "anomalies": [anomaly], "baselines": [baseline]}]


def _learned(alert: Row) -> Row | None:
    first, until = _milliseconds(alert["baseline_from"]), _milliseconds(alert["baseline_to"])
    if first is None and until is None:
        return None
    return _known(type_id=9, type="Time Interval", start_time=first, end_time=until)


def _runbook(alert: Row) -> Row | None:
    steps = next((d.runbook for d in detections.ALL if d.id == alert["detection_id"]), ())
    return {"desc": "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1))} if steps else None


def _named(value: str | None) -> str | None:
    """Accounts and regions that nothing tells are `unknown` in the tables."""
    return value if value and value != "unknown" else None


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}" if abs(value) < 1e6 else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON knows no such number
    return moment(value).replace(" ", "T") if isinstance(value, datetime) else value


def _milliseconds(value: datetime | date | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return round(utc.timestamp() * 1000)


def _known(**values: Any) -> Row:
    """Without what is not known."""
    return {name: value for name, value in values.items() if value is not None and value != {} and value != []}
