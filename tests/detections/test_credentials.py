"""Who uses a function's credentials, and what they are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import SparkSession

from detections import api_error_burst, credentials_outside
from tests.detections.test_changes_of_functions import changed, changes
from tests.detections.test_unusual_calls import called
from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from tests.transforms.test_baselines import CALL, TODAY, hour
from transforms.schemas import FUNCTION_ACTIVITY_HOURLY, FUNCTION_API_CALLS, OBSERVATIONS

DAY = timedelta(days=1)
IN_LAMBDA = "Boto3/1.18.55 Python/3.9.8 Linux/4.14.246 exec-env/AWS_Lambda_python3.9 Botocore/1.21.55"
CLI = "aws-cli/2.33.2 md/awscrt#0.29.2 os/linux"


def call(**overrides: Any) -> Row:
    """f reads an object at 10:05, from 192.0.2.1 in Lambda."""
    row: Row = {
        "event_id": "e1", "event_time": at("10:05"), "account_id": ACCOUNT, "region": REGION, "function_name": "f",
        "identified_by": "in scope of", "service": "s3", "action": "GetObject", "source_ip_address": "192.0.2.1",
        "user_agent": IN_LAMBDA, "role_arn": "r",
    }  # fmt: skip
    row |= overrides
    return row | {"date": row["event_time"].date()}


def habit(days: int = 10, **overrides: Any) -> list[Row]:
    return [call(**overrides | {"event_time": at("10:05") - n * DAY, "event_id": f"d{n}"}) for n in range(1, days + 1)]


AWAY: Row = {"source_ip_address": "203.0.113.9", "event_id": "away"}
UNSCOPED: Row = {"identified_by": "session name"}
OTHER: Row = {"user_agent": CLI}


def test_who_uses_them(spark: SparkSession) -> None:
    """One account a case: today's call, what came before, and what is made of it."""
    usual, older = habit(), habit(identified_by="session name")
    cases: dict[str, tuple[Row, list[Row], str | None]] = {
        "all three": (AWAY | UNSCOPED | OTHER, usual, "high"),
        "elsewhere, by another program": (AWAY | OTHER, usual, "high"),
        "elsewhere, and not in scope": (AWAY | UNSCOPED, usual, "high"),
        "elsewhere by Lambda": (AWAY, usual, None),
        "another program at home": (OTHER, usual, None),
        "another program at home, not in scope": (UNSCOPED | OTHER, usual, "medium"),
        "not in scope, as ever": (AWAY | UNSCOPED, older, None),
        "another program elsewhere, as nothing is in scope": (AWAY | UNSCOPED | OTHER, older, "high"),
        "a neighbouring address": ({"source_ip_address": "192.0.77.1"} | OTHER, usual, None),
        "another private network": (
            {"source_ip_address": "10.0.9.1"} | OTHER, habit(source_ip_address="10.0.1.1"), "high",
        ),
        "IPv6": ({"source_ip_address": "2001:db8::9"} | OTHER, usual, "high"),
        "where another function calls from": (AWAY | OTHER, [*usual, call(**AWAY, function_name="g")], None),
        "as for weeks": (AWAY | UNSCOPED | OTHER, [*usual, *habit(**AWAY | OTHER)], None),
        "since yesterday": (AWAY | UNSCOPED | OTHER, [*usual, *habit(1, **AWAY | OTHER)], "high"),
        "by a service": (AWAY | UNSCOPED | OTHER | {"invoked_by": "s3.amazonaws.com"}, usual, None),
        "within AWS": (UNSCOPED | {"source_ip_address": "AWS Internal", "user_agent": "AWS Internal"}, usual, None),
        "of a young function among others": (
            AWAY | UNSCOPED | OTHER | {"function_name": "young"}, usual, "high",
        ),
        "where nobody is known": (AWAY | UNSCOPED | OTHER, habit(3), None),
        "an unknown program at home": ({"user_agent": None} | UNSCOPED, usual, None),
    }  # fmt: skip
    rows = [call(**today) | {"account_id": case} for case, (today, _, _) in cases.items()]
    rows += [row | {"account_id": case} for case, (_, before, _) in cases.items() for row in before]
    found = credentials_outside.detect(
        [TODAY], frame(spark, FUNCTION_API_CALLS, rows), **credentials_outside.DETECTION.parameters
    )
    told = {r["account_id"]: r for r in rows_of(OBSERVATIONS.filled(found)) if r["date"] == TODAY}
    got = {case: told[case]["severity"] if case in told else None for case in cases}
    assert got == {case: severity for case, (_, _, severity) in cases.items()}
    row = told["all three"]
    assert row["summary"] == (
        f"The credentials of f were used from 203.0.113.9 with {CLI}: s3:GetObject. No function here has called from "
        "that network; the program is not one of Lambda's, and new to it; AWS does not say that the function made "
        "these calls, as it usually does."
    )
    assert (row["functions"], row["events"], row["evidence"], row["peer_addr"]) == ("f", 1, "away", "203.0.113.9")
    assert (row["subject"], row["baseline_from"]) == ("its credentials elsewhere", TODAY - 10 * DAY)


