"""What `leasehold coverage` says: what was not seen, how sure the rest is, and what data events would settle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from rich.console import Console

from jobs import coverage_words
from jobs.collect.advice import advice
from jobs.coverage_words import KINDS
from jobs.errors import LeaseholdError
from jobs.lease_answers import function_parts
from jobs.show import Row, days, document, moment
from jobs.storage import Lake
from transforms.schemas import COVERAGE, FAILED_POLLS, INGESTED_FILES

_DAYS = 7
"""Without a day these many, up to the last one."""

_SILENT = {"vpc_flow_logs": ("flow-log record", 3), "describe_network_interfaces": ("poll of interfaces", 24)}
"""Hours after which a source is said to have stopped while others went on; flow logs may come hours late."""

_SUMS = tuple(f"{kind}_{what}" for kind in KINDS for what in ("conversations", "bytes"))
_ACCOUNT = (
    "skipdata_records", "gap_interfaces", "gap_seconds", "interface_polls", "interface_polls_missed",
    "interface_polls_failed", "function_polls", "function_polls_missed", "function_polls_failed",
    "metric_polls_failed", "unleased_interfaces",
)  # fmt: skip


def parse_day(text: str) -> date:
    """A day of the option --day; raises LeaseholdError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise LeaseholdError(f"--day: {text!r} is not a day; write it like 2026-01-05") from None


def coverage(lake: Lake, console: Console, day: date | None, function: str | None, json: bool) -> None:
    """Answer for the eye or as JSON: of one day or the last week, of one function or all."""
    found = answer(lake, day, function_parts({"function": function.strip()}) if function else {})
    if json:
        print(document(found))
    else:
        coverage_words.show(console, found)


def answer(lake: Lake, day: date | None, asked: dict[str, str]) -> Row:
    """The whole answer, as `compose` makes it; `asked` may name a function, its account and region."""
    whole = lake.read(COVERAGE)
    ends = whole.agg(F.min("date").alias("first"), F.max("date").alias("last")).toArrow().to_pylist()[0]
    if ends["last"] is None:
        why = "There is no coverage yet: no hour with flow logs has been attributed. Try `leasehold run`."
        return {"notes": [why, *coverage_words.failures(failed_polls(lake.read(FAILED_POLLS)))]}
    first, last = (day, day) if day else (max(ends["first"], ends["last"] - timedelta(days=_DAYS - 1)), ends["last"])
    within = F.col("date").between(F.lit(first), F.lit(last))
    for option, column in (("account", "account_id"), ("region", "region")):
        if option in asked:
            within = within & (F.col(column) == F.lit(asked[option]))
    there, failed = whole.where(within), failed_polls(lake.read(FAILED_POLLS).where(within))
    accounts = _rows(there.where(F.col("function_name").isNull()), ("account_id", "region"), _account_sums())
    if not accounts:
        return _nothing(
            f"{day or 'That account'} has no coverage; the table has {days(ends['first'], ends['last'])}. Take in the "
            f"logs and run `leasehold run nightly --start {first} --end {first + timedelta(days=1)}`."
        )
    name = asked.get("function")
    key = ("account_id", "region", "function_name", *(("date",) if name else ()))
    wanted = F.col("function_name") == F.lit(name) if name else F.col("function_name").isNotNull()
    functions = _rows(there.where(wanted), key, _function_sums())
    if name and not functions:
        return _nothing(
            f"{name} has no conversations on {coverage_words.period(first, last)}, nor is it known to be outside a "
            f"VPC. Did it run? `leasehold leases --function {name}` tells which addresses it may have used."
        )
    covered = there.select("date").distinct().count()
    return compose(functions, accounts, first, last, covered, failed, [] if day else _stopped(lake))


def _rows(frame: DataFrame, key: tuple[str, ...], sums: list[Column]) -> list[Row]:
    rows: list[Row] = frame.groupBy(*key).agg(*sums).orderBy(*key).toArrow().to_pylist()
    return rows


def _function_sums() -> list[Column]:
    # Rounded: the order of adding must not show.
    total = [F.round(F.sum(name), 6).alias(name) for name in (*_SUMS, "gain_conversations")]
    return [*total, *[F.max(F.col(name).cast("int")).alias(name) for name in ("in_vpc", "data_events")]]


