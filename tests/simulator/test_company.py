"""The company: the account in which detections are evaluated, and what goes wrong there."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simulated import Row, Simulated, make

from simulator.account import NAT_PUBLIC_ADDRESSES, SECOND_VPC, VPC
from simulator.company_scenarios import COMPANY_SCENARIOS
from simulator.simulate import Options, simulate

_DAYS = 6
_START = datetime(2026, 2, 1, tzinfo=UTC)
_OPTIONS = {"account": "company", "days": _DAYS, "functions": 60, "rate": 0.25, "seed": 5, "poll_minutes": 240}
_CONTROL = {
    "code_by_stranger": "UpdateFunctionCode20150331v2",
    "layer_added": "UpdateFunctionConfiguration20150331v2",
    "role_changed": "UpdateFunctionConfiguration20150331v2",
    "vpc_removed": "UpdateFunctionConfiguration20150331v2",
    "public_url": "CreateFunctionUrlConfig",
    "foreign_permission": "AddPermission20150331v2",
    "event_source_mapping": "CreateEventSourceMapping20150331",
}
_SILENCING = {"gone_silent", "vpc_removed"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Six days with every scenario."""
    return make(tmp_path_factory.mktemp("company"), **_OPTIONS)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The same six days in which nothing goes wrong."""
    return make(tmp_path_factory.mktemp("calm"), scenarios=(), **_OPTIONS)


@pytest.fixture(scope="module")
def story(company: Simulated) -> dict[str, list[Row]]:
    """The truth's rows by scenario."""
    rows = defaultdict(list)
    for row in company.truth("scenarios"):
        rows[row["scenario"]].append(row)
    return rows


