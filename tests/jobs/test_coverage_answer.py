"""`leasehold coverage`: what is not seen is said first, then how sure the rest is; worst first."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs import coverage_words
from jobs.coverage_answer import answer, compose, parse_day
from jobs.errors import LeaseholdError
from jobs.show import document
from jobs.storage import Lake
from tests.rows import ACCOUNT, MONDAY, REGION, Row, at, frame
from transforms.schemas import COVERAGE, FAILED_POLLS, INGESTED_FILES

DAY = MONDAY.date()
HOSTILE = "[bold red]x[/] \x1b[31m\r\n\u202egnp.exe"
_NONE = dict.fromkeys((name for name in COVERAGE.schema.names if name.endswith(("_conversations", "_bytes"))), 0)


def function(name: str, **overrides: Any) -> Row:
    """A function's sums."""
    row = {"account_id": ACCOUNT, "region": REGION, "function_name": name, "in_vpc": 1, "data_events": 0, **_NONE}
    return row | overrides


def account(**overrides: Any) -> Row:
    """An account's sums: nothing is missing."""
    row = {
        "account_id": ACCOUNT, "region": REGION, "skipdata_records": 0, "gap_interfaces": 0, "gap_seconds": 0,
        "interface_polls": 48, "interface_polls_missed": 0, "function_polls": 48, "function_polls_missed": 0,
        "interface_polls_failed": 0, "function_polls_failed": 0, "metric_polls_failed": 0, "unleased_interfaces": 0,
        "unknown_conversations": 0,
        "unknown_bytes": 0, "untold_days": 0,
    }  # fmt: skip
    return row | overrides


def failure(count: int, **overrides: Any) -> Row:
    """So many polls that failed in the same way."""
    row = {
        "account_id": ACCOUNT, "region": REGION, "operation": "describe_network_interfaces", "failed": count,
        "error_code": "UnauthorizedOperation", "error_message": "no", "last_at": at("10:00"),
        "what_to_do": "Allow ec2:DescribeNetworkInterfaces (conf/iam/read-policy.json)",
    }  # fmt: skip
    return row | overrides


def composed(
    functions: list[Row],
    accounts: list[Row],
    stopped: list[str] | None = None,
    covered: int = 1,
    failed: list[Row] | None = None,
) -> Row:
    return compose(functions, accounts, DAY, DAY, covered, failed or [], stopped or [])


def test_what_is_not_seen_is_said_in_sentences() -> None:
    assert composed([], [account()])["not_seen"] == []
    assert "Nothing is known to be missing." in shown(composed([], [account()]))
    bad = account(
        skipdata_records=1, gap_interfaces=2, gap_seconds=4_200, interface_polls_missed=3, function_polls=0,
        unknown_conversations=12, untold_days=1,
    )  # fmt: skip
    strays = account(account_id="unknown", interface_polls=0, function_polls=0)
    rows = [function("w", in_vpc=0), function("f"), function("never configured", in_vpc=None)]
    never = {"account_id": "210987654321", "operation": "assume_role", "error_code": "AccessDenied"}
    failed = [
        failure(2), failure(1, region="us-east-1", last_at=at("11:00")), failure(1, **never, last_at=None),
        failure(1, error_code="OddError", what_to_do=None), failure(9, error_code="NotAsked", what_to_do=None),
    ]  # fmt: skip
    assert composed(rows, [bad, strays], ["no poll is later than noon"], failed=failed)["not_seen"] == [
        "1 function is outside any VPC, where flow logs do not reach (w)",
        "AWS says that it skipped 1 window of records (SKIPDATA)",
        "2 interfaces of Lambda fell silent without a NODATA line, for 1 h 10 min together",
        "flow logs without NODATA lines do not tell silence from loss",
        "about 3 polls of interfaces are missing",
        f"no poll of functions that lists everything is of {ACCOUNT} {REGION}",
        f"3 polls failed at DescribeNetworkInterfaces (UnauthorizedOperation; {ACCOUNT} {REGION}, {ACCOUNT} us-east-1, "
        "the last one at 2026-01-05 11:00:00Z): Allow ec2:DescribeNetworkInterfaces (conf/iam/read-policy.json)",
        f"1 poll failed at AssumeRole (AccessDenied; 210987654321 {REGION}): "
        "Allow ec2:DescribeNetworkInterfaces (conf/iam/read-policy.json)",
        f"1 poll failed at DescribeNetworkInterfaces (OddError; {ACCOUNT} {REGION}, the last one at "
        "2026-01-05 10:00:00Z)",
        "12 conversations on interfaces without a lease are nobody's",
        "no poll is later than noon",
    ]


