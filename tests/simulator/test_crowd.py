"""The crowd: the account in which attribution is measured."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date
from ipaddress import ip_address, ip_network

import pytest
from simulated import Row, Simulated, make

from simulator.account import SUBNET_A, SUBNET_B
from simulator.lifecycle import Interface
from simulator.simulate import Options

_MONDAY = date(2026, 2, 2)
_NETWORKS = {SUBNET_A: ip_network("10.0.16.0/20"), SUBNET_B: ip_network("10.0.32.0/20")}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Two working days of twenty groups, a tenth of their traffic."""
    root = tmp_path_factory.mktemp("crowd")
    return make(root, account="crowd", days=2, rate=0.1, seed=3, start=_MONDAY)


def _handovers(interfaces: tuple[Interface, ...]) -> list[tuple[Interface, Interface]]:
    """Each holder of an address with the next one. Nobody may hold it while another does."""
    holders: dict[str, list[Interface]] = defaultdict(list)
    for interface in sorted(interfaces, key=lambda i: i.start):
        holders[interface.address].append(interface)
    pairs = [pair for held in holders.values() for pair in itertools.pairwise(held)]
    assert all(old.end < new.start for old, new in pairs), "an address has one holder"
    return pairs


def test_groups_have_one_to_ten_functions(crowd: Simulated) -> None:
    sizes = Counter(Counter(f.groups for f in crowd.history.functions if f.in_vpc).values())
    assert sizes == dict.fromkeys(range(1, 11), 2)
    few = Options(account="crowd", interfaces=5).world
    assert sorted(Counter(f.groups for f in few.functions if f.in_vpc).values()) == [1, 3, 5, 7, 9]


def test_functions_are_of_all_kinds_and_share_peers(crowd: Simulated) -> None:
    functions = crowd.history.functions
    assert {f.schedule[0] for f in functions} == {"every", "diurnal", "bursts"}
    assert {len(f.calls) for f in functions} == {1, 2, 3, 4}
    assert {len(f.subnets) for f in functions} == {0, 1, 2}
    assert 1 <= sum(not f.in_vpc for f in functions) <= 2
    assert len({f.name.lower() for f in functions}) == len(functions)
    assert all(len({call.peer for call in f.calls}) == len(f.calls) for f in functions)
    groups: dict[tuple[str, ...], list[set[str]]] = defaultdict(list)
    for function in functions:
        if function.in_vpc:
            groups[function.groups].append({call.peer for call in function.calls})

    def shared(pairs: list[tuple[set[str], set[str]]]) -> float:
        return sum(bool(one & other) for one, other in pairs) / len(pairs)

    within = [pair for peers in groups.values() for pair in itertools.combinations(peers, 2)]
    across = [(a, b) for one, two in itertools.combinations(groups.values(), 2) for a in one for b in two]
    assert 0.4 < shared(within) < 0.95
    assert shared(across) < 0.5 * shared(within)


def test_addresses_are_handed_over_within_five_minutes(crowd: Simulated) -> None:
    pairs = _handovers(crowd.history.interfaces)
    assert len(pairs) == 5
    assert all(60 <= new.start - old.end < 300 and new.groups != old.groups for old, new in pairs)
    assert max(new.start for _, new in pairs) - min(new.start for _, new in pairs) > 86_400
    users = defaultdict(set)
    for conversation in crowd.truth("conversations"):
        users[conversation["interface_id"]].add(conversation["function_name"])
    used = [(users[old.interface_id], users[new.interface_id]) for old, new in pairs]
    assert all(before and after and not before & after for before, after in used)


@pytest.mark.parametrize("seed", [1, 2])
def test_hundreds_of_interfaces_find_an_address_each(seed: int) -> None:
    world = Options(account="crowd", interfaces=400, days=10, seed=seed).world
    interfaces = world.interfaces
    assert len(interfaces) > 400
    assert len({i.interface_id for i in interfaces}) == len(interfaces)
    assert len(_handovers(interfaces)) > 300
    assert all(ip_address(i.address) in _NETWORKS[i.subnet] for i in interfaces)
    assert {i.address for i in interfaces}.isdisjoint(r.address for r in world.resources)


