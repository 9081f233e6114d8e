"""AWS for the collectors: moto, recorded answers where it lacks the shape, and failures; every call is noted.

Everything hooks into botocore's events, so that the code under test makes its clients, signs, pages and retries as
it would outside.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse

Row = dict[str, Any]

OWN, SECOND, THIRD = "123456789012", "111122223333", "444455556666"
NOW = datetime(2026, 3, 2, 10, 20, 30, tzinfo=UTC)
RECORDED = Path(__file__).parents[2] / "fixtures" / "raw" / "snapshots"


@dataclass(frozen=True)
class Call:
    """One call of an API."""

    account_id: str
    """whose keys it was signed with"""
    assumed: bool
    """by those of an assumed role"""
    region: str
    service: str
    operation: str
    params: Row = field(hash=False)

    @property
    def action(self) -> str:
        """What a policy has to allow for it."""
        return f"{self.service}:{self.operation}"


Script = Callable[[Call], Row | None]
"""What is answered to a call; None: let moto answer. An answer with `Error` is raised."""


class Aws:
    """What is answered, and what was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.scripts: dict[str, Script] = {}
        """by operation"""
        self.throttled: dict[tuple[str, str, str], int] = {}
        """(account, region, operation) → how many attempts more are throttled"""
        self.attempts: Counter[tuple[str, str, str]] = Counter()
        self._owners: dict[str, str] = {}
        self.secrets: list[str] = []
        """keys and tokens that were handed out"""

    def handlers(self) -> list[tuple[str, Any]]:
        """For botocore.handlers.BUILTIN_HANDLERS."""
        return [
            ("before-parameter-build", self._note_params),
            ("before-call", self._before_call),
            ("before-send", self._before_send),
            ("after-call.sts.AssumeRole", self._after_assume_role),
        ]

    def answer(self, operation: str, *answers: Row) -> None:
        """Answer calls of an operation with these, in turn."""
        waiting = iter(answers)
        self.scripts[operation] = lambda _: next(waiting)

    def asked(self, operation: str) -> list[Row]:
        """The parameters of the calls of an operation."""
        return [call.params for call in self.calls if call.operation == operation]

    def _note_params(self, params: Row, context: Row, **_: Any) -> None:
        context["asked"] = dict(params)

    def _before_call(self, model: Any, request_signer: Any, context: Row, **_: Any) -> tuple[AWSResponse, Row] | None:
        credentials = request_signer._credentials
        key = credentials.access_key if credentials else None
        context["place"] = (self._owners.get(key, OWN), context["client_region"], model.name)
        call = Call(
            context["place"][0], key in self._owners, context["client_region"],
            model.service_model.service_name, model.name, context["asked"],
        )  # fmt: skip
        self.calls.append(call)
        answer = self.scripts[model.name](call) if model.name in self.scripts else None
        if answer is None:
            return None
        return AWSResponse("", 403 if "Error" in answer else 200, {}, None), answer

    def _before_send(self, request: Any, **_: Any) -> AWSResponse | None:
        place = next((p for p in self.throttled if p == request_place(request, self._owners)), None)
        if place is None:
            return None
        self.attempts[place] += 1
        if self.throttled[place] <= 0:
            return None
        self.throttled[place] -= 1
        body = (
            b"<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message>"
            b"</Error></Errors><RequestID>r-1</RequestID></Response>"
        )
        return AWSResponse(request.url, 503, {"content-type": "text/xml"}, _Raw(body))

    def _after_assume_role(self, parsed: Row, **_: Any) -> None:
        given = parsed.get("Credentials")
        if given:
            self._owners[given["AccessKeyId"]] = parsed["AssumedRoleUser"]["Arn"].split(":")[4]
            self.secrets += [given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]]


class _Raw:
    """A response's body as urllib3 gives it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body


def request_place(request: Any, owners: dict[str, str]) -> tuple[str, str, str]:
    """Account, region and operation of a signed EC2 request."""
    authorization = request.headers["Authorization"]
    text = authorization.decode() if isinstance(authorization, bytes) else authorization
    key, _, region, _, _ = text.partition("Credential=")[2].partition(",")[0].split("/")
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    return owners.get(key, OWN), region, body.partition("Action=")[2].partition("&")[0]


def recorded_interfaces() -> list[Row]:
    """Interfaces with Lambda's among them, which moto cannot make: as boto3 gives them."""
    path = next((RECORDED / "describe_network_interfaces").rglob("*T100001Z.json.gz"))
    found = [item for page in envelope(path)["responses"] for item in page["NetworkInterfaces"]]
    for item in found:
        attached = (item.get("Attachment") or {}).get("AttachTime")
        if attached:
            item["Attachment"]["AttachTime"] = datetime.fromisoformat(attached)
    return found


def client(service: str, region: str, account_id: str = OWN) -> Any:
    """A client for preparing an account in moto."""
    if account_id == OWN:
        return boto3.client(service, region_name=region)
    role = f"arn:aws:iam::{account_id}:role/setup"
    given = boto3.client("sts", region_name=region).assume_role(RoleArn=role, RoleSessionName="setup")["Credentials"]
    return boto3.client(
        service,
        region_name=region,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def make_function(name: str, region: str, account_id: str = OWN, publish: bool = False) -> None:
    """A function in a VPC, with a secret in its environment."""
    iam = client("iam", region, account_id)
    if not any(role["RoleName"] == "worker" for role in iam.list_roles()["Roles"]):
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
    ec2 = client("ec2", region, account_id)
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    client("lambda", region, account_id).create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account_id}:role/worker",
        Handler="app.handler",
        Code={"ZipFile": b"no zip is opened"},
        VpcConfig={"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]},
        Environment={"Variables": {"DATABASE_PASSWORD": "correct-horse"}},
        Publish=publish,
    )


def files(raw: Path, kind: str = "*") -> list[Path]:
    """The stored files of an operation."""
    return sorted(raw.glob(f"snapshots/{kind}/*/*/*/*"))


def envelope(path: Path) -> Row:
    """A stored file."""
    return json.loads(gzip.decompress(path.read_bytes()))
