"""Every finding of `leasehold doctor` provoked once, from facts; and facts in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs import doctor_checks, doctor_log_checks
from jobs.collect.failures import Failure
from jobs.doctor_aws import Aws, FlowLog
from jobs.doctor_checks import CREATE
from jobs.doctor_finding import BLOCKS, COSTS, FINE, Finding, in_order, listed
from jobs.doctor_lake import LakeFacts
from jobs.doctor_places import Machine, Raw, of_names
from jobs.sources.flow_log_fields import fields_of

ACCOUNT, REGION = "123456789012", "eu-west-1"
PLACE, OTHER = (ACCOUNT, REGION), ("210987654321", "us-east-1")
NOW = datetime(2026, 3, 12, 1, 30, tzinfo=UTC)
UNTIL = datetime(2026, 3, 12, tzinfo=UTC)
FIELDS = frozenset(
    fields_of([word[2:-1] for word in CREATE.partition("--log-format '")[2].removesuffix("'").split()])[0]
)
"""What the recommended command asks for."""

KINDS = ("vpc_flow_logs", "cloudtrail", "describe_network_interfaces", "list_functions", "get_metric_data")


def place(**more: Any) -> dict[str, Any]:
    return {"account_id": ACCOUNT, "region": REGION, "last": UNTIL - timedelta(minutes=5)} | more


def poll(operation: str, **more: Any) -> dict[str, Any]:
    return place(operation=operation, polls=336, usual=1_800.0) | more


def run(job: str, outcome: str = "done") -> dict[str, Any]:
    begin, end = UNTIL - timedelta(days=1), UNTIL
    return {"job": job, "started_at": NOW, "window_start": begin, "window_end": end, "outcome": outcome}


def failed(operation: str, code: str = "AccessDenied", **more: Any) -> Failure:
    return Failure(
        **({"account_id": ACCOUNT, "region": REGION, "operation": operation, "code": code} | more),
        message="no",
        advice="Allow it",
    )


LOG = FlowLog("fl-1", ACCOUNT, REGION, FIELDS, "ALL", 60)
AWS = Aws(ACCOUNT, polled=(PLACE,), with_functions=frozenset([PLACE]), flow_logs=(LOG,), listed=frozenset([PLACE]))
LAKE = LakeFacts(
    "lake",
    runs=(run("ingest"), run("detect")),
    taken_in_until=UNTIL,
    kinds=frozenset(KINDS),
    flows=(place(flow_log_id="fl-1"),),
    flow_logs=(LOG,),
    trails=(place(event_category="Management", events=9), place(event_category="Data", events=9)),
    polls=(poll("describe_network_interfaces"), poll("list_functions")),
    missed=(place(interface_polls_missed=0, function_polls_missed=0),),
    lambda_places=frozenset([PLACE]),
)
RAW = Raw("raw", kinds=frozenset(KINDS))


def judged(lake: LakeFacts = LAKE, aws: Aws = AWS, raw: Raw = RAW, needed: bool = True) -> list[Finding]:
    """All checks on these facts."""
    return in_order(
        [
            *doctor_checks.engine(Machine("sail", None)),
            *doctor_checks.credentials(aws, needed),
            *doctor_checks.clock(aws),
            *doctor_checks.raw(raw, lake.kinds),
            *doctor_checks.access(aws),
            *doctor_log_checks.watched(aws),
            *doctor_checks.lake(lake),
            *doctor_checks.runs(lake, NOW),
            *doctor_log_checks.freshness(lake, NOW),
            *doctor_log_checks.polls(lake, [PLACE]),
            *doctor_log_checks.trails(lake),
            *doctor_log_checks.formats(doctor_log_checks.all_flow_logs(aws, lake.flow_logs)),
            *doctor_log_checks.outside(lake),
        ]
    )


def bad(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Severity and sentence of what is not fine; each says what it costs and what to do."""
    found = [finding for finding in findings if finding.severity != FINE]
    assert all(finding.cost and finding.fix for finding in found)
    return [(finding.severity, finding.what) for finding in found]


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    findings = judged(aws=replace(AWS, clock_seconds=-0.4))
    assert bad(findings) == []
    about = {finding.about for finding in findings}
    assert about == {
        "engine", "credentials", "clock", "raw", "permissions", "lake", "runs", "freshness", "polls", "CloudTrail",
        "flow logs",
    }  # fmt: skip


