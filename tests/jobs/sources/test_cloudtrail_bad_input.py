"""Bad CloudTrail files: every event that can be parsed is read; what cannot is counted, with its place and a reason."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.sources.cloudtrail import read_cloudtrail
from jobs.sources.files import Receipt
from tests.jobs.sources.reading import Content, cloudtrail, faults

_TRUNCATED = "the gzip data break off: the file is truncated, what follows is lost"


def event(number: int, **changed: Any) -> dict[str, Any]:
    """A plain event; its request id is its number."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"},
        "eventTime": "2026-03-02T10:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeSubnets",
        "awsRegion": "eu-west-1",
        "eventID": f"id-{number}",
        **changed,
    }


def text(number: int, **changed: Any) -> str:
    return json.dumps(event(number, **changed))


def records(*events: str) -> bytes:
    return ('{"Records": [' + ", ".join(events) + "]}").encode()


def without(number: int, key: str) -> str:
    return json.dumps({k: v for k, v in event(number).items() if k != key})


@dataclass
class Case:
    content: Content
    good: list[str]
    """ids of the events read"""
    bad: list[tuple[int, str]]


_DEEP = '{"eventVersion": "1.11", "requestParameters": ' + "[" * 100_000 + "]" * 100_000 + "}"
_DEEPISH = text(2, requestParameters=None).replace("null", '{"a": ' * 101 + "1" + "}" * 101)
_RANDOM = hashlib.sha512(b"").hexdigest()
_BROKEN = text(2).replace('"eventName":', '"eventName"')
_CUT = text(2)[:150]

# One bad event, the second, between good ones.
EVENTS = {
    "text": ('"surprise"', "an event is an object, not str"),
    "null": ("null", "an event is an object, not NoneType"),
    "a list": ("[1]", "an event is an object, not list"),
    "empty": ("{}", "eventTime is missing"),
    "no eventTime": (without(2, "eventTime"), "eventTime is missing"),
    "no eventName": (without(2, "eventName"), "eventName is missing"),
    "no eventSource": (without(2, "eventSource"), "eventSource is missing"),
    "eventName is a number": (text(2, eventName=7), "eventName is no text"),
    "eventSource is an object": (text(2, eventSource={"a": 1}), "eventSource is no text"),
    "eventTime is a number": (text(2, eventTime=1772445600), "eventTime is no time"),
    "eventTime in words": (text(2, eventTime="yesterday"), "eventTime is no time"),
    "the year 1": (text(2, eventTime="0001-01-01T00:00:00Z"), "eventTime is no time"),
    "before the year 1": (text(2, eventTime="0001-01-01T00:00:00+14:00"), "eventTime is no time"),
    "the year 99999": (text(2, eventTime="99999-01-01T00:00:00Z"), "eventTime is no time"),
    "the year 2100": (text(2, eventTime="2100-01-01T00:00:00Z"), "eventTime is no time"),
    "30 February": (text(2, eventTime="2026-02-30T00:00:00Z"), "eventTime is no time"),
    "broken in the middle": (_BROKEN, "broken JSON at character "),
    "a value missing": (text(2).replace('"1.11"', ""), "broken JSON at character "),
    "an invalid escape": (text(2).replace("eu-west-1", "eu\\x"), "broken JSON at character "),
    "a newline in a text": (text(2).replace("eu-west-1", "eu\n"), "broken JSON at character "),
    "a NUL byte in a text": (text(2).replace("eu-west-1", "eu\0"), "broken JSON at character "),
    "cut short": (_CUT, "broken JSON at character "),
    "100,000 levels": (_DEEP, "nested too deeply"),
    "101 levels": (_DEEPISH, "nested too deeply"),
    "a number of 5,000 digits": (
        text(2, requestParameters=None).replace("null", "7" * 5000),
        "broken JSON: Exceeds the limit",
    ),
}