def test_functions_are_of_all_sorts_in_two_vpcs_and_none(calm: Simulated) -> None:
    functions = calm.history.functions
    assert len(functions) == len({f.name for f in functions}) == 60
    assert {f.schedule[0] for f in functions} == {"every", "diurnal", "bursts", "asked"}
    assert any(f.schedule == ("every", 7 * 86_400.0) for f in functions)
    assert {r["vpc-id"] for r in calm.records} == {VPC, SECOND_VPC}
    assert any(not f.in_vpc for f in functions) and any(f.keeps_open for f in functions)
    sharing = defaultdict(set)
    for function in functions:
        if function.in_vpc:
            sharing[function.groups, function.subnets].add(function.name)
    sizes = [len(names) for names in sharing.values()]
    assert max(sizes) >= 3 and sizes.count(1) >= 10
    peers = defaultdict(set)
    for conversation in calm.truth("conversations"):
        peers[conversation["function_name"]].add(conversation["peer_addr"])
    counts = sorted(len(p) for p in peers.values())
    assert counts[len(counts) // 4] <= 4 and counts[-1] > 30, "static ones and wide ones"


def test_traffic_leaves_by_the_gateway_of_its_own_vpc(calm: Simulated) -> None:
    gateway = {r.address for r in calm.history.resources if r.interface_type == "nat_gateway"}
    assert len(gateway) == 2
    for record in calm.records:
        if record["srcaddr"] in gateway and record["traffic-path"] == "8":
            assert record["srcaddr"].startswith("10.1." if record["vpc-id"] == SECOND_VPC else "10.0.")
    vpcs = {i.address: SECOND_VPC if i.address.startswith("10.1.") else VPC for i in calm.history.interfaces}
    used = {
        (vpcs[lease["address"]], event["sourceIPAddress"])
        for lease in calm.truth("leases")
        for event in calm.events
        if event["sourceIPAddress"] in NAT_PUBLIC_ADDRESSES.values()
        and event["userIdentity"]
        .get("inScopeOf", {})
        .get("credentialsIssuedTo", "")
        .endswith(":" + lease["function_name"])
    }
    assert used and used <= set(NAT_PUBLIC_ADDRESSES.items())


def test_what_changes_without_being_wrong_is_told(calm: Simulated) -> None:
    quiet = calm.truth("quiet")
    kinds = {row["change"] for row in quiet}
    assert kinds >= {
        "new_dependency", "new_region", "database_failover", "cache_replaced", "balancer_readdressed", "outage",
        "campaign", "backfill", "slower_release",
    }  # fmt: skip
    conversations = calm.truth("conversations")
    codes = {
        (e["requestParameters"]["functionName"], e["eventTime"])
        for e in calm.events
        if e["eventName"].startswith("UpdateFunctionCode")
    }
    for row in (r for r in quiet if r["change"] == "new_dependency"):
        assert (row["function_name"], f"{row['start']:%Y-%m-%dT%H:%M:%SZ}") in codes, "a release came first"
    moved = next(r for r in quiet if r["change"] == "database_failover")
    address = moved["description"].rpartition(" ")[2]
    times = [c["start"] for c in conversations if c["peer_addr"] == address]
    assert times and min(times) >= moved["start"] - timedelta(minutes=5)
    regions = {e["awsRegion"] for e in calm.events if "inScopeOf" in e["userIdentity"]}
    assert "eu-central-1" in regions
    assert any(e.get("errorCode") == "AccessDenied" for e in calm.events), "now and then AWS refuses"


def test_every_scenario_is_told_with_whom_it_hits(company: Simulated, story: dict[str, list[Row]]) -> None:
    assert set(story) == set(COMPANY_SCENARIOS) and len(story) >= 20
    names = {f.name for f in company.history.functions}
    hit = [row["function_name"] for rows in story.values() for row in rows if row["function_name"]]
    assert set(hit) <= names
    assert len(set(hit)) > 0.9 * len(hit), "they do not pile up on one function"
    for name, rows in story.items():
        for row in rows:
            assert row["families"] and row["start"] < row["end"]
            if name != "exfiltration_ramp":
                assert row["start"] >= _START + timedelta(days=0.6 * _DAYS), "after what is learned"
    assert story["exfiltration_ramp"][0]["start"] < _START + timedelta(days=0.4 * _DAYS), "while all is being learned"


def test_what_scenarios_do_on_the_network_is_in_the_flow_log(company: Simulated, story: dict[str, list[Row]]) -> None:
    logged = {r["pkt-dstaddr"] for r in company.records}
    done = defaultdict(list)
    for conversation in company.truth("conversations"):
        done[conversation["scenario"]].append(conversation)
    told = {name for name, rows in story.items() if rows[0]["addresses"] and name != "stolen_credentials"}
    assert len(told) >= 17
    for name in told:
        addresses = set(story[name][0]["addresses"])
        assert {c["peer_addr"] for c in done[name]} == addresses
        assert {c["function_name"] for c in done[name]} == {row["function_name"] for row in story[name]}
        assert addresses & logged, name
    for name in ("port_scan", "slow_scan"):
        assert sum(c["refused"] for c in done[name]) > 0.8 * len(done[name])
    assert sum(c["bytes_out"] for c in done["exfiltration_new"]) > 2e7
    assert len(set(story["beacon_rotating"][0]["addresses"])) > 5
    gaps = [c["start"] for c in sorted(done["beacon_growing"], key=lambda c: c["start"])]
    grown = [(b - a).total_seconds() for a, b in itertools.pairwise(gaps)]
    assert all(1.4 < later / earlier < 1.8 for earlier, later in itertools.pairwise(grown))


def test_refused_packets_are_rejected_on_one_side_and_never_answered(company: Simulated) -> None:
    refused = [c for c in company.truth("conversations") if c["refused"]]
    ports = {(c["local_addr"], str(c["local_port"]), c["peer_addr"], str(c["peer_port"])) for c in refused}
    there = [r for r in company.records if (r["srcaddr"], r["srcport"], r["dstaddr"], r["dstport"]) in ports]
    back = [r for r in company.records if (r["dstaddr"], r["dstport"], r["srcaddr"], r["srcport"]) in ports]
    assert there and not back
    assert {"REJECT"} <= {r["action"] for r in there}


def test_a_scenario_leaves_the_background_as_it_was(
    company: Simulated, calm: Simulated, story: dict[str, list[Row]]
) -> None:
    silenced = {row["function_name"] for name in _SILENCING for row in story[name]}

    def normal(made: Simulated) -> list[Row]:
        return [c for c in made.truth("conversations") if not c["scenario"] and c["function_name"] not in silenced]

    def apart(rows: list[Row]) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "logged"} for row in rows]

    assert apart(normal(company)) == apart(normal(calm))
    row = story["gone_silent"][0]
    after = [
        i
        for i in company.truth("invocations")
        if i["function_name"] == row["function_name"] and i["start"] >= row["start"]
    ]
    before = [
        i
        for i in calm.truth("invocations")
        if i["function_name"] == row["function_name"] and i["start"] >= row["start"]
    ]
    assert before and not after


def test_who_changes_functions_is_in_the_trail_and_what_in_the_polls(
    company: Simulated, story: dict[str, list[Row]]
) -> None:
    for name, call in _CONTROL.items():
        row = story[name][0]
        found = [
            e for e in company.events
            if e["eventName"] == call and e["requestParameters"]["functionName"] == row["function_name"]
            and e["eventTime"] == f"{row['start']:%Y-%m-%dT%H:%M:%SZ}"
        ]  # fmt: skip
        assert len(found) == 1, name
        assert "assumed-role/PowerUser/" in found[0]["userIdentity"]["arn"]
    shown = company.polls("list_functions")[-1]["responses"][0]["Functions"]
    last = {f["FunctionName"]: f for f in shown if f["Version"] == "$LATEST"}
    assert "telemetry-shim" in json.dumps(last[story["layer_added"][0]["function_name"]]["Layers"])
    assert last[story["role_changed"][0]["function_name"]]["Role"].endswith("/AdministratorAutomation")
    left = story["vpc_removed"][0]
    assert last[left["function_name"]]["VpcConfig"]["SubnetIds"] == []
    asked = [e for e in company.events if e["eventName"] == _CONTROL["vpc_removed"]]
    gone = next(e for e in asked if e["requestParameters"].get("vpcConfig", {}).get("subnetIds") == [])
    assert gone["requestParameters"]["functionName"] == left["function_name"]
    assert gone["responseElements"]["vpcConfig"] == {"subnetIds": [], "securityGroupIds": [], "vpcId": ""}
    late = [
        c
        for c in company.truth("conversations")
        if c["function_name"] == left["function_name"] and c["start"] > left["end"] + timedelta(minutes=1)
    ]
    assert late == []