OLD = datetime(2026, 3, 11, 9, tzinfo=UTC)
FORMATS = {
    ("pkt_src_addr",): "pkt-srcaddr and pkt-dstaddr",
    ("pkt_dst_aws_service",): "pkt-src-aws-service and pkt-dst-aws-service",
    ("flow_direction",): "flow-direction",
    ("log_status",): "log-status",
    ("action",): "action",
    ("packets",): "bytes and packets",
    ("protocol",): "srcport, dstport and protocol",
}
DENIED = {
    "describe_network_interfaces": BLOCKS, "list_functions": BLOCKS, "get_metric_data": COSTS,
    "get_function_configuration": COSTS, "describe_flow_logs": COSTS,
}  # fmt: skip
PROVOKED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "no credentials": (
        {"aws": Aws(refused=failed("get_caller_identity", "ExpiredToken"))},
        [(BLOCKS, "AWS credentials: ExpiredToken: no")],
    ),
    "none needed": (
        {"aws": Aws(refused=failed("get_caller_identity", "NoCredentialsError")), "needed": False},
        [(COSTS, "AWS credentials: NoCredentialsError: no")],
    ),
    "no region": ({"aws": Aws(ACCOUNT, no_region="no region to poll")}, [(BLOCKS, "No region is named")]),
    "an hour ahead": (
        {"aws": replace(AWS, clock_seconds=3_600.0)},
        [(BLOCKS, "This machine's clock is 1 h ahead of AWS's")],
    ),
    "a little behind": (
        {"aws": replace(AWS, clock_seconds=-90.4)},
        [(COSTS, "This machine's clock is 1 min 30 s behind AWS's")],
    ),
    "an account that cannot be entered": (
        {"aws": replace(AWS, failures=(failed("assume_role", region="eu-west-1, eu-north-1"),))},
        [(BLOCKS, f"Account {ACCOUNT} cannot be entered (assume_role: AccessDenied: no)")],
    ),
    **{
        f"{operation} denied": (
            {"aws": replace(AWS, failures=(failed(operation), failed(operation, region="eu-north-1")))},
            [(severity, f"{operation} fails in {ACCOUNT} eu-north-1, {ACCOUNT} eu-west-1 (AccessDenied: no)")],
        )
        for operation, severity in DENIED.items()
    },
    "flow logs elsewhere": (
        {"aws": replace(AWS, flow_logs=(replace(LOG, destination="cloud-watch-logs"),)), "lake": LAKE},
        [(BLOCKS, f"Flow logs of {ACCOUNT} {REGION} go to CloudWatch Logs or Firehose only")],
    ),
    "no flow log": (
        {"aws": replace(AWS, flow_logs=())},
        [(BLOCKS, f"There is no VPC flow log in {ACCOUNT} {REGION}, where functions are in a VPC")],
    ),
    "AWS cannot deliver": (
        {"aws": replace(AWS, flow_logs=(replace(LOG, trouble="Access error"),))},
        [(BLOCKS, "AWS cannot deliver fl-1: Access error")],
    ),
    "a format without addresses": (
        {"aws": replace(AWS, flow_logs=(replace(LOG, fields=frozenset()),))},
        [(BLOCKS, "Flow log fl-1 without one of interface-id, srcaddr, dstaddr, start and end")],
    ),
    **{
        f"without {written}": (
            {"aws": replace(AWS, flow_logs=(replace(LOG, fields=FIELDS - set(names)), replace(LOG, flow_log_id="x")))},
            [(COSTS, f"Flow log fl-1 without {written}")],
        )
        for names, written in FORMATS.items()
    },
    "windows of ten minutes": (
        {"aws": Aws(), "lake": replace(LAKE, flow_logs=(replace(LOG, window_seconds=600, traffic=""),))},
        [(COSTS, "Flow log fl-1 with windows of 10 minutes")],
    ),
    "accepted only": (
        {"aws": replace(AWS, flow_logs=(replace(LOG, traffic="ACCEPT"),))},
        [(COSTS, "Flow log fl-1 with ACCEPT traffic only")],
    ),
    "rejected only": (
        {"aws": replace(AWS, flow_logs=(replace(LOG, traffic="REJECT"),))},
        [(BLOCKS, "Flow log fl-1 with REJECT traffic only")],
    ),
    "one of each": (
        {"aws": replace(AWS, flow_logs=tuple(replace(LOG, flow_log_id=t, traffic=t) for t in ("ACCEPT", "REJECT")))},
        [],
    ),
    "no raw folder": (
        {"raw": Raw("raw", "there is no raw folder 'raw'")},
        [(BLOCKS, "There is no raw folder 'raw'")],
    ),
    "an empty one": ({"raw": Raw("raw")}, [(BLOCKS, "There is no file below 'raw'")]),
    "an unreachable bucket": ({"raw": Raw("s3://b", checked=False)}, []),
    "files that only ingest knows": ({"raw": Raw("raw", unnamed=7), "lake": replace(LAKE, kinds=frozenset())}, []),
    "nothing needed is there": (
        {"raw": Raw("raw", kinds=frozenset(["x"])), "lake": replace(LAKE, kinds=frozenset())},
        [
            (BLOCKS, "There is no VPC flow log below 'raw'"),
            (BLOCKS, "There is no poll of interfaces (snapshots/describe_network_interfaces/) below 'raw'"),
            (COSTS, "There is no poll of functions (snapshots/list_functions/) below 'raw'"),
            (COSTS, "There is no answer with metrics (snapshots/get_metric_data/) below 'raw'"),
            (COSTS, "There is no CloudTrail file below 'raw'"),
        ],
    ),
    "an unreadable lake": (
        {"lake": replace(LAKE, unreadable="OSError: denied")},
        [(BLOCKS, "The lake 'lake' cannot be read: OSError: denied")],
    ),
    "no lake": ({"lake": LakeFacts("lake", there=False, kinds=frozenset(KINDS), polls=LAKE.polls)},
                [(BLOCKS, "There are no tables in 'lake' yet")]),
    "a lake of another version": (
        {"lake": replace(LAKE, missing=("failed_polls",), lacking={"coverage": ("a", "b")}, odd={"alerts": (3, 7)})},
        [
            (BLOCKS, "The lake 'lake' was made by another version of Leasehold: it lacks coverage.a, coverage.b"),
            (COSTS, "The lake 'lake' lacks failed_polls"),
            (COSTS, "Delta protocol other than reader 1, writer 2: alerts (3, 7)"),
        ],
    ),
    "a run that failed": (
        {"lake": replace(LAKE, runs=(run("ingest"), run("leases", "OSError: disk full"), run("detect", "x")))},
        [(BLOCKS, "The last run of leases failed at 2026-03-12 01:30:00Z: OSError: disk full")],
    ),
    "nobody runs it": (
        {"lake": replace(LAKE, taken_in_until=datetime(2026, 3, 10, tzinfo=UTC))},
        [(COSTS, "The last window that was taken in ended at 2026-03-10 00:00:00Z, 2 d 1 h ago")],
    ),
    "all sources stopped": (
        {
            "lake": replace(
                LAKE,
                flows=(place(last=OLD),),
                trails=tuple(place(event_category=c, last=OLD) for c in ("Management", "Data")),
                polls=tuple(poll(o, last=OLD) for o in ("describe_network_interfaces", "list_functions")),
            )
        },
        [
            (COSTS, f"No {what} of {ACCOUNT} {REGION} is later than 2026-03-11 09:00:00Z")
            for what in ("flow-log record", "CloudTrail event", "poll")
        ],
    ),
    "interfaces without flow logs": (
        {"lake": replace(LAKE, flows=(place(region="eu-north-1"),))},
        [(BLOCKS, f"Lambda has interfaces in {ACCOUNT} {REGION}, but no flow-log record is of there")],
    ),
    "another region is quiet": (
        {"lake": replace(LAKE, trails=(*LAKE.trails, place(event_category="Management", region="x", last=OLD)))},
        [],
    ),
    "no events": (
        {"lake": replace(LAKE, trails=())},
        [
            (COSTS, f"CloudTrail has no management events in {ACCOUNT} {REGION}"),
            (COSTS, f"CloudTrail has no data events of functions in {ACCOUNT} {REGION}"),
        ],
    ),
    "polls that failed": (
        {
            "lake": replace(
                LAKE,
                failed=tuple(
                    poll("list_functions", failed=3, error_code="Throttling", error_message="slow", what_to_do=None)
                    | {"last_at": last}
                    for last in (OLD, None, OLD - timedelta(days=8))
                ),
            )
        },
        [
            (COSTS, f"3 polls failed at list_functions in {ACCOUNT} {REGION}{last}: Throttling: slow")
            for last in (", the last at 2026-03-11 09:00:00Z", "")
        ],
    ),
    "polls too rare, missed and never": (
        {
            "lake": replace(
                LAKE,
                polls=(poll("describe_network_interfaces", usual=7_200.0),),
                missed=(place(interface_polls_missed=1_200, function_polls_missed=0),),
            )
        },
        [
            (COSTS, f"describe_network_interfaces is polled only every 2 h in {ACCOUNT} {REGION}"),
            (COSTS, f"About 1,200 polls of describe_network_interfaces are missing in {ACCOUNT} {REGION}"),
            (COSTS, f"No whole answer of list_functions is of {ACCOUNT} {REGION} within a week"),
        ],
    ),
    "an account that was never polled": (
        {"lake": replace(LAKE, polls=(), lambda_places=frozenset())},
        [
            (BLOCKS, f"No whole answer of {operation} is of {ACCOUNT} {REGION} within a week")
            for operation in ("describe_network_interfaces", "list_functions")
        ],
    ),
    "functions outside": (
        {"lake": replace(LAKE, outside=("Webhook", "w"))},
        [(COSTS, "Functions outside any VPC: Webhook, w")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), PROVOKED.values(), ids=PROVOKED)
