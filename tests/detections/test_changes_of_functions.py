"""Who changes functions, and what is not seen any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from detections import control_plane_change, loss_of_sight
from tests.rows import ACCOUNT, REGION, Row, at, frame, rows_of
from tests.transforms.test_baselines import TODAY
from transforms.schemas import COVERAGE, FAILED_POLLS, FUNCTION_CHANGES, OBSERVATIONS, POLLS

DAY = timedelta(days=1)
DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy"
MIKE = f"arn:aws:iam::{ACCOUNT}:user/mike"
LAYER = "arn:aws:lambda:eu-west-1:{}:layer:tracer:3"


def changed(**overrides: Any) -> Row:
    """Deploy changes the code of f at 9:25."""
    row: Row = {
        "event_id": "change-1", "event_time": at("9:25"), "account_id": ACCOUNT, "region": REGION, "function_name": "f",
        "change": "code", "event_name": "UpdateFunctionCode20150331v2", "principal": DEPLOY,
        "source_ip_address": "198.51.100.7", "user_agent": "Boto3/1.42.61", "detail": "code hash abc=",
    }  # fmt: skip
    row |= overrides
    return row | {"date": row["event_time"].date()}


def changes(spark: SparkSession, *rows: Row) -> DataFrame:
    return frame(spark, FUNCTION_CHANGES, rows)


def releases(first: int = 30, **overrides: Any) -> list[Row]:
    """Deploy changes the code of f every other day, from so many days ago on."""
    return [
        changed(event_id=f"release-{n}", event_time=at("9:25") - n * DAY, **overrides) for n in range(2, first + 1, 2)
    ]


def found_by(spark: SparkSession, rows: list[Row]) -> list[Row]:
    found = control_plane_change.detect([TODAY], changes(spark, *rows), **control_plane_change.DETECTION.parameters)
    return rows_of(OBSERVATIONS.filled(found))


def test_who_and_what(spark: SparkSession) -> None:
    """One account a case, in which Deploy has released for a month: today's change, and what is made of it."""
    by_mike: Row = {"principal": MIKE}
    opens: Row = {"change": "permission", "detail": "lambda:InvokeFunction for anybody", "opens_to": "anybody"}
    shim: Row = {"change": "layer", "detail": LAYER.format("111122223333")}
    mighty: Row = {
        "change": "role policy", "detail": "attach role policy arn:aws:iam::aws:policy/AdministratorAccess of r",
    }  # fmt: skip
    cases: dict[str, tuple[list[Row], str | None]] = {
        "code by somebody new": ([by_mike], "medium"),
        "code by who deploys": ([{}], None),
        "a timeout by somebody new": ([by_mike | {"change": "configuration", "detail": None}], "low"),
        "a new version": ([by_mike | {"change": "published"}], None),
        "opened by somebody new": ([by_mike | opens], "high"),
        "opened by who deploys": ([opens], "medium"),
        "opened again by who deploys": ([opens, opens | {"event_time": at("9:25") - 5 * DAY}], None),
        "opened again by somebody new": ([by_mike | opens, opens | {"event_time": at("9:25") - 5 * DAY}], "high"),
        "a stranger's layer": ([shim], "medium"),
        "a stranger's layer by somebody new": ([by_mike | shim], "high"),
        "a layer that others have": ([shim, shim | {"function_name": "g", "event_time": at("9:25") - 5 * DAY}], None),
        "one layer more": (
            [shim | {"detail": f"{shim['detail']}, {LAYER.format('999988887777')}"},
             shim | {"function_name": "g", "event_time": at("9:25") - 5 * DAY}], "medium",
        ),
        "a layer that somebody new brought": (
            [shim, shim | by_mike | {"function_name": "g", "event_time": at("9:25") - 5 * DAY}], "medium",
        ),
        "a layer that somebody brought long ago": (
            [shim, shim | by_mike | {"function_name": "g", "event_time": at("9:25") - 15 * DAY}], None,
        ),
        "an own layer": ([shim | {"detail": LAYER.format(ACCOUNT)}], None),
        "a stranger's queue": (
            [{"change": "trigger", "detail": "arn:aws:sqs:eu-west-1:111122223333:jobs"}], "medium",
        ),
        "a stranger's queue taken away": (
            [{"change": "trigger", "detail": "removed arn:aws:sqs:eu-west-1:111122223333:jobs"}], None,
        ),
        "a boundary lifted": (
            [{"change": "role policy", "detail": "delete role permissions boundary of r"}], "medium",
        ),
        "a stranger's image": ([{"detail": "image 111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1"}], "medium"),
        "rights by who deploys": ([mighty], "medium"),
        "rights taken away": ([mighty | {"detail": "detach role policy AdministratorAccess of r"}], None),
        "refused": ([by_mike | {"error_code": "AccessDenied"}], "low"),
        "opening refused": ([by_mike | opens | {"error_code": "AccessDenied"}], "medium"),
        "the day after": ([by_mike, by_mike | {"event_time": at("9:25") - DAY, "event_id": "a"}], "medium"),
        "the third day": (
            [by_mike, *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"a{n}"} for n in (1, 2, 6)]],
            "medium",
        ),
        "again three weeks later": (
            [by_mike, by_mike | {"event_time": at("9:25") - 21 * DAY, "event_id": "a"}], "medium",
        ),
        "a habit of two weeks": (
            [by_mike, *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 14)]], None,
        ),
        "a habit of less": (
            [by_mike, *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 13)]],
            "medium",
        ),
        "a habit that began with a danger": (
            [by_mike, by_mike | opens | {"event_time": at("9:25") - 13 * DAY},
             *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 14)]], "medium",
        ),
        "a habit, and a danger two weeks ago": (
            [by_mike, by_mike | opens | {"event_time": at("9:25") - 14 * DAY},
             *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 14)]], None,
        ),
        "a habit, and then a danger": (
            [by_mike, by_mike | opens | {"event_time": at("9:25") - 2 * DAY},
             *[by_mike | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 16)]], None,
        ),
        "there for a month, and a danger": (
            [by_mike, *[by_mike | opens | {"event_time": at("9:25") - n * DAY, "event_id": f"{n}"}
                        for n in (2, 7, 29)]], None,
        ),
        "a partner's queue in the first week": (
            [by_mike, *[by_mike | {"change": "trigger", "detail": "arn:aws:sqs:eu-west-1:111122223333:jobs",
                                   "event_time": at("9:25") - n * DAY, "event_id": f"{n}"} for n in (2, 7, 14)]], None,
        ),
        "tried in vain before": (
            [by_mike, by_mike | {"event_time": at("9:25") - 7 * DAY, "event_id": "a", "error_code": "x"}], "medium",
        ),
        "a service of AWS": ([{"principal": "application-autoscaling.amazonaws.com", "change": "concurrency"}], None),
        "a log group": ([by_mike | {"change": "log group"}], None),
        "a trail": ([by_mike | {"change": "trail", "function_name": None}], None),
    }  # fmt: skip
    rows = [
        changed(**{"event_id": f"e{n}"} | row | {"account_id": ACCOUNT if case == "an own layer" else case})
        for case, (today, _) in cases.items()
        for n, row in enumerate(today)
    ]
    rows += [r | {"account_id": ACCOUNT if case == "an own layer" else case} for case in cases for r in releases()]
    found = {r["account_id"]: r for r in found_by(spark, rows)}
    got = {
        case: found.get(ACCOUNT if case == "an own layer" else case, {"severity": None})["severity"] for case in cases
    }
    assert got == {case: severity for case, (_, severity) in cases.items()}
    row = found["code by somebody new"]
    assert row["summary"] == (
        f"{MIKE} changed f: code (code hash abc=); from 198.51.100.7 with Boto3/1.42.61. It is new to "
        f"changing functions (for less than 14 days, or on fewer than 3, or it began with dangerous ones); who does "
        f"so: {DEPLOY}."
    )
    assert (row["principal"], row["functions"], row["subject"]) == (MIKE, "f", f"changed by {MIKE}")
    assert (row["evidence"], row["first_time"], row["baseline_days"]) == ("e0", at("9:25"), 30)
    assert found["a stranger's layer"]["summary"] == (
        f"{DEPLOY} changed f: layer ({LAYER.format('111122223333')}: of the account 111122223333, never used before); "
        "from 198.51.100.7 with Boto3/1.42.61. It changes functions regularly, but this is dangerous whoever does it."
    )
    assert " tried in vain to change f: code (code hash abc=), refused;" in found["refused"]["summary"]