FILES = {
    "good": Case(records(text(1), text(2)), ["id-1", "id-2"], []),
    "gzip": Case([records(text(1), text(2))], ["id-1", "id-2"], []),
    "several gzip members": Case([records(text(1))[:99], records(text(1))[99:]], ["id-1"], []),
    "a byte-order mark": Case(b"\xef\xbb\xbf" + records(text(1)), ["id-1"], []),
    "CRLF": Case(json.dumps({"Records": [event(1)]}, indent=2).replace("\n", "\r\n").encode(), ["id-1"], []),
    "a bare array": Case(json.dumps([event(1), event(2)], indent=2).encode(), ["id-1", "id-2"], []),
    "a single event": Case(text(1).encode(), ["id-1"], []),
    "an event a line": Case(f"{text(1)}\n{text(2)}\n".encode(), ["id-1", "id-2"], []),
    "an event a line, CRLF": Case(f"{text(1)}\r\n\r\n{text(2)}\r\n".encode(), ["id-1", "id-2"], []),
    "an event a line, one broken": Case(
        f"{text(1)}\n{_CUT}\n{text(3)}\n".encode(), ["id-1", "id-3"], [(2, "broken JSON at character ")]
    ),
    "an event a line, the first broken": Case(
        f"{_BROKEN}\n{text(2)}\n".encode(), ["id-2"], [(1, "broken JSON at character ")]
    ),
    "a document a line": Case(records(text(1), text(2)) + b"\n" + records(text(3)), ["id-1", "id-2", "id-3"], []),
    "documents without a newline": Case(records(text(1)) + records(text(2)), ["id-1", "id-2"], []),
    "other keys before Records": Case(
        b'{"a": [1], "Records": [' + text(1).encode() + b'], "b": {"c": 2}}', ["id-1"], []
    ),
    "Records twice: JSON says the last counts": Case(
        b'{"Records": [%s], "Records": [%s]}' % (text(1).encode(), text(2).encode()), ["id-2"], []
    ),
    "no events": Case(b'{"Records": []}', [], []),
    "Records missing": Case(b'{"records": [], "a": 1}', [], [(0, "`Records` is missing; the keys are: a, records")]),
    "Records is null": Case(b'{"Records": null}', [], [(0, "`Records` is missing; the keys are: Records")]),
    "an empty object": Case(b"{}", [], [(0, "`Records` is missing; the keys are: none")]),
    "a number": Case(b"7", [], [(0, "expected an object with `Records`, found int")]),
    "no JSON": Case(b"<html>503</html>", [], [(1, "broken JSON at character 0: Expecting value; what follows is")]),
    "cut short": Case(
        records(text(1), text(2))[:-60], ["id-1"], [(2, "broken JSON at character ")]
    ),
    "cut short between events": Case(records(text(1), text(2))[:-2], ["id-1", "id-2"], []),
    "cut short before the first": Case(b'{"Records": [', [], []),
    "truncated gzip": Case(
        gzip.compress(records(text(1), text(2, requestID=_RANDOM)), mtime=0)[:-30], ["id-1"], [(2, _TRUNCATED)]
    ),
    "gzip without its check sum": Case(
        gzip.compress(records(text(1), text(2)), mtime=0)[:-8], ["id-1", "id-2"], [(3, _TRUNCATED)]
    ),
    "gzip cut in its header": Case(gzip.compress(b"{}")[:8], [], [(0, _TRUNCATED)]),
    "not gzip": Case(b"\x1f\x8bnot gzip", [], [(0, "the gzip data are damaged (unknown compression method)")]),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "reason"), EVENTS.values(), ids=EVENTS)
def test_one_bad_event(tmp_path: Path, bad: str, reason: str) -> None:
    rows, receipt = cloudtrail(tmp_path, records(text(1), bad, text(3)))
    assert [(row["source_line"], row["event_id"]) for row in rows] == [(1, "id-1"), (3, "id-3")]
    [(index, said)] = faults(receipt)
    assert index == 2
    assert said.startswith(reason)
    assert (receipt.outcome, receipt.rejected_count) == ("read", 1)


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_whole_file(tmp_path: Path, case: Case) -> None:
    rows, receipt = cloudtrail(tmp_path, case.content)
    assert [row["event_id"] for row in rows] == case.good
    assert len(faults(receipt)) == len(case.bad)
    for (index, said), (expected, reason) in zip(faults(receipt), case.bad, strict=True):
        assert index == expected
        assert said.startswith(reason)
    assert receipt.outcome == "read"


@pytest.mark.parametrize("content", [b"", [b""], b" \r\n"], ids=["0 bytes", "gz", "blank"])
def test_an_empty_file_is_skipped(tmp_path: Path, content: Content) -> None:
    rows, receipt = cloudtrail(tmp_path, content)
    assert (rows, receipt.outcome, receipt.reason, receipt.rejected) == ([], "skipped", "empty file", [])


DIGEST = b'{"awsAccountId": "123456789012", "digestStartTime": "2026-03-02T09:00:00Z", "logFiles": []}'


def test_a_digest_file_is_skipped_by_its_content(tmp_path: Path) -> None:
    rows, receipt = cloudtrail(tmp_path, [DIGEST])
    assert (rows, receipt.outcome, receipt.reason) == ([], "skipped", "a CloudTrail digest file, not events")


