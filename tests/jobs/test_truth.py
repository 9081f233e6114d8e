"""What the pipeline says of a simulated account, against the truth about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.lakes import read
from transforms.schemas import ALERTS, FUNCTION_FLOWS

Key = tuple[str, int, str, int]


@pytest.mark.sail_only
def test_conversations_belong_to_those_who_sent_them(account: Path, at_once: Path) -> None:
    truth: dict[Key, str] = {
        (c["interface_id"], c["local_port"], c["peer_addr"], c["peer_port"]): c["function_name"]
        for c in pq.read_table(account / "truth" / "conversations.parquet").to_pylist()
        if c["logged"]
    }
    found: dict[Key, list[dict[str, Any]]] = {}
    for flow in read(at_once, FUNCTION_FLOWS).to_pylist():
        key = (flow["interface_id"], flow["local_port"], flow["peer_addr"], flow["peer_port"])
        found.setdefault(key, []).append(flow)
    assert len(truth) > 4_000
    # Nothing that was logged is lost, and nothing is made up.
    assert len(truth.keys() & found.keys()) >= 0.999 * len(truth)
    assert len(found.keys() - truth.keys()) <= 0.001 * len(truth)

    sole = [(key, row) for key in truth.keys() & found.keys() for row in found[key] if row["attribution"] == "unique"]
    assert sum(row["function_name"] == truth[key] for key, row in sole) >= 0.995 * len(sole) > 0
    several = {key: rows for key, rows in found.items() if key in truth and len({r["function_name"] for r in rows}) > 1}
    shared = [(key, row) for key, rows in several.items() for row in rows]
    assert {row["attribution"] for _, row in shared} <= {"weighted", "presumed", "shared"}
    assert shared and all(row["probability"] < 1 for _, row in shared)
    # The account has data events: the likeliest one is nearly always the right one.
    likeliest = {key: max(rows, key=lambda r: r["probability"])["function_name"] for key, rows in several.items()}
    assert sum(likeliest[key] == truth[key] for key in several) >= 0.97 * len(several)
    among = sum(truth[key] in row["candidates"].split(", ") for key, row in shared)
    assert among >= 0.995 * len(shared)


@pytest.mark.sail_only
def test_alerts_are_the_injected_ones_and_no_others(account: Path, at_once: Path) -> None:
    """Of functions with an interface of their own; where one is shared, a function that starts to run late is new."""
    story = pq.read_table(account / "truth" / "scenarios.parquet").to_pylist()
    expected = {row["function_name"] for row in story}
    alone = {row["functions"] for row in read(at_once, ALERTS).to_pylist() if ", " not in row["functions"]}
    assert alone == expected == {"RDSQueryLogger", "SearchIndexer"}
