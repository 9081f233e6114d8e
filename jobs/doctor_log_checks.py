"""The checks of `leasehold doctor` on what the logs hold: freshness, formats, CloudTrail, polls, blind spots.

Each is a pure function from facts to findings. Costs are those of this pipeline: of a field that nothing is made of
yet none is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from jobs.doctor_aws import Aws, FlowLog
from jobs.doctor_checks import COLLECT, CREATE
from jobs.doctor_finding import BLOCKS, COSTS, FINE, Finding, listed
from jobs.doctor_lake import LakeFacts
from jobs.show import moment, span

Row = dict[str, Any]

_SOURCES = (
    (
        "flow-log record",
        "Does AWS deliver (DeliverLogsStatus), and do the files come below the raw folder?",
        "aws ec2 describe-flow-logs --region REGION",
    ),
    ("CloudTrail event", "Is the trail logging?", "aws cloudtrail get-trail-status --name TRAIL"),
    ("poll", "Is `leasehold collect` scheduled every half hour, and does it end well?", COLLECT),
)
_STOPPED = {"flow-log record": timedelta(hours=3), "CloudTrail event": timedelta(hours=6), "poll": timedelta(hours=3)}
"""So long before the end of what was taken in the last one is old: flow logs may come an hour late and more."""

_RARE_SECONDS = 3_600
"""Polls farther apart leave hand-overs that are off by more than half an hour."""

_FIELDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("pkt_src_addr", "pkt_dst_addr"),
        "pkt-srcaddr and pkt-dstaddr",
        "What lies behind a gateway, a firewall or a load balancer on the way shows as that box, not as itself",
    ),
    (
        ("pkt_src_aws_service", "pkt_dst_aws_service"),
        "pkt-src-aws-service and pkt-dst-aws-service",
        "AWS's services show as public addresses, which change: a new address of S3 looks like a stranger, and alarms",
    ),
    (
        ("flow_direction",),
        "flow-direction",
        "Records whose addresses no poll has shown for the interface are left out, since nothing says which side is "
        "the function",
    ),
    (
        ("log_status",),
        "log-status",
        "There are no NODATA and SKIPDATA lines: silence and lost files look alike",
    ),
    (("action",), "action", "Refused connections look like made ones"),
    (("bytes", "packets"), "bytes and packets", "How much a function sent and received is not known"),
    (
        ("src_port", "dst_port", "protocol"),
        "srcport, dstport and protocol",
        "Everything between two addresses is one conversation: a new port of a known peer is not seen",
    ),
)
_MAKE = "Make a flow log there that writes to S3"
_UNSEEN = "Nothing that its functions send is seen"
_OFTEN = "Poll every half hour"
_EVENTS = (
    (
        "Management", "no management events",
        "A hand-over of an address is only as exact as half the gap between two polls", "Have the trail log them",
        "aws cloudtrail put-event-selectors --trail-name TRAIL --event-selectors "
        '\'[{"ReadWriteType":"All","IncludeManagementEvents":true}]\'',
    ),
    (
        "Data", "no data events of functions",
        "Which of the functions that share an interface sent something is estimated where it could be known; "
        "`leasehold coverage` says for which functions that matters most",
        "Have the trail log them (AWS charges for them; the command replaces the selectors that the trail has)",
        "aws cloudtrail put-event-selectors --trail-name TRAIL --advanced-event-selectors "
        '\'[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]},{"FieldSelectors":[{"Field":'
        '"eventCategory","Equals":["Data"]},{"Field":"resources.type","Equals":["AWS::Lambda::Function"]}]}]\'',
    ),
)  # fmt: skip
_NEW = "A flow log cannot be changed: make a new one, and delete the old one when it delivers"


def all_flow_logs(aws: Aws, of_records: Iterable[FlowLog]) -> list[FlowLog]:
    """Each flow log once: as AWS describes it, else as its records show it."""
    described = {one.flow_log_id: one for one in aws.flow_logs}
    return [*described.values(), *(one for one in of_records if one.flow_log_id not in described)]


def formats(found: list[FlowLog]) -> list[Finding]:
    """What the flow logs leave out, and what that costs."""
    findings = []
    readable = [one for one in found if one.destination == "s3"]
    for one in found:
        if one.trouble:
            what = f"AWS cannot deliver {one.flow_log_id}: {one.trouble}"
            fix = "Let delivery.logs.amazonaws.com write to the bucket (its policy, and its KMS key's)"
            findings.append(Finding(BLOCKS, "flow logs", what, "Its records are lost", fix))
    of_use = [one for one in readable if one.fields is not None]
    useless = [one for one in of_use if not one.fields]
    if useless:
        what = f"{_names(useless)} without one of interface-id, srcaddr, dstaddr, start and end"
        findings.append(Finding(BLOCKS, "flow logs", what, "Nothing of them can be read", _NEW, CREATE))
    for names, written, cost in _FIELDS:
        lacking = [one for one in of_use if one.fields and not set(names) <= one.fields]
        if lacking:
            findings.append(Finding(COSTS, "flow logs", f"{_names(lacking)} without {written}", cost, _NEW, CREATE))
    coarse = [one for one in readable if (one.window_seconds or 0) > 60]
    if coarse:
        cost = (
            "A beacon that comes more often than about every 15 minutes cannot be seen, and what two functions did "
            "one after the other on an address within one window cannot be told apart"
        )
        what = f"{_names(coarse)} with windows of 10 minutes"
        findings.append(Finding(COSTS, "flow logs", what, cost, _NEW, CREATE))
    findings += _traffic(readable)
    if found and not findings:
        findings.append(Finding(FINE, "flow logs", f"{_names(found)}: all that is used of them is there"))
    return findings


def _traffic(found: list[FlowLog]) -> list[Finding]:
    """Flow logs of only one sort of traffic, where no other takes the rest."""
    findings = []
    for sort, rest, severity, cost in (
        ("ACCEPT", "REJECT", COSTS, "What security groups refuse is not seen: nobody notices a function that probes"),
        ("REJECT", "ACCEPT", BLOCKS, "Only what was refused is seen, and nothing that a function really did"),
    ):
        enough = {(one.account_id, one.region) for one in found if one.traffic in ("ALL", rest)}
        only = [one for one in found if one.traffic == sort and (one.account_id, one.region) not in enough]
        if only:
            what = f"{_names(only)} with {sort} traffic only"
            findings.append(Finding(severity, "flow logs", what, cost, _NEW, CREATE))
    return findings


def watched(aws: Aws) -> list[Finding]:
    """Is there a flow log on S3 wherever functions are in a VPC?"""
    findings = []
    readable = {(one.account_id, one.region) for one in aws.flow_logs if one.destination == "s3"}
    others = {(one.account_id, one.region) for one in aws.flow_logs} - readable
    for places, what, cost in (
        (others, "Flow logs of {} go to CloudWatch Logs or Firehose only", "Leasehold reads them from files"),
        (
            (aws.with_functions & aws.listed) - readable - others,
            "There is no VPC flow log in {}, where functions are in a VPC",
            _UNSEEN,
        ),
    ):
        if places:
            findings.append(Finding(BLOCKS, "flow logs", what.format(_where(places)), cost, _MAKE, CREATE))
    return findings


def freshness(lake: LakeFacts, now: datetime) -> list[Finding]:
    """Has any source stopped, in an account and region, before the end of what was taken in?"""
    if lake.taken_in_until is None:
        return []
    until = min(now, lake.taken_in_until)
    # Elsewhere a day may well pass without any event.
    of_lambda = [row for row in lake.trails if (row["account_id"], row["region"]) in lake.lambda_places]
    findings = []
    for (what, fix, command), rows in zip(_SOURCES, (lake.flows, of_lambda, lake.polls), strict=True):
        latest: dict[str, datetime] = {}
        for row in rows:
            place = f"{row['account_id']} {row['region']}"
            latest[place] = max(latest.get(place, row["last"]), row["last"])
        old = {place: last for place, last in latest.items() if until - last > _STOPPED[what]}
        if old:
            longest = min(old.values())
            said = f"No {what} of {listed(old)} is later than {moment(longest)}"
            unseen = span(int((until - longest).total_seconds()))
            cost = f"Until {moment(until)}, the end of what was taken in, {unseen} are not seen"
            findings.append(Finding(COSTS, "freshness", said, cost, fix, command))
    silent = lake.lambda_places - {(row["account_id"], row["region"]) for row in lake.flows}
    if silent:
        said = f"Lambda has interfaces in {_where(silent)}, but no flow-log record is of there"
        findings.append(Finding(BLOCKS, "freshness", said, _UNSEEN, _MAKE, CREATE))
    return findings or [Finding(FINE, "freshness", f"All sources reach {moment(until)}")]


def trails(lake: LakeFacts) -> list[Finding]:
    """Does CloudTrail tell of changes, and of invocations, where Lambda has interfaces?"""
    findings = []
    for category, what, cost, fix, command in _EVENTS:
        told = {(row["account_id"], row["region"]) for row in lake.trails if row["event_category"] == category}
        if lacking := lake.lambda_places - told:
            findings.append(
                Finding(COSTS, "CloudTrail", f"CloudTrail has {what} in {_where(lacking)}", cost, fix, command)
            )
    if lake.lambda_places and not findings:
        findings.append(Finding(FINE, "CloudTrail", "Management and data events are there"))
    return findings


def polls(lake: LakeFacts, configured: Iterable[tuple[str, str]]) -> list[Finding]:
    """Which polls failed, are missing, came too rarely, or never? `configured`: accounts and regions to be polled."""
    places = {*configured, *lake.lambda_places}
    findings = [finding for row in lake.failed if (finding := _failure(row, lake.taken_in_until))]
    for operation, name, cost in (
        ("describe_network_interfaces", "interface_polls_missed", "Who held an address there is not known"),
        ("list_functions", "function_polls_missed", "Which functions share an interface there is not known"),
    ):
        seen = {(row["account_id"], row["region"]): row for row in lake.polls if row["operation"] == operation}
        if never := places - set(seen):
            # Where there are leases something else has told of interfaces.
            severity = BLOCKS if never - lake.lambda_places else COSTS
            what = f"No whole answer of {operation} is of {_where(never)} within a week"
            findings.append(Finding(severity, "polls", what, cost, _OFTEN, COLLECT))
        if rare := {place: row["usual"] for place, row in seen.items() if (row["usual"] or 0) > _RARE_SECONDS}:
            usual = int(max(rare.values()))
            what = f"{operation} is polled only every {span(usual)} in {_where(rare)}"
            late = f"Without CloudTrail a hand-over of an address may be off by {span(usual // 2)}"
            findings.append(Finding(COSTS, "polls", what, late, _OFTEN, COLLECT))
        if missed := [row for row in lake.missed if row[name]]:
            where = _where((row["account_id"], row["region"]) for row in missed)
            what = f"About {sum(row[name] for row in missed):,} polls of {operation} are missing in {where}"
            fix = "Does the scheduler start `leasehold collect` every time?"
            findings.append(Finding(COSTS, "polls", what, "Hand-overs in these gaps are less exact", fix))
    if places and not findings:
        findings.append(Finding(FINE, "polls", "Polls come often enough, and none failed"))
    return findings


def _failure(row: Row, until: datetime | None) -> Finding | None:
    """Polls that failed in the same way; None for what is long over."""
    if until and row["last_at"] and until - row["last_at"] > timedelta(days=7):
        return None
    last = f", the last at {moment(row['last_at'])}" if row["last_at"] else ""
    said = ": ".join(part for part in (row["error_code"], row["error_message"]) if part)
    place = f"{row['account_id']} {row['region']}"
    what = f"{row['failed']:,} polls failed at {row['operation']} in {place}{last}: {said}"
    fix = row["what_to_do"] or "The next poll asks again"
    return Finding(COSTS, "polls", what, "What they would have shown is not known", fix)


def outside(lake: LakeFacts) -> list[Finding]:
    """Functions that no flow log can show."""
    if not lake.outside:
        return []
    what = f"Functions outside any VPC: {listed(lake.outside)}"
    cost, fix = "Flow logs do not reach them: nothing that they send is seen", "Give those that matter a VPC"
    command = (
        "aws lambda update-function-configuration --function-name NAME --vpc-config "
        "SubnetIds=SUBNET_ID,SecurityGroupIds=GROUP_ID"
    )
    return [Finding(COSTS, "functions", what, cost, fix, command)]


def _names(found: list[FlowLog]) -> str:
    return f"Flow log{'s' if len(found) > 1 else ''} {listed(one.flow_log_id for one in found)}"


def _where(places: Iterable[tuple[str, str]]) -> str:
    return listed(" ".join(place) for place in places)
