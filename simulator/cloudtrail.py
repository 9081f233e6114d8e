"""CloudTrail events of the account: functions' own calls, changes of functions and interfaces, invocations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from simulator.account import ACCOUNT, GATEWAY_ENDPOINTS, NAT_PUBLIC_ADDRESSES, REGION, Function, vpc_of
from simulator.cloudtrail_changes import function_events, interface_events, operator_events
from simulator.cloudtrail_files import Trail, write_trail
from simulator.cloudtrail_shapes import (
    AGENT,
    GLOBAL_REGIONS,
    Event,
    Object,
    function_arn,
    in_function,
    refusal,
    request_of,
    response_of,
    stamp,
    tls,
)
from simulator.lifecycle import ALIAS, LATEST, History
from simulator.randomness import chance, uuids
from simulator.traffic import ApiCalls, Invocations

_READS = ("Get", "List", "Describe", "Detect")
_REQUEST_ID = 31
# How a function is invoked, by its schedule: (service, does the caller wait for the answer).
_TRIGGERS = {
    "every": ("events.amazonaws.com", False),
    "diurnal": ("apigateway.amazonaws.com", True),
    "bursts": ("s3.amazonaws.com", False),
}


def write_cloudtrail(
    root: Path,
    history: History,
    invocations: Invocations,
    api_calls: ApiCalls,
    start: int,
    seed: int,
    data_events: bool,
    late_share: float,
    others: Sequence[Event] = (),
    stopped: Sequence[tuple[float, float]] = (),
) -> Trail:
    """Write the trail's files below `root`, this share of them late; `start` is in Unix seconds.

    `others`: what scenarios add; over the spans of `stopped` the trail takes nothing down.
    """
    events = [
        *_function_calls(history, api_calls, start),
        *function_events(history, start, seed),
        *interface_events(history, start, seed),
        *operator_events(history, start, seed),
        *others,
    ]
    if data_events:
        events += _data_events(history, invocations, start)
    events = [e for e in events if not any(since < e.time < until for since, until in stopped)]
    return write_trail(root, events, start, history.seconds, seed, late_share, stopped)


def request_ids(invocations: Invocations) -> list[str]:
    """Lambda's request id of each invocation."""
    return uuids(invocations.key, _REQUEST_ID)


def _function_calls(history: History, calls: ApiCalls, start: int) -> Iterator[Event]:
    """What functions call with their role's credentials.

    Through an endpoint of the VPC the source is the interface's own address, else the NAT gateway's
    public one; of functions outside the VPC it is one of Lambda's.
    """
    functions = {f.name: f for f in history.functions}
    endpoints = {r.source: r.endpoint_id for r in history.resources if r.interface_type == "vpc_endpoint"}
    lambdas = (224 + chance(calls.key, 25) * 16).astype(np.int64).tolist()
    rows = zip(
        calls.time.tolist(), calls.key.tolist(), calls.function.tolist(), calls.version.tolist(),
        calls.interface.tolist(), calls.source.tolist(), calls.name.tolist(), calls.via.tolist(),
        lambdas, uuids(calls.key, 21), uuids(calls.key, 23), calls.region.tolist(), calls.denied.tolist(),
        strict=True,
    )  # fmt: skip
    for time, key, name, version, interface, source, event_name, via, last, event_id, request_id, there, no in rows:
        private = via in ("endpoint", "gateway")
        region = there or GLOBAL_REGIONS.get(source, REGION)
        address = f"203.0.113.{last}"
        if via != "internet":
            address = NAT_PUBLIC_ADDRESSES[vpc_of(history.interfaces[interface].subnet)]
        content: Object = {
            "eventVersion": "1.11",
            "userIdentity": in_function(functions[name], version, start + time),
            "eventTime": stamp(start + time),
            "eventSource": source,
            "eventName": event_name,
            "awsRegion": region,
            "sourceIPAddress": history.interfaces[interface].address if private else address,
            "userAgent": AGENT,
            **(refusal(functions[name], source, event_name) if no else {}),
            "requestParameters": request_of(event_name),
            "responseElements": None if no else response_of(event_name, key, start + time),
            "requestID": request_id,
            "eventID": event_id,
            "readOnly": event_name.startswith(_READS),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
        }
        if private:
            gateway = GATEWAY_ENDPOINTS["DYNAMODB" if source.startswith("dynamodb.") else "S3"]
            content["vpcEndpointId"] = endpoints[source] if via == "endpoint" else gateway
            content["vpcEndpointAccountId"] = ACCOUNT
        content |= {"eventCategory": "Management", "tlsDetails": tls(source, region)}
        yield Event(time, key, content, region)


def _data_events(history: History, invocations: Invocations, start: int) -> Iterator[Event]:
    """Lambda's data events; their time is when the request was done.

    Where the caller waits, Invoke names the interface. Where it does not, there is an Invoke without it
    when the request is taken, and an InvokeExecution with it when it has run; both have one request id.
    """
    functions = {f.name: f for f in history.functions}
    rows = zip(
        invocations.start.tolist(), invocations.end.tolist(), invocations.key.tolist(),
        invocations.function.tolist(), invocations.version.tolist(), invocations.interface.tolist(),
        request_ids(invocations), uuids(invocations.key, 33), uuids(invocations.key, 35),
        uuids(invocations.key, 37), strict=True,
    )  # fmt: skip
    for begin, end, key, name, version, interface, request_id, first, second, shared in rows:
        function = functions[name]
        by, waits = _TRIGGERS[function.schedule[0]]
        version_arn = function_arn(function, version)
        # Outside a VPC there is no interface to name.
        eni = history.interfaces[interface].interface_id if interface >= 0 else ""
        work = {"customerEniId": eni, "functionVersion": version_arn}
        content = _invocation(function, by, stamp(start + end), "Invoke", request_id, first)
        if waits:
            yield Event(end, key, content | {"additionalEventData": work, "sharedEventID": shared})
            continue
        taken = max(begin - 0.4, 0.0)
        content |= {
            "eventTime": stamp(start + taken),
            "requestParameters": _event_invocation(function, version),
            "additionalEventData": {"functionVersion": version_arn},
            "sharedEventID": shared,
        }
        yield Event(taken, key, content)
        done = _invocation(function, "lambda.amazonaws.com", stamp(start + end), "InvokeExecution", request_id, second)
        yield Event(end, key ^ 1, done | {"additionalEventData": work})


def _event_invocation(function: Function, version: str) -> Object:
    source = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{function.name}-schedule"
    if function.schedule[0] == "bursts":
        source = f"arn:aws:s3:::{function.name.lower()}-incoming"
    return {
        "functionName": function.arn if version == LATEST else f"{function.arn}:{ALIAS}",
        "invocationType": "Event",
        "sourceArn": source,
        "sourceAccount": ACCOUNT,
    }


def _invocation(function: Function, by: str, time: str, name: str, request_id: str, event_id: str) -> Object:
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "AWSService", "invokedBy": by},
        "eventTime": time,
        "eventSource": "lambda.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": by,
        "userAgent": by,
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": None,
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": False,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::Lambda::Function", "ARN": function.arn}],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data",
    }
