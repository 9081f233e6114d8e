"""Clocks that are off and files that come late, against the same simulation without."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import pytest
from simulated import Simulated, make

from simulator.flow_log_text import CUSTOM_FORMAT

_STAMP = re.compile(r"_(\d{8}T\d{4})Z_(\w+)\.")
_OPTIONS = {"account": "crowd", "interfaces": 8, "days": 2, "rate": 0.1, "seed": 8}
_TIMES = CUSTOM_FORMAT.index("start"), CUSTOM_FORMAT.index("end")


@pytest.fixture(scope="module")
def punctual(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Nothing is late but what always may be."""
    return make(tmp_path_factory.mktemp("punctual"), **_OPTIONS)


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The same with clocks off by up to a minute, and a tenth of the files late."""
    root = tmp_path_factory.mktemp("late")
    return make(root, **_OPTIONS, clock_skew_seconds=60, late_cloudtrail=0.1, late_flow_logs=0.1)


def _named(files: list[Path]) -> dict[str, tuple[datetime, Path]]:
    """Delivery by the label in the name, which is the same whenever a file comes."""
    made = {}
    for path in files:
        found = _STAMP.search(path.name)
        assert found, path.name
        at = datetime.strptime(found[1], "%Y%m%dT%H%M")
        assert path.parent.as_posix().endswith(f"{at:%Y/%m/%d}"), "path and name agree"
        made[found[2]] = (at, path)
    assert len(made) == len(files)
    return made


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("/CloudTrail/", 2 * 3_600, 30 * 3_600), ("vpcflowlogs", 1_200, 12 * 3_600)]
)
def test_a_share_of_the_files_is_late(
    punctual: Simulated, late: Simulated, kind: str, least: float, most: float
) -> None:
    before, after = _named(punctual.files(kind)), _named(late.files(kind))
    assert set(before) == set(after)
    delays = [(after[label][0] - at).total_seconds() for label, (at, _) in before.items()]
    waited = [delay for delay in delays if delay]
    assert 0.06 * len(delays) < len(waited) < 0.14 * len(delays)
    assert least <= min(waited) < 1.5 * most / 3
    assert 0.8 * most < max(waited) <= most


def test_late_cloudtrail_files_hold_what_they_would_have_held(punctual: Simulated, late: Simulated) -> None:
    before, after = _named(punctual.files("/CloudTrail/")), _named(late.files("/CloudTrail/"))
    assert all(after[label][1].read_bytes() == path.read_bytes() for label, (_, path) in before.items())


def test_digests_list_files_as_they_were_delivered(late: Simulated) -> None:
    listed = [
        f for p in late.files("/CloudTrail-Digest/") for f in json.loads(gzip.decompress(p.read_bytes()))["logFiles"]
    ]
    assert len(listed) > 100
    for entry in listed:
        body = gzip.decompress((late.root / "raw" / entry["s3Object"]).read_bytes())
        assert hashlib.sha256(body).hexdigest() == entry["hashValue"]


def test_clocks_are_off_by_up_to_a_minute_all_records_of_a_window_alike(punctual: Simulated, late: Simulated) -> None:
    before, after = (
        {label: gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
         for label, (_, path) in _named(simulated.files("vpcflowlogs")).items()}
        for simulated in (punctual, late)
    )  # fmt: skip
    skews: dict[tuple[str, int], Counter[int]] = defaultdict(Counter)
    for label, lines in before.items():
        for one, other in zip(lines, after[label], strict=True):
            was, now = one.split(" "), other.split(" ")
            start, end = (int(now[place]) - int(was[place]) for place in _TIMES)
            assert start == end, "start and end alike"
            assert [f for n, f in enumerate(was) if n not in _TIMES] == [
                f for n, f in enumerate(now) if n not in _TIMES
            ]
            if was[-1] == "OK":
                skews[(was[CUSTOM_FORMAT.index("interface-id")], int(was[_TIMES[0]]) // 600)][start] += 1
            else:
                assert start == 0, "only packets are misdated"
    # What AWS takes down late may seem to be of the next window: then there are two.
    assert sum(len(found) == 1 for found in skews.values()) > 0.97 * len(skews)
    drawn = [skew for found in skews.values() for skew in found]
    assert len(drawn) > 1_000
    assert (min(drawn), max(drawn)) == (-60, 60)
    assert 27 < sum(map(abs, drawn)) / len(drawn) < 33
    assert abs(sum(drawn) / len(drawn)) < 5


def test_the_truth_is_the_same(punctual: Simulated, late: Simulated) -> None:
    for table in ("conversations", "invocations", "leases", "api_calls"):
        assert punctual.truth(table) == late.truth(table)


def test_the_same_options_give_the_same_bytes_also_here(late: Simulated, tmp_path: Path) -> None:
    again = make(tmp_path, **vars(late.options))
    for folder in ("raw", "truth"):
        one, other = (
            {p.relative_to(s.root): p.read_bytes() for p in (s.root / folder).rglob("*") if p.is_file()}
            for s in (late, again)
        )
        assert one == other
