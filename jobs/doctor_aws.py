"""Facts from AWS for `leasehold doctor`: who the caller is, what may be asked where, and which flow logs there are.

Each call is made once or twice, with short timeouts, and asks for the smallest answer. Nothing is changed or stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from conf.settings import Account, Settings
from jobs.collect.access import Access, Clients, enter, regions_of
from jobs.collect.failures import FAILURES, Failure, failure
from jobs.doctor_places import Raw, of_names
from jobs.errors import LeaseholdError
from jobs.sources.flow_log_fields import DEFAULT_FIELDS, fields_of

Row = dict[str, Any]
_ATTEMPTS, _CONNECT_SECONDS, _READ_SECONDS = 2, 4, 12
_ANY_REGION = "us-east-1"
_METRIC = {"Namespace": "AWS/Lambda", "MetricName": "Invocations"}
_OBJECTS = 1_000
_SILENCE = (exceptions.HTTPClientError, exceptions.ConnectionError)
"""No network, or one that lets nobody out."""


@dataclass(frozen=True)
class FlowLog:
    """One VPC flow log, as AWS describes it or as its records show it."""

    flow_log_id: str
    account_id: str
    region: str
    fields: frozenset[str] | None = None
    """our names of its columns; None: not known"""
    traffic: str = ""
    """ALL, ACCEPT or REJECT; empty: not known"""
    window_seconds: int | None = None
    destination: str = "s3"
    trouble: str = ""
    """what AWS says of its delivery, where that fails"""


@dataclass(frozen=True)
class Aws:
    """What AWS said."""

    caller: str = ""
    """account of the credentials"""
    unchecked: str = ""
    """why nothing was asked, or AWS did not answer"""
    refused: Failure | None = None
    """why the credentials are none"""
    no_region: str = ""
    failures: tuple[Failure, ...] = ()
    """accounts that could not be entered, and calls that failed"""
    polled: tuple[tuple[str, str], ...] = ()
    """account and region of each place that could be entered"""
    with_functions: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """places that have a function in a VPC"""
    flow_logs: tuple[FlowLog, ...] = ()
    listed: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """places whose flow logs are known"""
    clock_seconds: float | None = None
    """how far this machine's clock is ahead of AWS's"""


def look(settings: Settings, now: Callable[[], datetime]) -> Aws:
    """Ask AWS about the caller, and about each account and region of the settings."""
    try:
        clients = Clients(_ATTEMPTS, _CONNECT_SECONDS, _READ_SECONDS)
    except LeaseholdError as error:  # a profile that is not there
        return Aws(refused=Failure("", "", "get_caller_identity", "Profile", str(error), "Correct AWS_PROFILE"))
    home = (*settings.regions, clients.home() or _ANY_REGION)[0]
    try:
        answer = clients.client("sts", home).get_caller_identity()
    except _SILENCE as error:
        return Aws(unchecked=f"AWS does not answer ({type(error).__name__})")
    except ClientError as error:
        return Aws(refused=failure(error, "", home, "get_caller_identity"), clock_seconds=_ahead(error.response, now))
    except BotoCoreError as error:
        return Aws(refused=failure(error, "", home, "get_caller_identity"))
    caller, ahead = str(answer["Account"]), _ahead(answer, now)
    accounts = settings.accounts or (Account(caller),)
    try:
        where = {account: regions_of(account, (), settings.regions, clients.home()) for account in accounts}
    except LeaseholdError as error:
        return Aws(caller, no_region=str(error), clock_seconds=ahead)
    with ThreadPoolExecutor(max(settings.collect_threads, 1)) as pool:
        looked = list(pool.map(lambda account: _account(clients, account, where[account], now), accounts))
    places = [place for found in looked for place in found]
    return Aws(
        caller,
        failures=tuple(one for place in places for one in place.failures),
        polled=tuple((place.account_id, place.region) for place in places if place.entered),
        with_functions=frozenset((place.account_id, place.region) for place in places if place.in_vpc),
        flow_logs=tuple(one for place in places for one in place.flow_logs),
        listed=frozenset((place.account_id, place.region) for place in places if place.listed),
        clock_seconds=ahead,
    )


def bucket(root: str, settings: Settings) -> Raw:
    """What lies below `s3://bucket/prefix`, by the names of the first objects."""
    name, _, prefix = root.removeprefix("s3://").partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    try:
        clients = Clients(_ATTEMPTS, _CONNECT_SECONDS, _READ_SECONDS)
        region = (*settings.regions, clients.home() or _ANY_REGION)[0]
        answer = clients.client("s3", region).list_objects_v2(Bucket=name, Prefix=prefix, MaxKeys=_OBJECTS)
    except _SILENCE:
        return Raw(root, checked=False)
    except LeaseholdError as error:
        return Raw(root, f"{root!r} cannot be listed: {error}")
    except (ClientError, BotoCoreError) as error:
        said = failure(error, "", "", "list_objects_v2")
        return Raw(root, f"{root!r} cannot be listed: {said.code}: {said.message}", _bucket_advice(said, name))
    names = (entry["Key"].removeprefix(prefix) for entry in answer.get("Contents", ()))
    return of_names(root, names, not answer.get("IsTruncated"))


def _bucket_advice(said: Failure, name: str) -> str:
    if said.code in ("NoSuchBucket", "404"):
        return f"Correct the bucket's name, or make it: aws s3 mb s3://{name}"
    if said.code in ("AccessDenied", "403"):
        return (
            f"Allow s3:ListBucket on arn:aws:s3:::{name}, and s3:GetObject (of the lake also PutObject and "
            f"DeleteObject) on arn:aws:s3:::{name}/*"
        )
    return said.advice


@dataclass
class _Place:
    account_id: str
    region: str
    failures: list[Failure] = field(default_factory=list)
    entered: bool = True
    in_vpc: bool = False
    flow_logs: list[FlowLog] = field(default_factory=list)
    listed: bool = False


def _account(clients: Clients, account: Account, regions: list[str], now: Callable[[], datetime]) -> Iterable[_Place]:
    operation = "assume_role" if account.role_arn else "get_caller_identity"
    try:
        access = enter(clients, account, regions[0])
    except FAILURES as error:
        said = failure(error, account.account_id, ", ".join(regions), operation)
        return [_Place(account.account_id, "", [said], entered=False)]
    return [_place(partial(clients.client, region=region, access=access), access, region, now) for region in regions]


def _place(client: Callable[[str], Any], access: Access, region: str, now: Callable[[], datetime]) -> _Place:
    """Each call of the collectors, once, for the least that it can be asked for."""
    place = _Place(access.account_id, region)

    def ask(operation: str, service: str, **request: Any) -> Row:
        try:
            answer: Row = getattr(client(service), operation)(**request)
        except FAILURES as error:
            place.failures.append(failure(error, access.account_id, region, operation))
            return {}
        return answer

    ask("describe_network_interfaces", "ec2", MaxResults=5)
    functions = ask("list_functions", "lambda", MaxItems=50).get("Functions", [])
    place.in_vpc = any((function.get("VpcConfig") or {}).get("VpcId") for function in functions)
    if functions:
        ask("get_function_configuration", "lambda", FunctionName=functions[0]["FunctionName"])
    until = now()
    query = {"Id": "a", "MetricStat": {"Metric": _METRIC, "Period": 3_600, "Stat": "Sum"}}
    ask("get_metric_data", "cloudwatch", MetricDataQueries=[query], StartTime=until - timedelta(hours=1), EndTime=until)
    described = ask("describe_flow_logs", "ec2", MaxResults=1_000)
    place.listed = "FlowLogs" in described
    of_vpc = [one for one in described.get("FlowLogs", ()) if not str(one.get("ResourceId")).startswith("tgw-")]
    place.flow_logs = [_flow_log(one, place) for one in of_vpc]
    return place


def _flow_log(item: Row, place: _Place) -> FlowLog:
    words = [word.removeprefix("${").removesuffix("}") for word in str(item.get("LogFormat") or "").split()]
    failed = item.get("DeliverLogsStatus") == "FAILED"
    # A format that lacks what no reader can do without has no fields that are of use.
    fields = fields_of(words)[0] if words else DEFAULT_FIELDS
    return FlowLog(
        str(item.get("FlowLogId")),
        place.account_id,
        place.region,
        frozenset(fields),
        str(item.get("TrafficType") or ""),
        item.get("MaxAggregationInterval"),
        str(item.get("LogDestinationType") or "cloud-watch-logs"),
        str(item.get("DeliverLogsErrorMessage") or "no reason given") if failed else "",
    )


def _ahead(answer: Row, now: Callable[[], datetime]) -> float | None:
    """Seconds by which this machine's clock is ahead of the answer's HTTP date."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return (now() - parsedate_to_datetime(date).astimezone(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
