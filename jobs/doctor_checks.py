"""The checks of `leasehold doctor` on what must stand before anything works: engine, credentials, raw folder, lake.

Each is a pure function from facts to findings.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta

from jobs.collect.failures import Failure
from jobs.doctor_aws import Aws
from jobs.doctor_finding import BLOCKS, COSTS, FINE, Finding, listed
from jobs.doctor_lake import LakeFacts
from jobs.doctor_places import Machine, Raw
from jobs.show import moment, span

_SKEW_COSTS, _SKEW_BLOCKS = 60, 300
"""Seconds: as far off AWS's own times may be; and where it refuses signatures."""

_LATE = timedelta(hours=26)
"""A nightly run is late after this."""

_ENTERING = ("assume_role", "get_caller_identity")

_UNASKED = {
    "describe_network_interfaces": (BLOCKS, "Who held an address there is not known, so nothing can be attributed"),
    "list_functions": (
        BLOCKS,
        "Which functions share an interface is not known, and metrics are not asked for: only the name of an "
        "interface's creator is left",
    ),
    "get_metric_data": (COSTS, "Which of the functions that share an interface ran is known from CloudTrail at most"),
    "get_function_configuration": (
        COSTS,
        "A function that is just being updated seems to have its new subnets and groups already",
    ),
    "describe_flow_logs": (COSTS, "Which flow logs there are, and whether AWS can deliver them, is not known"),
}

CREATE = (
    "aws ec2 create-flow-logs --resource-type VPC --resource-ids VPC_ID --traffic-type ALL --log-destination-type s3 "
    "--log-destination arn:aws:s3:::BUCKET --max-aggregation-interval 60 --log-format '${version} ${account-id} "
    "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} "
    "${action} ${log-status} ${vpc-id} ${subnet-id} ${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${region} "
    "${pkt-src-aws-service} ${pkt-dst-aws-service} ${flow-direction}'"
)
"""A flow log with all that is used of it, and what people who read it will want."""

COLLECT = "leasehold collect --raw RAW --regions REGION,…"

_NEEDED = {
    "vpc_flow_logs": (
        BLOCKS,
        "no VPC flow log",
        "There is nothing to attribute",
        "Copy AWSLogs/…/vpcflowlogs/… there; if there is no flow log yet, make one",
        CREATE,
    ),
    "describe_network_interfaces": (
        BLOCKS,
        "no poll of interfaces (snapshots/describe_network_interfaces/)",
        "Who held an address is known only where CloudTrail has the interface's creation",
        "Poll every half hour",
        COLLECT,
    ),
    "list_functions": (
        COSTS,
        "no poll of functions (snapshots/list_functions/)",
        "Which functions share an interface is not known: only the name of an interface's creator is left",
        "Poll every half hour",
        COLLECT,
    ),
    "get_metric_data": (
        COSTS,
        "no answer with metrics (snapshots/get_metric_data/)",
        "Which of the functions that share an interface ran is known from CloudTrail at most",
        "Poll every half hour",
        COLLECT,
    ),
    "cloudtrail": (
        COSTS,
        "no CloudTrail file",
        "A hand-over of an address is only as exact as half the gap between two polls",
        "Copy AWSLogs/…/CloudTrail/… there; if there is no trail yet, make one",
        "aws cloudtrail create-trail --name leasehold --s3-bucket-name BUCKET --is-multi-region-trail && "
        "aws cloudtrail start-logging --name leasehold",
    ),
}


def engine(facts: Machine) -> list[Finding]:
    """Can the jobs run here?"""
    if facts.lack:
        what = f"The engine {facts.engine} cannot run here"
        other = ", or set `engine: sail`, which needs no Java" if facts.engine == "spark" else ""
        return [Finding(BLOCKS, "engine", what, "No job can run", f"{facts.lack}{other}")]
    if not facts.jars:
        return [
            Finding(
                COSTS,
                "engine",
                "Spark has not fetched its Delta jars yet",
                "The first start takes longer, and fails where Maven Central cannot be reached",
                "Start it once with access to it",
                "leasehold demo --engine spark --days 10",
            )
        ]
    return [Finding(FINE, "engine", f"The engine {facts.engine} can run")]