@pytest.mark.parametrize("folder", ["Digest", "Insight", "Aggregated"])
def test_the_folders_beside_are_skipped_by_their_name(tmp_path: Path, folder: str) -> None:
    name = f"AWSLogs/123456789012/CloudTrail-{folder}/eu-west-1/2026/03/02/x.json"
    rows, receipt = cloudtrail(tmp_path, records(text(1)), name)
    assert (rows, receipt.outcome) == ([], "skipped")
    assert receipt.reason == f"a CloudTrail {folder.lower()} file, not events"


def test_no_events_is_said(tmp_path: Path) -> None:
    assert cloudtrail(tmp_path, b'{"Records": []}')[1].reason == "no events in it"


def test_invalid_utf8_costs_one_event(tmp_path: Path) -> None:
    content = records(text(1), text(2), text(3)).replace(b"id-2", b"id-\xff").replace(b"id-3", "id-é".encode())
    rows, receipt = cloudtrail(tmp_path, content)
    assert [row["event_id"] for row in rows] == ["id-1", "id-é"]
    assert faults(receipt) == [(2, "not UTF-8: the bytes \\udcXX stand for 0xXX")]
    assert '"eventID": "id-\\udcff"' in receipt.rejected[0].text


def test_a_hundred_levels_are_read(tmp_path: Path) -> None:
    parameters = '{"a": ' * 99 + "1" + "}" * 99
    rows, _ = cloudtrail(tmp_path, records(text(1, requestParameters=None).replace("null", parameters)))
    assert rows[0]["request_parameters"] == parameters.replace(" ", "")


def test_a_lone_surrogate_is_legal_json(tmp_path: Path) -> None:
    rows, receipt = cloudtrail(tmp_path, records(text(1, userAgent="a\ud800b")))
    assert rows[0]["user_agent"] == "a\\ud800b"
    assert json.loads(rows[0]["raw"])["userAgent"] == "a\ud800b"
    assert receipt.rejected == []


def test_not_a_number_is_stored_as_json(tmp_path: Path) -> None:
    content = records(text(1, requestParameters=[float("nan"), float("-inf"), 1e308, 10**400]))
    rows, _ = cloudtrail(tmp_path, content)
    assert json.loads(rows[0]["request_parameters"], parse_constant=pytest.fail) == ["NaN", "-Infinity", 1e308, 10**400]


def test_of_a_repeated_key_the_last_counts(tmp_path: Path) -> None:
    rows, _ = cloudtrail(tmp_path, records(text(1)[:-1] + ', "awsRegion": "eu-west-2"}'))
    assert rows[0]["region"] == "eu-west-2"


def test_a_broken_event_is_shown_from_its_beginning(tmp_path: Path) -> None:
    """Its middle might be the middle of a secret, of which nothing would tell that it is one."""
    secret = "IQoJb3JpZ2luX2VjE" + "Zm9vYmFy" * 60
    for broken in (
        text(2, responseElements={"sessionToken": secret}).replace('"eventID":', '"eventID"'),
        text(2, responseElements={"sessionToken": secret})[:-100],
    ):
        _, receipt = cloudtrail(tmp_path, records(text(1), broken, text(3)))
        assert receipt.rejected[0].text.startswith('{"eventVersion"')
        assert "Zm9v" not in receipt.rejected[0].text


def test_a_vanished_file_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(records(text(1)))
    files = [(str(tmp_path / name), Receipt(name)) for name in ("gone", "there", "gone too")]
    assert [batch.num_rows for batch in read_cloudtrail(files)] == [1]
    assert [receipt.outcome for _, receipt in files] == ["unreadable", "read", "unreadable"]
    assert files[0][1].reason == "it cannot be opened: No such file or directory"


def test_small_files_share_a_batch(tmp_path: Path) -> None:
    files = []
    for number in range(100):
        (tmp_path / f"{number}.json").write_bytes(records(text(number)))
        files.append((str(tmp_path / f"{number}.json"), Receipt(f"{number}.json")))
    assert [batch.num_rows for batch in read_cloudtrail(files)] == [100]
    assert {receipt.records for _, receipt in files} == {1}


def test_a_document_beyond_all_measure_is_read_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.sources.streams.DOCUMENT_BYTES", 1 << 20)
    rows, receipt = cloudtrail(tmp_path, [records(text(1), text(2)) + b" " * (2 << 20) + records(text(3))])
    assert [row["event_id"] for row in rows] == ["id-1", "id-2"]
    assert faults(receipt) == [(3, "of a JSON file 1 MiB are read, no more")]