def test_the_worst_come_first() -> None:
    rows = [
        function("sure", unique_conversations=900),
        function("settled", weighted_conversations=50.0),
        function("presumed", presumed_conversations=4.0),
        function("undecided", shared_conversations=20.0, gain_conversations=10.0),
        function("outside", in_vpc=0),
    ]
    found = [row["function_name"] for row in composed(rows, [account()])["functions"]]
    assert found == ["outside", "undecided", "presumed", "settled", "sure"]
    days = [function("f", date=DAY + timedelta(days=n), gain_conversations=float(n)) for n in (1, 0, 2)]
    in_order = composed(days, [account()], covered=3)
    assert [row["date"] for row in in_order["functions"]] == [DAY + timedelta(days=n) for n in range(3)]
    assert in_order["would_settle"]["conversations_a_day"] == 1.0


def test_what_data_events_would_settle_a_day() -> None:
    rows = [
        function("g", gain_conversations=7.0), function("f", gain_conversations=14.0),
        function("f", gain_conversations=3.5, account_id="210987654321"),
        function("has them", gain_conversations=70.0, data_events=1), function("little", gain_conversations=0.1),
        function("outside", gain_conversations=9.0, in_vpc=0),
    ]  # fmt: skip
    gain = composed(rows, [account()], covered=7)["would_settle"]
    assert gain["conversations_a_day"] == 3.5
    told = [(r["account_id"], r["function_name"], r["conversations_a_day"]) for r in gain["functions"]]
    assert told == [(ACCOUNT, "f", 2.0), (ACCOUNT, "g", 1.0), ("210987654321", "f", 0.5)]


def shown(found: Row, width: int = 300) -> str:
    out = io.StringIO()
    coverage_words.show(Console(file=out, force_terminal=True, color_system=None, width=width), found)
    return out.getvalue()


def test_eighty_columns_break_no_word() -> None:
    """Large figures, long regions, and a name that is longer than any column."""
    counts = dict.fromkeys(("unique", "weighted", "shared", "presumed", "gain"), 1_234_567)
    large = {f"{kind}_conversations": n for kind, n in counts.items()} | {"unique_bytes": 12_345_678_901}
    long = "CheckoutOrchestratorForTheEuropeanMarketplace-prod"
    rows = [function(long, **large), function("RDSQueryLogger", **large, data_events=1), function("Webhook", in_vpc=0)]
    bad = account(
        region="ap-southeast-2", gap_interfaces=1_234, gap_seconds=80_000, skipdata_records=12_345,
        interface_polls=1_000, interface_polls_missed=1_000, interface_polls_failed=1_000, function_polls_failed=336,
        metric_polls_failed=1_008, unleased_interfaces=99,
    )  # fmt: skip
    untold = account(gap_interfaces=None, gap_seconds=None, untold_days=7)
    printed = shown(composed(rows, [bad, untold], failed=[failure(3)]), 80)
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in printed
    words = set(printed.split())
    for whole in (
        "function", "sure", "evidence", "presumed", "undecided", "bytes", "interfaces", "functions", "metrics", "lease",
        "missed", "failed", "RDSQueryLogger", "Webhook", ACCOUNT, "ap-southeast-2", "1.2", "11.5", "GiB", "1,008",
        "ec2:DescribeNetworkInterfaces", "(conf/iam/read-policy.json).", "NODATA", "~1,000", "12,345",
    ):  # fmt: skip
        assert whole in words, whole
    assert long.replace("-prod", "")[:20] in printed and "22 h 13 min" in printed and "not told" in printed
    days = [function(long, date=DAY + timedelta(days=n), **large) for n in range(3)]
    by_day = shown(composed(days, [untold]), 80)
    assert f"How sure ({long}, day by day" in by_day and "2026-01-07 " in by_day and "…" not in by_day
    assert max(map(len, by_day.splitlines())) <= 80


def test_a_screen_has_an_end_and_shows_hostile_names_harmlessly() -> None:
    rows = [function(f"f{n}", unique_conversations=n) for n in range(60)]
    rows.append(function(HOSTILE, in_vpc=0, gain_conversations=4.0, account_id=HOSTILE))
    rows.append(function(HOSTILE, gain_conversations=4.0))
    accounts = [account(region=HOSTILE, gap_interfaces=None, gap_seconds=None, interface_polls_missed=2), account()]
    told = failure(1, account_id=HOSTILE, operation=HOSTILE, error_code=HOSTILE)
    printed = shown(composed(rows, accounts, [HOSTILE], failed=[told]))
    assert "Data events on these functions would settle 4.0 conversations a day: [bold red]x[/]" in printed
    assert "and 22 functions more" in printed and "not told" in printed and "~2 missed" in printed
    assert printed.count("[bold red]x[/]") >= 5
    assert "\x1b[31m" not in printed and "\u202e" not in printed and "\r" not in printed
    assert document(composed(rows, accounts)).isascii()