def test_candidates_change(crowd: Simulated) -> None:
    kinds = Counter(c.kind for c in crowd.history.changes if not c.error)
    assert {"create", "delete", "configuration", "publish"} <= set(kinds)
    moved = [c for c in crowd.history.changes if c.kind == "configuration" and not c.error]
    groups = {f.groups for f in crowd.history.functions}
    assert all(c.groups in groups and c.groups != crowd.history.function(c.function).groups for c in moved)
    addresses = {(lease["function_name"], lease["address"]) for lease in crowd.truth("leases")}
    assert all(sum(name == c.function for name, _ in addresses) >= 2 for c in moved), "it holds a lease on either side"


def test_leases_cover_the_conversations(crowd: Simulated) -> None:
    leases: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for lease in crowd.truth("leases"):
        leases[(lease["interface_id"], lease["address"], lease["function_name"])].append(lease)
    begun = {i["request_id"]: i["start"] for i in crowd.truth("invocations")}
    conversations = crowd.truth("conversations")
    assert len(conversations) > 10_000
    for c in conversations:
        key = (c["interface_id"], c["local_addr"], c["function_name"])
        moment = begun[c["request_id"]]
        assert any(
            (lease["valid_from"] is None or lease["valid_from"] <= moment)
            and (lease["valid_to"] is None or moment < lease["valid_to"])
            for lease in leases[key]
        ), c
        assert 0 <= (c["start"] - moment).total_seconds() <= 0.15
    outside = {f.name for f in crowd.history.functions if not f.in_vpc}
    assert outside.isdisjoint(c["function_name"] for c in conversations)


def test_there_is_as_much_as_is_promised(crowd: Simulated) -> None:
    a_day = len(crowd.truth("conversations")) / 2 / 0.1
    assert 50_000 < a_day < 150_000
    seconds = sorted((i["end"] - i["start"]).total_seconds() for i in crowd.truth("invocations"))
    assert seconds[len(seconds) // 20] < 0.1
    assert seconds[-len(seconds) // 100] > 60
    timeouts = {f.name: f.timeout for f in crowd.history.functions}
    assert all(
        (i["end"] - i["start"]).total_seconds() < timeouts[i["function_name"]] for i in crowd.truth("invocations")
    )


def test_metrics_are_asked_for_in_parts(crowd: Simulated) -> None:
    asked: dict[str, list[str]] = defaultdict(list)
    for poll in crowd.polls("get_metric_data"):
        queries = poll["request"]["MetricDataQueries"]
        assert len(queries) <= 500, "GetMetricData takes no more"
        asked[poll["request"]["StartTime"]] += [q["Id"] for q in queries]
    assert all(len(set(ids)) == len(ids) > 500 for ids in asked.values())


def test_calls_through_an_endpoint_name_that_endpoint(crowd: Simulated) -> None:
    named = {r.source: r.endpoint_id for r in crowd.history.resources if r.source}
    found = defaultdict(set)
    for event in crowd.events:
        if "vpcEndpointId" in event:
            found[event["eventSource"]].add(event["vpcEndpointId"])
    assert len(named) == 3
    assert {source: {endpoint} for source, endpoint in named.items()} == found


def test_another_seed_is_another_account() -> None:
    one, same, other = (Options(account="crowd", seed=seed).world for seed in (5, 5, 6))
    assert one == same
    assert {f.name for f in one.functions}.isdisjoint(f.name for f in other.functions)
    assert {i.interface_id for i in one.interfaces}.isdisjoint(i.interface_id for i in other.interfaces)
    assert {f.name for f in one.functions if f.in_vpc} >= {
        f.name for f in Options(account="crowd", seed=5, interfaces=1).world.functions if f.in_vpc
    }, "more groups leave the names of the first as they were"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"account": "bank"}, "unknown account bank; there are: shop, crowd, company"),
        ({"account": "crowd", "scenarios": ("beacon",)}, "account crowd has no scenarios: leave them out"),
        ({"interfaces": 30}, "interfaces and keep_alive are for account crowd only"),
        ({"keep_alive": 0.5}, "for account crowd only"),
        ({"account": "crowd", "interfaces": 0}, "from 1 to 1000, not 0"),
        ({"clock_skew_seconds": -1}, "from 0 to 600, not -1"),
        ({"late_cloudtrail": 1.5}, "late_cloudtrail is a share from 0 to 1, not 1.5"),
        ({"late_flow_logs": -0.1}, "late_flow_logs is a share from 0 to 1, not -0.1"),
    ],
)
def test_wrong_options_of_the_crowd_are_named(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Options(**wrong)  # type: ignore[arg-type]
