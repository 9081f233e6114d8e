"""The parts that CloudTrail events are made of: who, from where, what was asked and answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from simulator.account import ACCOUNT, REGION, RUNTIME, Function
from simulator.randomness import draw_keys, stable_id, stream, uuids

Object = dict[str, Any]

# IAM is one for the world: its events come from here, whatever the region of the caller.
GLOBAL_REGIONS = {"iam.amazonaws.com": "us-east-1"}
AGENT = (
    "Boto3/1.42.61 md/Botocore#1.42.61 ua/2.1 os/linux#5.10.247-261.962.amzn2.x86_64 md/arch#x86_64 "
    f"lang/python#3.12.12 md/pyimpl#CPython exec-env/AWS_Lambda_{RUNTIME} cfg/retry-mode#legacy Botocore/1.42.61"
)
_SESSION = 6 * 3_600


class Event(NamedTuple):
    """An event and what its delivery depends on; the time is in seconds from the simulation's start."""

    time: float
    key: int
    content: Object
    region: str = REGION


def stamp(moment: float) -> str:
    """Unix seconds as CloudTrail writes them."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def function_arn(function: Function, version: str) -> str:
    """The ARN of a version."""
    return f"{function.arn}:{version}"


def code_hash(function: Function, release: int) -> str:
    """CodeSha256 of a release, in base 64 as Lambda gives it."""
    return stable_id("", "code", function.name, release, length=43) + "="


def in_function(function: Function, version: str, moment: float) -> Object:
    """userIdentity of code that runs in a function."""
    identity = _assumed_role(function.role, function.role_id, function.name, moment)
    identity["inScopeOf"] = {
        "issuerType": "AWS::Lambda::Function",
        "credentialsIssuedTo": function.arn,
        "credentialsIssuedToVersion": function_arn(function, version),
    }
    return identity


def lambda_itself(function: Function, moment: float) -> Object:
    """userIdentity of Lambda at work with the function's execution role: it names no function."""
    session = f"awslambda_{int(moment) % 1_000}_{datetime.fromtimestamp(moment, UTC):%Y%m%d%H%M%S}000"
    identity = _assumed_role(function.role, function.role_id, session, moment)
    identity["invokedBy"] = "lambda.amazonaws.com"
    return identity


def person(role: str, session: str, moment: float, role_id: str | None = None) -> Object:
    """userIdentity of somebody outside with a role: the deployment pipeline, an operator, a thief of credentials."""
    return _assumed_role(role, role_id or stable_id("AROA", "role", role).upper(), session, moment)


def _assumed_role(role: str, role_id: str, session: str, moment: float) -> Object:
    issued = moment - moment % _SESSION
    return {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": stable_id("ASIAEXAMPLE", role, session, issued, length=9).upper(),
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
                "accountId": ACCOUNT,
                "userName": role,
            },
            "attributes": {"creationDate": stamp(issued), "mfaAuthenticated": "false"},
        },
    }


def refusal(function: Function, source: str, event_name: str) -> Object:
    """Why AWS refuses a call of the function."""
    action = f"{source.split('.')[0]}:{event_name}"
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{function.role}/{function.name}"
    text = f"User: {who} is not authorized to perform: {action} because no identity-based policy allows the {action}"
    return {"errorCode": "AccessDenied", "errorMessage": f"{text} action"}


def tls(source: str, region: str = REGION) -> Object:
    """tlsDetails of a call to that service."""
    host = source if source in GLOBAL_REGIONS else source.replace(".", f".{region}.", 1)
    return {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": host,
    }


def management(
    seed: int,
    start: int,
    time: float,
    identity: Object,
    origin: tuple[str, str],
    names: tuple[str, str],
    label: str,
    request: Object | None,
    response: Object | None = None,
    error: tuple[str, str] | None = None,
    read_only: bool = False,
) -> Event:
    """A management event of this region.

    `origin` is (source address, user agent), `names` (event source, event name); these and the label
    make its id.
    """
    keys = draw_keys(stream(seed, "event", *names, label), 1)
    content: Object = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": stamp(start + time),
        "eventSource": names[0],
        "eventName": names[1],
        "awsRegion": REGION,
        "sourceIPAddress": origin[0],
        "userAgent": origin[1],
    }
    if error:
        content |= {"errorCode": error[0], "errorMessage": error[1]}
    content |= {
        "requestParameters": request,
        "responseElements": None if error else response,
        "requestID": uuids(keys, 23)[0],
        "eventID": uuids(keys, 21)[0],
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    if not origin[0].endswith("amazonaws.com"):
        content["tlsDetails"] = tls(names[0])
    return Event(time, int(keys[0]), content)


_USER = "svc-backup"
_REQUESTS: dict[str, Object] = {
    "GetSecretValue": {"secretId": "orders-db/credentials"},
    "GetParameter": {"name": "/shop/settings", "withDecryption": True},
    "DescribeTable": {"tableName": "catalogue"},
    "DetectLabels": {"image": {"s3Object": {"bucket": "shop-media", "name": "incoming/frame.jpg"}}},
    "StartExecution": {
        "stateMachineArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:Payments",
        "input": "HIDDEN_DUE_TO_SECURITY_REASONS",
    },
    "ListUsers": {"maxItems": 100},
    "CreateUser": {"userName": _USER},
    "CreateAccessKey": {"userName": _USER},
}


def request_of(event_name: str) -> Object | None:
    """requestParameters of a function's call."""
    return _REQUESTS.get(event_name)


def response_of(event_name: str, key: int, moment: float) -> Object | None:
    """responseElements: CloudTrail keeps them for calls that change something."""
    created = datetime.fromtimestamp(moment, UTC).strftime("%b %-d, %Y, %-I:%M:%S %p")
    if event_name == "StartExecution":
        run = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:Payments:{key:016x}"
        return {"executionArn": run, "startDate": created}
    if event_name == "CreateUser":
        arn = f"arn:aws:iam::{ACCOUNT}:user/{_USER}"
        user_id = stable_id("AIDA", _USER).upper()
        user = {"path": "/", "userName": _USER, "userId": user_id, "arn": arn, "createDate": created}
        return {"user": user}
    if event_name == "CreateAccessKey":
        access_key = stable_id("AKIAEXAMPLE", _USER, length=9).upper()
        return {
            "accessKey": {
                "userName": _USER, "accessKeyId": access_key, "status": "Active", "createDate": created,
            }
        }  # fmt: skip
    return None
