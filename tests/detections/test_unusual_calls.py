"""Detections that rest on what functions ask of AWS."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from detections import api_new_region, change_then_new_behaviour, unusual_api_call
from detections.deployments import with_last_change
from tests.detections.test_changes_of_functions import DEPLOY, changed, changes
from tests.detections.test_detections import novelties_of
from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from tests.transforms.test_baselines import CALL, TODAY, hour, known
from transforms.schemas import NOVELTIES, OBSERVATIONS
from transforms.schemas.table import columns
from transforms.sensitive_calls import DENIED, harm

DAY = timedelta(days=1)


def called(*things: str, **overrides: Any) -> list[Row]:
    """f makes these calls at 10:05 from 192.0.2.1."""
    of = {"first_peer_addr": "192.0.2.1", "first_local_addr": None, "bytes_out": None, "bytes_in": None}
    return [hour(**CALL | of | {"thing": thing, "first_evidence": f"e-{thing}"} | overrides) for thing in things]


def calls(*things: str, **overrides: Any) -> list[Row]:
    """f has made these calls daily for ten days."""
    return [known(**CALL | {"thing": thing} | overrides) for thing in things]


@pytest.mark.parametrize(
    ("thing", "does"),
    [
        ("iam:CreateUser", "gives rights"),
        ("lambda:UpdateFunctionCode20150331v2", "runs code elsewhere"),
        ("secretsmanager:GetSecretValue", "reads secrets"),
        ("ec2:ModifySnapshotAttribute", "opens data to others"),
        ("sts:AssumeRole", "takes another identity"),
        ("cloudtrail:StopLogging", "blinds those who watch"),
        ("sts:GetCallerIdentity", None),
        ("s3:GetObject", None),
        ("lambda:Invoke", None),
        ("iam:CreateUserX", None),
        ("xiam:CreateUser", None),
    ],
)
def test_sensitive_calls(spark: SparkSession, thing: str, does: str | None) -> None:
    rows = frame(spark, columns(("thing", "string", "")), [{"thing": thing}])
    assert rows_of(rows.select(harm(rows["thing"]).alias("does"))) == [{"does": does}]


def test_codes_of_refusal(spark: SparkSession) -> None:
    refused = {
        "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation",
        "VpceAccessDenied", "KMS.AccessDeniedException", "AuthorizationError", "NotAuthorizedException",
        "Client.AuthFailure", "UnauthorizedAccess",
    }  # fmt: skip
    others = {"NoSuchBucketPolicy", "ThrottlingException", "ValidationException", "Client.DryRunOperation", "NoSuchKey"}
    rows = frame(spark, columns(("code", "string", "")), [{"code": code} for code in refused | others])
    assert {r["code"] for r in rows_of(rows.where(rows["code"].rlike(DENIED)))} == refused


def found_by(spark: SparkSession, hours: list[Row], baseline: list[Row], *of_changes: Row) -> list[Row]:
    news = novelties_of(spark, hours, baseline)
    found = unusual_api_call.detect([TODAY], news, changes(spark, *of_changes), **unusual_api_call.DETECTION.parameters)
    return rows_of(OBSERVATIONS.filled(found))


SINCE = "In 10 active days since 2025-12-26 its API calls were: dynamodb:PutItem."


def test_new_calls_are_one_observation(spark: SparkSession) -> None:
    """Named with the harmful first; not who calls them anyway, who is young, or who is new to a peer."""
    new = ("sts:GetCallerIdentity", "iam:CreateUser", "iam:ListUsers")
    refusal = hour(**CALL | {"behaviour": "api error", "thing": "iam:CreateUser AccessDenied"})
    quiet = {"account_id": "quiet"}
    hours = [
        *called(*new), *called("dynamodb:PutItem"), refusal, hour(**quiet, peer_name="payroll-01"),
        *called("dynamodb:PutItem", **quiet), *called(*new, account_id="young"),
        *called("sqs:SendMessage", account_id="release"), *called("iam:ListRoles", account_id="inventory"),
    ]  # fmt: skip
    baseline = [
        *calls("dynamodb:PutItem"), *calls("dynamodb:PutItem", **quiet), known(**quiet),
        *calls("dynamodb:PutItem", account_id="young", learned_from=TODAY - 3 * DAY),
        *calls("dynamodb:PutItem", account_id="release"), *calls("dynamodb:PutItem", account_id="inventory"),
    ]  # fmt: skip
    rows = {r["account_id"]: r for r in found_by(spark, hours, baseline)}
    assert set(rows) == {ACCOUNT, "release", "inventory"} and rows["inventory"]["severity"] == "medium"
    row = rows[ACCOUNT]
    assert row["summary"] == (
        "f called iam:CreateUser (gives rights; refused), iam:ListUsers (asks who may do what) and "
        f"sts:GetCallerIdentity for the first time, from 192.0.2.1. {SINCE}"
    )
    assert (row["severity"], row["subject"], row["functions"]) == ("high", f"api call since {TODAY}", "f")
    assert (row["observed"], row["events"], row["evidence"]) == (3, 3, "e-iam:CreateUser")
    assert (row["peer_addr"], row["change"], row["first_time"]) == ("192.0.2.1", None, at("10:05"))
    release = rows["release"]
    assert (release["severity"], release["observed"]) == ("medium", 1)
    assert release["summary"] == f"f called sqs:SendMessage for the first time, from 192.0.2.1. {SINCE}"


def test_looking_around_is_high(spark: SparkSession) -> None:
    looks = [f"{service}:{verb}Things" for service in ("ec2", "rds", "s3") for verb in ("Describe", "List")]
    rows = found_by(spark, called(*looks), calls("dynamodb:PutItem"))
    assert [(r["severity"], r["observed"]) for r in rows] == [("high", 6)]
    assert [r["severity"] for r in found_by(spark, called(*looks[:5]), calls("dynamodb:PutItem"))] == ["medium"]
    many = found_by(spark, called(*looks, "a:GetB", "a:GetC"), calls("dynamodb:PutItem"))[0]["summary"]
    assert "rds:ListThings and 2 more for the first time" in many


def test_another_day_is_another_subject(spark: SparkSession) -> None:
    """What began yesterday goes on under yesterday's subject; what comes today is told for itself."""
    flagged = calls("sqs:SendMessage", status="flagged", first_seen=TODAY - DAY, days_seen=1)
    rows = found_by(spark, called("sqs:SendMessage", "iam:CreateUser"), [*calls("dynamodb:PutItem"), *flagged])
    assert {(r["subject"], r["severity"]) for r in rows} == {
        (f"api call since {TODAY - DAY}", "medium"), (f"api call since {TODAY}", "high"),
    }  # fmt: skip