def test_nobody_is_new_where_nobody_is_known(spark: SparkSession) -> None:
    opens: Row = {"change": "url", "detail": "anybody may call it (AuthType NONE)", "opens_to": "anybody"}
    young = {"account_id": "young"}
    rows = [
        changed(principal=MIKE), changed(principal=MIKE, **opens, account_id="opened", user_agent=None),
        changed(principal=MIKE, **young), *releases(4, **young),
    ]  # fmt: skip
    found = found_by(spark, rows)
    assert [(r["account_id"], r["severity"]) for r in found] == [("opened", "high")]
    assert found[0]["summary"].endswith(
        "; from 198.51.100.7 with an unknown program. Too little is known of earlier changes to say who does so."
    )


def test_one_call_for_many_functions(spark: SparkSession) -> None:
    """A role's policy is a change of each of its functions; several changes of one function are one observation."""
    policy: Row = {"change": "role policy", "detail": "put role policy p of r", "event_id": "p"}
    rows = [
        *releases(), *[changed(principal=MIKE, function_name=name, **policy) for name in "gh"],
        *[changed(principal=MIKE, event_id=f"e{n}", change=what) for n, what in enumerate(("code", "vpc", "role"))],
    ]  # fmt: skip
    found = {r["functions"]: r for r in found_by(spark, rows)}
    assert {name: r["events"] for name, r in found.items()} == {"g, h": 1, "f": 3}
    assert "code (code hash abc=); role (code hash abc=); vpc (code hash abc=); from" in found["f"]["summary"]


