"""A deny policy with a date on the functions' roles: it ends by itself, even if nobody rolls it back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from jobs.errors import LeaseholdError
from jobs.respond.model import Aws, Case, Change, Seen, State, Way
from jobs.respond.radius import what_stops

NAME = "role policy"
POLICY = "inline policy of a role"
_KEPT = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
"""Still allowed: what the function logs is evidence."""
_CANNOT = (
    "Traffic that needs no AWS credentials, as to an address on the internet, goes on.",
    "Resources whose own policy lets the world in, and URLs that were signed for others' credentials.",
    "IAM takes some seconds until it holds everywhere.",
)


def plan(case: Case, seen: Seen | None) -> Way:
    """An inline policy for each role of the alert's functions."""
    does = "Deny the functions' roles every AWS call but writing logs, until a date."
    base = Way(NAME, "Deny the functions' roles, until a date", does, cannot=_CANNOT)
    roles = sorted({place.role for place in case.places if place.role})
    if not roles:
        return replace(base, obstacle=case.without("role"))
    sharing = sorted({place.function_name for place in case.history.functions if place.role in roles})
    rows = what_stops(case, sharing)
    calls = ", ".join(f"{row['who']} {row['api_calls']:,} of {row['apis']} sorts" for row in rows)
    costs = (
        f"Every function with these roles loses its AWS calls. Since {case.history.first_day}: {calls}.",
        "In a VPC a function that needs a new network interface cannot start while it is denied.",
        "All sessions of the roles are hit, also those that others assumed.",
    )
    base = replace(base, radius=rows, costs=costs)
    linked = [role for role in roles if "/aws-service-role/" in role]
    if linked:
        return replace(base, obstacle=f"{linked[0]} is a service-linked role: IAM lets nobody change it")
    if seen is None:
        return base
    return replace(base, changes=tuple(_change(case, role) for role in roles))


def _change(case: Case, role: str) -> Change:
    name = role.rpartition("/")[2]
    after = {"PolicyName": f"leasehold-{case.alert_id}", "PolicyDocument": _document(None)}
    says = f"{name}: inline policy {after['PolicyName']} denies all but writing logs"
    return Change(POLICY, name, says, None, after)


def _document(until: str | None) -> dict[str, object]:
    statement: dict[str, object] = {"Sid": "Leasehold", "Effect": "Deny", "NotAction": _KEPT, "Resource": "*"}
    if until:
        statement["Condition"] = {"DateLessThan": {"aws:CurrentTime": until}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def dated(change: Change, expires: datetime | None) -> Change:
    """The policy with its date. Raises LeaseholdError without one."""
    if expires is None:
        raise LeaseholdError("a deny policy on a role needs an end: apply it with --ttl, without --forever")
    until = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = {**change.after, "PolicyDocument": _document(until)}
    return replace(change, says=f"{change.says}, until {until}", after=after)


def look(aws: Aws, change: Change, action_id: str) -> State:
    """How the policy's name is taken in the role. It is ours if it says the same, date and all."""
    del action_id
    try:
        there = aws("iam").get_role_policy(RoleName=change.resource, PolicyName=change.after["PolicyName"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return State.before
        raise
    return State.ours if there["PolicyDocument"] == change.after["PolicyDocument"] else State.other


def do(aws: Aws, change: Change, action_id: str) -> None:
    """Put the policy."""
    del action_id
    document = json.dumps(change.after["PolicyDocument"])
    name = change.after["PolicyName"]
    aws("iam").put_role_policy(RoleName=change.resource, PolicyName=name, PolicyDocument=document)


def undo(aws: Aws, change: Change, action_id: str) -> None:
    """Delete it again."""
    del action_id
    aws("iam").delete_role_policy(RoleName=change.resource, PolicyName=change.after["PolicyName"])
