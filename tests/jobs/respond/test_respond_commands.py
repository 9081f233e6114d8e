"""From an alert in a lake to a block in an account, and back, by the commands."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs.answers import alert_table
from jobs.cli import main
from jobs.options import options_said
from jobs.respond.verify import HOLDS, LEAKS, QUIET, TOO_EARLY, judge_traffic
from jobs.storage import Lake
from tests.jobs.respond.account import NOON, Account, Perilous, answers, clients
from tests.jobs.respond.alert_lake import ALERT, HERE, HOSTILE, alert_lake, flow
from tests.lakes import read
from tests.rows import Row
from transforms.schemas import (
    FLOW_LOGS,
    FUNCTION_API_CALLS,
    FUNCTION_FLOWS,
    FUNCTION_METRICS,
    RESPONSE_ACTIONS,
)

pytestmark = pytest.mark.sail_only
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def lake(spark: SparkSession, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An alert about `orders`, which is in the account's two subnets; somebody hostile talks to the same address."""
    made = alert_lake(spark, account, tmp_path / "lake")

    @contextmanager
    def opened(*_: object) -> Iterator[Lake]:
        yield made

    monkeypatch.setattr("jobs.respond.acts.opened", opened)
    return made


@pytest.fixture
def run(lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`leasehold respond …` on that lake: what it ends with, and what it says."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["leasehold", "respond", *words, "--lake", lake.root])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        if isinstance(code, str):
            return 1, said.out + said.err + code
        return code or 0, said.out + said.err

    return command


def seen_since(lake: Lake, *flows: Row) -> None:
    """Flow logs of half an hour after now."""
    until = datetime.now(UTC) + timedelta(minutes=30)
    record = {**HERE, "interface_id": "eni-1", "start_time": until, "end_time": until, "date": until.date()}
    lake.append(FLOW_LOGS, lake.frame(FLOW_LOGS, [record]))
    if flows:
        lake.append(FUNCTION_FLOWS, lake.frame(FUNCTION_FLOWS, list(flows)))


def test_from_alert_to_block_and_back(run: Run, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers()
    code, said = run("plan", ALERT[:4], "--json")
    assert code == 0, said
    plan = json.loads(said)
    assert plan["account_asked"] and plan["destination"] == "198.51.100.66/32"
    way = next(one for one in plan["ways"] if one["way"] == "network acl")
    assert {row["who"] for row in way["blast_radius"]} == {"orders", HOSTILE}
    code, said = run("plan", ALERT)
    assert "\x1b[2J" not in said and "g[red]" in said
    assert f"leasehold respond apply {way['action_id']} --lake {lake.root}" in said
    assert answers() == before
    # Without a yes, and with a wrong duration, nothing is done.
    assert run("apply", way["action_id"], "--ttl", "1 day")[0] == 1
    for typed in ("no\n", "y\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        assert run("apply", way["action_id"])[0] == 1
    assert "no plan 'zz'" in run("apply", "zz", "--yes")[1]
    assert answers() == before

    code, said = run("apply", way["action_id"][:6], "--yes", "--ttl", "1d")
    assert code == 0 and "4 changes are in force" in said, said
    blocked = answers()
    assert blocked != before
    assert "is applied already" in run("apply", way["action_id"], "--yes")[1]

    assert run("verify", way["action_id"])[0] == 75
    later = datetime.now(UTC) + timedelta(minutes=20)
    seen_since(lake, flow("c3", later, rejected=True, bytes_in=0))
    code, said = run("verify", way["action_id"])
    assert code == 0 and "holds: 1 conversations are REJECT" in said and said.count("in force") == 4, said
    seen_since(lake, flow("c4", later))
    code, said = run("verify", way["action_id"], "--offline")
    assert code == 1 and "does not hold: 1 conversations were accepted" in said and "900 bytes sent" in said

    assert run("expire") == (0, "0 actions rolled back\n")
    code, said = run("rollback", way["action_id"], "--yes")
    assert code == 0 and "all is as it was before" in said
    assert answers() == before
    assert "there is nothing to roll back" in run("rollback", way["action_id"], "--yes")[1]
    rows = read(lake.root, RESPONSE_ACTIONS).to_pylist()
    mine = [row for row in rows if row["action_id"] == way["action_id"]]
    assert [row["event"] for row in mine] == [
        "planned", "applying", "applied", "verified", "verified", "verified", "rolling back", "rolled back",
    ]  # fmt: skip
    assert mine[0]["principal"].startswith("arn:aws:sts::123456789012:")
    assert way["action_id"] in run("list")[1]
    assert json.loads(run("list", "--json")[1])[0]["stands"] == "rolled back"


def applied(run: Run, way: str) -> str:
    """Plan and apply one way; returns the action's id."""
    plan = json.loads(run("plan", ALERT, "--json")[1])
    action = next(one for one in plan["ways"] if one["way"] == way)["action_id"]
    assert run("apply", action, "--yes")[0] == 0
    return str(action)


def test_verify_looks_at_metrics_and_calls(run: Run, lake: Lake) -> None:
    before, later = answers(), datetime.now(UTC) + timedelta(minutes=20)
    mine: Row = {**HERE, "function_name": "orders", "date": later.date()}
    stopped, denied = applied(run, "reserved concurrency"), applied(run, "role policy")
    minute = {**mine, "minute": later, "metric_name": "Throttles", "value": 4.0}
    call = {**mine, "event_id": "e1", "event_time": later, "service": "s3", "error_code": "AccessDenied"}
    lake.append(FUNCTION_METRICS, lake.frame(FUNCTION_METRICS, [minute]))
    lake.append(FUNCTION_API_CALLS, lake.frame(FUNCTION_API_CALLS, [call]))
    assert "holds: There were no invocations" in run("verify", stopped)[1]
    assert "holds: There were no API calls" in run("verify", denied)[1]
    elsewhere = {**minute, "metric_name": "Invocations", "account_id": "111122223333"}
    lake.append(FUNCTION_METRICS, lake.frame(FUNCTION_METRICS, [elsewhere]))
    assert run("verify", stopped)[0] == 0
    lake.append(FUNCTION_METRICS, lake.frame(FUNCTION_METRICS, [{**minute, "metric_name": "Invocations"}]))
    lake.append(FUNCTION_API_CALLS, lake.frame(FUNCTION_API_CALLS, [{**call, "event_id": "e2", "error_code": None}]))
    code, said = run("verify", stopped)
    assert code == 1 and "does not hold: There were 4 invocations" in said
    code, said = run("verify", denied)
    assert code == 1 and "does not hold: There were 1 API calls" in said
    # Somebody raises it again: that is seen, and theirs is left.
    clients("lambda").put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=9)
    assert "1 of 1 changes are not in force any more" in run("verify", stopped)[1]
    assert "somebody else has changed them" in run("rollback", stopped, "--yes")[1]
    clients("lambda").delete_function_concurrency(FunctionName="orders")
    run("rollback", denied, "--yes")
    assert answers() == before


def test_the_alerts_text_names_the_command() -> None:
    """Two commands from the list to the plan, to be typed as they stand there."""
    console = Console(file=io.StringIO(), width=120)
    row = {"alert_id": ALERT, "severity": "high", "status": "open", "opened_at": NOON, "title": "t", "summary": "s"}
    console.print(alert_table([row], options_said(Path("my demo/leasehold.yaml"), None)))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "leasehold explain 38176593 --config 'my demo/leasehold.yaml'" in said
    assert "leasehold respond plan 38176593 --config 'my demo/leasehold.yaml'" in said


def test_behind_a_firewall_nothing_may_return() -> None:
    row: Row = {"concerned": True, "accepted": 3, "refused": 0, "bytes_out": 180, "bytes_in": 0, "last_accepted": NOON}
    until = NOON + timedelta(hours=1)
    assert judge_traffic([row], until, NOON, "network firewall").word == HOLDS
    assert judge_traffic([row], until, NOON, "network acl").word == LEAKS
    assert judge_traffic([{**row, "bytes_in": 1}], until, NOON, "network firewall").word == LEAKS
    assert judge_traffic([], until, NOON, "network acl").word == QUIET
    assert judge_traffic([row], NOON, NOON, "network acl").word == TOO_EARLY


def test_what_is_over_expires(run: Run, lake: Lake, aws: Perilous) -> None:
    before = answers()
    action = applied(run, "network acl")
    # A day later; the account is in a bad mood.
    last = read(lake.root, RESPONSE_ACTIONS).to_pylist()
    mine = max((row for row in last if row["action_id"] == action), key=lambda row: row["step"])
    over = {**mine, "step": mine["step"] + 1, "expires_at": datetime.now(UTC) - timedelta(seconds=1)}
    lake.append(RESPONSE_ACTIONS, lake.frame(RESPONSE_ACTIONS, [over]))
    refused = {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}
    aws.scripts["DeleteNetworkAclEntry"] = lambda _: refused
    code, said = run("expire")
    assert code == 1 and "could not be rolled back" in said and f"leasehold respond rollback {action}" in said
    del aws.scripts["DeleteNetworkAclEntry"]
    assert run("expire")[1].endswith("1 actions rolled back\n")
    assert answers() == before


def test_from_history_alone(run: Run, lake: Lake, aws: Perilous) -> None:
    """Without credentials the plan says who would notice, and that the account was not asked."""
    code, said = run("plan", ALERT, "--offline")
    assert code == 0 and "The account was not asked" in said and "plan again" in said and "orders" in said
    aws.answer("GetCallerIdentity", {"Error": {"Code": "ExpiredToken", "Message": "too late"}})
    code, said = run("plan", ALERT)
    assert code == 0 and "ExpiredToken" in said and "Renew the credentials" in said
    assert not (Path(lake.root) / RESPONSE_ACTIONS.name).exists()
    code, said = run("plan", ALERT, "--offline", "--destination", "10.7.1.9")
    assert "10.7.1.9/32 is protected" in said
