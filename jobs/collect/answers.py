"""What is asked of EC2 and Lambda, and what of the answers is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobs.collect.store import Row
from jobs.sources.times import instant

Clock = Callable[[], datetime]

RECENT = timedelta(hours=1)
"""A function changed longer ago than this is not asked for its state: an update takes minutes."""

_PAGE = {"MaxResults": 1000}
"""Without it EC2 makes one answer of everything, and of many interfaces none in time."""
_VERSIONS = {"FunctionVersion": "ALL"}
_STATES = ("State", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReasonCode")
_KEPT = {
    "FunctionName", "FunctionArn", "Runtime", "Role", "Handler", "CodeSize", "Description", "Timeout", "MemorySize",
    "LastModified", "CodeSha256", "Version", "VpcConfig", "DeadLetterConfig", "TracingConfig", "MasterArn",
    "RevisionId", "Layers", "FileSystemConfigs", "SigningProfileVersionArn", "SigningJobArn", "PackageType",
    "Architectures", "EphemeralStorage", "SnapStart", "RuntimeVersionConfig", "LoggingConfig", "TenancyConfig",
    "CapacityProviderConfig", *_STATES,
}  # fmt: skip
"""Of a function so much is kept. Not kept: `Environment`, which holds secrets, start commands of images, which may,
and what AWS will add."""

Answer = tuple[datetime, Row, list[Row]]
"""(when it was asked for, the request, its pages)"""


def pages(client: Any, operation: str, request: Row, now: Clock) -> Answer:
    """All pages of an answer; half an answer is none: whatever is raised on the way is raised."""
    asked_at = now()
    found = list(client.get_paginator(operation).paginate(**request))
    # Of the HTTP answer nothing is of use: request ids and headers.
    return asked_at, request, [{k: v for k, v in page.items() if k != "ResponseMetadata"} for page in found]


def interfaces(client: Any, now: Clock) -> Answer:
    """DescribeNetworkInterfaces, unfiltered: who had an address names the peers, too."""
    return pages(client, "describe_network_interfaces", _PAGE, now)


def flow_logs(client: Any, now: Clock) -> Answer:
    """DescribeFlowLogs: which formats are written where."""
    return pages(client, "describe_flow_logs", _PAGE, now)


def functions(client: Any, now: Clock) -> tuple[Answer, Exception | None]:
    """ListFunctions of all versions, with `State` and `LastUpdateStatus` of those that changed within the hour.

    ListFunctions leaves both out; only GetFunctionConfiguration says them, a call a version, and they only matter
    while an update is under way: until it is done, the old configuration keeps serving. So a version whose
    LastModified is older than RECENT keeps them unsaid. Polled at 10:00: of a function changed at 09:58 it is asked,
    of one changed at 08:30 not.

    If it may not be asked, or does not answer, the list is returned without, and the error with it.
    """
    asked_at, request, found = pages(client, "list_functions", _VERSIONS, now)
    error: Exception | None = None
    for page in found:
        page["Functions"] = [{k: v for k, v in item.items() if k in _KEPT} for item in page.get("Functions") or []]
        for item in page["Functions"]:
            modified = instant(item.get("LastModified"))
            if error or modified is None or modified < asked_at - RECENT:
                continue
            try:
                item.update(_states(client, item))
            except (ClientError, BotoCoreError) as raised:
                error = raised
    return (asked_at, request, found), error


def _states(client: Any, item: Row) -> Row:
    try:
        said = client.get_function_configuration(FunctionName=item["FunctionName"], Qualifier=item["Version"])
    except client.exceptions.ResourceNotFoundException:
        return {}  # deleted since it was listed
    return {name: said[name] for name in _STATES if said.get(name)}


def names(answer: list[Row]) -> set[str]:
    """The functions in a stored or fresh answer of ListFunctions."""
    return {item["FunctionName"] for page in answer for item in page.get("Functions") or [] if item.get("FunctionName")}


def utc_now() -> datetime:
    """The clock, to the second, as polls are dated."""
    return datetime.now(UTC).replace(microsecond=0)