def test_a_new_region(spark: SparkSession) -> None:
    def region(name: str, **overrides: Any) -> Row:
        return hour(**CALL | {"behaviour": "api region", "thing": name, "first_peer_addr": "192.0.2.1"} | overrides)

    habit = known(**CALL | {"behaviour": "api region", "thing": REGION})
    elsewhere = habit | {"account_id": "elsewhere", "thing": "us-east-1"}
    hours = [region("sa-east-1"), region(REGION), region(REGION, account_id="elsewhere")]
    news = novelties_of(spark, hours, [habit, elsewhere])
    rows = rows_of(OBSERVATIONS.filled(api_new_region.detect([TODAY], news, changes(spark, changed()))))
    assert [(r["account_id"], r["subject"], r["change"]) for r in rows] == [
        (ACCOUNT, "sa-east-1", f"code by {DEPLOY} at 2026-01-05 09:25")
    ]
    assert rows[0]["summary"] == (
        "f called AWS in sa-east-1 for the first time, from 192.0.2.1. In 10 active days since 2025-12-26 its regions "
        f"were: {REGION}. It came 40 minutes after its code was changed by {DEPLOY}."
    )


def test_the_last_change_before(spark: SparkSession) -> None:
    """One account a case: what was changed, and what is said of it."""
    second = changed(event_id="change-2", event_time=at("9:45"), change="layer", principal="mike")
    cases: dict[str, tuple[list[Row], str | None]] = {
        "one": ([changed()], f"It came 40 minutes after its code was changed by {DEPLOY}."),
        "the last of two": ([second, changed()], "It came 20 minutes after its layer was changed by mike."),
        "yesterday": (
            [changed(event_time=at("4T11:00"))], f"It came 23 hours after its code was changed by {DEPLOY}.",
        ),
        "a minute before": (
            [changed(event_time=at("10:04:50"))], f"It came 1 minute after its code was changed by {DEPLOY}.",
        ),
        "too long ago": ([changed(event_time=at("4T10:00"))], None),
        "afterwards": ([changed(event_time=at("10:06"))], None),
        "refused": ([changed(error_code="AccessDenied")], None),
        "another function": ([changed(function_name="g")], None),
        "another region": ([changed(region="us-east-1")], None),
        "without effect": ([changed(change="concurrency")], None),
        "the account's": ([changed(function_name=None, change="trail")], None),
    }  # fmt: skip
    rows = [
        {"account_id": case, "region": REGION, "functions": "f", "thing": "s", "first_time": at("10:05"), "date": TODAY}
        for case in cases
    ]
    rows.append(rows[0] | {"account_id": "one of two", "functions": "f, g"})
    made = [c | {"account_id": case} for case, (of_case, _) in cases.items() for c in of_case]
    made.append(changed(account_id="one of two", function_name="g"))
    said = frame(spark, NOVELTIES, rows).selectExpr("*", "'Seen.' AS summary")
    found = {r["account_id"]: r for r in rows_of(with_last_change(said, changes(spark, *made)))}
    assert {case: found[case]["summary"] for case in cases} == {
        case: "Seen." + (f" {sentence}" if sentence else "") for case, (_, sentence) in cases.items()
    }
    assert found["one of two"]["summary"] == f"Seen. It came 40 minutes after the code of g was changed by {DEPLOY}."
    assert len(found) == len(cases) + 1 and {case for case in cases if found[case]["change"]} == {
        case for case, (_, sentence) in cases.items() if sentence
    }


