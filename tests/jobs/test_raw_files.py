"""What ingest plans, from what lies there and what it knows: no engine needed."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.errors import LeaseholdError
from jobs.raw_files import Plan, RawFile, listing, plan

_FOLDER = "AWSLogs/123456789012/{log}/eu-west-1/2026/01/"
_TRAIL = (
    _FOLDER.format(log="CloudTrail") + "{day:02}/123456789012_CloudTrail_eu-west-1_202601{day:02}T1005Z_{id}.json.gz"
)
_WIDE = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def put(root: Path, path: str, content: str) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)
    return path


def known_after(done: Plan, known: dict[str, RawFile]) -> dict[str, RawFile]:
    """What `ingested_files` would say once the plan is carried out."""
    after = {path: file for path, file in known.items() if file not in done.withdraw}
    for file in done.read:
        span = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 1, tzinfo=UTC))
        after[file.source_file] = replace(file, state="done", kind="cloudtrail", min_time=span[0], max_time=span[1])
    for file in done.copies:
        after[file.source_file] = replace(file, state="skipped")
    return after


def planned(root: Path, known: dict[str, RawFile]) -> Plan:
    return plan(listing(str(root), *_WIDE), known)


def names(files: list[RawFile]) -> list[str]:
    return [file.source_file for file in files]


def test_a_new_file_is_read_once_and_a_touched_one_not_again(root: Path) -> None:
    path = put(root, "a.log", "x")
    first = planned(root, {})
    assert names(first.read) == [path] and not first.withdraw and not first.copies
    os.utime(root / path, (1, 1))
    assert planned(root, known_after(first, {})) == Plan()


def test_a_changed_file_replaces_what_it_gave(root: Path) -> None:
    path = put(root, "a.log", "x")
    known = known_after(planned(root, {}), {})
    put(root, "a.log", "longer")
    again = planned(root, known)
    assert names(again.read) == [path] and again.withdraw == [known[path]]


def test_of_two_copies_the_first_by_name_counts_whichever_came_first(root: Path) -> None:
    early, late = _TRAIL.format(day=5, id="aaaa"), _TRAIL.format(day=6, id="bbbb")
    put(root, early, "same")
    put(root, late, "same")
    together = known_after(planned(root, {}), {})

    (root / early).unlink()
    one_by_one = known_after(planned(root, {}), {})
    assert one_by_one[late].state == "done"
    put(root, early, "same")
    second = planned(root, one_by_one)
    assert names(second.read) == [early] and names(second.copies) == [late] == names(second.withdraw)
    after = known_after(second, one_by_one)
    assert {p: (f.state, f.copy_of) for p, f in after.items()} == {p: (f.state, f.copy_of) for p, f in together.items()}
    assert after[late].copy_of == early


def test_the_same_content_of_two_flow_logs_is_no_copy(root: Path) -> None:
    name = _FOLDER.format(log="vpcflowlogs") + "05/123456789012_vpcflowlogs_eu-west-1_{}_20260105T1005Z_1f.log.gz"
    both = [put(root, name.format(flow_log), "same") for flow_log in ("fl-0a", "fl-0b")]
    assert names(planned(root, {}).read) == both


def test_a_copy_is_read_when_its_original_changed(root: Path) -> None:
    original, copy = put(root, "a.log", "same"), put(root, "b.log", "same")
    known = known_after(planned(root, {}), {})
    assert known[copy].copy_of == original
    put(root, "a.log", "another content")
    assert sorted(names(planned(root, known).read)) == [original, copy]


def test_empty_files_are_no_copies_of_each_other(root: Path) -> None:
    both = [put(root, "a.log", ""), put(root, "b.log", "")]
    assert names(planned(root, {}).read) == both


def test_what_a_crash_left_half_done_is_read_again_or_taken_out(root: Path) -> None:
    there, gone = put(root, "a.log", "x"), put(root, "b.log", "y")
    half = {f.source_file: replace(f, state="started", kind="vpc_flow_logs") for f in planned(root, {}).read}
    (root / gone).unlink()
    again = planned(root, half)
    assert names(again.read) == [there] and sorted(names(again.withdraw)) == [there, gone]


def test_a_changed_trail_file_takes_those_along_that_may_hold_copies_of_its_events(root: Path) -> None:
    changed, near, far = (put(root, _TRAIL.format(day=5, id=letter * 4), letter) for letter in "abc")
    known = known_after(planned(root, {}), {})
    later = datetime(2026, 1, 9, tzinfo=UTC)
    known[far] = replace(known[far], min_time=later, max_time=later + timedelta(hours=1))
    put(root, changed, "another")
    again = planned(root, known)
    assert sorted(names(again.read)) == [changed, near] == sorted(names(again.withdraw))


def test_listing_takes_the_window_by_the_names_time_and_what_has_none(root: Path) -> None:
    inside, outside = put(root, _TRAIL.format(day=5, id="aaaa"), "1"), put(root, _TRAIL.format(day=9, id="aaaa"), "2")
    undated = put(root, "notes/flows.log", "3")
    put(root, ".hidden", "4")
    day = datetime(2026, 1, 5, tzinfo=UTC)
    assert names(listing(str(root), day, day + timedelta(days=1))) == [undated, inside]
    assert outside in names(listing(str(root), day, day + timedelta(days=5)))


LAYOUTS = {
    "daily": "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/{day:02}/",
    "hourly": "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/01/{day:02}/10/",
    "hive": "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/"
    "year=2026/month=01/day={day:02}/",
    "hive, hourly": "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/"
    "year=2026/month=01/day={day:02}/hour=10/",
    "trail": "AWSLogs/o-a1b2c3d4e5/123456789012/CloudTrail/us-gov-west-1/2026/01/{day:02}/",
    "polls": "snapshots/list_functions/2026/01/{day:02}/",
}
LAKES = {
    "Security Lake": "aws/VPC_FLOW/2.0/region=eu-west-1/accountId=123456789012/eventDay=202601{day:02}/",
    "its preview": "aws/VPC_FLOW/region=eu-west-1/accountId=123456789012/eventHour=202601{day:02}23/",
    "its custom sources": "ext/x/region=us-gov-west-1/accountId=somebody/eventDay=202601{day:02}/",
    "Iceberg": "aws/VPC_FLOW/2.0/data/region=eu-west-1/accountid=123456789012/time_dt_day=2026-01-{day:02}/",
}


@pytest.mark.parametrize("layout", LAKES.values(), ids=LAKES)
def test_a_file_of_security_lake_belongs_to_all_of_its_day(root: Path, layout: str) -> None:
    file = put(root, layout.format(day=5) + "7ac45d7f.gz.parquet", "1")
    other = put(root, layout.format(day=20) + "7ac45d7f.gz.parquet", "2")
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    hour = timedelta(hours=1)
    for earliest, latest in ((midnight, midnight + hour), (midnight - 30 * hour, midnight + hour)):
        assert [(f.source_file, f.file_time) for f in listing(str(root), earliest, latest)] == [(file, midnight)]
    assert names(listing(str(root), midnight - 2 * hour, midnight)) == []
    assert names(listing(str(root), midnight, midnight + 30 * 24 * hour)) == [file, other]


def test_a_day_that_is_none_is_no_day(root: Path) -> None:
    path = put(root, "aws/VPC_FLOW/2.0/region=eu-west-1/accountId=123456789012/eventDay=20260231/x.gz.parquet", "1")
    day = datetime(2026, 1, 5, tzinfo=UTC)
    assert names(listing(str(root), day, day + timedelta(days=1))) == [path]


@pytest.mark.parametrize("prefix", ["", "team a/logs/", "backup/2020/01/01/", "AWSLogs/"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_day_folder_outside_the_window_is_not_entered(root: Path, layout: str, prefix: str) -> None:
    # Files without a time in their names: they are taken wherever the folder is entered.
    inside = put(root, prefix + layout.format(day=5) + "undated.log", "1")
    put(root, prefix + layout.format(day=20) + "undated.log", "2")
    day = datetime(2026, 1, 5, tzinfo=UTC)
    assert names(listing(str(root), day, day + timedelta(days=1))) == [inside]


def test_what_only_looks_like_a_day_folder_is_entered(root: Path) -> None:
    copied = put(root, "copied/2020/01/01/flows.log", "1")
    day = datetime(2026, 1, 5, tzinfo=UTC)
    assert names(listing(str(root), day, day + timedelta(days=1))) == [copied]


def test_a_raw_folder_that_is_not_there_is_said(root: Path) -> None:
    with pytest.raises(LeaseholdError, match="there is no raw folder"):
        listing(str(root), *_WIDE)
