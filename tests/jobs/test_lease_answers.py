"""`leasehold leases`: what is asked, what is answered, in which words; networks are never mixed up."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs import lease_words
from jobs.errors import LeaseholdError
from jobs.lease_answers import Question, answer, compose
from jobs.show import document
from jobs.storage import Lake
from tests.rows import Row, at, config, frame, lease, resource
from transforms.schemas import FUNCTION_CONFIGS, FUNCTION_FLOWS, INGESTED_FILES, IP_LEASES

NOON = "2026-01-05T12:00Z"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f"
HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202egnp.exe"


def test_a_function_is_a_name_a_partial_or_a_whole_arn() -> None:
    def parts(text: str) -> tuple[Any, ...]:
        asked = Question.parse(function=text)
        return asked.function, asked.account, asked.region, asked.version

    assert parts("f") == ("f", None, None, None)
    assert parts("f:$LATEST") == ("f", None, None, "$LATEST")
    assert parts("123456789012:function:f:live") == ("f", "123456789012", None, "live")
    assert parts(ARN) == ("f", "123456789012", "eu-west-1", None)
    assert parts(f" {ARN.replace('arn:aws', 'arn:aws-us-gov')}:7") == ("f", "123456789012", "eu-west-1", "7")


def test_addresses_and_times_are_read_as_people_write_them() -> None:
    asked = Question.parse(at="2026-01-05T13:00+01:00", ip=" 2001:0DB8::1 ")
    assert (asked.ip, asked.at) == ("2001:db8::1", at("12:00"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "exactly one of --ip, --interface and --function"),
        ({"ip": "10.0.0.1", "interface": "eni-0a1b2c3d"}, "exactly one"),
        ({"ip": "10.0.0.1"}, "--at 2026-01-05T10:00Z"),
        ({"ip": "10.0.0.1/32", "at": NOON}, "not an IP address; write it like"),
        ({"ip": "10.0.0.1", "at": "noon"}, "not a time; write it like"),
        ({"ip": "10.0.0.1", "at": "0001-01-01T00:00+02:00"}, "between 1970 and 2200"),
        ({"ip": "10.0.0.1", "at": "9999-01-01"}, "between 1970 and 2200"),
        ({"ip": "10.0.0.1", "at": NOON, "vpc": "10.0.0.0/16"}, "like vpc-0a1b2c3d4e5f60718"),
        ({"interface": "eni-"}, "like eni-0a1b2c3d4e5f60718"),
        ({"function": "a b"}, "write its name, like my-function, or its ARN"),
        ({"function": "arn:aws:s3:::bucket"}, "write its name"),
        ({"function": "f", "account": "1234"}, "12 digits"),
        ({"function": "f", "region": "Ireland"}, "like eu-west-1"),
        ({"function": ARN, "region": "us-east-1"}, "its ARN says eu-west-1"),
    ],
)
def test_what_is_written_wrongly_is_said_with_an_example(options: dict[str, str], said: str) -> None:
    with pytest.raises(LeaseholdError, match=r".") as raised:
        Question.parse(**options)
    assert said in str(raised.value)


def now(answer_: str = "held", distance: int | None = 0, **overrides: Any) -> Row:
    """A lease as `answered` gives it, complete."""
    whole = {name: None for name in IP_LEASES.schema.names}
    return {**whole, **lease(**overrides), "answer": answer_, "distance_seconds": distance}


def ask(rows: list[Row], said: list[Row] | None = None, last_poll: datetime | None = None, **options: str) -> Row:
    question = Question.parse(**({"ip": "10.0.0.1", "at": NOON} | options))
    return compose(question, rows, said or [], last_poll)


def only(made: Row) -> Row:
    assert len(made["networks"]) == 1
    network: Row = made["networks"][0]
    return network


def flows(function: str | None, count: float, attribution: str = "shared", evidence: str = "") -> Row:
    """A row as `shares` gives it."""
    return {
        "interface_id": "eni-1", "local_addr": "10.0.0.1", "function_name": function, "attribution": attribution,
        "evidence": evidence, "conversations": count,
    }  # fmt: skip


def test_the_only_candidate() -> None:
    network = only(ask([now()], [flows("f", 3.0, "unique", "sole candidate")]))
    assert network["answer"] == "10.0.0.1 at 2026-01-05 12:00:00Z: function f."
    assert network["how_sure"][0].startswith("The only candidate")
    assert "The 3 conversations within 30 min of then, as attributed: f 100%" in network["how_sure"][1]
    assert "sole candidate 100%" in network["how_sure"][1]


def test_candidates_that_share_with_what_attribution_made_of_it() -> None:
    said = [
        flows("f", 0.5), flows("g", 0.5), flows("f", 2.7, "weighted", "data events, invocations"),
        flows("g", 0.3, "weighted", "data events, invocations"), flows("f", 9.0) | {"local_addr": "10.0.0.7"},
    ]  # fmt: skip
    network = only(ask([now(), now(owner_name="g")], said))
    assert "one of 2 functions, which share the interface: f, g." in network["answer"]
    assert "One of 2 candidates, which share the interface (same subnet and security groups)" in network["how_sure"][0]
    talk = network["conversations"][0]
    assert talk["conversations"] == 4 and talk["until"] - talk["from"] == timedelta(hours=1)
    assert [(p["function_name"], p["share"]) for p in talk["functions"]] == [("f", 0.8), ("g", 0.2)]
    assert [(p["evidence"], p["share"]) for p in talk["evidence"]] == [
        ("data events, invocations", 0.75), ("equal parts for lack of evidence", 0.25),
    ]  # fmt: skip
    assert "f 80%, g 20%" in network["how_sure"][1]
    nearly = only(ask([now(), now(owner_name="g")], [flows("f", 99.9, "weighted"), flows("g", 0.1, "weighted")]))
    assert "f over 99%, g under 1%" in nearly["how_sure"][1]
    quiet = only(ask([now(), now(owner_name="g")]))
    assert quiet["how_sure"][1] == "No conversation of this address begins within 30 min of then."


def test_other_grounds_are_named() -> None:
    guess = only(ask([now(basis="creator")]))["how_sure"][0]
    assert guess.startswith("A guess by name") and "caused its creation" in guess
    nameless = only(ask([now(basis="creator", owner_name=None)]))["answer"]
    assert nameless.endswith("a function whose name is not known.")
    undated = only(ask([now("perhaps", None, valid_from=None, from_evidence="undated snapshot")]))
    assert "perhaps function f" in undated["answer"]
    assert any("a snapshot without a time, which says who, and not when" in line for line in undated["how_sure"])
    database = only(ask([{**now(), **resource("orders-db", "10.0.0.1")}]))
    assert database["answer"].endswith("rds orders-db.") and database["conversations"] == []


def test_a_boundary_nearby_with_its_uncertainty() -> None:
    """f until 11:57 ± 300 s, g from 11:57 ± 300 s: at noon it is g, or perhaps still f."""
    edge = {"to_evidence": "address reused", "to_uncertainty_seconds": 300}
    old = now("perhaps", 180, valid_to=at("11:57"), **edge)
    new = now(interface_id="eni-2", owner_name="g", valid_from=at("11:57"), from_uncertainty_seconds=300)
    network = only(ask([old, new]))
    assert network["answer"].endswith("function g; or perhaps function f.")
    assert any(
        "function f: its lease ended 3 min before, which is within the uncertainty of that boundary "
        "(± 5 min, address reused)." in line
        for line in network["how_sure"]
    )
    first = now("perhaps", 3_600, valid_from=at("13:00"), from_evidence="first snapshot", from_uncertainty_seconds=None)
    sure = only(ask([first]))["how_sure"]
    assert any("first seen at 2026-01-05 13:00:00Z" in line and "any time before" in line for line in sure)


def test_the_holders_before_and_after() -> None:
    """Of each side the nearest: on another interface, and other candidates on the same one."""
    ended = {"to_evidence": "cloudtrail", "to_uncertainty_seconds": 0}
    rows = [
        now("before", 9_000, interface_id="eni-7", owner_name="long ago", valid_to=at("9:30"), **ended),
        now("before", 300, interface_id="eni-8", owner_name="old", valid_to=at("11:55"), **ended),
        now("before", 60, owner_name="was a candidate", valid_to=at("11:59"), **ended),
        now(),
        now("after", 7_200, interface_id="eni-9", owner_name="new", valid_from=at("14:00")),
        now("after", 9_999, interface_id="eni-9", owner_name="newer", valid_from=at("15:00")),
    ]
    network = only(ask(rows))
    assert [r["owner_name"] for r in network["leases"]] == ["f"]
    assert [r["owner_name"] for r in network["before"]] == ["was a candidate", "old"]
    assert [r["owner_name"] for r in network["after"]] == ["new"]
    told = "Near a hand-over: function old had 10.0.0.1 until 2026-01-05 11:55:00Z (cloudtrail), 5 min before."
    assert told in network["how_sure"] and not any("function new" in line for line in network["how_sure"])
    nobody = only(ask(rows[:2]))
    assert nobody["answer"].endswith("nobody that is known.")
    assert nobody["leases"] == [] and [r["owner_name"] for r in nobody["before"]] == ["old"]


def test_networks_are_kept_apart() -> None:
    rows = [
        now("before", 60, vpc_id="vpc-0", valid_to=at("11:59"), owner_name="gone", to_evidence="cloudtrail"),
        now(),
        now(vpc_id="vpc-2", interface_id="eni-2", owner_name="g"),
        now(region="us-east-1", interface_id="eni-3", owner_name="h"),
        now(account_id="unknown", region="unknown", vpc_id=None, interface_id="eni-4", owner_name="i"),
    ]
    made = ask(rows)
    told = [(n["account_id"], n["region"], n["vpc_id"], n["answer"].split(": ")[1]) for n in made["networks"]]
    assert told == [
        ("123456789012", "eu-west-1", "vpc-1", "function f."),
        ("123456789012", "eu-west-1", "vpc-2", "function g."),
        ("123456789012", "us-east-1", "vpc-1", "function h."),
        ("unknown", "unknown", "unknown", "function i."),
        ("123456789012", "eu-west-1", "vpc-0", "nobody that is known."),
    ]
    assert made["notes"] == [
        "5 networks know 10.0.0.1; an answer for each. --account, --region and --vpc narrow.",
    ]


def test_an_open_lease_ends_where_evidence_does() -> None:
    def noted(**overrides: Any) -> bool:
        made = ask([now(**overrides)], last_poll=at("10:30"))
        return any("The last poll of interfaces is of 2026-01-05 10:30:00Z" in note for note in made["notes"])

    assert noted() and not noted(valid_to=at("12:30"))
    assert ask([now()], last_poll=at("12:30"))["notes"] == []


def ever(**overrides: Any) -> Row:
    """A lease as the table has it, complete."""
    return {name: value for name, value in now(**overrides).items() if name not in ("answer", "distance_seconds")}


def test_a_functions_addresses_over_time_with_whom_it_shares_them() -> None:
    rows = [
        ever(valid_to=at("11:00")),
        ever(owner_name="g", valid_from=at("10:00")),
        ever(owner_name="h", valid_from=at("11:00")),
        ever(interface_id="eni-2", address="10.0.0.2", valid_from=at("11:00")),
    ]
    made = compose(Question.parse(function="f:7"), rows, [], None)
    network = only(made)
    assert network["answer"] == "f: may have used 2 addresses: 10.0.0.1 on eni-1, 10.0.0.2 on eni-2."
    assert [(r["address"], r["others"]) for r in network["leases"]] == [("10.0.0.1", ["g"]), ("10.0.0.2", [])]
    assert [lease_words.sure_of(r) for r in network["leases"]] == ["shares it with g", "the only candidate"]
    assert (network["before"], network["after"], network["how_sure"]) == ([], [], [])
    assert any("do not tell versions" in note for note in made["notes"])
    served = only(compose(Question.parse(interface="eni-0a1b2c3d"), rows[:3], [], None))
    assert served["answer"] == "eni-0a1b2c3d: 3 functions, over time: f, g, h."


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    rows = [now(owner_name=HOSTILE, vpc_id=HOSTILE), now("before", 5, owner_name=HOSTILE, vpc_id=HOSTILE)]
    rows[1] |= {"valid_to": at("11:59:55"), "to_evidence": HOSTILE, "to_uncertainty_seconds": 1}
    made = ask(rows, [flows(HOSTILE, 1.0, "weighted", HOSTILE)])
    out = io.StringIO()
    lease_words.show(Console(file=out, force_terminal=True, color_system=None, width=400), made)
    printed = out.getvalue()
    assert printed.count("[bold red]x[/]") >= 8
    assert "\x1b[31m" not in printed and "\u202e" not in printed and "\r" not in printed
    assert document(made).isascii() and json.loads(document(made))["networks"][0]["vpc_id"] == HOSTILE


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """f and g share eni-0…1 in two regions' worth of tables; w is outside any VPC; v has a VPC and no interface."""
    made = Lake(spark, str(tmp_path_factory.mktemp("answers") / "lake"))
    made.create([IP_LEASES, FUNCTION_CONFIGS, FUNCTION_FLOWS, INGESTED_FILES])
    eni = "eni-0a1b2c3d"
    rows = [lease(interface_id=eni), lease(interface_id=eni, owner_name="g"), resource("f", "10.0.0.5")]
    made.append(IP_LEASES, frame(spark, IP_LEASES, rows))
    configs = [config(), config(function_name="w", vpc_id=None), config(function_name="v"), config(function_name="Vet")]
    made.append(FUNCTION_CONFIGS, frame(spark, FUNCTION_CONFIGS, configs))
    shared = {"interface_id": eni, "local_addr": "10.0.0.1", "attribution": "shared", "probability": 0.5}
    shared |= {"start_time": at("12:10"), "date": at("12:10").date()}
    talk = [shared | {"function_name": name} for name in ("f", "g")]
    made.append(FUNCTION_FLOWS, frame(spark, FUNCTION_FLOWS, talk))
    poll = {"source_file": "a", "kind": "describe_network_interfaces", "max_time": at("11:30")}
    made.append(INGESTED_FILES, frame(spark, INGESTED_FILES, [poll]))
    return made