def test_a_change_and_then_something_new(spark: SparkSession) -> None:
    """One account a case, in which Deploy has released for a month."""
    mike: Row = {"principal": f"arn:aws:iam::{ACCOUNT}:user/mike"}
    peer = {"peer_kind": "ec2", "peer_name": "payroll-01", "peer_internal": True, "peer_port": 22, "thing": "x"}
    both = {"candidates": "f, g"}
    again = known(**peer, status="flagged", first_seen=TODAY - DAY, days_seen=1)
    new = [hour(**peer)]
    cases: dict[str, tuple[list[Row], list[Row], list[Row], str | None]] = {
        # case: today's hours, what is known besides, changes, severity
        "by somebody new": (new, [], [changed(**mike)], "high"),
        "by who deploys": (new, [], [changed()], None),
        "no code, by who deploys": (new, [], [changed(change="configuration")], None),
        "no code, by somebody new": (new, [], [changed(**mike, change="configuration")], "high"),
        "one before a release": (new, [], [changed(**mike), changed(event_id="r", event_time=at("9:55"))], "high"),
        "two days ago": (new, [], [changed(**mike, event_time=at("9:25") - 2 * DAY)], None),
        "yesterday": (new, [], [changed(**mike, event_time=at("4T23:00"))], "high"),
        "afterwards": (new, [], [changed(**mike, event_time=at("10:30"))], None),
        "refused": (new, [], [changed(**mike, error_code="AccessDenied")], None),
        "of another function": (new, [], [changed(**mike, function_name="g")], None),
        "new since yesterday": (new, [again], [changed(**mike)], None),
        "nothing new": ([hour()], [], [changed(**mike)], None),
        "one of two": (
            [hour(**peer, **both), hour(**peer, **both, function_name="g")], [known(function_name="g")],
            [changed(**mike, function_name="g")], "high",
        ),
        "a peer and a call": ([*new, *called("iam:CreateUser")], calls("s3:GetObject"), [changed(**mike)], "high"),
    }  # fmt: skip
    news, baseline, made = [], [], []
    for case, (hours, before, of_changes, _) in cases.items():
        releases = [changed(event_id=f"r{n}", event_time=at("9:25") - n * DAY) for n in range(3, 30, 3)]
        news += [r | {"account_id": case} for r in hours]
        baseline += [r | {"account_id": case} for r in (known(), *before)]
        made += [r | {"account_id": case} for r in (*releases, *of_changes)]
    news.append(hour(**peer, account_id="nothing known"))
    baseline.append(known(account_id="nothing known"))
    made.append(changed(account_id="nothing known"))
    found = change_then_new_behaviour.detect(
        [TODAY], novelties_of(spark, news, baseline), changes(spark, *made),
        **change_then_new_behaviour.DETECTION.parameters,
    )  # fmt: skip
    told = {r["account_id"]: r for r in rows_of(OBSERVATIONS.filled(found))}
    assert told.pop("nothing known")["severity"] == "medium" and found.count() == len(told) + 1
    assert {case: r["severity"] for case, r in told.items()} == {
        case: severity for case, (*_, severity) in cases.items() if severity
    }
    row = told["a peer and a call"]
    assert row["summary"] == (
        f"The code of f was changed by {mike['principal']} at 2026-01-05 09:25, from 198.51.100.7 (code hash abc=). 40 "
        "minutes later it began to: call iam:CreateUser; talk to payroll-01 (ec2, port 22). Who changed it is new to "
        f"changing functions; who does so: {DEPLOY}."
    )
    assert (row["observed"], row["principal"], row["evidence"]) == (2, mike["principal"], "change-1")
    assert (row["subject"], row["functions"]) == ("after a change at 2026-01-05 09:25:00", "f")
    assert told["one of two"]["functions"] == "f, g"
    assert "The code of g was" in told["one of two"]["summary"]
    assert "later one of f, g (they share an interface) began to: talk" in told["one of two"]["summary"]
