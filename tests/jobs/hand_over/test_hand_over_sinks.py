"""Each kind of sink: its limits, its failures, and that nothing secret is said."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError
from moto.sns.models import sns_backends

from jobs.hand_over import folder, security_hub, sns, webhook
from jobs.hand_over.parcels import NOT_TRIED, Parcel, fitting
from tests.jobs.hand_over.conftest import REGION, Calls, Hook, parcel
from tests.jobs.test_ocsf import HOSTILE, alert
from tests.ocsf_schema import errors

OWN = "123456789012"
NOW = datetime(2026, 3, 12, 7, tzinfo=UTC)
TOPIC = f"arn:aws:sns:{REGION}:{OWN}:alerts"
LONG = "ü" * 400_000


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)


def failing(error: Exception) -> Any:
    def answer(_: dict[str, Any]) -> None:
        raise error

    return answer


# --- what is handed over -------------------------------------------------------------------------------------------


def test_a_parcel_is_a_valid_finding_with_the_delivery_s_id() -> None:
    made = parcel(1)
    assert errors(made.finding, "1.6.0") == [] and made.finding["metadata"]["uid"] == made.id
    assert json.loads(made.text(256_000)) == made.finding


def test_what_is_too_long_is_cut_as_little_as_needed() -> None:
    value = {"a": LONG, "b": {"c": ["x" * 300] * 500}, "d": "short", "n": 7}
    text = fitting(value, 256_000)
    assert len(text) <= 256_000 and text.isascii()
    made = json.loads(text)
    assert made["d"] == "short" and made["n"] == 7 and made["a"].endswith("…") and len(made["a"]) > 1_000
    assert json.loads(fitting(value, 10_000_000)) == value
    with pytest.raises(ValueError, match="shorter"):
        fitting({str(n): n for n in range(1_000)}, 1_000)


# --- Security Hub --------------------------------------------------------------------------------------------------

_LONGEST = {"Id": 512, "GeneratorId": 512, "Title": 256, "Description": 1_024}


def test_asff_keeps_to_awss_lengths() -> None:
    hostile = {name: HOSTILE for name, value in alert().items() if isinstance(value, str) and name != "status"}
    for overrides in ({}, hostile, {"functions": ", ".join(["f"] * 99)}, {"functions": None, "account_id": "unknown"},
                      {"title": None, "summary": " ", "status": "closed"}, {"expected": LONG}):  # fmt: skip
        made = security_hub.asff(parcel(**overrides), OWN, REGION, "aws", NOW)
        assert len(json.dumps(made)) <= 240_000
        for name, most in _LONGEST.items():
            assert 0 < len(made[name].strip()) <= most, name
        assert 1 <= len(made["Resources"]) <= 32 and len(made["Remediation"]["Recommendation"]["Text"]) <= 512
        fields = made["ProductFields"]
        assert len(fields) <= 50 and all(len(k) <= 128 and 0 < len(v) <= 2_048 for k, v in fields.items())
        assert made["AwsAccountId"] == OWN and made["ProductArn"].endswith(f":{OWN}:product/{OWN}/default")
        assert made["UpdatedAt"] == "2026-03-12T07:00:00.000Z" and "Severity" not in made
    assert security_hub.asff(parcel(), OWN, REGION, "aws", NOW)["RecordState"] == "ACTIVE"
    assert security_hub.asff(parcel(status="closed"), OWN, REGION, "aws", NOW)["RecordState"] == "ARCHIVED"


def test_findings_go_a_hundred_a_call_and_ten_calls_a_second(aws: Calls) -> None:
    waits: list[float] = []
    parcels = [parcel(n) for n in range(250)]
    outcomes = list(security_hub.deliver(REGION, parcels, waits.append))
    assert [error for _, error in outcomes] == [""] * 250 and [p for p, _ in outcomes] == parcels
    assert [len(call["Findings"]) for call in aws.of("BatchImportFindings")] == [100, 100, 50]
    assert waits == [0.1, 0.1]
    # Twice is once.
    list(security_hub.deliver(REGION, parcels[:3], waits.append))
    hub = boto3.client("securityhub", region_name=REGION)
    pages = hub.get_paginator("get_findings").paginate()
    found = [one for page in pages for one in page["Findings"]]
    assert len(found) == 250 and {one["Id"] for one in found} == {f"leasehold/a{n}" for n in range(250)}


def test_a_call_has_six_megabytes_at_most() -> None:
    parcels = [parcel(n) for n in range(90)]
    made = {p.id: {"x": "y" * 200_000} for p in parcels}
    calls = list(security_hub.batches(parcels, made))
    assert [len(call) for call in calls] == [29, 29, 29, 3] and list(itertools.chain(*calls)) == parcels


def test_refused_findings_are_told_apart(aws: Calls) -> None:
    refused = {"Id": "leasehold/a1", "ErrorCode": "InvalidInput", "ErrorMessage": "bad\x1b[31m"}
    aws.answers["BatchImportFindings"] = {"FailedCount": 1, "SuccessCount": 2, "FailedFindings": [refused]}
    outcomes = list(security_hub.deliver(REGION, [parcel(n) for n in range(3)], never))
    assert [error for _, error in outcomes] == ["", r"InvalidInput: bad\u001b[31m", ""]


def test_who_may_not_import_is_told_what_to_allow(aws: Calls) -> None:
    aws.answers["BatchImportFindings"] = failing(denied("BatchImportFindings"))
    outcomes = list(security_hub.deliver(REGION, [parcel(n) for n in range(150)], never))
    said = [error for _, error in outcomes]
    assert all("allow securityhub:BatchImportFindings (conf/iam/hand-over-policy.json" in e for e in said[:100])
    assert all(e.startswith(NOT_TRIED) for e in said[100:]) and len(said) == 150


# --- SNS -----------------------------------------------------------------------------------------------------------


def test_messages_have_attributes_and_keep_to_256_kib(aws: Calls) -> None:
    boto3.client("sns", region_name=REGION).create_topic(Name="alerts")
    parcels = [parcel(1), parcel(2, summary=LONG, title=HOSTILE, functions=HOSTILE), parcel(3, severity=None)]
    assert [error for _, error in sns.deliver(TOPIC, parcels)] == ["", "", ""]
    sent = sns_backends[OWN][REGION].topics[TOPIC].sent_notifications
    assert [json.loads(one[1])["metadata"]["uid"] for one in sent] == ["a1-x", "a2-x", "a3-x"]
    for call in aws.of("Publish"):
        attributes = sum(len(k) + len("String") + len(a["StringValue"]) for k, a in call["MessageAttributes"].items())
        assert len(call["Message"].encode()) + attributes <= 262_144
        assert 0 < len(call["Subject"]) <= 100 and call["Subject"].isprintable() and call["Subject"].isascii()
    assert aws.of("Publish")[0]["MessageAttributes"]["severity"]["StringValue"] == "high"


def test_a_fifo_topic_tells_what_comes_twice() -> None:
    made = sns.message(f"{TOPIC}.fifo", parcel(1))
    assert (made["MessageGroupId"], made["MessageDeduplicationId"]) == ("a1", "a1-x")
    assert "MessageGroupId" not in sns.message(TOPIC, parcel(1))


def test_a_topic_that_takes_nothing_is_left_alone(aws: Calls) -> None:
    said = [error for _, error in sns.deliver(TOPIC, [parcel(n) for n in range(5)])]
    assert [error.startswith("NotFound") for error in said[:3]] == [True] * 3
    assert [error.startswith(NOT_TRIED) for error in said[3:]] == [True] * 2 and len(aws.of("Publish")) == 3


# --- webhook -------------------------------------------------------------------------------------------------------


def test_requests_are_signed(hook: Hook) -> None:
    outcomes = list(webhook.deliver(hook.url, "a-key", [parcel(1)], never, now=lambda: 1_700_000_000.9))
    assert [error for _, error in outcomes] == [""]
    headers, body = hook.got[0]
    wanted = hmac.new(b"a-key", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers["Leasehold-Signature"] == f"sha256={wanted}" and headers["Leasehold-Timestamp"] == "1700000000"
    assert headers["Leasehold-Delivery"] == "a1-x" and headers["Content-Type"] == "application/json"
    assert json.loads(body) == parcel(1).finding and headers["path"] == "/hook?token=a-token"
    list(webhook.deliver(hook.url, "", [parcel(2)], never))
    assert "Leasehold-Signature" not in hook.got[1][0] and "Authorization" not in hook.got[1][0]


def test_what_fails_for_now_is_tried_again_with_growing_waits(hook: Hook) -> None:
    waits: list[float] = []
    hook.answers = [503, None, (429, {"Retry-After": "17"}), 200]
    assert [error for _, error in webhook.deliver(hook.url, "k", [parcel(1)], waits.append)] == [""]
    assert len(hook.got) == 4 and len({body for _, body in hook.got}) == 1
    assert {headers["Leasehold-Delivery"] for headers, _ in hook.got} == {"a1-x"}
    assert 1 <= waits[0] < 2 <= waits[1] < 4 and waits[2] == 17


def test_what_is_refused_is_not_tried_again(hook: Hook) -> None:
    hook.answers = [400, (302, {"Location": "http://127.0.0.1:9/elsewhere"}), 404, 410, 200]
    said = [error for _, error in webhook.deliver(hook.url, "", [parcel(n) for n in range(5)], never)]
    assert said == ["answered 400", "answered 302", "answered 404", "answered 410", ""] and len(hook.got) == 5


def test_a_webhook_that_is_down_is_left_alone(hook: Hook) -> None:
    hook.answers = [500] * 99
    outcomes = list(webhook.deliver(hook.url, "", [parcel(n) for n in range(6)], lambda _: None))
    said = [error for _, error in outcomes]
    assert said[:3] == ["answered 500, 4 times"] * 3 and all(e.startswith(NOT_TRIED) for e in said[3:])
    assert len(hook.got) == 12 and len(said) == 6
    # One success between begins anew.
    hook.answers, hook.got[:] = [500] * 8 + [200] + [500] * 8 + [200], []
    said = [error for _, error in webhook.deliver(hook.url, "", [parcel(n) for n in range(6)], lambda _: None)]
    assert [bool(error) for error in said] == [True, True, False, True, True, False]


@pytest.mark.parametrize("place", ["http://user:a-password@127.0.0.1:1/a-token", "http://127.0.0.1:1/?key=a-token"])
def test_nothing_secret_is_said(
    place: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="jobs")
    outcomes = list(webhook.deliver(place, "a-key", [parcel(1)], lambda _: None))
    said = repr(outcomes[0][1]) + caplog.text + "".join(capfd.readouterr())
    assert "no answer" in said and "4 times" in said
    assert not [word for word in ("a-password", "a-token", "a-key", "user") if word in said]


def test_credentials_in_the_address_become_a_header(hook: Hook) -> None:
    place = hook.url.replace("127.0.0.1", "user:pass@127.0.0.1")
    assert [error for _, error in webhook.deliver(place, "", [parcel(1, title=HOSTILE)], never)] == [""]
    headers, _ = hook.got[0]
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == "Basic dXNlcjpwYXNz"


def test_who_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(webhook, "_TIMEOUT", urllib3.Timeout(connect=0.2, read=0.2))
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        [(_, error)] = webhook.deliver(place, "", [parcel(1)], lambda _: None)
    assert error == "no answer (ReadTimeoutError), 4 times"


# --- folder --------------------------------------------------------------------------------------------------------


def test_a_file_a_parcel_and_twice_is_once(tmp_path: Path) -> None:
    hostile = Parcel("../../a\x00b", parcel(9).alert, parcel(9).finding)
    for _ in range(2):
        assert [error for _, error in folder.deliver(str(tmp_path), [parcel(1), parcel(2), hostile])] == [""] * 3
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["2026-01-05/______a_b.json", "2026-01-05/a1-x.json", "2026-01-05/a2-x.json"]
    assert json.loads((tmp_path / files[1]).read_text()) == parcel(1).finding


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = [error for _, error in folder.deliver(str(tmp_path / "file"), [parcel(n) for n in range(5)])]
    assert said[:3] == ["cannot be written: Not a directory"] * 3 and all(e.startswith(NOT_TRIED) for e in said[3:])


@pytest.mark.usefixtures("aws")
def test_a_bucket() -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="findings")
    assert [error for _, error in folder.deliver("s3://findings/leasehold/", [parcel(1)])] == [""]
    [entry] = s3.list_objects_v2(Bucket="findings")["Contents"]
    assert entry["Key"] == "leasehold/2026-01-05/a1-x.json"
    [(_, error)] = folder.deliver("s3://no-such-bucket/", [parcel(1)])
    assert "NoSuchBucket" in error