def credentials(facts: Aws, needed: bool) -> list[Finding]:
    """Who is the caller? `needed`: accounts are configured, or the raw folder or the lake is on S3."""
    worse = BLOCKS if needed else COSTS
    if facts.unchecked:
        return []
    if facts.refused:
        said = facts.refused
        what = f"AWS credentials: {said.code}: {said.message}"
        cost = "Nothing can be polled or read from S3" if needed else "`leasehold collect` cannot poll"
        return [Finding(worse, "credentials", what, cost, said.advice)]
    found = [Finding(FINE, "credentials", f"The AWS credentials are of account {facts.caller}")]
    if facts.no_region:
        fix = "Set `regions: [eu-west-1]` in the settings, or AWS_REGION"
        found.append(Finding(worse, "regions", "No region is named", "`leasehold collect` cannot poll", fix))
    return found


def clock(facts: Aws) -> list[Finding]:
    """Does this machine's clock agree with AWS's?"""
    if facts.clock_seconds is None:
        return []
    off, ahead = int(abs(facts.clock_seconds)), "ahead of" if facts.clock_seconds > 0 else "behind"
    if off <= _SKEW_COSTS:
        return [Finding(FINE, "clock", "The clock agrees with AWS's")]
    severity = BLOCKS if off > _SKEW_BLOCKS else COSTS
    cost = "Polls are dated wrongly, and with them every lease"
    cost += "; AWS refuses what is signed more than 5 minutes off" if severity == BLOCKS else ""
    what = f"This machine's clock is {span(off)} {ahead} AWS's"
    return [Finding(severity, "clock", what, cost, "Set the clock, and keep it by NTP", "timedatectl set-ntp true")]


def access(facts: Aws) -> list[Finding]:
    """Can each account be entered, and may the collectors ask what they need?"""
    found = []
    for account in (one for one in facts.failures if one.operation in _ENTERING):
        why = f"{account.operation}: {account.code}: {account.message}"
        what = f"Account {account.account_id} cannot be entered ({why})"
        cost = "Nothing of it is polled: its addresses stay without an owner"
        found.append(Finding(BLOCKS, "accounts", what, cost, account.advice))
    told: dict[tuple[str, str], list[Failure]] = {}
    for one in facts.failures:
        if one.operation not in _ENTERING:
            told.setdefault((one.operation, one.code), []).append(one)
    for (operation, code), failures in told.items():
        severity, cost = _UNASKED.get(operation, (COSTS, ""))
        where = listed(f"{one.account_id} {one.region}" for one in failures)
        what = f"{operation} fails in {where} ({code}: {failures[0].message})"
        found.append(Finding(severity, "permissions", what, cost, failures[0].advice))
    if facts.polled and not found:
        count = f"{len(facts.polled)} account{'s' if len(facts.polled) > 1 else ''} × region"
        found.append(Finding(FINE, "permissions", f"All that is polled may be asked for ({count})"))
    return found


def raw(facts: Raw, taken_in: Iterable[str]) -> list[Finding]:
    """Is there what ingest needs? `taken_in`: the kinds that the lake has already."""
    nothing, known = "Nothing can be taken in", set(taken_in)
    if not facts.checked:
        return []
    if facts.problem:
        fix = facts.remedy or (
            "Set `raw` in the settings, or give --raw: a folder with AWS's files as they lie there (AWSLogs/…). "
            "`leasehold collect` makes it, and adds the polls"
        )
        return [Finding(BLOCKS, "raw", f"{facts.problem[:1].upper()}{facts.problem[1:]}", nothing, fix)]
    if not facts.kinds and not facts.unnamed and facts.whole:
        fix = "Copy AWS's files (AWSLogs/…) there, and poll"
        collect = f"leasehold collect --raw {shlex.quote(facts.root)} --regions REGION,…"
        return [Finding(BLOCKS, "raw", f"There is no file below {facts.root!r}", nothing, fix, collect)]
    if (facts.unnamed or not facts.whole) and not known:  # They tell by their content: only ingest knows.
        return [Finding(FINE, "raw", f"There are files below {facts.root!r}")]
    found = []
    for kind in (kind for kind in _NEEDED if kind not in known | facts.kinds):
        severity, what, cost, fix, command = _NEEDED[kind]
        found.append(Finding(severity, "raw", f"There is {what} below {facts.root!r}", cost, fix, command))
    return found or [Finding(FINE, "raw", f"There are files of every kind below {facts.root!r}")]


