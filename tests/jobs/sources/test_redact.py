"""Credentials are stored nowhere: not in events, not in the text of what was rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.sources.files import Receipt
from jobs.sources.redact import redacted_json, redacted_text
from tests.jobs.sources.reading import GOOD, HEADER, cloudtrail, flow_logs, lines, with_field
from tests.jobs.sources.test_cloudtrail_bad_input import records, text

KEY_ID = "AKIAEXAMPLE000000001"
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "AbCdEfGh/+" * 12 + "=="

TEXTS = {
    "JSON": (f'{{"accessKeyId": "{KEY_ID}", "a": 1}}', '{"accessKeyId": "REDACTED", "a": 1}'),
    "JSON without spaces": (f'{{"secretAccessKey":"{KEY}","a":1}}', '{"secretAccessKey":"REDACTED","a":1}'),
    "broken off in the value": (f'{{"sessionToken": "{TOKEN[:30]}', '{"sessionToken": "REDACTED"'),
    "broken off in an escape": ('{"password": "a\\', '{"password": "REDACTED"'),
    "an escaped quote in the value": (r'{"password": "a\"b", "c": 1}', '{"password": "REDACTED", "c": 1}'),
    "a number": ('{"password": 12345, "a": 1}', '{"password": REDACTED, "a": 1}'),
    "null and booleans stay": ('{"password": null, "secretString": false}', None),
    "an object stays, its parts do not": (
        f'{{"accessKey": {{"accessKeyId": "{KEY_ID}", "status": "Active"}}}}',
        '{"accessKey": {"accessKeyId": "REDACTED", "status": "Active"}}',
    ),
    "longer names": (
        '{"masterUserPassword": "x", "db_password": "y"}',
        '{"masterUserPassword": "REDACTED", "db_password": "REDACTED"}',
    ),
    "JSON in JSON": (
        rf'{{"body": "{{\"secretAccessKey\": \"{KEY}\", \"a\": 1}}"}}',
        r'{"body": "{\"secretAccessKey\": \"REDACTED\", \"a\": 1}"}',
    ),
    "a credentials file": (
        f"aws_secret_access_key = {KEY}\nregion = x",
        "aws_secret_access_key = REDACTED\nregion = x",
    ),
    "environment": (f"AWS_SESSION_TOKEN={TOKEN} x", "AWS_SESSION_TOKEN=REDACTED x"),
    "a query string": (
        f"GET /?X-Amz-Security-Token={TOKEN}&X-Amz-Signature=0f3e&a=1",
        "GET /?X-Amz-Security-Token=REDACTED&X-Amz-Signature=REDACTED&a=1",
    ),
    "YAML": ("password: hunter2\nuser: x", "password: REDACTED\nuser: x"),
    "a bare key id": (f"2 {KEY_ID} eni-1", "2 REDACTED eni-1"),
    "a bare token": (f"x {TOKEN} y", "x REDACTED y"),
    "a bare token broken off": (f"x {TOKEN[:25]}", "x REDACTED"),
    "single quotes": ("{'password': 'x y', 'a': 1}", "{'password': REDACTED, 'a': 1}"),
    "nothing to hide": ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-password-x", None),
    "names alone": ('{"passwordResetRequired": true, "nextToken": "abc", "clientToken": "def"}', None),
    "an ordinary line": (GOOD.decode(), None),
}


@pytest.mark.parametrize(("given", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(given: str, expected: str | None) -> None:
    assert redacted_text(given) == (given if expected is None else expected)


def test_rejected_text_is_redacted() -> None:
    receipt = Receipt("x")
    receipt.reject(1, f'{{"accessKeyId":"{KEY_ID}","sessionToken":"{TOKEN}"', "broken")
    assert receipt.rejected[0].text == '{"accessKeyId":"REDACTED","sessionToken":"REDACTED"'


def test_rejected_flow_log_lines_are_redacted(tmp_path: Path) -> None:
    _, receipt = flow_logs(tmp_path, lines(HEADER, with_field(2, KEY_ID.encode()) + b" " + TOKEN.encode()))
    assert KEY_ID not in receipt.rejected[0].text
    assert TOKEN[:20] not in receipt.rejected[0].text


VALUES: dict[str, Any] = {
    "a response of AssumeRole": {"credentials": {"accessKeyId": KEY_ID, "secretAccessKey": KEY, "sessionToken": TOKEN}},
    "a list": {"items": [{"password": KEY}, [{"idToken": TOKEN}]]},
    "a number": {"password": 123456789012345},
    "capitals": {"AccessKeyId": KEY_ID, "SessionToken": TOKEN},
    "JSON in a text": {"body": json.dumps({"secretAccessKey": KEY})},
    "JSON in JSON in a text": {"body": json.dumps({"inner": json.dumps({"secretAccessKey": KEY})})},
    "an assignment": {"script": f"export AWS_SECRET_ACCESS_KEY={KEY}"},
    "a signed address": {"url": f"https://example.com/?X-Amz-Security-Token={TOKEN}"},
    "a bare key id": {"note": f"rotate {KEY_ID} today"},
    "a text in a list": ["--token", TOKEN],
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_json(value: Any) -> None:
    text = redacted_json(json.loads(json.dumps(value)))
    assert isinstance(json.loads(text), type(value))
    assert "REDACTED" in text
    assert not any(secret[:20] in text for secret in (KEY_ID, KEY, TOKEN, "12345678901234"))


def test_every_column_of_an_event_is_redacted(tmp_path: Path) -> None:
    rows, _ = cloudtrail(
        tmp_path,
        records(
            text(
                1,
                userIdentity={"type": "AssumedRole", "accessKeyId": KEY_ID, "principalId": f"AROA:{KEY_ID}"},
                userAgent=f"x {TOKEN}",
                errorMessage=f"the key {KEY_ID} is not known",
                requestParameters={"password": KEY},
                responseElements={"credentials": {"sessionToken": TOKEN}},
                additionalEventData={"LoginTo": f"https://example.com/?X-Amz-Security-Token={TOKEN}"},
            )
        ),
    )
    stored = json.dumps(rows[0], default=str)
    assert not any(secret[:20] in stored for secret in (KEY_ID, KEY, TOKEN))
    assert rows[0]["error_message"] == "the key REDACTED is not known"
    assert json.loads(rows[0]["raw"])["userIdentity"] == {
        "type": "AssumedRole",
        "accessKeyId": "REDACTED",
        "principalId": "AROA:REDACTED",
    }


def test_an_event_without_secrets_is_kept_as_it_is() -> None:
    value = json.loads(text(1, requestParameters={"policy": '{"Version": "2012-10-17", "Statement": []}', "n": 1.5}))
    assert json.loads(redacted_json(json.loads(json.dumps(value)))) == value
