"""CloudTrail: what functions call, what changes, and who runs where."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import datetime
from uuid import UUID

from simulated import Row, Simulated

from simulator.account import NAT_PUBLIC_ADDRESS

_NAME = re.compile(r"^123456789012_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4})Z_[A-Za-z0-9]{16}\.json\.gz$")


def _named(simulated: Simulated, name: str) -> list[Row]:
    return [e for e in simulated.events if e["eventName"] == name]


def _time(event: Row) -> datetime:
    return datetime.fromisoformat(event["eventTime"])


def test_files_are_delivered_after_the_events_some_late_some_twice(two_days: Simulated) -> None:
    delays: list[float] = []
    seen: Counter[str] = Counter()
    unsorted = 0
    for path, events in two_days.trail():
        named = _NAME.match(path.name)
        assert named, path.name
        at = datetime.fromisoformat(named[2] + "Z")
        assert path.parent.as_posix().endswith(f"AWSLogs/123456789012/CloudTrail/{named[1]}/{at:%Y/%m/%d}")
        assert {e["awsRegion"] for e in events} == {named[1]}
        ids = [e["eventID"] for e in events]
        assert len(set(ids)) == len(ids)
        seen.update(ids)
        delays += [(at - _time(e)).total_seconds() + 300 for e in events]
        times = [e["eventTime"] for e in events]
        unsorted += times != sorted(times)
    assert min(delays) > 60
    assert sum(delays) / len(delays) < 900
    assert max(delays) > 1_800
    assert 0 < sum(count == 2 for count in seen.values()) < 0.02 * len(seen)
    assert max(seen.values()) == 2
    assert unsorted > 10


def test_events_have_what_every_event_has(two_days: Simulated) -> None:
    required = {
        "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
        "userAgent", "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType",
        "managementEvent", "recipientAccountId", "eventCategory",
    }  # fmt: skip
    for event in two_days.events:
        assert required <= set(event), event["eventName"]
        assert event["eventVersion"] == "1.11"
        assert UUID(event["eventID"]).version == 4
        assert event["managementEvent"] == (event["eventCategory"] == "Management")


def test_functions_calls_say_who_and_from_where(two_days: Simulated) -> None:
    address = {i.interface_id: i.address for i in two_days.history.interfaces}
    own = [e for e in two_days.events if "inScopeOf" in e["userIdentity"]]
    found = Counter()
    for event in own:
        identity = event["userIdentity"]
        name = identity["inScopeOf"]["credentialsIssuedTo"].rsplit(":", 1)[1]
        assert identity["inScopeOf"]["issuerType"] == "AWS::Lambda::Function"
        assert identity["arn"] == f"arn:aws:sts::123456789012:assumed-role/{name}-role/{name}"
        assert identity["principalId"].endswith(f":{name}")
        assert "exec-env/AWS_Lambda_python3.12" in event["userAgent"]
        found[(event["eventTime"], name, event["eventName"], event["sourceIPAddress"])] += 1
    told = Counter()
    for call in two_days.truth("api_calls"):
        if call["via"] == "internet":
            continue
        source = address[call["interface_id"]] if call["via"] in ("endpoint", "gateway") else NAT_PUBLIC_ADDRESS
        at = call["time"].strftime("%Y-%m-%dT%H:%M:%SZ")
        told[(at, call["function_name"], call["event_name"], source)] += 1
    outside = {key: n for key, n in found.items() if key[1] == "Webhook"}
    assert len(told) > 300
    assert found - Counter(outside) == told
    assert outside
    assert all(key[3].startswith("203.0.113.2") for key in outside)
    ends = {e["vpcEndpointId"] for e in own if e["sourceIPAddress"].startswith("10.")}
    assert len(ends) == 2, "an interface endpoint and a gateway endpoint"
    assert not any("vpcEndpointId" in e for e in own if not e["sourceIPAddress"].startswith("10."))


def test_iam_events_come_from_the_region_of_iam(two_days: Simulated) -> None:
    calls = [e for e in two_days.events if e["eventSource"] == "iam.amazonaws.com"]
    assert [e["eventName"] for e in calls] == ["ListUsers", "CreateUser", "CreateAccessKey"]
    assert {e["awsRegion"] for e in calls} == {"us-east-1"}
    assert calls[1]["responseElements"]["user"]["userName"] == calls[1]["requestParameters"]["userName"]


def test_changes_of_functions_are_told(two_days: Simulated) -> None:
    assert [e["requestParameters"]["functionName"] for e in _named(two_days, "CreateFunction20150331")] == [
        "RefundHandler"
    ]
    good, failed = _named(two_days, "UpdateFunctionConfiguration20150331v2")
    assert "errorCode" not in good
    assert failed["errorCode"] == "ResourceConflictException"
    assert failed["responseElements"] is None
    asked = good["requestParameters"]["vpcConfig"]
    assert good["responseElements"]["vpcConfig"]["securityGroupIds"] == asked["securityGroupIds"]
    moved = [i for i in two_days.history.interfaces if list(i.groups) == asked["securityGroupIds"]]
    assert [i.creator for i in moved] == ["NightlyReport"]
    assert len(_named(two_days, "UpdateFunctionCode20150331v2")) == 4
    published = _named(two_days, "PublishVersion20150331")
    versions = [(e["responseElements"]["functionName"], e["responseElements"]["version"]) for e in published]
    assert sorted(versions) == [("OrderIngest", "2"), ("OrderIngest", "3"), ("OrderIngest", "4"), ("VideoTagger", "2")]
    assert len(_named(two_days, "DeleteFunction20150331")) == 1


def test_interfaces_come_and_go_in_events(two_days: Simulated) -> None:
    start = datetime.fromisoformat("2026-02-01T00:00:00Z").timestamp()
    made = two_days.history.interfaces
    tried = _named(two_days, "CreateNetworkInterface")
    dry = [e for e in tried if e.get("errorCode") == "Client.DryRunOperation"]
    created = {
        e["responseElements"]["networkInterface"]["networkInterfaceId"]: e for e in tried if "errorCode" not in e
    }
    assert len(dry) == len(created) == 4
    assert set(created) == {i.interface_id for i in made if i.start > 0}
    for interface in made:
        if interface.start > 0:
            event = created[interface.interface_id]
            answer = event["responseElements"]["networkInterface"]
            assert abs(_time(event).timestamp() - start - interface.start) < 1
            assert answer["privateIpAddress"] == interface.address
            assert event["userIdentity"]["invokedBy"] == event["sourceIPAddress"] == "lambda.amazonaws.com"
            assert "inScopeOf" not in event["userIdentity"], "Lambda itself, not the function's code"
            assert answer["description"].startswith(f"AWS Lambda VPC ENI-{interface.creator}-")
    deleted = [e["requestParameters"]["networkInterfaceId"] for e in _named(two_days, "DeleteNetworkInterface")]
    assert sorted(deleted) == sorted(i.interface_id for i in made if i.end < two_days.history.seconds)


def test_data_events_name_the_interface_of_each_invocation(two_days: Simulated) -> None:
    data = [e for e in two_days.events if e["eventCategory"] == "Data"]
    named: dict[str, Row] = {}
    waiting: dict[str, Row] = {}
    for event in data:
        has_interface = "customerEniId" in event["additionalEventData"]
        (named if has_interface else waiting)[event["requestID"]] = event
    truth = two_days.truth("invocations")
    assert len(named) == len(truth) > 5_000
    for invocation in truth:
        event = named[invocation["request_id"]]
        assert event["additionalEventData"]["customerEniId"] == (invocation["interface_id"] or "")
        name, version = event["additionalEventData"]["functionVersion"].split(":")[-2:]
        assert (name, version) == (invocation["function_name"], invocation["version"])
        assert event["eventTime"] == invocation["end"].strftime("%Y-%m-%dT%H:%M:%SZ")
        asynchronous = event["eventName"] == "InvokeExecution"
        assert asynchronous == (invocation["request_id"] in waiting)
    for event in waiting.values():
        assert event["eventName"] == "Invoke"
        assert event["requestParameters"]["invocationType"] == "Event"
    assert 0 < len(waiting) < len(named)


def test_data_events_are_off_unless_asked_for(quiet: Simulated, plain: Simulated) -> None:
    for simulated in (quiet, plain):
        assert len(simulated.events) > 100
        assert {e["eventCategory"] for e in simulated.events} == {"Management"}
        assert "customerEniId" not in json.dumps(simulated.events)


def test_digests_lie_beside_and_hold_no_events(two_days: Simulated) -> None:
    digests = two_days.files("/CloudTrail-Digest/")
    assert len(digests) == 48
    documents = [json.loads(gzip.decompress(p.read_bytes())) for p in digests]
    assert not any("Records" in d for d in documents)
    listed = {f["s3Object"] for d in documents for f in d["logFiles"]}
    assert listed
    assert all((two_days.root / "raw" / key).exists() for key in listed)
