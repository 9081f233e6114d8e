"""Objects: what is read is what was written, whatever fails; listings do not enter the days that do not matter."""

from __future__ import annotations

import gzip
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.response import StreamingBody

from jobs.collect.store import Poll, store, stored
from jobs.errors import LeaseholdError
from jobs.object_store import below, delete_below, get, is_remote, level, put, put_new
from jobs.raw_files import listing
from jobs.sources.streams import UnreadableError, decompressed
from tests.faulty_s3 import FaultyS3, faults

DAY = datetime(2026, 1, 5, tzinfo=UTC)
ACCOUNT = "raw/AWSLogs/123456789012"


def test_what_is_written_is_read_whatever_fails(s3: FaultyS3) -> None:
    contents = {f"s3://here/a/{n}": random.Random(n).randbytes(n * 50_000) for n in range(20)}
    s3.fail(0.2)
    for uri, data in contents.items():
        put(uri, data)
    assert {found.uri: found.size for found in below("s3://here/a/")} == {u: len(d) for u, d in contents.items()}
    assert {uri: get(uri) for uri in contents} == contents
    delete_below("s3://here/a/1")
    assert len(below("s3://here/a/")) == len(contents) - 11
    calls = s3.calls()
    assert faults(calls)["boto3"] > 3


def test_a_gzip_file_is_whole_though_connections_break(s3: FaultyS3) -> None:
    text = random.Random(1).randbytes(3_000_000).hex().encode()
    put("s3://here/x.gz", gzip.compress(text, 1))
    for seed in range(5):
        s3.fail(0.6, seed)
        assert b"".join(decompressed("s3://here/x.gz")) == text
    assert [call for call in s3.calls() if call.fault == "broken off"]


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("breaks", [1, 1_000])
def test_what_cannot_be_read_to_its_end_is_not_taken_for_truncated(
    monkeypatch: pytest.MonkeyPatch, breaks: int
) -> None:
    """The connection breaks once and then there is another content; or it breaks whenever something is read."""
    put("s3://here/x.gz", gzip.compress(random.Random(1).randbytes(1_000_000)))
    monkeypatch.setattr("jobs.object_store.wait", lambda _: 0)
    read, left = StreamingBody.read, [breaks]

    def broken(body: StreamingBody, amt: int | None = None) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            raise ResponseStreamingError(error="as injected")
        content: bytes = read(body, amt)
        return content

    chunks = decompressed("s3://here/x.gz")
    assert next(chunks)
    if breaks == 1:
        put("s3://here/x.gz", gzip.compress(random.Random(2).randbytes(1_000_000)))
    monkeypatch.setattr(StreamingBody, "read", broken)
    with pytest.raises(UnreadableError, match="it cannot be read: " + ("Precondition" if breaks == 1 else "the conn")):
        list(chunks)


@pytest.mark.usefixtures("s3")
def test_what_has_gone_cannot_be_opened() -> None:
    with pytest.raises(UnreadableError, match="it cannot be opened: NoSuchKey"):
        list(decompressed("s3://here/gone.gz"))


def test_a_new_object_replaces_none(s3: FaultyS3) -> None:
    s3.fail(0.3, 3)
    assert all(put_new(f"s3://here/{n}", b"first") for n in range(10))
    assert not any(put_new(f"s3://here/{n}", b"second") for n in range(10))
    assert {get(f"s3://here/{n}") for n in range(10)} == {b"first"}


def test_other_uris_are_refused() -> None:
    assert is_remote("s3://bucket") and not is_remote("/a/folder")
    for root in ("gs://bucket/x", "s3:///x", "https://bucket.s3.amazonaws.com"):
        with pytest.raises(LeaseholdError, match="neither a folder nor s3://"):
            is_remote(root)


def test_a_level_is_listed_without_what_lies_deeper(s3: FaultyS3) -> None:
    for name in ("a/1", "a/b/2", "a/b/c/3", "a/d/4", "e"):
        put(f"s3://here/{name}", b"x")
    s3.calls()
    folders, objects = level("s3://here/a/")
    assert (folders, [o.uri for o in objects]) == (["s3://here/a/b/", "s3://here/a/d/"], ["s3://here/a/1"])
    assert len(s3.calls()) == 1


def test_an_hour_on_a_bucket_of_400_days_lists_its_days_only(s3: FaultyS3) -> None:
    """At 10:00 of January 5, looking back three days: the days from January 1, one earlier, are entered, no other."""
    hive = "raw/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1"
    for back in range(400):
        day = DAY - timedelta(days=back)
        stamp = f"{day:%Y%m%d}T1005Z"
        put(f"s3://here/{ACCOUNT}/CloudTrail/eu-west-1/{day:%Y/%m/%d}/a_{stamp}_1.json.gz", b"1")
        if back < 8 or back % 20 == 0:
            put(f"s3://here/{ACCOUNT}/vpcflowlogs/eu-west-1/{day:%Y/%m/%d}/10/b_{stamp}_1.log.gz", b"2")
            put(f"s3://here/{hive}/year={day:%Y}/month={day:%m}/day={day:%d}/c_{stamp}_1.log.gz", b"3")
            put(f"s3://here/raw/snapshots/list_functions/{day:%Y/%m/%d}/d_{stamp}_1.json.gz", b"4")
    s3.calls()
    hour = DAY + timedelta(hours=10)
    found = listing("s3://here/raw/", hour - timedelta(days=3), hour + timedelta(hours=3))
    asked = [parse_qs(urlsplit(call.path).query) for call in s3.calls()]
    assert all(one["delimiter"] == ["/"] for one in asked)
    prefixes = [one["prefix"][0] for one in asked]
    days = [re.search(r"(?:year=)?(\d{4})/(?:month=)?(\d\d)/(?:day=)?(\d\d)/$", prefix) for prefix in prefixes]
    entered = Counter("-".join(day.groups()) for day in days if day)
    assert entered == {f"2026-01-0{day}": 4 for day in range(1, 6)}
    assert not any("2025" in prefix for prefix in prefixes)
    assert len(found) == 4 * 4 and all(file.size == 1 and file.etag for file in found)
    # 12 down to the regions and operations, year and month and five days of each of the four, and 5 folders of an hour.
    assert len(prefixes) == len(set(prefixes)) == 12 + 4 * 7 + 5


@pytest.mark.usefixtures("s3")
def test_a_root_that_is_not_there_is_said() -> None:
    with pytest.raises(LeaseholdError, match=r"there is nothing below 's3://here/rwa/'.*--raw"):
        listing("s3://here/rwa", DAY, DAY)
    with pytest.raises(LeaseholdError, match=r"NoSuchBucket.*pipeline-policy\.json"):
        listing("s3://nowhere/raw", DAY, DAY)


def test_polls_are_stored_and_found_again(s3: FaultyS3) -> None:
    s3.fail(0.2, 2)
    keys = [
        store("s3://here/raw/", Poll("list_functions", "123456789012", "eu-west-1", at, {}, [{"Functions": [number]}]))
        for number, at in enumerate((DAY, DAY, DAY + timedelta(minutes=30)))
    ]
    assert [key.rpartition("_")[2] for key in keys] == [
        "20260105T000000Z.json.gz",
        "001.json.gz",
        "20260105T003000Z.json.gz",
    ]
    found = stored("s3://here/raw", "list_functions", "123456789012", "eu-west-1", DAY + timedelta(hours=1), 1)
    assert [poll["responses"][0]["Functions"][0] for poll in found] == [2, 1, 0]
    assert sorted(file.source_file for file in listing("s3://here/raw", DAY, DAY + timedelta(hours=1))) == sorted(keys)
