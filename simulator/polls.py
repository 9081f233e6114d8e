"""What pollers would have stored: interfaces, function versions and CloudWatch's minutes, as boto3 answers."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from simulator.account import (
    ACCOUNT,
    NAT_PUBLIC_ADDRESSES,
    REGION,
    RUNTIME,
    ZONES,
    Function,
    Resource,
    subnet_of,
    vpc_of,
)
from simulator.cloudtrail_shapes import code_hash, function_arn
from simulator.files import save
from simulator.lifecycle import History, Interface, State
from simulator.metrics import FUNCTIONS_AT_ONCE, Metrics
from simulator.randomness import stable_id, stream
from simulator.traffic import Floats, Invocations

Object = dict[str, Any]

_ALL = '{"FunctionVersion":"ALL"}'
_LATE_SECONDS = 900


@dataclass(frozen=True)
class Polling:
    """How often is polled, and how reliably."""

    interval_seconds: int = 1_800
    missed_share: float = 0.0
    """of the polls never took place"""


def write_polls(
    root: Path,
    history: History,
    invocations: Invocations,
    start: int,
    seed: int,
    polling: Polling,
    throttled: Mapping[str, Floats] | None = None,
) -> int:
    """Write `snapshots/<operation>/yyyy/mm/dd/….json.gz` below `root`; returns how many polls took place.

    Interfaces first, then functions and metrics, some seconds later. Metrics are asked for from where the
    last poll ended up to a quarter of an hour ago, because CloudWatch may still lack what is newer.
    """
    rng = stream(seed, "polls")
    times = np.arange(0, history.seconds + 1, polling.interval_seconds)
    missed = rng.random(len(times)) < polling.missed_share
    times = times + rng.uniform(2, 9, len(times))
    interfaces, versions = _interfaces(history, start), _versions(history, start)
    metrics = Metrics(history, invocations, start, throttled or {})
    asked_until = 0
    for moment in times[~missed].tolist():
        _write(root, "describe_network_interfaces", start + moment, "{}", interfaces.at(moment))
        _write(root, "list_functions", start + moment + 2, _ALL, versions.at(moment + 2))
        until = int((moment + 4 - _LATE_SECONDS) // 60 * 60)
        if until > asked_until:
            # Also of functions that are gone by now: their last minutes are still wanted.
            known = [f for f in history.functions if history.states(f, moment) or history.states(f, asked_until)]
            for n, first in enumerate(range(0, len(known), FUNCTIONS_AT_ONCE)):
                names = [f.name for f in known[first : first + FUNCTIONS_AT_ONCE]]
                request, answer = metrics.answer(names, asked_until, until)
                _write(root, "get_metric_data", start + moment + 4 + n, request, answer)
            asked_until = until
    return int((~missed).sum())


def _write(root: Path, operation: str, moment: float, request: str, response: str) -> None:
    at = datetime.fromtimestamp(int(moment), UTC)
    text = (
        f'{{"operation":"{operation}","account_id":"{ACCOUNT}","region":"{REGION}",'
        f'"polled_at":"{at.isoformat()}","request":{request},"responses":[{response}]}}'
    )
    name = f"{ACCOUNT}_{operation}_{REGION}_{at:%Y%m%dT%H%M%SZ}.json.gz"
    save(root, f"snapshots/{operation}/{at:%Y/%m/%d}/{name}", text.encode())


class _Answers:
    """An answer changes only at these moments: it is made once for each time between two of them."""

    def __init__(self, moments: Sequence[float], make: Callable[[float], Object]) -> None:
        self._moments = sorted(set(moments))
        self._make = make
        self._made: dict[int, str] = {}

    def at(self, moment: float) -> str:
        """The answer then, as JSON."""
        place = bisect_right(self._moments, moment)
        if place not in self._made:
            self._made[place] = json.dumps(self._make(moment), separators=(",", ":"))
        return self._made[place]


def _interfaces(history: History, start: int) -> _Answers:
    """DescribeNetworkInterfaces."""

    def make(moment: float) -> Object:
        alive = [i for i in history.interfaces if i.start <= moment < i.end]
        creators = {f.name: f for f in history.functions}
        made = [_hyperplane(i, creators[i.creator]) for i in alive]
        made += [_resource(r, start) for r in history.resources if r.life[0] <= moment < r.life[1]]
        return {"NetworkInterfaces": sorted(made, key=lambda i: str(i["NetworkInterfaceId"]))}

    edges = [edge for i in history.interfaces for edge in (i.start, i.end)]
    return _Answers([*edges, *(edge for r in history.resources for edge in r.life)], make)


def _interface(interface_id: str, address: str, subnet: str, groups: Sequence[str]) -> Object:
    """What every interface has."""
    dns = f"ip-{address.replace('.', '-')}.{REGION}.compute.internal"
    octets = stable_id("", "mac", interface_id, length=10)
    return {
        "AvailabilityZone": ZONES[subnet],
        "Description": "",
        "Groups": [{"GroupId": group, "GroupName": f"group-{group[-6:]}"} for group in groups],
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": "0a:" + ":".join(octets[n : n + 2] for n in range(0, 10, 2)),
        "NetworkInterfaceId": interface_id,
        "OwnerId": ACCOUNT,
        "PrivateDnsName": dns,
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"Primary": True, "PrivateDnsName": dns, "PrivateIpAddress": address}],
        "RequesterManaged": False,
        "SourceDestCheck": True,
        "Status": "in-use",
        "SubnetId": subnet,
        "TagSet": [],
        "VpcId": vpc_of(subnet),
    }


def _hyperplane(interface: Interface, creator: Function) -> Object:
    """Lambda's: attached by AWS to nothing that can be seen, since a time that is not said."""
    return _interface(interface.interface_id, interface.address, interface.subnet, interface.groups) | {
        "Attachment": _attachment("ela-attach-0", interface.interface_id, "amazon-aws"),
        "Description": interface.description,
        "InterfaceType": "lambda",
        "RequesterId": f"{creator.role_id}:{ACCOUNT}",
    }