def test_where_nobody_watches_nothing_is_written(company: Simulated, story: dict[str, list[Row]]) -> None:
    dark, stopped = story["flow_logs_deleted"][0], story["trail_stopped"][0]
    begun = [datetime.fromtimestamp(int(r["start"]), UTC) for r in company.records]
    assert not [t for t in begun if dark["start"] + timedelta(minutes=11) < t < dark["end"]]
    assert any(t > dark["end"] for t in begun) or dark["end"] >= _START + timedelta(days=_DAYS)
    times = [e["eventTime"] for e in company.events]
    since, until = (f"{stopped[edge]:%Y-%m-%dT%H:%M:%SZ}" for edge in ("start", "end"))
    assert not [t for t in times if since < t < until]
    assert {"DeleteFlowLogs", "StopLogging"} <= {e["eventName"] for e in company.events}


def test_what_is_asked_of_aws_is_in_the_trail(company: Simulated, story: dict[str, list[Row]]) -> None:
    def by(name: str) -> list[Row]:
        row = story[name][0]
        since, until = (f"{row[e] + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}" for e, s in (("start", -1), ("end", 1)))
        role = f"assumed-role/{row['function_name']}-role/"
        return [
            e for e in company.events if since <= e["eventTime"] <= until and role in e["userIdentity"].get("arn", "")
        ]

    assert sum(e.get("errorCode") == "AccessDenied" for e in by("denied_api_calls")) >= 15
    assert {e["awsRegion"] for e in by("new_api_region")} & {"ap-southeast-1", "sa-east-1", "me-south-1"}
    stolen = [
        e for e in by("stolen_credentials") if e["sourceIPAddress"] in story["stolen_credentials"][0]["addresses"]
    ]
    assert len(stolen) >= 3
    assert all("inScopeOf" not in e["userIdentity"] for e in stolen)


def test_metrics_show_throttles_failures_and_long_runs(company: Simulated, story: dict[str, list[Row]]) -> None:
    totals: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for poll in company.polls("get_metric_data"):
        for result in poll["responses"][0]["MetricDataResults"]:
            totals[result["Id"].rpartition("_")[0], result["Label"].split(" ")[1]] += zip(
                result["Timestamps"], result["Values"], strict=True
            )

    def during(name: str, metric: str) -> list[float]:
        row = story[name][0]
        series = totals[row["function_name"].lower(), metric]
        return [v for t, v in series if row["start"] <= datetime.fromisoformat(t) <= row["end"]]

    assert sum(during("throttling", "Throttles")) > 50
    assert max(during("mining", "Duration")) > 1_000
    row = story["error_burst"][0]
    mine = [i for i in company.truth("invocations") if i["function_name"] == row["function_name"]]
    failed = [i["failed"] for i in mine if row["start"] <= i["start"] <= row["end"]]
    assert sum(failed) >= 0.3 * len(failed) > 0


def test_a_threat_list_lies_beside_the_logs(company: Simulated, story: dict[str, list[Row]]) -> None:
    listed = (company.root / "threat_lists" / "tor_exits.txt").read_text().splitlines()
    assert set(story["threat_list_destination"][0]["addresses"]) <= set(listed)
    assert len(listed) > 100
    met = {c["peer_addr"] for c in company.truth("conversations") if not c["scenario"]}
    assert met.isdisjoint(listed), "nobody talks to them otherwise"


def test_the_seed_decides_who_and_when() -> None:
    one, same, other = (Options(account="company", days=_DAYS, seed=seed).world for seed in (1, 1, 2))
    assert one == same
    assert [f.schedule for f in one.functions] != [f.schedule for f in other.functions]
    assert one.quiet != other.quiet


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"account": "company", "scenarios": ("third_resource",)},
            "unknown scenario third_resource; there are: third_int",
        ),
        ({"account": "company", "functions": 3}, "functions is from 20 to 1000, not 3"),
        ({"functions": 30}, "functions is for account company only"),
        ({"account": "company", "interfaces": 5}, "for account crowd only"),
    ],
)
def test_wrong_options_of_the_company_are_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Options(**wrong, start=date(2026, 2, 1))


def test_what_cannot_happen_is_not_told_but_named(tmp_path: Path) -> None:
    quiet = Options(account="company", days=4, functions=30, rate=0.02, seed=2, poll_minutes=240)
    with pytest.raises(ValueError, match="too little happens in this account for scenario port_scan: raise rate or"):
        simulate(tmp_path, quiet)
    simulate(tmp_path, replace(quiet, scenarios=("code_by_stranger",)))