@pytest.mark.sail_only
def test_the_lake_is_asked(lake: Lake) -> None:
    for question in ({"ip": "10.0.0.1"}, {"interface": "eni-0a1b2c3d"}, {"function": "f"}):
        made = answer(lake, Question.parse(at=NOON, **question))
        network = only(made)
        assert network["conversations"][0]["conversations"] == 1
        assert [p["share"] for p in network["conversations"][0]["functions"]] == [0.5, 0.5]
        assert {r["owner_name"] for r in network["leases"]} == ({"f"} if "function" in question else {"f", "g"})
        assert network["leases"][0]["valid_from"] == datetime(2026, 1, 5, 9, tzinfo=UTC)
        assert "The last poll of interfaces is of 2026-01-05 11:30:00Z" in made["notes"][0]
    assert len(only(answer(lake, Question.parse(function=ARN)))["leases"]) == 1


@pytest.mark.sail_only
def test_what_is_not_known_is_said_with_what_to_do(lake: Lake) -> None:
    def said(at: str | None = NOON, **options: str) -> str:
        made = answer(lake, Question.parse(at=at, **options))
        assert made["networks"] == []
        return str(made["notes"][-1])

    assert "No lease names it" in said(ip="10.9.9.9") and "describe-network-interfaces" in said(ip="10.9.9.9")
    assert "It is a public address" in said(ip="8.8.8.8")
    assert "No lease names it" in said(interface="eni-0000dead", at=None)
    assert "it is known in 123456789012 eu-west-1 vpc-1" in said(ip="10.0.0.1", region="us-east-1")
    assert "outside any VPC" in said(function="w")
    assert "no interface with its subnets and security groups" in said(function="v")
    assert "Names like it: Vet" in said(function="VET")
    nowhere = said(function="somethingElse")
    assert "no function of this name is known" in nowhere and "Names like it" not in nowhere


def test_a_screen_has_an_end() -> None:
    rows = [ever(valid_from=at("9:00") + timedelta(minutes=n)) for n in range(60)]
    out = io.StringIO()
    lease_words.show(Console(file=out, width=200), compose(Question.parse(function="f"), rows, [], None))
    assert "and 20 leases more" in out.getvalue() and out.getvalue().count("the only candidate") == 40
