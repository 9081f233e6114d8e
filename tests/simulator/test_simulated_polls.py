"""What pollers stored, against what was really there."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

from simulated import Row, Simulated

_START = datetime(2026, 2, 1, tzinfo=UTC)
_OPERATIONS = ("describe_network_interfaces", "list_functions", "get_metric_data")


def test_files_are_named_by_operation_and_time(two_days: Simulated) -> None:
    for operation in _OPERATIONS:
        pattern = rf"^123456789012_{operation}_eu-west-1_(\d{{8}}T\d{{6}})Z\.json\.gz$"
        for path, poll in zip(two_days.files(f"snapshots/{operation}/"), two_days.polls(operation), strict=True):
            named = re.match(pattern, path.name)
            assert named, path.name
            at = datetime.fromisoformat(poll["polled_at"])
            assert at == datetime.fromisoformat(named[1] + "Z")
            assert path.parent.as_posix().endswith(f"snapshots/{operation}/{at:%Y/%m/%d}")
            assert poll["operation"] == operation
    assert len(two_days.polls("describe_network_interfaces")) == 97
    assert len(two_days.polls("list_functions")) == 97


def test_polls_show_exactly_the_interfaces_that_exist(two_days: Simulated) -> None:
    seen = set()
    for poll in two_days.polls("describe_network_interfaces"):
        moment = (datetime.fromisoformat(poll["polled_at"]) - _START).total_seconds()
        (answer,) = poll["responses"]
        rows = answer["NetworkInterfaces"]
        shown = {r["NetworkInterfaceId"] for r in rows if r["InterfaceType"] == "lambda"}
        alive = {i.interface_id for i in two_days.history.interfaces if i.start <= moment < i.end}
        assert shown == alive
        assert len(rows) == len(alive) + len(two_days.history.resources)
        addresses = [r["PrivateIpAddress"] for r in rows]
        assert len(set(addresses)) == len(addresses), "an address has one holder"
        seen.add(frozenset(shown))
    assert len(seen) >= 6, "interfaces come and go"


def test_interfaces_look_as_ec2_shows_them(two_days: Simulated) -> None:
    rows: dict[str, Row] = {}
    for row in two_days.polls("describe_network_interfaces")[0]["responses"][0]["NetworkInterfaces"]:
        rows.setdefault(row["Description"].split("-")[0].split("/")[0] or row["TagSet"][0]["Value"], row)
    ours = rows["AWS Lambda VPC ENI"]
    assert re.fullmatch(r"AROA[0-9A-F]{17}:123456789012", ours["RequesterId"])
    assert ours["Attachment"]["InstanceOwnerId"] == "amazon-aws"
    assert "AttachTime" not in ours["Attachment"]
    assert ours["TagSet"] == []
    assert re.fullmatch(r"AWS Lambda VPC ENI-\w+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ours["Description"])
    assert rows["RDSNetworkInterface"]["RequesterId"] == "amazon-rds"
    assert rows["Interface for NAT Gateway nat"]["Association"]["PublicIp"] == "203.0.113.5"
    assert rows["payroll-01"]["Attachment"]["InstanceId"].startswith("i-0")


def _latest(poll: Row, name: str) -> Row | None:
    rows = poll["responses"][0]["Functions"]
    return next((f for f in rows if f["FunctionName"] == name and f["Version"] == "$LATEST"), None)


def test_an_update_in_progress_still_shows_what_serves(two_days: Simulated) -> None:
    polls = two_days.polls("list_functions")
    states = [(row["LastUpdateStatus"], row["VpcConfig"]["SecurityGroupIds"][0]) for p in polls
              if (row := _latest(p, "NightlyReport"))]  # fmt: skip
    changes = [state for n, state in enumerate(states) if n == 0 or state != states[n - 1]]
    assert [status for status, _ in changes] == ["Successful", "InProgress", "Successful"]
    assert changes[0][1] == changes[1][1] != changes[2][1]


def test_functions_and_versions_appear_and_disappear(two_days: Simulated) -> None:
    polls = two_days.polls("list_functions")
    assert [_latest(p, "RefundHandler") is not None for p in (polls[0], polls[-1])] == [False, True]
    assert [_latest(p, "LegacyExport") is not None for p in (polls[0], polls[-1])] == [True, False]
    last = polls[-1]["responses"][0]["Functions"]
    versions = [f["Version"] for f in last if f["FunctionName"] == "OrderIngest"]
    assert versions == ["$LATEST", "1", "2", "3", "4"]
    hashes = {f["CodeSha256"] for f in last if f["FunctionName"] == "OrderIngest"}
    assert len(hashes) == 4, "$LATEST is the newest version's code"
    assert all(f["FunctionArn"].endswith(f"{f['FunctionName']}:{f['Version']}") for f in last)
    outside = _latest(polls[0], "Webhook")
    assert outside is not None
    assert "VpcConfig" not in outside


def _metrics(simulated: Simulated) -> dict[tuple[str, str, str], dict[str, float]]:
    """Every value by function, metric, statistic and minute; a minute may come only once."""
    values: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for poll in simulated.polls("get_metric_data"):
        asked = {q["Id"]: q["MetricStat"] for q in poll["request"]["MetricDataQueries"]}
        for result in poll["responses"][0]["MetricDataResults"]:
            stat = asked[result["Id"]]
            metric = stat["Metric"]
            series = values[(metric["Dimensions"][0]["Value"], metric["MetricName"], stat["Stat"])]
            for minute, value in zip(result["Timestamps"], result["Values"], strict=True):
                assert minute not in series
                assert poll["request"]["StartTime"] <= minute < poll["request"]["EndTime"]
                series[minute] = value
    return values


def test_minutes_of_cloudwatch_count_the_invocations(two_days: Simulated, plain: Simulated) -> None:
    for simulated in (two_days, plain):
        until = max(p["request"]["EndTime"] for p in simulated.polls("get_metric_data"))
        told = _metrics(simulated)
        counted: Counter[tuple[str, str]] = Counter()
        longest: dict[tuple[str, str], float] = defaultdict(float)
        for i in simulated.truth("invocations"):
            key = (i["function_name"], i["start"].replace(second=0, microsecond=0).isoformat())
            if key[1] < until:
                counted[key] += 1
                longest[key] = max(longest[key], (i["end"] - i["start"]).total_seconds() * 1_000)
        found = {(f, m): v for (f, n, _), s in told.items() if n == "Invocations" for m, v in s.items()}
        assert found == dict(counted), "and no data point where nothing ran"
        durations = {(f, m): v for (f, n, s), d in told.items() if (n, s) == ("Duration", "Maximum")
                     for m, v in d.items()}  # fmt: skip
        assert all(abs(durations[key] - value) < 0.02 for key, value in longest.items())
        errors = sum(v for (_, n, _), s in told.items() if n == "Errors" for v in s.values())
        assert errors > 0


def test_a_flood_is_seen_in_concurrency(two_days: Simulated) -> None:
    series = _metrics(two_days)[("CartService", "ConcurrentExecutions", "Maximum")]
    flood = [v for minute, v in series.items() if "2026-02-02T15:00" <= minute < "2026-02-02T15:30"]
    rest = [v for minute, v in series.items() if minute < "2026-02-02T15:00"]
    assert len(flood) == 30
    assert min(flood) > max(rest)


def test_missed_polls_leave_gaps_but_no_minute_out(plain: Simulated) -> None:
    times = [datetime.fromisoformat(p["polled_at"]) for p in plain.polls("describe_network_interfaces")]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert 145 * 0.65 < len(times) < 145 * 0.95
    assert max(gaps) > timedelta(minutes=19)
    requests = [p["request"] for p in plain.polls("get_metric_data")]
    assert all(b["StartTime"] == a["EndTime"] for a, b in itertools.pairwise(requests))
