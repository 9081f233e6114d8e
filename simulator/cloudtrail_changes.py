"""CloudTrail events about the account itself: functions and interfaces that change, people who look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.account import ACCOUNT, RUNTIME, Change, Function, vpc_of
from simulator.cloudtrail_shapes import (
    Event,
    Object,
    code_hash,
    function_arn,
    lambda_itself,
    management,
    person,
    stamp,
)
from simulator.lifecycle import ALIAS, DAY, History, Interface, State
from simulator.randomness import stable_id, stream
from simulator.traffic import weekday_of

_LAMBDA = ("lambda.amazonaws.com", "lambda.amazonaws.com")
_PIPELINE = (
    "198.51.100.200",
    "APN/1.0 HashiCorp/1.0 Terraform/1.14.3 aws-sdk-go-v2/1.41.0 api/lambda#1.86.0",
)
_OPERATOR = ("198.51.100.210", "aws-cli/2.33.2 md/awscrt#0.29.2 ua/2.1 os/linux lang/python#3.13.11")
_CALLS = {
    "create": "CreateFunction20150331",
    "code": "UpdateFunctionCode20150331v2",
    "publish": "PublishVersion20150331",
    "configuration": "UpdateFunctionConfiguration20150331v2",
    "delete": "DeleteFunction20150331",
}
_LOOKS = (
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("lambda.amazonaws.com", "ListFunctions20150331"),
    ("monitoring.amazonaws.com", "DescribeAlarms"),
)


def function_events(history: History, start: int, seed: int) -> Iterator[Event]:
    """What the deployment pipeline asks of Lambda."""
    for n, change in enumerate(history.changes):
        function = history.function(change.function)
        role, session, *origin = change.by or ("deploy", "GitHubActions", *_PIPELINE)
        who, place = person(role, session, start + change.time), (origin[0], origin[1])
        state = next(iter(history.states(function, change.time)), None)
        request, response = _change(function, change, state, start)
        names = ("lambda.amazonaws.com", _CALLS[change.kind])
        label = f"{function.name} {n}"
        yield management(seed, start, change.time, who, place, names, label, request, response, change.error)
        if change.kind == "publish":
            request = {"functionName": function.name, "name": ALIAS, "functionVersion": change.version}
            response = {
                "aliasArn": f"{function.arn}:{ALIAS}",
                "description": "",
                "functionVersion": change.version,
                "name": ALIAS,
            }
            names = ("lambda.amazonaws.com", "UpdateAlias20150331")
            yield management(seed, start, change.done, who, place, names, label, request, response)


def _change(function: Function, change: Change, state: State | None, start: int) -> tuple[Object, Object | None]:
    """requestParameters and responseElements of a change; code and environment are never in them."""
    request: Object = {"functionName": function.name}
    if change.kind == "delete" or state is None:
        return request, None
    groups = change.groups or state.groups
    network: Object = {}
    made: Object = {}
    if function.in_vpc:
        chosen = {"subnetIds": list(function.subnets), "securityGroupIds": list(groups)}
        network = {"vpcConfig": chosen}
        made = {"vpcConfig": {**chosen, "vpcId": vpc_of(function.subnets[0]), "ipv6AllowedForDualStack": False}}
    role = f"arn:aws:iam::{ACCOUNT}:role/{function.role}"
    status: Object = {"state": "Active", "lastUpdateStatus": "InProgress"}
    if change.kind == "create":
        request |= {
            "runtime": RUNTIME, "role": role, "handler": "app.handler", "code": {}, "packageType": "Zip",
            "timeout": function.timeout, "memorySize": 256, "publish": False, **network,
        }  # fmt: skip
        status = {"state": "Pending", "stateReasonCode": "Creating"}
    elif change.kind == "configuration":
        request |= _requested(json.loads(change.settings)) if change.settings else network
    elif change.kind == "code":
        request |= {"publish": False, "dryRun": False}
    else:
        status["lastUpdateStatus"] = "Successful"
    published = change.kind == "publish"
    return request, {
        "functionName": function.name,
        "functionArn": function_arn(function, change.version) if published else function.arn,
        "runtime": RUNTIME,
        "role": role,
        "handler": "app.handler",
        "codeSize": 24_310,
        "description": "",
        "timeout": function.timeout,
        "memorySize": 256,
        "lastModified": stamp(start + change.time)[:-1] + ".000+0000",
        "codeSha256": code_hash(function, state.release + (change.kind == "code")),
        "version": change.version,
        **made,
        "packageType": "Zip",
        **status,
        **_lowered(state.settings | json.loads(change.settings or "{}")),
    }


def _requested(settings: Object) -> Object:
    """As a request asks for it: layers by their ARNs, and a VPC by its subnets and groups."""
    asked: Object = _lowered(settings)
    if "layers" in asked:
        asked["layers"] = [layer["arn"] for layer in asked["layers"]]
    asked.get("vpcConfig", {}).pop("vpcId", None)
    return asked


def _lowered(value: Any) -> Any:
    """With keys as CloudTrail writes them: MemorySize → memorySize."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _lowered(part) for key, part in value.items()}
    return [_lowered(part) for part in value] if isinstance(value, list) else value