def test_each_finding_is_provoked_and_no_other(facts: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert bad(judged(**facts)) == expected


def test_engines() -> None:
    java = doctor_checks.engine(Machine("spark", "Java 11 is too old: Spark 4 needs Java 17"))
    assert bad(java) == [(BLOCKS, "The engine spark cannot run here")]
    assert java[0].fix.startswith("Java 11 is too old") and "engine: sail" in java[0].fix
    assert bad(doctor_checks.engine(Machine("sail", "pysail is not installed"))) == [
        (BLOCKS, "The engine sail cannot run here")
    ]
    assert bad(doctor_checks.engine(Machine("spark", None, jars=False))) == [
        (COSTS, "Spark has not fetched its Delta jars yet")
    ]


def test_what_aws_describes_counts_more_than_what_records_show() -> None:
    """A flow log of both is listed once; those that AWS does not tell of are known by their records."""
    seen = [replace(LOG, window_seconds=600), replace(LOG, flow_log_id="fl-2")]
    assert doctor_log_checks.all_flow_logs(AWS, seen) == [LOG, seen[1]]


def test_of_many_names_some_are_said() -> None:
    assert listed(f"f{n}" for n in range(9)) == "f0, f1, f2, f3, f4, f5 and 3 more"


def test_kinds_by_their_paths() -> None:
    names = [
        "a/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/11/x.log.gz",
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/03/11/x.json.gz",
        "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/03/11/x.json.gz",
        "snapshots/list_functions/2026/03/11/x.json.gz",
        "snapshots/failed_polls/2026/03/11/x.json.gz",
    ]
    found = of_names("raw", names, whole=True)
    assert (found.kinds, found.unnamed) == ({"vpc_flow_logs", "cloudtrail", "list_functions"}, 1)
