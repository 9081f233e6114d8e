"""Security Lake's flow-log records as the columns of a flow log, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from jobs.sources.files import Receipt
from jobs.sources.flow_log_columns import KNOWN_FIELDS
from jobs.sources.flow_log_fields import REQUIRED
from jobs.sources.flow_log_lines import NUMBERS
from jobs.sources.parquet_columns import encoded, is_usable
from jobs.sources.parquet_files import refuse
from jobs.sources.security_lake import FLOW_LOG_ID

# Our field → where it may be. Of texts each record has the first that is there; of numbers the first column counts.
# AWS puts the packet's own address into `ip` and, where it differs, the interface's into `intermediate_ips`; the
# interface itself is at the end of the connection that it is.
_PLACES: dict[str, tuple[str, ...]] = {
    "version": ("metadata.product.version",),
    "account_id": ("cloud.account.uid", "cloud.account_uid"),
    "region": ("cloud.region",),
    "az_id": ("cloud.zone",),
    "interface_id": ("src_endpoint.interface_uid", "dst_endpoint.interface_uid"),
    "vpc_id": ("src_endpoint.vpc_uid", "dst_endpoint.vpc_uid"),
    "subnet_id": ("src_endpoint.subnet_uid", "dst_endpoint.subnet_uid"),
    "instance_id": ("src_endpoint.instance_uid", "dst_endpoint.instance_uid"),
    "src_addr": ("src_endpoint.intermediate_ips", "src_endpoint.ip"),
    "dst_addr": ("dst_endpoint.intermediate_ips", "dst_endpoint.ip"),
    "pkt_src_addr": ("src_endpoint.ip",),
    "pkt_dst_addr": ("dst_endpoint.ip",),
    "src_port": ("src_endpoint.port",),
    "dst_port": ("dst_endpoint.port",),
    "pkt_src_aws_service": ("src_endpoint.svc_name",),
    "pkt_dst_aws_service": ("dst_endpoint.svc_name",),
    "protocol": ("connection_info.protocol_num",),
    "tcp_flags": ("connection_info.tcp_flags",),
    "type": ("connection_info.protocol_ver",),
    "flow_direction": ("connection_info.direction",),
    "traffic_path": ("connection_info.boundary_id",),
    "packets": ("traffic.packets",),
    "bytes": ("traffic.bytes",),
    "start_time": ("start_time_dt", "start_time", "time_dt", "time"),
    "end_time": ("end_time_dt", "end_time"),
    "action": ("action", "disposition"),
    "log_status": ("status_code",),
}
_WORDS = {
    "action": {"Allowed": "ACCEPT", "Denied": "REJECT", "Blocked": "REJECT"},
    "flow_direction": {"Inbound": "ingress", "Outbound": "egress"},
}
# `boundary_id` 4 to 11 are AWS's traffic paths 1 to 8.
_FIRST_BOUNDARY, _LAST_BOUNDARY = 4, 11
# What OCSF has no place for keeps AWS's name, with either separator.
_UNMAPPED = {name: f for f in sorted(KNOWN_FIELDS) for name in (f, f.replace("_", "-"))}
_NOTHING = pa.array([b"-", b""])


def fields_of(schema: pa.Schema) -> dict[str, list[str]]:
    """Our name of each field that the columns can hold → where they hold it."""
    found = {field: [p for p in places if _usable(field, _type_at(schema, p))] for field, places in _PLACES.items()}
    return {field: places for field, places in found.items() if places}


def leaves_of(schema: pa.Schema, receipt: Receipt) -> list[str]:
    """What to read of the columns; empty, with the reason in the receipt: the file cannot be used."""
    found = fields_of(schema)
    missing = [_PLACES[field][-1] for field in REQUIRED if field not in found]
    if missing:
        refuse(receipt, f"the OCSF records lack {', '.join(missing)}, or have another type there")
        return []
    extra = ["unmapped"] if types.is_map(_type_at(schema, "unmapped")) else []
    return [*dict.fromkeys(place for places in found.values() for place in places), *extra]


def columns_of(batch: pa.RecordBatch) -> Mapping[str, pa.Array]:
    """The records' fields as `encoded` makes them: numbers, or texts in dictionaries."""
    columns = {}
    for field, places in _PLACES.items():
        found = [array for place in places if (array := _at(batch, place)) is not None]
        parts = [encoded(field, array) for array in found if _usable(field, array.type)]
        if parts:
            columns[field] = parts[0] if field in NUMBERS else _first_known(parts)
    for field, words in _WORDS.items():
        if field in columns:
            columns[field] = _translated(columns[field], words)
    if "traffic_path" in columns:
        columns["traffic_path"] = _traffic_path(columns["traffic_path"])
    for field, array in _unmapped(batch).items():
        known = columns.get(field)
        if known is None:
            columns[field] = array
        elif field not in NUMBERS:
            columns[field] = _first_known([known, array])
    same = pa.array(np.zeros(batch.num_rows, np.int32))
    columns["flow_log_id"] = pa.DictionaryArray.from_arrays(same, pa.array([FLOW_LOG_ID.encode()]))
    return columns