def seen(spark: SparkSession, rows: list[Row], *, covered: list[Row] | None = None, answered: list[Row] | None = None,
         failed: list[Row] | None = None) -> dict[tuple[str, str | None], Row]:  # fmt: skip
    found = loss_of_sight.detect(
        [TODAY], changes(spark, *rows), frame(spark, COVERAGE, covered or []), frame(spark, POLLS, answered or []),
        frame(spark, FAILED_POLLS, failed or []), **loss_of_sight.DETECTION.parameters,
    )  # fmt: skip
    return {(r["account_id"], r["functions"]): r for r in rows_of(OBSERVATIONS.filled(found)) if r["date"] == TODAY}


def test_what_is_switched_off(spark: SparkSession) -> None:
    def done(account: str, change: str, detail: str | None, **more: Any) -> Row:
        return changed(**{"account_id": account, "function_name": None} | {"change": change, "detail": detail} | more)

    out = {"function_name": "f", "event_id": "out"}
    rows = [
        done("flow logs", "flow logs", "fl-1"), done("flow logs", "flow logs", "fl-2", event_id="second"),
        done("stopped", "trail", "stopped t"),
        done("narrowed", "trail", "narrowed t: management events are not written any more"),
        done("refused", "trail", "stopped t", error_code="AccessDenied"),
        done("guard", "guardduty", "DeleteDetector"),
        done("group", "log group", "/aws/lambda/f", function_name="f"),
        done("group of the dead", "log group", "/aws/lambda/f", function_name="f"),
        done("group of the dead", "deleted", None, function_name="f", event_time=at("9:00") - DAY),
        done("group of a version", "log group", "/aws/lambda/f", function_name="f"),
        done("group of a version", "deleted", "version 3", function_name="f"),
        done("out", "vpc", '{"subnetIds":[]}', **out), done("moved", "vpc", '{"subnetIds":["subnet-1"]}', **out),
        done("was out", "vpc", '{"subnetIds":[]}', **out), done("was in", "vpc", '{"subnetIds":[]}', **out),
        done("code", "code", "x", function_name="f"),
    ]  # fmt: skip
    covered = [
        {"account_id": account, "region": REGION, "date": TODAY - n * DAY, "function_name": "f", "in_vpc": is_in}
        for account, inside in (("was out", (False, False)), ("was in", (False, True)))
        for n, is_in in enumerate(inside, 1)
    ]
    found = seen(spark, rows, covered=covered)
    assert {key: r["severity"] for key, r in found.items()} == {
        ("flow logs", None): "high", ("stopped", None): "high", ("narrowed", None): "medium",
        ("refused", None): "medium", ("guard", None): "high", ("group", "f"): "medium",
        ("group of a version", "f"): "medium", ("out", "f"): "medium", ("was in", "f"): "medium",
    }  # fmt: skip
    row = found["flow logs", None]
    assert row["summary"] == f"{DEPLOY} deleted flow logs: fl-1; fl-2; from 198.51.100.7."
    assert (row["events"], row["subject"], row["evidence"]) == (2, "flow logs", "change-1")
    assert found["refused", None]["summary"] == (
        f"{DEPLOY} changed the trail: stopped t; from 198.51.100.7. It was refused."
    )


def test_polls_that_are_not_answered(spark: SparkSession) -> None:
    def poll(account: str, hours: range, operation: str = "list_functions", **more: Any) -> list[Row]:
        of = {"account_id": account, "region": REGION, "operation": operation, "date": TODAY}
        return [of | {"polled_at": at(f"{n}:30")} | more for n in hours]

    denied = {"error_code": "AccessDenied", "source_file": "s3://b/p.json", "source_line": 1}
    failed = [
        *poll("all day", range(24), **denied), *poll("answered", range(24), **denied),
        *poll("briefly", range(2), **denied), *poll("metrics", range(3), "get_metric_data", **denied),
        *poll("not tried", range(24), **denied | {"error_code": "NotAsked"}),
        *poll("entered", range(5), "assume_role", **denied), *poll("locked out", range(5), "assume_role", **denied),
        *poll("undated", range(5), **denied | {"polled_at": None}),
    ]  # fmt: skip
    answered = [*poll("answered", range(22)), *poll("entered", range(5)), *poll("all day", range(24), "other")]
    found = seen(spark, [], answered=answered, failed=failed)
    assert {account: (r["severity"], r["observed"]) for (account, _), r in found.items()} == {
        "all day": ("medium", 24), "metrics": ("low", 3), "locked out": ("medium", 5),
    }  # fmt: skip
    row = found["all day", None]
    assert row["summary"] == (
        "list_functions failed in 24 hours of the day and was answered in none of them: AccessDenied."
    )
    assert (row["subject"], row["evidence"]) == ("polls list_functions", "s3://b/p.json:1")
