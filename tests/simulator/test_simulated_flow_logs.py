"""Flow logs: what AWS's own look like, and that they say what the truth says."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime

from simulated import Row, Simulated

from simulator.account import GATEWAY_ENDPOINTS, SUBNETS
from simulator.flow_log_text import CUSTOM_FORMAT, DEFAULT_FORMAT

_NAME = re.compile(r"^123456789012_vpcflowlogs_eu-west-1_fl-[0-9a-f]{17}_(\d{8}T\d{4}Z)_[0-9a-f]{8}\.log\.gz$")
Tuple = tuple[str, ...]


def _sums(records: list[Row], field: str) -> dict[Tuple, int]:
    """Bytes by interface and four-tuple."""
    sums: dict[Tuple, int] = defaultdict(int)
    for r in records:
        if r["log-status"] == "OK":
            key = tuple(r[f] for f in ("interface-id", "srcaddr", "dstaddr", "srcport", "dstport"))
            sums[key] += int(r[field])
    return sums


def _ways(c: Row) -> tuple[Tuple, Tuple]:
    """A conversation's four-tuple out and back on the function's interface."""
    local, peer = (c["local_addr"], str(c["local_port"])), (c["peer_addr"], str(c["peer_port"]))
    out = (c["interface_id"], local[0], peer[0], local[1], peer[1])
    return out, (c["interface_id"], peer[0], local[0], peer[1], local[1])


def test_every_logged_conversation_is_in_the_log_to_the_byte(two_days: Simulated) -> None:
    sums = _sums(two_days.records, "bytes")
    conversations = two_days.truth("conversations")
    assert len(conversations) > 9_000
    assert len({_ways(c)[0] for c in conversations}) == len(conversations), "no port comes twice"
    for c in conversations:
        out, back = _ways(c)
        if c["logged"]:
            assert (sums[out], sums[back]) == (c["bytes_out"], c["bytes_in"])
        else:
            assert sums.get(out, 0) < c["bytes_out"]
    assert {c["logged"] for c in conversations} == {True, False}, "AWS skipped something"


def test_the_default_format_says_the_same(plain: Simulated) -> None:
    assert {header for _, (header, *_) in plain.flow_lines} == {" ".join(DEFAULT_FORMAT)}
    assert len(DEFAULT_FORMAT) == 14
    sums = _sums(plain.records, "bytes")
    logged = [c for c in plain.truth("conversations") if c["logged"]]
    assert len(logged) > 5_000
    for c in logged:
        out, back = _ways(c)
        assert (sums[out], sums[back]) == (c["bytes_out"], c["bytes_in"])
    assert {r["version"] for r in plain.records} == {"2"}


def test_records_stay_within_their_window(two_days: Simulated, plain: Simulated) -> None:
    for simulated, period in ((two_days, 600), (plain, 60)):
        spans = [int(r["end"]) - int(r["start"]) for r in simulated.records]
        assert min(spans) == 0
        assert max(spans) == period - 1
    sums: dict[Tuple, int] = defaultdict(int)
    for r in plain.records:
        sums[(r["interface-id"], r["srcport"], r["dstport"], r["dstaddr"])] += 1
    long_ones = [c for c in plain.truth("conversations") if (c["end"] - c["start"]).total_seconds() > 300]
    assert long_ones
    for c in long_ones:
        key = (c["interface_id"], str(c["local_port"]), str(c["peer_port"]), c["peer_addr"])
        assert sums[key] >= 5, "a long connection is cut into many windows"


def test_files_are_named_by_delivery_and_hold_what_closed_before(two_days: Simulated) -> None:
    delays = []
    for path, (header, *lines) in two_days.flow_lines:
        named = _NAME.match(path.name)
        assert named, path.name
        at = datetime.strptime(named[1], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        assert path.parent.as_posix().endswith(f"AWSLogs/123456789012/vpcflowlogs/eu-west-1/{at:%Y/%m/%d}")
        assert header == " ".join(CUSTOM_FORMAT)
        ends = [int(line.split(" ")[CUSTOM_FORMAT.index("end")]) for line in lines]
        delays += [at.timestamp() + 300 - end for end in ends]
    assert min(delays) > 60, "nothing is delivered before it happened"
    assert sum(delay > 1_500 for delay in delays) > 100, "some records are late"
    assert sum(delay < 1_500 for delay in delays) > 0.95 * len(delays)


def test_lines_are_not_sorted(two_days: Simulated) -> None:
    place = CUSTOM_FORMAT.index("start")
    many = [lines for _, (_, *lines) in two_days.flow_lines if len(lines) > 20]
    columns = [[int(line.split(" ")[place]) for line in lines] for lines in many]
    assert len(columns) > 100
    assert not any(column == sorted(column) for column in columns)


def test_silence_and_gaps_are_said(two_days: Simulated) -> None:
    said = {"NODATA": 0, "SKIPDATA": 0}
    for r in two_days.records:
        if r["log-status"] == "OK":
            continue
        said[r["log-status"]] += 1
        always = {"account-id", "vpc-id", "subnet-id", "interface-id", "az-id", "region", "version", "log-status"}
        assert {r[f] for f in CUSTOM_FORMAT if f not in always | {"start", "end"}} == {"-"}
        assert int(r["end"]) - int(r["start"]) == 599
        assert int(r["start"]) % 600 == 0
    assert said["NODATA"] > 500
    assert said["SKIPDATA"] > 0


def test_flags_say_who_began(two_days: Simulated) -> None:
    local = {i.interface_id: i.address for i in two_days.history.interfaces}
    seen = set()
    for r in two_days.records:
        if r["interface-id"] in local and r["action"] == "ACCEPT":
            out = r["srcaddr"] == local[r["interface-id"]]
            assert r["flow-direction"] == ("egress" if out else "ingress")
            assert (r["traffic-path"] == "-") is not out
            syn, ack = int(r["tcp-flags"]) & 2, int(r["tcp-flags"]) & 16
            assert bool(ack) == (bool(syn) and not out), "only the peer answers a SYN"
            seen.add(r["tcp-flags"])
    assert {"3", "19"} <= seen


def test_the_nat_gateway_repeats_what_goes_out_and_nothing_else(two_days: Simulated) -> None:
    nat = next(r for r in two_days.history.resources if r.interface_type == "nat_gateway")
    rows = [r for r in two_days.records if r["interface-id"] == nat.interface_id and r["action"] == "ACCEPT"]
    towards = {
        (r["srcaddr"], r["srcport"], r["pkt-dstaddr"])
        for r in rows
        if r["dstaddr"] == nat.address and r["srcaddr"].startswith("10.")
    }
    beyond = {r["dstaddr"] for r in rows if r["srcaddr"] == nat.address and r["traffic-path"] == "8"}
    back = {(r["dstaddr"], r["dstport"], r["pkt-srcaddr"]) for r in rows if r["srcaddr"] == nat.address}
    external = [c for c in two_days.truth("conversations") if not c["peer_addr"].startswith("10.")]
    through = [c for c in external if c["peer"] not in GATEWAY_ENDPOINTS]
    keys = {(c["local_addr"], str(c["local_port"]), c["peer_addr"]) for c in through}
    assert len(keys) > 700
    lost = len(keys - towards)
    assert lost < 0.02 * len(keys), "only what AWS skipped"
    assert towards <= keys
    assert keys - back == keys - towards
    assert {c["peer_addr"] for c in external if c["peer"] in GATEWAY_ENDPOINTS}.isdisjoint(beyond)


def test_an_address_goes_to_another_interface_within_minutes(two_days: Simulated) -> None:
    made = two_days.history.interfaces
    pairs = [(a, b) for a in made for b in made if a.address == b.address and a.end < b.start]
    assert [(a.creator, b.creator) for a, b in pairs] == [("RDSQueryLogger", "SearchIndexer")]
    old, new = pairs[0]
    assert new.start - old.end == 120
    start = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    own = [r for r in two_days.records if old.address in (r["srcaddr"], r["dstaddr"])]
    before = [int(r["end"]) - start for r in own if r["interface-id"] == old.interface_id]
    after = [int(r["start"]) - start for r in own if r["interface-id"] == new.interface_id]
    assert len(before) > 100
    assert len(after) > 100
    assert max(before) <= old.end + 60, "a minute is how late AWS takes it down"
    assert min(after) >= new.start


def test_ids_look_like_awss(two_days: Simulated) -> None:
    everything = {r["interface-id"] for r in two_days.records}
    assert len(everything) == len(two_days.history.interfaces) + len(two_days.history.resources)
    assert all(re.fullmatch(r"eni-0[0-9a-f]{16}", i) for i in everything)
    assert {r["subnet-id"] for r in two_days.records} == set(SUBNETS)
    assert all(re.fullmatch(r"subnet-0[0-9a-f]{16}", s) for s in SUBNETS)
