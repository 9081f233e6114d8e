"""What holds of a simulation as a whole."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
from collections import Counter
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from simulated import Simulated, make

from simulator.__main__ import main
from simulator.simulate import Options, simulate

_DOCUMENTATION = [ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


def _digests(root: Path) -> dict[str, str]:
    files = (p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    scenarios = ("third_resource", "beacon", "exfiltration", "unusual_api_call")
    options = {"days": 1, "rate": 0.3, "data_events": True, "missed_polls": 0.1, "scenarios": scenarios}
    first, second = make(tmp_path / "a", **options), make(tmp_path / "b", **options)
    assert _digests(first.root) == _digests(second.root)
    other = make(tmp_path / "c", seed=2, **options)
    assert _digests(first.root) != _digests(other.root)
    assert first.truth("leases") == other.truth("leases"), "what happens to the account depends on no seed"


def test_a_scenario_leaves_the_background_as_it_was(two_days: Simulated, quiet: Simulated) -> None:
    with_it = Counter(line for _, (_, *lines) in two_days.flow_lines for line in lines)
    without = Counter(line for _, (_, *lines) in quiet.flow_lines for line in lines)
    lost = without - with_it
    assert all(line.endswith("NODATA") for line in lost), "only silence can end"
    more = [line.split(" ") for line in (with_it - without)]
    ports = {str(c["local_port"]) for c in two_days.truth("conversations") if c["scenario"]}
    assert more
    assert all(line[8] in ports or line[9] in ports or line[3].startswith("eni") for line in more)
    normal = [c for c in two_days.truth("conversations") if not c["scenario"]]
    assert normal == quiet.truth("conversations")
    management = {e["eventID"] for e in two_days.events if e["managementEvent"]}
    assert {e["eventID"] for e in quiet.events} <= management


def test_each_scenario_is_told_and_done(two_days: Simulated) -> None:
    story = {row["scenario"]: row for row in two_days.truth("scenarios")}
    assert set(story) == {"third_resource", "beacon", "exfiltration", "unusual_api_call", "invocation_flood"}
    conversations = two_days.truth("conversations")

    def of(name: str) -> list[dict[str, object]]:
        return [c for c in conversations if c["scenario"] == name]

    known = {c["peer"] for c in conversations if c["function_name"] == "RDSQueryLogger" and not c["scenario"]}
    assert known == {"orders-db", "secrets-endpoint"}
    third = of("third_resource")
    assert {(c["function_name"], c["peer_addr"], c["peer_port"]) for c in third} == {
        ("RDSQueryLogger", "10.0.1.60", 22)
    }
    assert min(c["start"] for c in third).date() == date(2026, 2, 2), "on the last day"
    starts = sorted(c["start"] for c in of("beacon"))
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(starts)]
    assert len(gaps) > 200
    assert 239 < min(gaps) < 260
    assert 340 < max(gaps) < 361
    assert 0.7e9 < sum(c["bytes_out"] for c in of("exfiltration")) < 1.5e9
    calls = [a["event_name"] for a in two_days.truth("api_calls") if a["scenario"] == "unusual_api_call"]
    assert calls == ["ListUsers", "CreateUser", "CreateAccessKey"]
    flood = [i for i in two_days.truth("invocations") if i["scenario"] == "invocation_flood"]
    assert len(flood) == 3_000


def test_functions_run_as_described(two_days: Simulated) -> None:
    normal = [i for i in two_days.truth("invocations") if not i["scenario"]]
    steady = [i["start"] for i in normal if i["function_name"] == "RDSQueryLogger"]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(steady)]
    assert len(steady) == 288
    assert all(597 < gap < 603 for gap in gaps)
    served = [i["start"] for i in normal if i["function_name"] == "CartService"]
    hours = Counter(start.hour for start in served)
    assert sum(hours[h] for h in range(8, 18)) > 5 * sum(hours[h] for h in range(6))
    days = Counter(start.strftime("%A") for start in served)
    assert days["Monday"] > 1.4 * days["Sunday"]
    bursty = [i["start"] for i in normal if i["function_name"] == "ThumbnailMaker"]
    close = sum((b - a).total_seconds() < 60 for a, b in itertools.pairwise(bursty))
    assert close > 0.9 * len(bursty)


def test_public_addresses_are_from_the_documentation_networks(plain: Simulated) -> None:
    found: set[bytes] = set()
    for path in plain.files(""):
        found.update(re.findall(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", gzip.decompress(path.read_bytes())))
    addresses = [ip_address(text.decode()) for text in found]
    assert len(addresses) > 50
    bad = [a for a in addresses if a not in ip_network("10.0.0.0/8") and not any(a in n for n in _DOCUMENTATION)]
    assert bad == []


def test_nothing_of_the_truth_is_among_the_logs(two_days: Simulated) -> None:
    assert {p.name for p in two_days.root.iterdir()} == {"raw", "truth"}
    assert {p.suffix for p in (two_days.root / "raw").rglob("*") if p.is_file()} == {".gz"}
    named = re.compile(rb"beacon|exfiltration|invocation_flood|third_resource|unusual_api_call")
    assert not any(named.search(gzip.decompress(p.read_bytes())) for p in two_days.files(""))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scenarios": ("beacon", "earthquake")}, "unknown scenario earthquake; there are: third_resource, beacon"),
        ({"format": "json"}, "unknown format json; there are: custom, default"),
        ({"period_seconds": 30}, "60 or 600"),
        ({"days": 0}, "more than 0"),
        ({"days": 0.5}, "at least one whole day"),
        ({"missed_polls": 1.0}, "below 1"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Options(**wrong)  # type: ignore[arg-type]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    options = Options(days=0.1, scenarios=())
    simulate(tmp_path, options)
    before = _digests(tmp_path)
    with pytest.raises(FileExistsError, match="raw is not empty"):
        simulate(tmp_path, options)
    assert _digests(tmp_path) == before


def test_the_command_writes_tells_and_fails_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "x"), "--days", "0.1", "--scenarios", ""]) == 0
    said = capsys.readouterr()
    assert "records in" in said.out
    assert "[5/5] truth" in said.err
    assert main(["--out", str(tmp_path / "y"), "--scenarios", "nothing"]) == 2
    assert "unknown scenario nothing" in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


def test_progress_is_told_step_by_step(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    simulate(tmp_path, Options(days=0.1, scenarios=()), lambda *step: told.append(step))
    assert [done for _, done, _ in told] == [0, 1, 2, 3, 4, 5]
    assert {total for _, _, total in told} == {5}