def test_a_day_is_written_like_a_day() -> None:
    assert parse_day(" 2026-01-05 ") == DAY
    for wrong in ("yesterday", "2026-01-05T10", "2026-02-30"):
        with pytest.raises(LeaseholdError, match="write it like 2026-01-05"):
            parse_day(wrong)


@pytest.mark.sail_only
def test_the_lake_is_asked(spark: SparkSession, tmp_path: Any) -> None:
    """Nine days, of which the last seven are shown; flow logs that stopped while polls went on."""
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create([COVERAGE, FAILED_POLLS, INGESTED_FILES])
    assert "There is no coverage yet" in answer(lake, None, {})["notes"][0]
    denied = {
        "account_id": "210987654321", "region": REGION, "operation": "assume_role", "error_code": "AccessDenied",
        "source_file": "x",
    }  # fmt: skip
    noted = [
        denied | {"polled_at": m, "date": m.date(), "error_message": str(n)}
        for n, m in enumerate((at("10:00"), at("11T10:00"), at("11T09:00")))
    ]
    lake.append(FAILED_POLLS, frame(spark, FAILED_POLLS, noted))
    assert "3 polls failed at AssumeRole (AccessDenied; 210987654321" in answer(lake, None, {})["notes"][1]
    rows = []
    for n in range(9):
        on = {"account_id": ACCOUNT, "region": REGION, "date": DAY + timedelta(days=n)}
        zero = on | _NONE | {"gain_conversations": None}
        measures = {name: value for name, value in account(**on, gap_seconds=None, gap_interfaces=None).items()}
        del measures["untold_days"]
        rows.append(zero | measures | {"function_name": None})
        rows.append(zero | {"function_name": "f", "unique_conversations": 1, "gain_conversations": 0.1, "in_vpc": True})
        outside = {"function_name": "w", "gain_conversations": 0.0, "in_vpc": n < 8, "data_events": n == 0}
        rows.append(zero | outside)
    lake.append(COVERAGE, frame(spark, COVERAGE, rows))
    files = [
        {"source_file": "a", "kind": "vpc_flow_logs", "max_time": at("12:00")},
        {"source_file": "b", "kind": "describe_network_interfaces", "max_time": at("16:00")},
    ]
    lake.append(INGESTED_FILES, frame(spark, INGESTED_FILES, files))
    week = answer(lake, None, {})
    assert (week["from"], week["until"], week["days"]) == ("2026-01-07", "2026-01-13", 7)
    seen = {
        r["function_name"]: (r["unique_conversations"], r["outside_vpc"], r["data_events"]) for r in week["functions"]
    }
    assert seen == {"f": (7, False, False), "w": (0, False, False)}
    assert week["accounts"][0]["interface_polls"] == 7 * 48
    assert week["would_settle"]["conversations_a_day"] == 0.1
    [told] = week["failed_polls"]
    assert (told["failed"], told["last_at"], told["error_message"]) == (2, at("11T10:00"), "1")
    assert "conf/iam/collector-policy.json" in told["what_to_do"]
    said = "; ".join(week["not_seen"])
    assert "flow logs without NODATA lines" in said and "2 polls failed at AssumeRole" in said
    assert "no flow-log record is later than 2026-01-05 12:00:00Z" in said
    last = answer(lake, DAY + timedelta(days=8), {})
    said = "; ".join(last["not_seen"])
    assert "1 function is outside any VPC" in said and "no flow-log record" not in said and last["failed_polls"] == []
    one = answer(lake, None, {"function": "f", "account": ACCOUNT})
    assert [row["date"] for row in one["functions"]] == [DAY + timedelta(days=n) for n in range(2, 9)]
    assert json.loads(document(one))["functions"][0]["date"] == "2026-01-07"
    for asked, said in (
        ({"function": "g"}, "g has no conversations on 2026-01-07 to 2026-01-13"),
        ({"function": "f", "region": "us-east-1"}, "That account has no coverage"),
    ):
        assert said in answer(lake, None, asked)["notes"][0]
    assert (
        "2026-02-01 has no coverage; the table has 2026-01-05 to 2026-01-13"
        in (answer(lake, DAY + timedelta(days=27), {})["notes"][0])
    )
    assert "outside" in shown(last)
