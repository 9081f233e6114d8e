"""Which columns a flow log has, by the names in its header or its Parquet schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from jobs.sources.flow_log_columns import KNOWN_FIELDS
from jobs.sources.flow_log_lines import MAX_LINE_BYTES

# AWS's name → ours, where they are not the same with underscores.
_RENAMED = {
    "srcaddr": "src_addr",
    "dstaddr": "dst_addr",
    "srcport": "src_port",
    "dstport": "dst_port",
    "pkt_srcaddr": "pkt_src_addr",
    "pkt_dstaddr": "pkt_dst_addr",
    "start": "start_time",
    "end": "end_time",
}
REQUIRED = ("interface_id", "src_addr", "dst_addr", "start_time", "end_time")
DEFAULT_FIELDS = (
    "version", "account_id", "interface_id", "src_addr", "dst_addr", "src_port", "dst_port",
    "protocol", "packets", "bytes", "start_time", "end_time", "action", "log_status",
)  # fmt: skip
"""The default format: the fields of version 2 in AWS's order."""
TRANSIT_GATEWAY = "a flow log of a transit gateway, not of a VPC"


def header_fields(line: bytes) -> tuple[tuple[str, ...], str]:
    """The fields that a header names, and which of them are passed over; no fields: why it is no header."""
    if len(line) > MAX_LINE_BYTES:
        return (), f"a line of {len(line):,} bytes where the header should be"
    return _header_fields(line)


@lru_cache(maxsize=64)
def _header_fields(line: bytes) -> tuple[tuple[str, ...], str]:
    return fields_of(line.rstrip(b"\r ").decode("utf-8", "backslashreplace").split(" "))


def fields_of(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The same of a header's words: `srcaddr` → `src_addr`, `pkt-srcaddr` and `pkt_srcaddr` → `pkt_src_addr`."""
    names = [_RENAMED.get(w.lower().replace("-", "_"), w.lower().replace("-", "_")) for w in words]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        return (), f"the header lacks {', '.join(missing)}: not a flow log, or a format that cannot be used"
    if len(set(names)) != len(names):
        return (), "the header names a field twice"
    unknown = [word for word, name in zip(words, names, strict=True) if name not in KNOWN_FIELDS]
    return tuple(names), f"fields passed over: {', '.join(unknown)}" if unknown else ""