def interface_events(history: History, start: int, seed: int) -> Iterator[Event]:
    """Lambda creates and deletes interfaces with the execution role of the function that caused it.

    Before each creation it asks, as a dry run, whether the role may.
    """
    create, delete = ("ec2.amazonaws.com", "CreateNetworkInterface"), ("ec2.amazonaws.com", "DeleteNetworkInterface")
    dry = ("Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    for interface in history.interfaces:
        function = history.function(interface.creator)
        label = interface.interface_id
        if interface.start > 0:
            asked, at = _asked(interface), interface.start
            who = lambda_itself(function, start + at)
            tried = at - 2
            yield management(seed, start, tried, who, _LAMBDA, create, f"{label} dry run", asked, error=dry)
            made = _made(interface, function)
            yield management(seed, start, at, who, _LAMBDA, create, label, asked, made)
        if interface.end < history.seconds:
            who = lambda_itself(function, start + interface.end)
            request = {"networkInterfaceId": label}
            done = {"requestId": stable_id("", "delete", label, length=32), "_return": True}
            yield management(seed, start, interface.end, who, _LAMBDA, delete, label, request, done)


def _asked(interface: Interface) -> Object:
    return {
        "subnetId": interface.subnet,
        "description": interface.description,
        "groupSet": {"items": [{"groupId": group} for group in interface.groups]},
        "privateIpAddressesSet": {},
        "interfaceType": "lambda",
        "clientToken": interface.description_uuid,
    }


def _made(interface: Interface, function: Function) -> Object:
    address = interface.address
    return {
        "requestId": stable_id("", "create", interface.interface_id, length=32),
        "networkInterface": {
            "networkInterfaceId": interface.interface_id,
            "subnetId": interface.subnet,
            "vpcId": vpc_of(interface.subnet),
            "availabilityZone": interface.zone,
            "description": interface.description,
            "ownerId": ACCOUNT,
            "requesterId": f"{function.role_id}:{ACCOUNT}",
            "requesterManaged": False,
            "status": "pending",
            "privateIpAddress": address,
            "sourceDestCheck": True,
            "interfaceType": "lambda",
            "groupSet": {"items": [{"groupId": group, "groupName": group} for group in interface.groups]},
            "privateIpAddressesSet": {"item": [{"privateIpAddress": address, "primary": True}]},
            "tagSet": {},
        },
    }


def operator_events(history: History, start: int, seed: int) -> Iterator[Event]:
    """An operator looks around on working days: events that no function made."""
    for day in range(int(history.days)):
        if (weekday_of(start) + day) % 7 >= 5:
            continue
        hours = np.sort(stream(seed, "operator", day).uniform(8, 17, len(_LOOKS)))
        for look, hour in zip(_LOOKS, hours.tolist(), strict=True):
            time = day * DAY + hour * 3_600
            who = person("operator", "jane", start + time)
            yield management(seed, start, time, who, _OPERATOR, look, f"{day}", None, read_only=True)