def _attachment(prefix: str, interface_id: str, owner: str) -> Object:
    return {
        "AttachmentId": stable_id(prefix, interface_id, length=16),
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "InstanceOwnerId": owner,
        "Status": "attached",
    }


def _resource(resource: Resource, start: int) -> Object:
    group = stable_id("sg-0", resource.name, length=16)
    is_nat = resource.interface_type == "nat_gateway"
    made = _interface(resource.interface_id, resource.address, subnet_of(resource.address), [] if is_nat else [group])
    owner = resource.owner or ACCOUNT
    hidden = owner == "amazon-aws"
    attachment = _attachment("ela-attach-0" if hidden else "eni-attach-0", resource.interface_id, owner)
    if not hidden:
        since = datetime.fromtimestamp(start + (int(resource.life[0]) or -90 * 86_400), UTC)
        attachment |= {"AttachTime": since.isoformat(), "NetworkCardIndex": 0}
    made |= {
        "Attachment": attachment,
        "Description": resource.description,
        "InterfaceType": resource.interface_type,
    }
    if resource.requester:
        made |= {"RequesterId": resource.requester, "RequesterManaged": True}
    else:
        instance = stable_id("i-0", resource.name, length=16)
        attachment |= {"InstanceId": instance, "DeviceIndex": 0, "DeleteOnTermination": True}
        made["TagSet"] = [{"Key": "Name", "Value": resource.name}]
    if is_nat:
        address = NAT_PUBLIC_ADDRESSES[vpc_of(subnet_of(resource.address))]
        public = f"ec2-{address.replace('.', '-')}.{REGION}.compute.amazonaws.com"
        made["Association"] = {
            "AllocationId": stable_id("eipalloc-0", resource.name, length=16),
            "AssociationId": stable_id("eipassoc-0", resource.name, length=16),
            "IpOwnerId": ACCOUNT,
            "PublicDnsName": public,
            "PublicIp": address,
        }
        made["PrivateIpAddresses"][0]["Association"] = made["Association"]
        made["SourceDestCheck"] = False
    return made


def _versions(history: History, start: int) -> _Answers:
    """ListFunctions of all versions, completed with the states that only GetFunction gives."""

    def make(moment: float) -> Object:
        rows = [
            _version(function, state, start)
            for function in history.functions
            for state in history.states(function, moment)
        ]
        return {"Functions": rows}

    return _Answers([edge for c in history.changes for edge in (c.time, c.done)], make)


def _version(function: Function, state: State, start: int) -> Object:
    modified = datetime.fromtimestamp(int(start + state.modified), UTC)
    made: Object = {
        "FunctionName": function.name,
        "FunctionArn": function_arn(function, state.version),
        "Runtime": RUNTIME,
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{function.role}",
        "Handler": "app.handler",
        "CodeSize": 24_310,
        "Description": "",
        "Timeout": function.timeout,
        "MemorySize": 256,
        "LastModified": f"{modified:%Y-%m-%dT%H:%M:%S}.000+0000",
        "CodeSha256": code_hash(function, state.release),
        "Version": state.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": stable_id("", function.name, state, length=32),
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
        "State": state.state,
        "LastUpdateStatus": state.update,
    }
    if function.in_vpc:
        made["VpcConfig"] = {
            "SubnetIds": list(function.subnets),
            "SecurityGroupIds": list(state.groups),
            "VpcId": vpc_of(function.subnets[0]),
            "Ipv6AllowedForDualStack": False,
        }
    return made | state.settings
