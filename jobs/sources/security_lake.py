"""Amazon Security Lake: which of its files are flow logs or CloudTrail, by their path and by their content.

Its Parquet is in OCSF: source version 1 in OCSF 1.0.0-rc.2, source version 2 in OCSF 1.1.0. How AWS maps its logs to
either is in github.com/ocsf/examples, mappings/markdown/AWS; docs/security_lake.md says what that leaves out.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.parquet as pq

FLOW_LOG_ID = "amazon-security-lake"
"""Security Lake's records come from a flow log of its own that has no id. This one sorts before every fl-…: of two
flow logs with equally many fields the one that somebody made counts."""

_FLOWS, _TRAIL = "vpc_flow_logs", "cloudtrail"
_KIND_OF = {
    "VPC_FLOW": _FLOWS,
    "CLOUD_TRAIL": _TRAIL,
    "CLOUD_TRAIL_MGMT": _TRAIL,
    "LAMBDA_EXECUTION": _TRAIL,
    "S3_DATA": _TRAIL,
}
_OTHERS = {"ROUTE53": "Route 53", "SH_FINDINGS": "Security Hub", "EKS_AUDIT": "EKS", "WAF": "WAF"}
_FOLDER = re.compile(r"(?:^|/)aws/([A-Z0-9_]+)/(?:[^/]+/)*[^/]+\.parquet$")
_NETWORK_ACTIVITY = 4001


def kind_by_path(path: str) -> tuple[str | None, str]:
    """(kind, "") or (None, why it is not read); (None, "") where the path does not tell."""
    found = _FOLDER.search(path)
    if not found:
        return None, ""
    if found[1] in _OTHERS:
        return None, f"Security Lake's {_OTHERS[found[1]]} records, neither flow logs nor CloudTrail"
    return _KIND_OF.get(found[1]), ""


def is_ocsf(schema: pa.Schema) -> bool:
    """Do the columns say that this is an OCSF file?"""
    return {"class_uid", "metadata"} <= set(schema.names)


def kind_of(file: pq.ParquetFile) -> tuple[str | None, str]:
    """(kind, "") or (None, why it is not read) of an OCSF file, by its first record. Arrow's exceptions pass."""
    first = next(file.iter_batches(1, columns=["class_uid", "metadata.product.name"], use_threads=False), None)
    if first is None or not first.num_rows:
        return None, "no records in it"
    record = first.to_pylist()[0]
    product: object = record
    for name in ("metadata", "product", "name"):
        product = product.get(name) if isinstance(product, dict) else None
    known = str(product).casefold()
    if known == "cloudtrail":
        return _TRAIL, ""
    if known == "amazon vpc" and record["class_uid"] == _NETWORK_ACTIVITY:
        return _FLOWS, ""
    shown = f"OCSF class {record['class_uid']!r} of the product {product!r}"[:120]
    return None, f"{shown}: neither Amazon VPC's flow logs nor CloudTrail"