def lake(facts: LakeFacts) -> list[Finding]:
    """Are the tables there, and can anybody read them?"""
    where = f"{facts.root!r}"
    if facts.unreadable:
        fix = "Check --lake, and whether its files may be read; what a lake lost is made again from the raw files"
        return [Finding(BLOCKS, "lake", f"The lake {where} cannot be read: {facts.unreadable}", "Nothing works", fix)]
    if not facts.there:
        fix = "Run the days that the raw files have"
        command = "leasehold run nightly --start 2026-03-11 --end 2026-03-12"
        return [Finding(BLOCKS, "lake", f"There are no tables in {where} yet", "Nothing can be asked", fix, command)]
    found = []
    if facts.lacking:
        columns = listed(f"{name}.{column}" for name, lacking in facts.lacking.items() for column in lacking)
        what = f"The lake {where} was made by another version of Leasehold: it lacks {columns}"
        fix = f"Move {where} away, and run its days again: everything is made anew from the raw files"
        found.append(Finding(BLOCKS, "lake", what, "Runs cannot write these tables", fix))
    if facts.missing:
        what = f"The lake {where} lacks {listed(facts.missing)}"
        found.append(
            Finding(
                COSTS, "lake", what, "What they hold cannot be asked", "Nothing: the next `leasehold run` makes them"
            )
        )
    if facts.odd:
        what = f"Delta protocol other than reader 1, writer 2: {listed(f'{n} {v}' for n, v in facts.odd.items())}"
        cost = "Athena, Trino or Redshift may not read these tables"
        fix = "Nobody but Leasehold should change its tables' properties; move these tables away and run the days again"
        found.append(Finding(COSTS, "lake", what, cost, fix))
    return found or [Finding(FINE, "lake", f"The tables in {where} are sound")]


def runs(facts: LakeFacts, now: datetime) -> list[Finding]:
    """Did the last run of each job end well, and was it lately?"""
    found = []
    for run in facts.runs:
        if run["outcome"] != "done":
            what = f"The last run of {run['job']} failed at {moment(run['started_at'])}: {run['outcome']}"
            fix = "Mend what it says, then run it again"
            if run["window_start"] is None:  # no job of the pipeline
                cost = "Small files and old versions pile up"
                found.append(Finding(COSTS, "runs", what, cost, fix, f"leasehold {run['job']}"))
                continue
            window = f"--start {run['window_start']:%Y-%m-%dT%H} --end {run['window_end']:%Y-%m-%dT%H}"
            cost, again = "What comes after it is as old as the run before", f"leasehold run hourly {window}"
            found.append(Finding(BLOCKS, "runs", what, cost, fix, again))
            break  # The jobs after it have not run for this very reason.
    until = facts.taken_in_until
    if until and now - until > _LATE:
        ago = span(int((now - until).total_seconds()))
        what = f"The last window that was taken in ended at {moment(until)}, {ago} ago"
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        command = f"leasehold run nightly --start {until:%Y-%m-%d} --end {midnight:%Y-%m-%d}"
        found.append(Finding(COSTS, "runs", what, "Nothing since then is seen", "Run it every night", command))
    if until and not found:
        found.append(Finding(FINE, "runs", f"The last runs are done, until {moment(until)}"))
    return found