def refused(*actions: str, code: str = "AccessDenied", times: int = 1, **overrides: Any) -> list[Row]:
    of = CALL | {"behaviour": "api error", "events": times}
    return [hour(**of | {"thing": f"{a} {code}"} | overrides) for a in actions] + called(*actions, **overrides)


def test_refusals(spark: SparkSession) -> None:
    """One account a case; each has called dynamodb:PutItem for ten days."""
    looks = [f"s{n}:ListThings" for n in range(12)]

    def earlier(rows: list[Row], days: int = 3) -> list[Row]:
        return [r | {k: r[k] - days * DAY for k in ("hour", "first_time", "last_time", "date")} for r in rows]

    cases: dict[str, tuple[list[Row], str | None]] = {
        "five": (refused(*looks[:5]), "medium"),
        "four": (refused(*looks[:4]), None),
        "ten": (refused(*looks[:10], code="Client.UnauthorizedOperation"), "high"),
        "with a sensitive one": (refused(*looks[:4], "iam:CreateUser"), "high"),
        "went wrong otherwise": (refused(*looks[:10], code="NoSuchBucketPolicy"), None),
        "refused before": (refused(*looks[:5]) + earlier(refused(*looks[:5])), None),
        "the same again and again": (refused("dynamodb:PutItem", times=20), "low"),
        "three of them": (refused(*looks[:3], times=20), "medium"),
        "nineteen times": (refused("dynamodb:PutItem", times=19), None),
        "not far above the worst day": (
            refused("a:B", times=49) + earlier(refused("a:B", times=10)), None,
        ),
        "far above the worst day": (refused("a:B", times=50) + earlier(refused("a:B", times=10)), "low"),
        "young": (refused(*looks), None),
    }  # fmt: skip
    usual = called("dynamodb:PutItem", function_name="g", candidates="g")
    rows = [r | {"account_id": case} for case, (today, _) in cases.items() for r in today]
    rows += [r | {"account_id": case} for case in cases for r in earlier(usual, 6 if case == "young" else 10)]
    found = api_error_burst.detect(
        [TODAY],
        frame(spark, FUNCTION_ACTIVITY_HOURLY, rows),
        changes(spark, changed(account_id="five")),
        **api_error_burst.DETECTION.parameters,
    )
    told = {r["account_id"]: r for r in rows_of(OBSERVATIONS.filled(found)) if r["date"] == TODAY}
    got = {case: told[case]["severity"] if case in told else None for case in cases}
    assert got == {case: severity for case, (_, severity) in cases.items()}
    assert told["with a sensitive one"]["summary"] == (
        "f was refused 5 times: iam:CreateUser, s0:ListThings, s1:ListThings, s2:ListThings, s3:ListThings. 5 of these "
        "calls had not been refused in the 36 days before, in which the worst day had 0 refusals."
    )
    assert told["five"]["change"] and not told["ten"]["change"]
    assert (told["far above the worst day"]["observed"], told["far above the worst day"]["usual"]) == (50, 10)


def test_each_judged_day_looks_back_as_if_alone(spark: SparkSession) -> None:
    """What was strange is so again when it is long forgotten; both days are judged at once."""
    far = 60 * DAY
    once = [*habit(), call(**AWAY | UNSCOPED | OTHER)]
    before = [r | {"event_time": r["event_time"] - far, "date": r["date"] - far} for r in once]
    calls = frame(spark, FUNCTION_API_CALLS, [*before, *once])
    found = credentials_outside.detect([TODAY - far, TODAY], calls, **credentials_outside.DETECTION.parameters)
    assert sorted(r["date"] for r in rows_of(OBSERVATIONS.filled(found))) == [TODAY - far, TODAY]
