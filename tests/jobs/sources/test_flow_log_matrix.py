"""One table of records through every file format, record format and layout: always the same rows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.raw_files import listing
from jobs.sources.classify import classify
from jobs.sources.files import Receipt
from jobs.sources.flow_log_columns import SCHEMA
from jobs.sources.flow_logs import read_flow_logs
from tests.jobs.sources.reading import Row
from tests.jobs.sources.test_flow_log_formats import V2, V3, V5, V7, V8, V11

Record = dict[str, str]

_ECS = " ".join(f"ecs-{n}" for n in range(10))
_FLOWS = [
    # A function's side of a query, and the answer; silence; a gap; a refusal; IPv6; the largest numbers.
    "11 123456789012 eni-0a1 10.0.1.5 10.0.2.9 40000 5432 6 10 840 1772445600 1772445659 ACCEPT OK vpc-0c1 subnet-0d1 "
    f"- 3 IPv4 10.0.1.5 10.0.2.9 eu-west-1 euw1-az1 - - - AMAZON egress 1 {_ECS} - - 3 team%3Dblue - fn%20orders - - - "
    "vpc_endpoint eni-0b2 subnet-0d2 euw1-az2 vpc-0c1 network_load_balancer",
    "11 123456789012 eni-0a1 10.0.2.9 10.0.1.5 5432 40000 6 9 9000 1772445601 1772445660 ACCEPT OK vpc-0c1 subnet-0d1 "
    f"- 19 IPv4 10.0.2.9 10.0.1.5 eu-west-1 euw1-az1 - - S3 - ingress - {_ECS} - - 0",
    "11 123456789012 eni-0a2 - - - - - - - 1772445600 1772445660 - NODATA",
    "11 123456789012 eni-0a3 - - - - - - - 1772449200 1772449260 - SKIPDATA",
    "11 123456789012 eni-0a1 198.51.100.7 10.0.1.5 1 0 17 0 0 1772445600 1772445600 REJECT OK vpc-0c1 subnet-0d1 i-0e1 "
    "0 IPv4 198.51.100.7 10.0.1.5 eu-west-1 euw1-az1 outpost sub-1 - - ingress 8" + " -" * 10 + " BPA nat-0e5",
    "11 123456789012 eni-0a4 2001:db8::1 2001:db8::2 65535 65535 255 9223372036854775807 9223372036854775807 "
    "1772445600 1772532000 ACCEPT OK vpc-0c1 subnet-0d1 - 7 IPv6 2001:db8::1 2001:db8::2 eu-west-1 euw1-az1 - - - - "
    "egress 7" + " -" * 10 + " EC - 1",
]  # fmt: skip
_ALL = V11.split(" ")
RECORDS: list[Record] = [dict(zip_longest(_ALL, flow.split(" "), fillvalue="-")) for flow in _FLOWS]

# Neither account nor region: they come from the path. As someone chose it, in no order.
CUSTOM = (
    "end start dstaddr srcaddr interface-id flow-direction bytes log-status pkt-dstaddr dstport srcport tcp-flags "
    "pkt-src-aws-service packets protocol interface-tag type traffic-path reject-reason encryption-status"
)
FORMATS = {"v2": V2, "v3": V3, "v5": V5, "v7": V7, "v8": V8, "v11": V11, "custom": CUSTOM}

_HIVE = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=03/day=02/"
LAYOUTS = {
    "daily": "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/02/",
    "hourly": "team a/AWSLogs/o-a1b2c3d4e5/123456789012/vpcflowlogs/eu-west-1/2026/03/02/10/",
    "hive": _HIVE,
    "hive-hourly": _HIVE + "hour=10/",
}

_INT32 = {"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path", "encryption-status"}
_INT64 = {"packets", "bytes", "start", "end"}
_RENAMED = {
    "srcaddr": "src_addr", "dstaddr": "dst_addr", "srcport": "src_port", "dstport": "dst_port",
    "pkt_srcaddr": "pkt_src_addr", "pkt_dstaddr": "pkt_dst_addr", "start": "start_time", "end": "end_time",
}  # fmt: skip


def _text(fields: list[str]) -> bytes:
    return "".join(" ".join(row) + "\n" for row in [fields, *([r[f] for f in fields] for r in RECORDS)]).encode()


def _parquet(fields: list[str]) -> bytes:
    """As AWS writes it: INT_32, INT_64 and strings, under names with underscores."""
    columns: dict[str, pa.Array] = {}
    for name in fields:
        values = [record[name] for record in RECORDS]
        if name in _INT32 | _INT64:
            numbers = [None if value == "-" else int(value) for value in values]
            columns[name.replace("-", "_")] = pa.array(numbers, pa.int32() if name in _INT32 else pa.int64())
        else:
            columns[name.replace("-", "_")] = pa.array(values)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="gzip", row_group_size=4)
    return file.getvalue()


FILES: dict[str, Callable[[list[str]], bytes]] = {
    "log": _text,
    "log.gz": lambda fields: gzip.compress(_text(fields)),
    "log.parquet": _parquet,
}


def _expected(fields: list[str]) -> list[Row]:
    """The rows of the contract, without where they stood, by the plainest code."""
    rows = []
    for record in RECORDS:
        row: Row = dict.fromkeys(SCHEMA.names)
        for name in fields:
            value = record[name]
            column = name.replace("-", "_")
            column = _RENAMED.get(column, column)
            if value != "-":
                row[column] = int(value) if name in _INT32 | _INT64 else value
        row["start_time"] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(record["start"]))
        row["end_time"] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(record["end"]))
        row |= {"account_id": "123456789012", "region": "eu-west-1", "flow_log_id": "fl-0a1"}
        row |= {"delivered_at": datetime(2026, 3, 2, 10, 5, tzinfo=UTC), "date": row["start_time"].date()}
        del row["source_file"], row["source_line"]
        rows.append(row)
    return rows


def _path(file: str, layout: str, name: str) -> str:
    # Several files of one moment differ in their hash.
    return f"{LAYOUTS[layout]}123456789012_vpcflowlogs_eu-west-1_fl-0a1_20260302T1005Z_{name}.{file}"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Row]]:
    """All files in one folder, found, recognised and read together: source file → its rows."""
    root = tmp_path_factory.mktemp("matrix")
    for layout in LAYOUTS:
        for name, header in FORMATS.items():
            for file, content in FILES.items():
                path = root / _path(file, layout, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content(header.split(" ")))
    day = datetime(2026, 3, 2, tzinfo=UTC)
    listed = [raw.source_file for raw in listing(str(root), day, day + timedelta(days=1))]
    assert all(classify(str(root / path), path) == ("vpc_flow_logs", "") for path in listed)
    rows: dict[str, list[Row]] = {path: [] for path in listed}
    receipts = [Receipt(path) for path in listed]
    for batch in read_flow_logs([(str(root / receipt.source_file), receipt) for receipt in receipts]):
        for row in batch.to_pylist():
            rows[row.pop("source_file")].append(row)
    assert all((r.records, r.rejected, r.reason) == (len(RECORDS), [], None) for r in receipts)
    assert len({frozenset(r.hours) for r in receipts}) == 1
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("file", FILES)
def test_the_same_rows(found: dict[str, list[Row]], file: str, name: str, layout: str) -> None:
    rows = found[_path(file, layout, name)]
    lines = [row["source_line"] for row in rows]
    assert lines == list(range(1, 7) if file == "log.parquet" else range(2, 8))
    assert [{k: v for k, v in row.items() if k != "source_line"} for row in rows] == _expected(FORMATS[name].split(" "))


def test_there_is_something_to_compare() -> None:
    """Every column of the contract has a value somewhere in the fullest format."""
    rows = _expected(V11.split(" "))
    assert [name for name in rows[0] if all(row[name] is None for row in rows)] == [
        "instance_tag_2", "interface_tag_2", "asg_tag", "asg_tag_2"
    ]  # fmt: skip


def test_all_files_were_found(found: dict[str, list[Row]]) -> None:
    assert len(found) == len(FILES) * len(FORMATS) * len(LAYOUTS)
