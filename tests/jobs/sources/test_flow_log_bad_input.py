"""Bad flow logs: what is good is read to the last record, and what is not is counted, with its line and a reason."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from jobs.sources.files import KEPT_RECORD_BYTES, Receipt
from jobs.sources.flow_logs import read_flow_logs
from tests.jobs.sources.reading import GOOD, HEADER, Content, faults, flow_logs, lines, with_field

_CUSTOM = b"interface-id start end srcaddr dstaddr bytes"
_PACKED = gzip.compress(lines(HEADER, GOOD, GOOD), mtime=0)
_NO_FLOW_LOG = (
    "the header lacks interface_id, src_addr, dst_addr, start_time, end_time: not a flow log, "
    "or a format that cannot be used"
)


def _between(bad: bytes) -> bytes:
    """A bad line, the third, with good ones around it."""
    return lines(HEADER, GOOD, bad, GOOD)


@dataclass
class Case:
    content: Content
    good: list[int]
    """lines of the good records"""
    bad: list[tuple[int, str]]


# One bad line between good ones: what is wrong with it.
LINES = {
    "13 fields": (GOOD.removesuffix(b" OK"), "13 fields, not 14"),
    "15 fields": (GOOD + b" -", "15 fields, not 14"),
    "two spaces": (GOOD.replace(b" 443", b"  443"), "15 fields, not 14"),
    "two spaces and a field too few": (GOOD.replace(b"443 6", b" 6"), "dst_port is not a number: "),
    "an empty text field": (GOOD.replace(b"10.0.1.5 ", b" "), "src_addr is empty"),
    "a number that is none": (with_field(9, b"many"), "bytes is not a number: many"),
    "a fraction": (with_field(9, b"840.5"), "bytes is not a number: 840.5"),
    "an exponent": (with_field(9, b"1e3"), "bytes is not a number: 1e3"),
    "hexadecimal": (with_field(9, b"0x1F"), "bytes is not a number: 0x1F"),
    "hexadecimal at the line's start": (with_field(0, b"0X2"), "version is not a number: 0X2"),
    "a plus sign": (with_field(9, b"+840"), "bytes is not a number: +840"),
    "full-width digits": (with_field(9, "８４０".encode()), "bytes is not a number: ８４０"),
    "negative": (with_field(9, b"-1"), "bytes is negative: -1"),
    "2^63": (with_field(9, b"9223372036854775808"), "bytes is too large: 9223372036854775808"),
    "2^31 for a small field": (with_field(0, b"2147483648"), "version is too large: 2147483648"),
    "5,000 digits": (with_field(9, b"7" * 5000), f"bytes is too large: {'7' * 40}"),
    "a port above 65535": (with_field(6, b"65536"), "dst_port is too large: 65536"),
    "a protocol above 255": (with_field(7, b"256"), "protocol is too large: 256"),
    "no start": (with_field(10, b"-"), "start or end is missing"),
    "no end": (with_field(11, b"-"), "start or end is missing"),
    "end before start": (with_field(11, b"1772445599"), "end is before start"),
    "the year 1970": (with_field(10, b"0"), "start_time is out of range: 0"),
    "the year 2100": (with_field(11, b"4102444800"), "end_time is out of range: 4102444800"),
    "microseconds": (with_field(11, b"1772445600000000"), "end_time is out of range: 1772445600000000"),
    "the end of 64 bits as a time": (
        with_field(11, b"9223372036854775807"),
        "end_time is out of range: 9223372036854775807",
    ),
    "an unknown status": (with_field(13, b"FINE"), "log_status is unknown: FINE"),
    "invalid UTF-8": (with_field(2, b"eni-\xff"), "interface_id is not UTF-8"),
    "invalid UTF-8 in a number": (with_field(9, b"8\xff"), "bytes is not a number: 8\\xff"),
    "a surrogate in UTF-8": (with_field(2, b"eni-\xed\xa0\x80"), "interface_id is not UTF-8"),
    "a NUL byte": (with_field(2, b"eni-\x00"), "a control character"),
    "a tab in a value": (with_field(2, b"eni\t1"), "a control character"),
    "a tab beside a number": (with_field(9, b"840\t"), "a control character"),
    "an escape sequence": (with_field(2, b"\x1b[31meni-0a1"), "a control character"),
    "a carriage return in the line": (with_field(2, b"eni\r1"), "a control character"),
    "tabs for spaces": (GOOD.replace(b" ", b"\t"), "1 fields, not 14"),
    "commas for spaces": (GOOD.replace(b" ", b","), "1 fields, not 14"),
    "quotes": (b'"' + GOOD + b'"', 'version is not a number: "2'),
    "JSON": (b'{"version": 2}', "2 fields, not 14"),
    "a line of 100 kB": (with_field(2, b"e" * 100_000), "a line of 100,085 bytes"),
}

_TRUNCATED = "the gzip data break off: the file is truncated, what follows is lost"

FILES = {
    "good": Case(lines(HEADER, GOOD, GOOD), [2, 3], []),
    "half a record and a header of another number of fields": Case(
        lines(HEADER, GOOD, GOOD[:40] + HEADER, GOOD), [2, 4], [(3, "18 fields, not 14")]
    ),
    "CRLF": Case(lines(HEADER, GOOD, GOOD).replace(b"\n", b"\r\n"), [2, 3], []),
    "a byte-order mark": Case(b"\xef\xbb\xbf" + lines(HEADER, GOOD), [2], []),
    "a byte-order mark and no header": Case(b"\xef\xbb\xbf" + lines(GOOD, GOOD), [1, 2], []),
    "no newline at the end": Case(lines(HEADER, GOOD) + GOOD, [2, 3], []),
    "CRLF and none at the end": Case(lines(HEADER, GOOD).replace(b"\n", b"\r\n") + GOOD + b"\r", [2, 3], []),
    "empty lines": Case(lines(b"", HEADER, b"", GOOD, b"  ", GOOD, b"", b""), [4, 6], []),
    "the header again": Case(lines(HEADER, GOOD, HEADER, GOOD), [2, 4], []),
    "another header": Case(
        lines(
            HEADER, GOOD, _CUSTOM, b"eni-0b2 1772445600 1772445601 10.0.0.1 10.0.0.2 7", b"eni-0b2 - -", HEADER, GOOD
        ),
        [2, 4, 7],
        [(5, "3 fields, not 6")],
    ),
    "another header as long": Case(
        lines(
            _CUSTOM,
            b"eni-0b2 1772445600 1772445601 10.0.0.1 10.0.0.2 7",
            b"interface-id start end dstaddr srcaddr bytes",
            b"eni-0b2 1772445600 1772445601 10.0.0.2 10.0.0.1 7",
        ),
        [2, 4],
        [],
    ),
    "no header and a bad first line": Case(lines(GOOD[:-3], GOOD), [2], [(1, "13 fields, not 14")]),
    "header only": Case(lines(HEADER), [], []),
    "header only, not ended": Case(HEADER, [], []),
    "wrong header": Case(lines(b"time,message", GOOD + b" -"), [], [(1, _NO_FLOW_LOG)]),
    "header with tabs": Case(lines(HEADER.replace(b" ", b"\t")), [], [(1, _NO_FLOW_LOG)]),
    "header without addresses": Case(
        lines(b"interface-id start end bytes", b"eni-0a1 1772445600 1772445601 7"),
        [],
        [(1, "the header lacks src_addr, dst_addr: not a flow log, or a format that cannot be used")],
    ),
    "a header of 100 kB": Case(lines(HEADER + b" x" * 50_000, GOOD), [2], [(1, "a line of 100,114 bytes")]),
    "no header but a title": Case(lines(b"Flow logs of March", GOOD), [2], [(1, "4 fields, not 14")]),
    "header with a field twice": Case(
        lines(HEADER + b" bytes", GOOD + b" 1"), [], [(1, "the header names a field twice")]
    ),
    "random bytes": Case(np.random.default_rng(3).bytes(3000).replace(b"\n", b" "), [], [(1, _NO_FLOW_LOG)]),
    "a 10 MB line": Case(
        lines(HEADER, GOOD, b"x" * 10_000_000, GOOD),
        [2, 4],
        [(3, "a line of 10,000,000 bytes")],
    ),
    "a 10 MB line at the end": Case(lines(HEADER, GOOD) + b"x" * 10_000_000, [2], [(3, "a line of 10,000,000 bytes")]),
    "a 9 MB line of spaces": Case(
        lines(HEADER, GOOD, b" " * 9_000_000, GOOD), [2, 4], [(3, "a line of 9,000,000 bytes")]
    ),
    "not gzip, though its name says so": Case(lines(HEADER, GOOD), [2], []),
    "gzip, though its name does not say so": Case([lines(HEADER, GOOD)], [2], []),
    "several gzip members": Case([lines(HEADER, GOOD), lines(GOOD)[:30], lines(GOOD)[30:]], [2, 3], []),
    "several gzip members and padding": Case(_PACKED + _PACKED + b"\0" * 700, [2, 3, 5, 6], []),
    "an empty gzip member": Case([b"", lines(HEADER, GOOD), b""], [2], []),
    "garbage after gzip": Case(
        _PACKED + b"garbage",
        [2, 3],
        [(4, "the gzip data are damaged (incorrect header check): what follows is lost")],
    ),
    "gzip without data": Case(_PACKED[:10], [], [(1, _TRUNCATED)]),
    "half a gzip header": Case(_PACKED[:5], [], [(1, _TRUNCATED)]),
    "gzip of another kind": Case(
        b"\x1f\x8b\x63" + _PACKED[3:],
        [],
        [(1, "the gzip data are damaged (unknown compression method): what follows is lost")],
    ),
    "gzip without its check sum": Case(_PACKED[:-8], [2, 3], [(4, _TRUNCATED)]),
    "gzip with a wrong check sum": Case(
        _PACKED[:-8] + b"\1\2\3\4" + _PACKED[-4:],
        [2, 3],
        [(4, "the gzip check sum is wrong: what was read may be damaged")],
    ),
}


@pytest.mark.parametrize(("bad", "reason"), LINES.values(), ids=LINES)
def test_one_bad_line(tmp_path: Path, bad: bytes, reason: str) -> None:
    rows, receipt = flow_logs(tmp_path, _between(bad))
    assert [row["source_line"] for row in rows] == [2, 4]
    [(line, said)] = faults(receipt)
    assert line == 3
    assert said.startswith(reason)
    assert receipt.rejected[0].text == bad[:KEPT_RECORD_BYTES].decode("utf-8", "backslashreplace").replace(
        "\0", "\\x00"
    )
    assert (receipt.outcome, receipt.rejected_count) == ("read", 1)


@pytest.mark.parametrize("case", FILES.values(), ids=FILES)
def test_whole_file(tmp_path: Path, case: Case) -> None:
    rows, receipt = flow_logs(tmp_path, case.content, "flow.log.gz")
    assert [row["source_line"] for row in rows] == case.good
    assert len(faults(receipt)) == len(case.bad)
    for (line, said), (expected_line, reason) in zip(faults(receipt), case.bad, strict=True):
        assert line == expected_line
        assert said.startswith(reason)
    assert receipt.outcome == "read"


@pytest.mark.parametrize("content", [b"", [b""], b"\n\r\n \n", b"\xef\xbb\xbf"], ids=["0 bytes", "gz", "blank", "BOM"])
def test_an_empty_file_is_skipped(tmp_path: Path, content: Content) -> None:
    rows, receipt = flow_logs(tmp_path, content)
    assert (rows, receipt.outcome, receipt.reason, receipt.rejected) == ([], "skipped", "empty file", [])


def test_header_only_is_said(tmp_path: Path) -> None:
    assert flow_logs(tmp_path, lines(HEADER))[1].reason == "a header and no records"


def test_transit_gateway_flow_logs_are_skipped(tmp_path: Path) -> None:
    _, receipt = flow_logs(
        tmp_path, lines(b"version resource-type account-id tgw-id tgw-attachment-id srcaddr start end")
    )
    assert (receipt.outcome, receipt.reason) == ("skipped", "a flow log of a transit gateway, not of a VPC")


@pytest.mark.parametrize("cut", range(0, len(_PACKED), 7))
def test_a_truncated_file_gives_whole_lines_only(tmp_path: Path, cut: int) -> None:
    """Half a line may look like a record: 84 bytes are not 840."""
    content = lines(_CUSTOM, *[b"eni-0a1 1772445600 1772445660 10.0.1.5 192.0.2.7 %d" % n for n in range(1000, 1400)])
    packed = gzip.compress(content, mtime=0)
    share = cut / len(_PACKED)
    rows, receipt = flow_logs(tmp_path, packed[: max(12, int(len(packed) * share))])
    inflated = zlib.decompressobj(31).decompress(packed[: max(12, int(len(packed) * share))])
    whole = inflated.count(b"\n")
    assert [row["bytes"] for row in rows] == list(range(1000, 1000 + whole - 1)) if whole else rows == []
    assert faults(receipt) == [(whole + 1, _TRUNCATED)]
    assert receipt.rejected[0].text.encode() == inflated.rpartition(b"\n")[2]


def test_damage_in_the_middle_costs_nothing_before_it(tmp_path: Path) -> None:
    """An inflater that meets damage throws away what it made of the same input: the reader gets it back."""
    rng = np.random.default_rng(5)
    rows = [
        b"eni-%x 1772445600 1772445660 10.0.1.5 192.0.2.7 %d" % (n, n) for n in rng.integers(1 << 30, 1 << 40, 9000)
    ]
    packed = bytearray(gzip.compress(lines(_CUSTOM, *rows), mtime=0))
    middle = len(packed) // 2
    packed[middle : middle + 40] = b"\xff" * 40
    found, receipt = flow_logs(tmp_path, bytes(packed))
    undamaged = zlib.decompressobj(31).decompress(packed[:middle]).count(b"\n") - 1
    assert 3000 < undamaged <= len(found) < undamaged + 50
    assert [b"%d" % row["bytes"] for row in found[:undamaged]] == [row.rpartition(b" ")[2] for row in rows[:undamaged]]
    assert (receipt.reason or "").startswith("the gzip ")


def test_bad_files_among_good_ones(tmp_path: Path) -> None:
    """They share batches; what one gives does not depend on the others."""
    contents = [
        lines(HEADER, GOOD),
        b"",
        lines(HEADER, GOOD, b"bad"),
        _PACKED[:-20],
        lines(_CUSTOM, b"eni-0b2 1772445600 1772445601 10.0.0.1 10.0.0.2 7"),
        b"nothing of the kind",
        lines(HEADER, GOOD, _CUSTOM, b"eni-0b2 1772445600 1772445601 10.0.0.1 10.0.0.2 7"),
        lines(HEADER, GOOD),
    ] * 5
    files = []
    for index, content in enumerate(contents):
        (tmp_path / f"{index:02}").write_bytes(content)
        files.append((str(tmp_path / f"{index:02}"), Receipt(f"{index:02}")))
    files.insert(3, (str(tmp_path / "gone"), Receipt("gone")))
    files.insert(9, (str(tmp_path), Receipt("a folder")))
    batches = list(read_flow_logs(files))
    assert len(batches) <= 4
    for path, receipt in files:
        if Path(path).is_file():
            alone = Receipt(receipt.source_file)
            rows = [row for batch in read_flow_logs([(path, alone)]) for row in batch.to_pylist()]
            assert receipt == alone
            together = [r for b in batches for r in b.to_pylist() if r["source_file"] == receipt.source_file]
            assert together == rows
    assert (files[3][1].outcome, files[3][1].reason) == ("unreadable", "it cannot be opened: No such file or directory")
    assert (files[9][1].outcome, files[9][1].reason) == ("unreadable", "it cannot be opened: Is a directory")