def _type_at(schema: pa.Schema, place: str) -> pa.DataType:
    """The type of a column or of a field in it; that of nothing, if there is none."""
    name, *inner = place.split(".")
    if schema.names.count(name) != 1:
        return pa.null()
    kind = schema.field(name).type
    for part in inner:
        if not types.is_struct(kind) or kind.get_field_index(part) < 0:
            return pa.null()
        kind = kind.field(part).type
    return kind


def _usable(field: str, kind: pa.DataType) -> bool:
    if types.is_list(kind):
        return field not in NUMBERS and is_usable(field, kind.value_type)
    return not types.is_null(kind) and is_usable(field, kind)


def _at(batch: pa.RecordBatch, place: str) -> pa.Array | None:
    """A column or a field in it, NULL where what it is in is; the first item of a list."""
    if types.is_null(_type_at(batch.schema, place)):
        return None
    name, *inner = place.split(".")
    array = batch.column(name)
    if inner:
        array = pc.struct_field(array, inner)
    if not types.is_list(array.type):
        return array
    starts = array.offsets.slice(0, len(array))
    filled = pc.fill_null(pc.greater(pc.list_value_length(array), 0), False)
    return array.values.take(pc.if_else(filled, starts, pa.scalar(None, starts.type)))


def _first_known(parts: list[pa.Array]) -> pa.Array:
    """Of each record the first text that is one, not NULL or `-`."""
    indices, start = [], 0
    for part in parts:
        nothing = pc.is_in(part.dictionary, value_set=_NOTHING).take(part.indices)
        at = pc.add(part.indices.cast(pa.int64()), start)
        indices.append(pc.if_else(pc.fill_null(nothing, True), pa.scalar(None, pa.int64()), at))
        start += len(part.dictionary)
    texts = pa.concat_arrays([part.dictionary for part in parts])
    return pa.DictionaryArray.from_arrays(pc.coalesce(*indices).cast(pa.int32()), texts)


def _translated(column: pa.Array, words: Mapping[str, str]) -> pa.Array:
    """AWS's word for OCSF's; AWS's own stay, and all else is NULL."""
    known = {**words, **{word: word for word in words.values()}}
    at = pc.index_in(column.dictionary, value_set=pa.array([word.encode() for word in known]))
    texts = pa.array([word.encode() for word in known.values()]).take(at)
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _traffic_path(boundary: pa.Array) -> pa.Array:
    if not types.is_integer(boundary.type):
        return pa.nulls(len(boundary), pa.int64())
    boundary = boundary.cast(pa.int64())
    is_path = pc.and_(pc.greater_equal(boundary, _FIRST_BOUNDARY), pc.less_equal(boundary, _LAST_BOUNDARY))
    return pc.if_else(is_path, pc.subtract(boundary, _FIRST_BOUNDARY - 1), pa.scalar(None, pa.int64()))


def _unmapped(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The fields of a flow log that `unmapped` has."""
    if not types.is_map(_type_at(batch.schema, "unmapped")):
        return {}
    column = batch.column("unmapped")
    keys = encoded("type", column.keys) if _usable("type", column.type.key_type) else None
    if keys is None or not _usable("type", column.type.item_type):
        return {}
    offsets = column.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    record = np.repeat(np.arange(len(column)), np.diff(offsets))
    key = keys.indices.slice(first, last - first)
    found = {}
    for name in np.array(list(_UNMAPPED))[pc.is_in(pa.array([n.encode() for n in _UNMAPPED]), keys.dictionary)]:
        same = pc.fill_null(pc.equal(keys.dictionary, name.encode()).take(key), False)
        hits = np.flatnonzero(same.to_numpy(zero_copy_only=False))
        at = np.full(len(column), -1, np.int64)
        at[record[hits]] = first + hits
        field = _UNMAPPED[str(name)]
        found[field] = encoded(field, column.items.take(pa.array(at, mask=at < 0)))
    return found