def _account_sums() -> list[Column]:
    most = [F.max(name).alias(name) for name in ("gap_interfaces", "unleased_interfaces")]
    named = [name for name in _ACCOUNT if name not in ("gap_interfaces", "unleased_interfaces")]
    told = F.count_if(F.col("gap_seconds").isNull()).alias("untold_days")
    return [*[F.sum(name).alias(name) for name in (*named, *_SUMS[-2:])], *most, told]


def failed_polls(failed: DataFrame) -> list[Row]:
    """Polls that failed, by place, operation and code, with what to do; the most frequent first."""
    at = F.unix_timestamp("polled_at")
    said = F.max_by("error_message", F.struct(at, "source_file"))
    found = failed.groupBy("account_id", "region", "operation", "error_code").agg(
        F.count(F.lit(1)).alias("failed"), F.max(at).alias("last"), said.alias("error_message")
    )
    rows = [
        {
            **{name: value for name, value in row.items() if name != "last"},
            "last_at": None if row["last"] is None else datetime.fromtimestamp(row["last"], UTC),
            "what_to_do": advice(row["error_code"], row["operation"]),
        }
        for row in found.toArrow().to_pylist()
    ]
    places = ("account_id", "region", "operation", "error_code")
    return sorted(rows, key=lambda row: (-row["failed"], *(row[name] or "" for name in places)))


def _nothing(why: str) -> Row:
    return {"notes": [why]}


def _stopped(lake: Lake) -> list[str]:
    """Sources that ended while others went on."""
    at = F.unix_timestamp(F.max("max_time")).alias("at")
    rows = lake.read(INGESTED_FILES).where(F.col("max_time").isNotNull()).groupBy("kind").agg(at).collect()
    latest = {row["kind"]: datetime.fromtimestamp(row["at"], UTC) for row in rows}
    newest = max(latest.values(), default=None)
    return [
        f"no {what} is later than {moment(latest[kind])}, though other evidence is of {moment(newest)}"
        for kind, (what, hours) in _SILENT.items()
        if kind in latest and newest and newest - latest[kind] > timedelta(hours=hours)
    ]


def compose(
    functions: list[Row],
    accounts: list[Row],
    first: date,
    last: date,
    covered: int,
    failed: list[Row],
    stopped: list[str],
) -> Row:
    """The answer: from, until, not_seen (sentences), functions (the worst first), accounts, failed_polls, would_settle.

    `functions` and `accounts` are sums of `coverage` over the days, `covered` is how many days these are.
    would_settle has what data events on functions without any would settle, in conversations a day.
    """
    functions = [
        {**row, "outside_vpc": row["in_vpc"] == 0, "data_events": row["data_events"] == 1} for row in functions
    ]
    # Evidence tells of these functions already: what is open in spite of it stays so.
    silent = {(row["account_id"], row["region"], row["function_name"]) for row in functions if row["data_events"]}
    gains: dict[tuple[str, ...], float] = {}
    for row in functions:
        key = (row["account_id"], row["region"], row["function_name"])
        if key not in silent and not row["outside_vpc"]:
            gains[key] = gains.get(key, 0.0) + (row["gain_conversations"] or 0.0) / covered
    ranked = sorted(((gain, key) for key, gain in gains.items() if gain >= 0.05), key=lambda pair: (-pair[0], pair[1]))
    return {
        "from": str(first),
        "until": str(last),
        "days": covered,
        "not_seen": coverage_words.not_seen(functions, accounts, failed, stopped),
        "functions": sorted(functions, key=_badness),
        "accounts": accounts,
        "failed_polls": failed,
        "would_settle": {
            "conversations_a_day": round(sum(gain for gain, _ in ranked), 3),
            "functions": [
                {"account_id": a, "region": r, "function_name": f, "conversations_a_day": round(gain, 3)}
                for gain, (a, r, f) in ranked
            ],
        },
        "notes": [],
    }


def _badness(row: Row) -> tuple[Any, ...]:
    """What is never seen comes first, then what is least decided; one function's days stay in order."""
    several = row["shared_conversations"] + row["weighted_conversations"]
    undecided = row["gain_conversations"] + row["presumed_conversations"]
    place = (row["function_name"], row["account_id"], row["region"])
    if "date" in row:
        return (*place, row["date"])
    return not row["outside_vpc"], -undecided, -several, *place
