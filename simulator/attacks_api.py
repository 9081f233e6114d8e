"""The company's scenarios that show in what functions, or somebody with their credentials, ask of AWS."""

from __future__ import annotations

import numpy as np

from simulator.account import Call, hosts
from simulator.cloudtrail_shapes import management, person
from simulator.effects import Effects
from simulator.lifecycle import DAY, History
from simulator.stage import HOUR, chosen, hang_on, moment, ride, runs, stranger

_UNUSUAL = (
    (("iam", "ListUsers"), ("iam", "CreateUser"), ("iam", "CreateAccessKey")),
    (("iam", "ListRoles"), ("iam", "AttachRolePolicy")),
    (("secretsmanager", "ListSecrets"), ("secretsmanager", "GetSecretValue")),
    (("lambda", "ListFunctions20150331"), ("lambda", "UpdateFunctionCode20150331v2")),
    (("ec2", "DescribeSnapshots"), ("ec2", "ModifySnapshotAttribute")),
)
_LOOKED_AT = (
    ("iam", "ListUsers"), ("iam", "ListRoles"), ("iam", "GetAccountAuthorizationDetails"), ("s3", "ListBuckets"),
    ("ec2", "DescribeInstances"), ("secretsmanager", "ListSecrets"), ("kms", "ListKeys"),
    ("rds", "DescribeDBInstances"), ("lambda", "ListFunctions20150331"), ("organizations", "ListAccounts"),
)  # fmt: skip


def unusual_api_call(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Smuggled-in code makes calls that the function never made, once."""
    function, name = chosen(history, rng, effects, runs), "unusual_api_call"
    asked = _UNUSUAL[int(rng.integers(len(_UNUSUAL)))]
    start = moment(history, rng, DAY)
    begin, end, _ = ride(history, effects, rng, name, function, (start, start + DAY), [_asks(asked, 9)], 1)
    text = f"{function.name} calls {', '.join(call for _, call in asked)}"
    effects.tell(name, [function.name], begin, end, ["unusual_api_call"], text)


def denied_api_calls(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Smuggled-in code tries out what the function's role may do: it may hardly do anything."""
    function, name = chosen(history, rng, effects, runs), "denied_api_calls"
    start = moment(history, rng, DAY)
    own = effects.background[function.name]
    first = int(np.searchsorted(own.start, start))
    those = own.where(np.repeat(np.arange(first, min(first + 2, len(own))), int(rng.integers(2, 5))))
    call = _asks(_LOOKED_AT, min(20.0, function.timeout / 2), denied=0.95)
    begin, end, _ = hang_on(history, effects, rng, name, function, those, [call], over=float(rng.uniform(1, 30)))
    families = ["api_error_burst", "unusual_api_call"]
    effects.tell(name, [function.name], begin, end, families, f"{function.name} is refused dozens of API calls")


def new_api_region(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Smuggled-in code makes the function's usual calls, but in a region where the company has nothing."""
    function = chosen(history, rng, effects, lambda f: runs(f) and any(call.api for call in f.calls))
    name, region = "new_api_region", str(rng.choice(["ap-southeast-1", "sa-east-1", "me-south-1"]))
    usual = next((c.api for c in function.calls if c.api), (("ec2.amazonaws.com", "DescribeInstances"),))
    start = moment(history, rng, DAY)
    call = Call(hosts("203.0.113", 160, 184), 443, "AMAZON", service="AMAZON", api=usual, api_region=region)
    begin, end, _ = ride(history, effects, rng, name, function, (start, start + DAY), [call], 5)
    families = ["api_new_region", "unusual_api_call"]
    effects.tell(name, [function.name], begin, end, families, f"{function.name} calls AWS in {region}")


def stolen_credentials(history: History, rng: np.random.Generator, effects: Effects) -> None:
    """Somebody uses a function's credentials from outside: the role's session, but no function and another address."""
    function, name, place = chosen(history, rng, effects, runs), "stolen_credentials", stranger(rng)
    start = moment(history, rng, 3 * HOUR)
    agent = str(
        rng.choice(["aws-cli/2.33.2 md/awscrt#0.29.2 os/linux", "Boto3/1.42.61 md/Botocore#1.42.61 os/windows"])
    )
    usual = [api for call in function.calls for api in call.api]
    asked = [
        ("sts.amazonaws.com", "GetCallerIdentity"),
        *((f"{s}.amazonaws.com", n) for s, n in _LOOKED_AT[3:5]),
        *usual,
    ]
    times = np.sort(start + rng.uniform(0, 3 * HOUR, len(asked)))
    for n, (names, time) in enumerate(zip(asked, times.tolist(), strict=True)):
        session = person(function.role, function.name, effects.start + time, function.role_id)
        read = names[1].startswith(("Get", "List", "Describe"))
        effects.events.append(
            management(
                effects.seed, effects.start, time, session, (place, agent), names, f"{name} {n}", None, read_only=read
            )
        )
    text = f"somebody at {place} uses the credentials of {function.name}"
    families = ["credentials_outside", "unusual_api_call"]
    effects.tell(name, [function.name], float(times[0]), float(times[-1]), families, text, None, [place])


def _asks(asked: tuple[tuple[str, str], ...], seconds: float, denied: float = 0.0) -> Call:
    """AWS over the internet; through a VPC's endpoint only what has one, and these have not."""
    api = tuple((f"{source}.amazonaws.com", call) for source, call in asked)
    addresses = hosts("203.0.113", 160, 184)
    return Call(addresses, 443, "AMAZON", seconds=seconds, service="AMAZON", api=api, api_denied=denied)
