"""What Amazon Security Lake makes of AWS's own records: OCSF Parquet of source versions 1 and 2.

Written after AWS's published mapping (github.com/ocsf/examples, mappings/markdown/AWS, v1.0.0-rc.2 and v1.1.0) and the
schemas of its Glue tables, from the logs' side and without a look at the readers: where the mapping leaves a record
nothing, it gets nothing here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]


def _struct(text: str = "", ints: str = "", longs: str = "", times: str = "", flags: str = "", **more: Any) -> Any:
    of_kind = ((text, pa.string()), (ints, pa.int32()), (longs, pa.int64()), (times, pa.timestamp("us", "UTC")))
    named = [(name, kind) for names, kind in (*of_kind, (flags, pa.bool_())) for name in names.split()]
    return pa.struct([*named, *more.items()])


_TEXTS = pa.list_(pa.string())
_MAP = pa.map_(pa.string(), pa.string())
_CLASS = "class_name category_name severity activity_name type_name"
_CLASS_IDS = "class_uid category_uid severity_id activity_id"
_OBSERVABLES = pa.list_(_struct("name value type", ints="type_id"))
_PRODUCT = _struct("version name vendor_name", feature=_struct("name"))
_ENDPOINT = _struct(
    "svc_name ip interface_uid vpc_uid instance_uid subnet_uid", ints="port", intermediate_ips=_TEXTS
)  # fmt: skip
_WIRE = _struct("protocol_ver boundary direction", ints="protocol_num tcp_flags boundary_id direction_id")
_API = _struct(
    "operation version",
    response=_struct("error message data"),
    service=_struct("name"),
    request=_struct("data uid"),
)
_API_1 = _struct(
    "operation version", response=_struct("error message"), service=_struct("name"), request=_struct("uid")
)
_SOURCE = _struct("uid ip domain")
_ACTOR_1 = _struct(
    "invoked_by",
    user=_struct("type name uid uuid account_uid credential_uid"),
    session=_struct("issuer", longs="created_time", flags="mfa"),
    idp=_struct("name"),
)
_ACTOR_2 = _struct(
    "invoked_by",
    user=_struct("type name uid_alt uid credential_uid", account=_struct("uid")),
    session=_struct("issuer", times="created_time_dt", flags="is_mfa"),
    idp=_struct("name"),
)
FLOWS = {
    1: _struct(
        f"status_code disposition {_CLASS}", ints=f"disposition_id {_CLASS_IDS}",
        longs="time start_time end_time type_uid",
        metadata=_struct("version", product=_PRODUCT, profiles=_TEXTS),
        cloud=_struct("account_uid region zone provider"),
        src_endpoint=_ENDPOINT, dst_endpoint=_ENDPOINT, connection_info=_WIRE,
        traffic=_struct(longs="packets bytes"), unmapped=_MAP,
    ),
    2: _struct(
        f"status_code action disposition {_CLASS} accountid region asl_version", ints=f"action_id {_CLASS_IDS}",
        longs="time type_uid", times="time_dt start_time_dt end_time_dt",
        metadata=_struct("version", product=_PRODUCT, profiles=_TEXTS),
        cloud=_struct("region zone provider", account=_struct("uid")),
        src_endpoint=_ENDPOINT, dst_endpoint=_ENDPOINT, connection_info=_WIRE,
        traffic=_struct(longs="packets bytes"), unmapped=_MAP, observables=_OBSERVABLES,
    ),
}  # fmt: skip
TRAIL = {
    1: _struct(
        f"status {_CLASS}", ints=f"status_id {_CLASS_IDS}", longs="time type_uid", flags="mfa",
        metadata=_struct("uid version", product=_PRODUCT, profiles=_TEXTS),
        cloud=_struct("region provider"), api=_API_1, dst_endpoint=_struct("svc_name"), actor=_ACTOR_1,
        http_request=_struct("user_agent"), src_endpoint=_SOURCE,
        resources=pa.list_(_struct("uid account_uid type")), user=_struct("uid uuid name"), unmapped=_MAP,
    ),
    2: _struct(
        f"status {_CLASS} accountid region asl_version", ints=_CLASS_IDS, longs="time type_uid", times="time_dt",
        flags="is_mfa",
        metadata=_struct("uid version event_code", product=_PRODUCT, profiles=_TEXTS),
        cloud=_struct("region provider"), api=_API, dst_endpoint=_struct("svc_name"), actor=_ACTOR_2,
        http_request=_struct("user_agent"), src_endpoint=_SOURCE,
        resources=pa.list_(_struct("uid type", owner=_struct(account=_struct("uid")))),
        user=_struct("uid_alt uid name"), unmapped=_MAP, observables=_OBSERVABLES,
    ),
}  # fmt: skip
_VERSION = {1: "1.0.0-rc.2", 2: "1.1.0"}
_BOUNDARIES = (
    "Same VPC", "Internet/VPC Gateway", "Virtual Private Gateway", "Intra-region VPC", "Inter-region VPC",
    "Local Gateway", "Gateway VPC", "Internet Gateway",
)  # fmt: skip


def table(records: Iterable[Row], schema: pa.StructType) -> pa.Table:
    """The records as the Parquet columns of a source version."""
    columns = pa.array(list(records), schema)
    return pa.table(columns.flatten(), schema=pa.schema(list(schema)))


def flow(record: Row, version: int) -> Row:
    """A record of a flow log (AWS's names with hyphens, every value a text) in OCSF."""
    start, end = int(record["start"]), int(record["end"])
    accepted, rejected = record["action"] == "ACCEPT", record["action"] == "REJECT"
    path = _number(record["traffic-path"])
    inbound, outbound = record["flow-direction"] == "ingress", record["flow-direction"] == "egress"
    ends = {}
    for end_of, short, is_own in (("src_endpoint", "src", outbound), ("dst_endpoint", "dst", inbound)):
        packet, own = record[f"pkt-{short}addr"], record[f"{short}addr"]
        ends[end_of] = {"port": _number(record[f"{short}port"]), "svc_name": record[f"pkt-{short}-aws-service"]}
        ends[end_of] |= {"ip": own} if packet == own else {"ip": packet, "intermediate_ips": [own]}
        if is_own:
            ends[end_of] |= {
                "interface_uid": record["interface-id"],
                "vpc_uid": record["vpc-id"],
                "subnet_uid": record["subnet-id"],
                "instance_uid": record.get("instance-id", "-"),
            }
    product = {
        "version": record["version"],
        "name": "Amazon VPC",
        "vendor_name": "AWS",
        "feature": {"name": "Flowlogs"},
    }
    made = {
        "metadata": {"product": product, "version": _VERSION[version], "profiles": ["cloud", "security_control"]},
        "cloud": {"region": record["region"], "zone": record["az-id"], "provider": "AWS"},
        **ends,
        "connection_info": {
            "protocol_num": _number(record["protocol"]),
            "tcp_flags": _number(record["tcp-flags"]),
            "protocol_ver": record["type"],
            "boundary_id": path + 3 if path else 99,
            "boundary": _BOUNDARIES[path - 1] if path else "-",
            "direction_id": 1 if inbound else 2 if outbound else 0,
            "direction": "Inbound" if inbound else "Outbound" if outbound else "Unknown",
        },
        "traffic": {"packets": _number(record["packets"]), "bytes": _number(record["bytes"])},
        "time": start * 1_000,
        "status_code": record["log-status"],
        "class_uid": 4001, "class_name": "Network Activity", "category_uid": 4, "category_name": "Network Activity",
        "severity_id": 1, "severity": "Informational",
        "activity_id": 6 if accepted else 5 if rejected else 0,
        "activity_name": "Traffic" if accepted else "Refuse" if rejected else "Unknown",
        "disposition": "Allowed" if accepted else "Blocked" if rejected else "Unknown",
        "unmapped": {"sublocation_type": "-", "sublocation_id": "-"},
    }  # fmt: skip
    if version == 1:
        made["cloud"]["account_uid"] = record["account-id"]
        made |= {"start_time": start * 1_000, "end_time": end * 1_000}
    else:
        made["cloud"]["account"] = {"uid": record["account-id"]}
        made |= {"time_dt": _moment(start), "start_time_dt": _moment(start), "end_time_dt": _moment(end)}
        made["action"] = "Allowed" if accepted else "Denied" if rejected else "Unknown"
        made["observables"] = [
            {"name": f"{name}.ip", "type": "IP Address", "type_id": 2, "value": place["ip"]}
            for name, place in ends.items()
        ]
    return made


def event(native: Row, version: int) -> Row:
    """An event of CloudTrail in OCSF."""
    rest = json.loads(json.dumps(native))  # what is not mapped stays
    identity = rest.get("userIdentity", {})
    context = identity.get("sessionContext", {})
    attributes, issuer = context.get("attributes", {}), context.get("sessionIssuer", {})
    account, created = identity.pop("accountId", None), attributes.pop("creationDate", None)
    mfa = {"true": True, "false": False}.get(attributes.pop("mfaAuthenticated", ""))
    session: Row = {"issuer": issuer.pop("arn", None)}
    user = {
        "type": identity.pop("type", None),
        "name": identity.pop("userName", None),
        "credential_uid": identity.pop("accessKeyId", None),
    }
    arn, principal = identity.pop("arn", None), identity.pop("principalId", None)
    seconds = _seconds(rest.pop("eventTime"))
    address = rest.pop("sourceIPAddress", None)
    is_address = address is not None and not address.endswith(".amazonaws.com")
    product = {
        "version": rest.pop("eventVersion"), "name": "CloudTrail", "vendor_name": "AWS",
        "feature": {"name": rest.pop("eventCategory", "Management, Data, and Insights")},
    }  # fmt: skip
    error = rest.pop("errorCode", None)
    is_iam = rest["eventSource"] == "iam.amazonaws.com" and rest["eventName"].startswith(("Create", "Delete", "Attach"))
    made: Row = {
        "metadata": {"product": product, "uid": rest.pop("eventID"), "version": _VERSION[version]},
        "time": seconds * 1_000,
        "cloud": {"region": rest.pop("awsRegion"), "provider": "AWS"},
        "api": {
            "operation": rest.pop("eventName"), "version": rest.pop("apiVersion", None),
            "service": {"name": rest.pop("eventSource")}, "request": {"uid": rest.pop("requestID", "''")},
            "response": {"error": error, "message": rest.pop("errorMessage", None)},
        },
        "actor": {"user": user, "session": session, "invoked_by": identity.pop("invokedBy", None), "idp": {}},
        "http_request": {"user_agent": rest.pop("userAgent", None)},
        "src_endpoint": {"uid": rest.pop("vpcEndpointId", None), "ip" if is_address else "domain": address},
        "class_uid": 3001 if is_iam else 3005 if version == 1 else 6003,
        "class_name": "Account Change" if is_iam else "API Activity",
        "category_uid": 3 if is_iam or version == 1 else 6, "category_name": "Audit Activity",
        "severity_id": 1, "severity": "Informational", "status": "Failure" if error else "Success",
    }  # fmt: skip
    resources = rest.pop("resources", [])
    if version == 1:
        user |= {"uid": principal, "uuid": arn, "account_uid": account}
        session |= {"created_time": _seconds(created) * 1_000 if created else None, "mfa": mfa}
        made["resources"] = [
            {"uid": r.get("ARN"), "account_uid": r.get("accountId"), "type": r.get("type")} for r in resources
        ]
    else:
        user |= {"uid": arn, "uid_alt": principal, "account": {"uid": account}}
        session |= {"created_time_dt": _moment(_seconds(created)) if created else None, "is_mfa": mfa}
        made["metadata"]["event_code"] = rest.pop("eventType", None)
        made["time_dt"] = _moment(seconds)
        request, response = rest.pop("requestParameters", None), rest.pop("responseElements", None)
        made["api"]["request"]["data"] = _json(request)
        made["api"]["response"]["data"] = _json(response)
        made["resources"] = [
            {"uid": r.get("ARN"), "owner": {"account": {"uid": r.get("accountId")}}, "type": r.get("type")}
            for r in resources
        ]
        made["observables"] = [{"name": "src_endpoint.ip", "type": "IP Address", "type_id": 2, "value": address}]
    made["unmapped"] = dict(_flat(rest))
    return made


def security_lake(raw: Path, to: Path, version: int, per_file: int = 2_000) -> None:
    """Write the flow logs and CloudTrail below a simulated raw folder as Security Lake would have them; no more."""
    flows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    trail: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for path in sorted(raw.rglob("*.gz")):
        content = gzip.decompress(path.read_bytes())
        if "/vpcflowlogs/" in path.as_posix():
            header, *lines = content.decode().splitlines()
            for line in lines:
                record = dict(zip(header.split(" "), line.split(" "), strict=True))
                flows[record["region"], f"{_moment(int(record['start'])):%Y%m%d}"].append(record)
        elif "/CloudTrail/" in path.as_posix():
            for native in json.loads(content)["Records"]:
                trail[native["awsRegion"], native["eventTime"][:10].replace("-", "")].append(native)
    account = "123456789012"
    for days, convert, schema in ((flows, flow, FLOWS[version]), (trail, event, TRAIL[version])):
        for (region, day), natives in days.items():
            for start in range(0, len(natives), per_file):
                content = table((convert(native, version) for native in natives[start : start + per_file]), schema)
                source = "VPC_FLOW" if convert is flow else "CLOUD_TRAIL_MGMT"
                name = hashlib.md5(
                    f"{source}{region}{day}{start}{per_file}".encode(), usedforsecurity=False
                ).hexdigest()
                folder = to / f"aws/{source}/{version}.0/region={region}/accountId={account}/eventDay={day}"
                folder.mkdir(parents=True, exist_ok=True)
                pq.write_table(content, folder / f"{name}.gz.parquet", compression="gzip")


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, str):
        yield key, value
    elif value is not None:
        yield key, json.dumps(value)


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
