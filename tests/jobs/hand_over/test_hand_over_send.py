"""`leasehold send`: each sink gets everything at least once, whatever fails, and nothing twice without need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from pyspark.sql import SparkSession

from conf.sinks import Sink
from jobs.errors import BusyError, LeaseholdError
from jobs.hand_over import run
from jobs.hand_over.parcels import pending
from jobs.lock import writing
from jobs.storage import Lake
from tests.jobs.hand_over.conftest import OWN_TOPIC, REGION, Calls, Hook
from tests.jobs.test_ocsf import alert
from tests.lakes import leasehold, read
from tests.rows import Row, at
from transforms.schemas import ALERTS, ALL, DELIVERIES

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


class Clock:
    """Minutes pass when somebody looks."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


clock = Clock()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(spark, str(tmp_path / "lake"))
    made.create([table for table in ALL if table.name in ("alerts", "deliveries", "cloudtrail_events")])
    return made


def alerts(lake: Lake, *rows: Row) -> None:
    lake.overwrite(ALERTS, lake.frame(ALERTS, [alert(**row) for row in rows]))


def several(count: int) -> list[Row]:
    return [{"alert_id": f"a{n:03}", "opened_at": at("6:00") + timedelta(seconds=n)} for n in range(count)]


def ids(hook: Hook) -> list[str]:
    return [headers["Leasehold-Delivery"] for headers, _ in hook.got]


def kept(lake: Lake) -> dict[tuple[str, str], Row]:
    return {(row["sink"], row["alert_id"]): row for row in read(lake.root, DELIVERIES).to_pylist()}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.hand_over.webhook.time.sleep", lambda _: None)
    deliver: Callable[..., Any] = run.webhook.deliver
    monkeypatch.setattr(run.webhook, "deliver", lambda *args: deliver(*args, lambda _: None))


def test_the_digest_is_of_what_can_change_and_the_same_on_both_engines(lake: Lake) -> None:
    row = alert(closed_at=at("9:00"), verdict="benign trigger", verdict_by="ü\u202e", bytes_out=2**40)
    lake.overwrite(ALERTS, lake.frame(ALERTS, [row]))
    [found] = pending(lake, Sink("s", "folder", "x")).toArrow().to_pylist()
    times = [row[name] for name in ("opened_at", "updated_at", "closed_at", "snoozed_until")]
    names = "status severity verdict verdict_by suppressed_by functions summary days events bytes_out bytes_in"
    words = [row[name] for name in names.split()]
    parts = [str(int(time.timestamp())) if time else "" for time in times]
    parts += ["" if word is None else str(word) for word in words]
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]
    assert found["delivery_id"] == f"{row['alert_id']}-{digest}"


@pytest.mark.sail_only
def test_a_sink_that_is_down_loses_nothing_and_stops_nothing(lake: Lake, hook: Hook, tmp_path: Path) -> None:
    """Three sinks, the first down, the second misconfigured; the third gets all, and the first, when it is up."""
    alerts(lake, *several(5))
    hook.answers = [500] * 12
    sinks = [Sink("hook", "webhook", hook.url), Sink("unset", "webhook", to_env="LEASEHOLD_TEST_NOT_SET"),
             Sink("files", "folder", str(tmp_path / "out"))]  # fmt: skip
    told = {one.sink.name: one for one in run.send(lake, sinks, clock)}
    assert (told["hook"].sent, told["hook"].failed, told["hook"].waiting) == (0, 3, 2)
    assert told["hook"].error == "answered 500, 4 times"
    assert (told["unset"].sent, told["unset"].waiting) == (0, 5) and "LEASEHOLD_TEST_NOT_SET" in told["unset"].error
    assert (told["files"].sent, told["files"].error) == (5, "") and len(list((tmp_path / "out").rglob("*.json"))) == 5
    row = kept(lake)["hook", "a000"]
    assert (row["delivery_id"], row["failures"], row["error"]) == (None, 1, "answered 500, 4 times")
    hook.got.clear()
    again = {one.sink.name: one for one in run.send(lake, sinks, clock)}
    assert (again["hook"].sent, again["hook"].error) == (5, "") and again["files"].sent == 0
    # What never failed first, then what did.
    assert [name.partition("-")[0] for name in ids(hook)] == ["a003", "a004", "a000", "a001", "a002"]
    row = kept(lake)["hook", "a000"]
    assert (row["failures"], row["error"], row["failed_at"]) == (0, None, None) and row["delivery_id"] in ids(hook)
    hook.got.clear()
    assert all(one.sent == 0 for one in run.send(lake, [sinks[0], sinks[2]], clock)) and hook.got == []


@pytest.mark.sail_only
def test_what_changes_is_sent_again_under_another_id(lake: Lake, hook: Hook) -> None:
    sink = Sink("hook", "webhook", hook.url)
    alerts(lake, {"alert_id": "a"}, {"alert_id": "b"})
    run.send(lake, [sink], clock)
    alerts(lake, {"alert_id": "a"}, {"alert_id": "b", "status": "closed", "closed_at": at("20T0:00")})
    run.send(lake, [sink], clock)
    first, second, third = ids(hook)
    assert first[0] == "a" and second[0] == third[0] == "b" and second != third
    assert json.loads(hook.got[2][1])["activity_name"] == "Close"
    assert json.loads(hook.got[2][1])["metadata"]["uid"] == third


