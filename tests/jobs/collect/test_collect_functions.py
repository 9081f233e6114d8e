"""ListFunctions, completed with the states that only GetFunctionConfiguration gives."""

from __future__ import annotations

from datetime import timedelta

from jobs.collect.answers import functions, names
from tests.jobs.collect.aws import NOW, Aws, Row, client

_CHANGED = f"{NOW - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}.000+0000"
_LONG_AGO = f"{NOW - timedelta(minutes=90):%Y-%m-%dT%H:%M:%S}.000+0000"


def _version(name: str, modified: str, version: str = "$LATEST") -> Row:
    return {"FunctionName": name, "Version": version, "LastModified": modified}


def _ask(aws: Aws, *pages: Row) -> tuple[list[Row], Exception | None]:
    aws.answer("ListFunctions", *pages)
    (asked_at, request, found), error = functions(client("lambda", "eu-west-1"), lambda: NOW)
    assert (asked_at, request) == (NOW, {"FunctionVersion": "ALL"})
    return found, error


def test_only_what_changed_within_the_hour_is_asked_for_its_state(aws: Aws) -> None:
    aws.scripts["GetFunctionConfiguration"] = lambda _: {
        "State": "Active",
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReasonCode": "",
        "Environment": {"Variables": {"KEY": "x"}},
    }
    first = {"Functions": [_version("old", _LONG_AGO), _version("new", _CHANGED, "7")], "NextMarker": "m"}
    pages, error = _ask(aws, first, {"Functions": [_version("odd", "yesterday"), _version("last", _CHANGED)]})
    assert error is None
    states = {"State": "Active", "LastUpdateStatus": "InProgress"}
    assert [item for page in pages for item in page["Functions"]] == [
        _version("old", _LONG_AGO),
        {**_version("new", _CHANGED, "7"), **states},
        _version("odd", "yesterday"),
        {**_version("last", _CHANGED), **states},
    ]
    assert aws.asked("GetFunctionConfiguration") == [
        {"FunctionName": "new", "Qualifier": "7"},
        {"FunctionName": "last", "Qualifier": "$LATEST"},
    ]
    assert [call.get("Marker") for call in aws.asked("ListFunctions")] == [None, "m"]
    assert names(pages) == {"old", "new", "odd", "last"}


def test_a_function_deleted_since_it_was_listed_stays_as_it_was(aws: Aws) -> None:
    gone = {"Error": {"Code": "ResourceNotFoundException", "Message": "Function not found"}}
    aws.answer("GetFunctionConfiguration", gone, {"State": "Pending"})
    pages, error = _ask(aws, {"Functions": [_version("gone", _CHANGED), _version("new", _CHANGED)]})
    assert error is None
    assert [item.get("State") for item in pages[0]["Functions"]] == [None, "Pending"]


def test_where_states_may_not_be_asked_for_the_list_is_kept(aws: Aws) -> None:
    aws.answer("GetFunctionConfiguration", {"Error": {"Code": "AccessDeniedException", "Message": "no"}})
    pages, error = _ask(aws, {"Functions": [_version("one", _CHANGED), _version("two", _CHANGED)]})
    assert "AccessDeniedException" in str(error)
    assert names(pages) == {"one", "two"}
    assert len(aws.asked("GetFunctionConfiguration")) == 1  # it is not asked for again


def test_only_what_is_known_to_hold_no_secret_is_kept(aws: Aws) -> None:
    item = {
        **_version("one", _LONG_AGO),
        "Environment": {"Variables": {"TOKEN": "s"}},
        "ImageConfigResponse": {"ImageConfig": {"Command": ["--password", "s"]}},
        "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": [], "VpcId": "vpc-1"},
    }
    pages, _ = _ask(aws, {"Functions": [item]})
    assert pages == [{"Functions": [{**_version("one", _LONG_AGO), "VpcConfig": item["VpcConfig"]}]}]
