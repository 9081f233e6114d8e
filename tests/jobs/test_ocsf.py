"""Alerts as OCSF Detection Findings: valid by OCSF's own schema, in both versions, whatever the alert."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import detections
from detections.detection import Detection
from jobs import export
from jobs.errors import LeaseholdError
from jobs.ocsf_findings import VERSIONS, finding
from jobs.storage import Lake
from tests.lakes import leasehold, read
from tests.ocsf_schema import errors
from tests.rows import ACCOUNT, REGION, Row, at
from transforms.schemas import ALERTS, ALL, DECISIONS

HOSTILE = "\u202e\x00</script>\"'; DROP TABLE alerts--\n\ud7ff" + "x" * 5_000
MUST = {"alert_id", "detection_id", "status", "summary", "opened_at", "updated_at", "severity"}


def alert(**overrides: Any) -> Row:
    """RDSQueryLogger met payroll-01 once on Monday."""
    row: Row = dict.fromkeys(ALERTS.schema.names) | {
        "alert_id": "e1b522f917061a8c",
        "detection_id": "new_internal_connection",
        "title": "New internal connection",
        "technique": "T1046 Network Service Discovery",
        "attack_version": "19",
        "status": "open",
        "account_id": ACCOUNT,
        "region": REGION,
        "functions": "RDSQueryLogger",
        "subject": "6|22|ec2|payroll-01",
        "severity": "high",
        "surprise": 2.1,
        "summary": "RDSQueryLogger talked to payroll-01 (ec2, 10.0.1.60) on port 22 for the first time.",
        "expected": "orders-db (rds, port 5432)",
        "peer_kind": "ec2",
        "peer_name": "payroll-01",
        "peer_internal": True,
        "peer_port": 22,
        "protocol": 6,
        "peer_addr": "10.0.1.60",
        "local_addr": "10.0.1.101",
        "evidence_table": "function_flows",
        "evidence": "c1",
        "baseline_from": date(2025, 12, 1),
        "baseline_to": date(2026, 1, 5),
        "baseline_days": 30,
        "opened_at": at("6:00"),
        "updated_at": at("6:05"),
        "days": 1,
        "events": 4,
        "bytes_out": 100,
        "bytes_in": 900,
    }
    assert set(overrides) <= set(row)
    return row | overrides


CALLED: Row = {
    **dict.fromkeys(("peer_kind", "peer_name", "peer_internal", "peer_port", "protocol", "local_addr")),
    "evidence_table": "function_api_calls",
    "peer_addr": "192.0.2.9",
}
COUNTED: Row = CALLED | {
    "peer_addr": None,
    "observed": 900.0,
    "usual": 12.5,
    "evidence_table": "function_metrics_hourly",
}
EVENT = {"event_source": "s3.amazonaws.com", "event_name": "GetObject", "error_code": "AccessDenied"}


def test_a_new_connection() -> None:
    """What the docstring says, and where everything stands."""
    made = finding(alert())
    assert errors(made, "1.6.0") == []
    ids = ("class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "status_id", "verdict_id", "is_alert")
    assert [made[name] for name in ids] == [2004, 2, 1, 200401, 4, 1, 0, True]
    assert made["time"] == round(at("6:00").timestamp() * 1000) and made["message"] == alert()["summary"]
    info = made["finding_info"]
    assert (info["uid"], info["title"]) == ("e1b522f917061a8c", "New internal connection")
    assert info["analytic"] | {"version": ""} == {
        "type_id": 2, "type": "Behavioral", "uid": "new_internal_connection", "name": info["title"], "version": "",
    }  # fmt: skip
    attack = {"version": "19", "technique": {"uid": "T1046", "name": "Network Service Discovery"}}
    assert info["attacks"] == [attack]
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:RDSQueryLogger"
    assert [(r["uid"], r["role"]) for r in made["resources"]] == [(arn, "Actor")]
    evidence = made["evidences"][0]
    assert evidence["src_endpoint"] == {"ip": "10.0.1.101"}
    assert evidence["dst_endpoint"] == {"name": "payroll-01", "port": 22, "ip": "10.0.1.60"}
    assert (evidence["connection_info"]["direction_id"], evidence["connection_info"]["protocol_name"]) == (3, "tcp")
    assert {o["value"]: o["type_id"] for o in made["observables"]} == {arn: 10, "10.0.1.101": 2, "10.0.1.60": 2}
    analysis = made["anomaly_analyses"][0]
    assert analysis["baselines"][0]["observations"][0]["value"] == "orders-db (rds, port 5432)"
    assert made["remediation"]["desc"].startswith("1. Read `summary`")
    assert "snoozed_until" not in made["unmapped"] and made["unmapped"]["bytes_in"] == 900


def test_calls_and_counts() -> None:
    called = finding(alert(**CALLED, principal="arn:aws:iam::123456789012:role/ci"), event=EVENT)["evidences"][0]
    assert called["api"] == {
        "operation": "GetObject", "service": {"name": "s3.amazonaws.com"}, "response": {"error": "AccessDenied"},
    }  # fmt: skip
    assert called["src_endpoint"] == {"ip": "192.0.2.9"} and called["actor"]["user"]["uid"].endswith("role/ci")
    counted = finding(alert(**COUNTED))
    assert counted["evidences"] == [
        {"uid": "c1", "name": COUNTED["evidence_table"], "data": {"uid": "c1", "name": COUNTED["evidence_table"]}}
    ]
    analysis = counted["anomaly_analyses"][0]
    assert analysis["anomalies"][0]["observations"] == [{"value": "900", "count": 4}]
    assert analysis["baselines"][0]["observations"][0]["value"] == "12.5"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (1, 1, 0)),
        ({"days": 2}, (2, 1, 0)),
        ({"status": "snoozed"}, (2, 2, 0)),
        ({"status": "suppressed"}, (2, 3, 0)),
        ({"status": "closed", "closed_at": at("20T0:00")}, (3, 4, 0)),
        ({"verdict": "true"}, (2, 1, 2)),
        ({"verdict": "attempt"}, (2, 1, 2)),
        ({"verdict": "benign trigger"}, (2, 1, 5)),
        ({"verdict": "false"}, (2, 1, 1)),
    ],
)
def test_its_life(given: Row, expected: tuple[int, int, int]) -> None:
    made = finding(alert(**given))
    assert (made["activity_id"], made["status_id"], made["verdict_id"]) == expected
    changed = {1: at("6:00"), 2: at("6:05"), 3: at("20T0:00")}[made["activity_id"]]
    assert made["time"] == round(changed.timestamp() * 1000) == made["finding_info"]["modified_time"]
    assert errors(made, "1.6.0") == []


def test_whose_it_is() -> None:
    """Shared interfaces, whole accounts, other partitions, and what nobody knows."""
    roles = [(r["name"], r["role"]) for r in finding(alert(functions="f, g"))["resources"]]
    assert roles == [("f", "Related"), ("g", "Related")]
    assert finding(alert(functions="f", evidence_table="function_changes"))["resources"][0]["role"] == "Affected"
    whole = finding(alert(functions=None))["resources"][0]
    assert (whole["type"], whole["uid"]) == ("AWS::Account", ACCOUNT)
    china = finding(alert(region="cn-north-1"))["resources"][0]
    assert china["uid"].startswith("arn:aws-cn:lambda:cn-north-1:")
    nobody = finding(alert(account_id="unknown", region="unknown"))
    assert "uid" not in nobody["resources"][0] and nobody["cloud"] == {"provider": "AWS"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("detection", detections.ALL, ids=lambda d: d.id)
def test_every_detection_is_valid(detection: Detection, version: str) -> None:
    """With each kind of evidence, in each status, and with nothing but what an alert must have."""
    own = {name: getattr(detection, name) for name in ("title", "technique", "attack_version", "severity")}
    base = alert(detection_id=detection.id, **own)
    for table, kind, status in itertools.product(ALL, ({}, CALLED, COUNTED), ("open", "snoozed", "closed")):
        closed = at("20T0:00") if status == "closed" else None
        row = base | kind | {"evidence_table": table.name, "status": status, "closed_at": closed}
        made = finding(row, version, EVENT)
        assert errors(made, version) == [], (table.name, status)
        attack = made["finding_info"]["attacks"][0]
        assert detection.technique.startswith(attack.get("sub_technique", attack["technique"])["uid"])
    bare = {name: value if name in MUST else None for name, value in base.items()}
    assert errors(finding(bare, version), version) == []
    assert "title" in finding(bare | {"detection_id": "no_longer_there"}, version)["finding_info"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_column_may_be_missing_or_hostile(version: str) -> None:
    for base, name in itertools.product((alert(), alert(**CALLED), alert(**COUNTED)), ALERTS.schema.names):
        if name not in MUST:
            assert errors(finding(base | {name: None}, version, EVENT), version) == [], name
        if isinstance(base[name], str) and name != "status":
            made = finding(base | {name: HOSTILE}, version, EVENT)
            assert errors(made, version) == [], name
            line = json.dumps(made, ensure_ascii=True, allow_nan=False)
            assert line.isascii() and "\n" not in line and json.loads(line) == made
    for number in (float("nan"), float("inf"), -1e300):
        made = finding(alert(**COUNTED) | {"surprise": number, "observed": number, "usual": number}, version)
        assert errors(made, version) == [] and json.dumps(made, allow_nan=False)
    for address in ("fe80::1%<b>", "::1", "lambda.amazonaws.com", "10.0.0.1.", "999.1.1.1", ""):
        assert errors(finding(alert(peer_addr=address, local_addr=address), version), version) == [], address


def test_the_validator_sees_what_is_wrong() -> None:
    """Each of these breaks one rule."""
    breaks: list[tuple[str, Any]] = [
        ("severity_id", 7), ("severity", "Loud"), ("time", "noon"), ("type_uid", 200402), ("made_up", 1),
        ("evidences", {}), ("evidences", [{"uid": "x"}]), ("is_alert", "yes"), ("verdict_id", 11),
        ("metadata", {"version": "1.5.0", "product": {"name": "x"}, "profiles": ["cloud", "incident"]}),
        ("finding_info", {"title": "no uid"}), ("resources", [{"type": "x"}]), ("ticket", {"uid": "x"}),
        ("evidences", [{"dst_endpoint": {"ip": "ten"}}]),
        ("evidences", [{"dst_endpoint": {"port": 70_000, "ip": "::1"}}]),
        ("observables", [{"name": "cloud.provider", "type_id": 2, "value": "x"}]),
        ("observables", [{"name": "cloud.provider", "type_id": 1234, "value": "AWS"}]),
    ]  # fmt: skip
    sound = finding(alert()) | {"observables": []}
    assert errors(sound, "1.6.0") == []
    for name, value in breaks:
        assert errors({**sound, name: value}, "1.6.0"), (name, value)
    for name in ("finding_info", "cloud", "time", "severity_id"):
        lacking = copy.deepcopy(sound)
        del lacking[name]
        assert errors(lacking, "1.6.0"), name
    without = finding(alert())
    without["metadata"]["profiles"] = ["cloud"]
    assert errors(without, "1.6.0")


@pytest.mark.sail_only
def test_the_command_writes_a_line_an_alert(at_once: Path, tmp_path: Path) -> None:
    told = read(at_once, ALERTS).to_pylist()
    done = leasehold("export", "--format", "ocsf", "--lake", at_once)
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert {m["finding_info"]["uid"] for m in made} == {row["alert_id"] for row in told} and len(made) == len(told)
    assert f"{len(told)} findings" in done.stderr
    assert [error for m in made for error in errors(m, "1.6.0")] == []
    file = tmp_path / "findings.jsonl"
    newer = ("export", "--format", "ocsf", "--schema-version", "1.8.0", "-o", file, "--lake", at_once)
    leasehold(*newer)
    lines = file.read_text().splitlines()
    assert [error for line in lines for error in errors(json.loads(line), "1.8.0")] == []
    assert [path.name for path in tmp_path.iterdir()] == [file.name] and len(lines) == len(told)
    for wrong, said in (
        (("--schema-version", "1.0"), "1.6.0, 1.8.0"),
        (("-o", tmp_path / "none" / "x"), "cannot write"),
        (("--since", "noon"), "not a time"),
    ):
        failed = leasehold("export", "--format", "ocsf", "--lake", at_once, *wrong, check=False)
        assert failed.returncode == 1 and said in failed.stderr and "Traceback" not in failed.stderr


@pytest.mark.sail_only
def test_only_what_changed_since(
    spark: SparkSession, at_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen, closed, woken up or decided about; after a lift all."""
    lake = Lake(spark, str(shutil.copytree(at_once, tmp_path / "lake")))
    noon, day = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta(days=1)
    old: Row = {"opened_at": noon - 9 * day, "updated_at": noon - 8 * day}
    rows = [
        alert(alert_id="old", **old),
        alert(alert_id="seen", **old | {"updated_at": noon}),
        alert(alert_id="closed", **old, status="closed", closed_at=noon + day),
        alert(alert_id="woken", **old, snoozed_until=noon),
        alert(alert_id="judged", **old, verdict="true"),
        alert(alert_id="hushed", **old, status="suppressed", suppressed_by="rule"),
    ]
    lake.overwrite(ALERTS, lake.frame(ALERTS, rows))

    def told() -> list[str]:
        export.ocsf(lake, "-", "1.6.0", noon)
        return sorted(json.loads(line)["finding_info"]["uid"] for line in capsys.readouterr().out.splitlines())

    assert told() == ["closed", "seen", "woken"]
    decided = [
        {"decision_id": "d1", "kind": "verdict", "alert_id": "judged", "made_at": noon},
        {"decision_id": "rule", "kind": "suppress", "made_at": noon + day},
        {"decision_id": "d2", "kind": "verdict", "alert_id": "old", "made_at": noon - day},
    ]
    lake.append(DECISIONS, lake.frame(DECISIONS, decided))
    assert told() == ["closed", "hushed", "judged", "seen", "woken"]
    lake.append(DECISIONS, lake.frame(DECISIONS, [{"decision_id": "d3", "kind": "lift", "made_at": noon + day}]))
    assert len(told()) == len(rows)
    with pytest.raises(LeaseholdError, match=r"1\.6\.0, 1\.8\.0"):
        export.ocsf(lake, "-", "2", None)