@pytest.mark.sail_only
def test_a_kill_between_sending_and_keeping_sends_the_same_again(
    lake: Lake, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Sink("hook", "webhook", hook.url)
    alerts(lake, *several(2))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(run, "record", killed)
        run.send(lake, [sink], clock)
    assert kept(lake) == {}
    run.send(lake, [sink], clock)
    assert len(ids(hook)) == 4 and ids(hook)[:2] == ids(hook)[2:]


@pytest.mark.sail_only
def test_what_is_never_taken_keeps_nothing_back(lake: Lake, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than go at once, and the oldest: what is new comes first the next time."""
    monkeypatch.setattr(run, "_AT_ONCE", 2)
    sink = Sink("hook", "webhook", hook.url)
    alerts(lake, *several(4))
    hook.answers = [400] * 4
    [told] = run.send(lake, [sink], clock)
    assert (told.sent, told.failed, told.waiting) == (0, 4, 0) and len(hook.got) == 4
    alerts(lake, *several(5))
    hook.got.clear()
    hook.answers = [200, 400, 400, 400, 400]
    [told] = run.send(lake, [sink], clock)
    assert (told.sent, told.failed) == (1, 4) and ids(hook)[0].startswith("a004")
    assert kept(lake)["hook", "a000"]["failures"] == 2


@pytest.mark.sail_only
def test_who_gets_what(lake: Lake, hook: Hook, tmp_path: Path) -> None:
    """Who is woken hears of open alerts of its severity; files have all; what was sent is followed up."""
    rows: list[Row] = [
        {"alert_id": "high"},
        {"alert_id": "low", "severity": "low"},
        {"alert_id": "odd", "severity": None},
        {"alert_id": "hushed", "status": "suppressed"},
        {"alert_id": "over", "status": "closed", "closed_at": at("20T0:00")},
    ]
    sinks = [Sink("hook", "webhook", hook.url, severity="medium"), Sink("files", "folder", str(tmp_path / "out"))]
    alerts(lake, *rows)
    run.send(lake, sinks, clock)
    assert sorted(name.partition("-")[0] for name in ids(hook)) == ["high", "odd"]
    assert len(list((tmp_path / "out").rglob("*.json"))) == 5
    hook.got.clear()
    alerts(lake, rows[0] | {"severity": "low", "status": "closed", "closed_at": at("20T0:00")}, *rows[1:])
    run.send(lake, sinks, clock)
    assert [name.partition("-")[0] for name in ids(hook)] == ["high"]


@pytest.mark.sail_only
def test_every_call_is_allowed_and_nothing_besides(lake: Lake, aws: Calls) -> None:
    """Of AWS's sinks; what the lake itself needs is in pipeline-policy.json."""
    boto3.client("sns", region_name=REGION).create_topic(Name="alerts")
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="findings")
    alerts(lake, *several(2))
    aws.made.clear()
    sinks = [Sink("topic", "sns", OWN_TOPIC), Sink("hub", "security_hub", REGION), Sink("own", "security_hub"),
             Sink("bucket", "folder", "s3://findings/x")]  # fmt: skip
    assert [(one.sent, one.error) for one in run.send(lake, sinks, clock)] == [(2, "")] * 4
    policy = json.loads((Path(__file__).parents[3] / "conf" / "iam" / "hand-over-policy.json").read_text())
    assert {one["Effect"] for one in policy["Statement"]} == {"Allow"}
    assert aws.actions() == {one["Action"] for one in policy["Statement"]}


@pytest.mark.sail_only
def test_one_mistake_of_ours_stops_one_sink(
    lake: Lake, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("http://user:a-password@host/")

    monkeypatch.setattr(run.folder, "deliver", broken)
    alerts(lake, *several(3))
    told = run.send(lake, [Sink("hook", "webhook", hook.url), Sink("files", "folder", str(tmp_path))], clock)
    assert [(one.sent, one.failed, one.waiting) for one in told] == [(0, 1, 2), (3, 0, 0)]
    assert told[0].error == "RuntimeError, a mistake of ours"


@pytest.mark.sail_only
def test_two_do_not_send_at_once(lake: Lake) -> None:
    """Runs of jobs hold another lock: they are not waited for, nor do they wait."""
    alerts(lake, *several(1))
    with writing(lake.beside("_sending"), "another"), pytest.raises(BusyError):
        run.send(lake, [])
    with writing(lake.root, "leasehold run"):
        assert run.send(lake, []) == []


def test_sinks_are_chosen_by_name() -> None:
    sinks = [Sink("a", "folder", "x"), Sink("b", "folder", "y")]
    assert run.chosen(sinks, None) == sinks and run.chosen(sinks, "b") == sinks[1:]
    for given, name, said in (([], None, "docs/hand_over.md"), (sinks, "c", "the settings have a, b")):
        with pytest.raises(LeaseholdError, match=said):
            run.chosen(given, name)


@pytest.mark.sail_only
def test_the_command(lake: Lake, tmp_path: Path) -> None:
    alerts(lake, *several(2))
    config = tmp_path / "settings.yaml"
    config.write_text(
        f"lake: {lake.root}\nsinks:\n  - {{name: files, kind: folder, to: {tmp_path / 'out'}}}\n"
        "  - {name: chat, kind: webhook, to_env: LEASEHOLD_TEST_NOT_SET}\n"
    )
    done = leasehold("send", "--config", config, "--json", check=False)
    made = {one["sink"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1 and made["files"]["sent"] == 2 and "Traceback" not in done.stderr
    assert made["chat"]["waiting"] == 2 and "LEASEHOLD_TEST_NOT_SET is not set" in made["chat"]["error"]
    assert "files" in leasehold("send", "--config", config, "--to", "files").stdout
