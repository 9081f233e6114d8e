"""What `leasehold leases` says: who had an address, or what a function had; since when, how sure, on what evidence."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console

from jobs import lease_words
from jobs.errors import LeaseholdError
from jobs.lease_words import Place, place_of
from jobs.show import Row, document, moment
from jobs.storage import Lake
from jobs.window import parse_time
from transforms.lookup import answered, narrowed, shares, used_by
from transforms.schemas import FUNCTION_CONFIGS, FUNCTION_FLOWS, INGESTED_FILES, IP_LEASES

AROUND = timedelta(minutes=30)
"""Conversations this near to the instant tell who used a shared interface then."""

_FORMS: dict[str, tuple[str, str]] = {
    "interface": (r"eni-[0-9a-f]{8}(?:[0-9a-f]{9})?", "an interface's id, like eni-0a1b2c3d4e5f60718"),
    "account": (r"[0-9]{12}|unknown", "12 digits, like 123456789012"),
    "region": (r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]+|unknown", "a region's name, like eu-west-1"),
    "vpc": (r"vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?", "a VPC's id, like vpc-0a1b2c3d4e5f60718"),
}
_FUNCTION = re.compile(
    r"(?:(?:arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>[0-9]{12}):function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<version>[A-Za-z0-9$_-]+))?"
)


@dataclass(frozen=True)
class Question:
    """What is asked: one of ip, interface and function, at an instant or ever, and what narrows the answer."""

    ip: str | None = None
    interface: str | None = None
    function: str | None = None
    at: datetime | None = None
    account: str | None = None
    region: str | None = None
    vpc: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, at: str | None = None, **given: str | None) -> Question:
        """The question that the options ask; raises LeaseholdError, which says how to write what is wrong.

        `function="arn:aws:lambda:eu-west-1:123456789012:function:f:7"` → f, version 7, that account and region.
        """
        options = {name: value.strip() for name, value in given.items() if value is not None}
        asked = [name for name in ("ip", "interface", "function") if name in options]
        if len(asked) != 1:
            raise LeaseholdError("ask for exactly one of --ip, --interface and --function")
        if asked == ["ip"] and at is None:
            raise LeaseholdError("--ip needs --at, since addresses pass from hand to hand: --at 2026-01-05T10:00Z")
        for name, (form, example) in _FORMS.items():
            if name in options and not re.fullmatch(form, options[name]):
                raise LeaseholdError(f"--{name}: {options[name]!r} is not {example}")
        if "ip" in options:
            options["ip"] = _address(options["ip"])
        if "function" in options:
            options = function_parts(options)
        return cls(at=None if at is None else _instant(at), **options)

    @property
    def subject(self) -> str:
        """What is asked for, as a sentence begins with it."""
        when = f" at {moment(self.at)}" if self.at else ""
        return f"{self.ip or self.interface or self.function}{when}"


def _address(text: str) -> str:
    try:
        return ip_address(text).compressed
    except ValueError:
        raise LeaseholdError(f"--ip: {text!r} is not an IP address; write it like 10.0.1.102 or 2001:db8::1") from None


def _instant(text: str) -> datetime:
    wrong = LeaseholdError(f"--at: {text!r} is not a time between 1970 and 2200; write it like 2026-01-05T10:00Z")
    try:
        instant = parse_time(text, "--at")
    except OverflowError:
        raise wrong from None
    if not datetime(1970, 1, 2, tzinfo=UTC) <= instant < datetime(2200, 1, 1, tzinfo=UTC):
        raise wrong
    return instant


def function_parts(given: dict[str, str]) -> dict[str, str]:
    """The options with `function`, a name or an ARN, taken apart; raises LeaseholdError."""
    found = _FUNCTION.fullmatch(given["function"])
    if not found:
        raise LeaseholdError(
            f"--function: {given['function']!r} is not a function; write its name, like my-function, or its ARN, "
            "like arn:aws:lambda:eu-west-1:123456789012:function:my-function"
        )
    for name in ("account", "region"):
        if found[name] and given.get(name, found[name]) != found[name]:
            raise LeaseholdError(f"--{name} {given[name]} contradicts --function: its ARN says {found[name]}")
    parts = {"function": found["name"], **{n: found[n] for n in ("account", "region", "version") if found[n]}}
    return {**given, **parts}


def leases(lake: Lake, console: Console, question: Question, json: bool) -> None:
    """Answer the question, for the eye or as JSON."""
    found = answer(lake, question)
    if json:
        print(document(found))
    else:
        lease_words.show(console, found)


def answer(lake: Lake, question: Question) -> Row:
    """The whole answer, as `compose` makes it, with what to do where nothing is known."""
    rows = _asked_for(narrowed(lake.read(IP_LEASES), question.account, question.region, question.vpc), question)
    said = _conversations(lake, question, rows)
    made = compose(question, rows, said, _last_poll(lake) if question.at else None)
    if not made["networks"]:
        made["notes"].append(_nobody(lake, question))
    return made


def _asked_for(narrow: DataFrame, question: Question) -> list[Row]:
    """The leases that the answer is made of; of a function also the other candidates'."""
    if question.function:
        frame = used_by(narrow, question.function)
    elif question.interface:
        frame = narrow.where(F.col("interface_id") == F.lit(question.interface))
    else:
        frame = narrow.where(F.col("address") == F.lit(question.ip))
    frame = frame.drop("date")  # of the partition: valid_from says more
    rows: list[Row] = (answered(frame, question.at) if question.at else frame).toArrow().to_pylist()
    return rows


def _conversations(lake: Lake, question: Question, rows: Iterable[Row]) -> list[Row]:
    """To whom attribution gave what Lambda's interfaces said around the instant."""
    here = {r["interface_id"] for r in rows if r["owner_kind"] == "lambda" and r.get("answer") in lease_words.NOW}
    if not question.at or not here:
        return []
    days = [F.lit((question.at + step).date()) for step in (-AROUND, AROUND)]
    flows = lake.read(FUNCTION_FLOWS).where(F.col("date").between(*days))
    found: list[Row] = (
        shares(flows.where(F.col("interface_id").isin(*sorted(here))), question.at, AROUND).toArrow().to_pylist()
    )
    return found


def _last_poll(lake: Lake) -> datetime | None:
    """When interfaces were polled for the last time, as far as has been taken in."""
    polls = lake.read(INGESTED_FILES).where(F.col("kind") == "describe_network_interfaces")
    row = polls.agg(F.unix_timestamp(F.max("max_time")).alias("last")).first()
    return None if row is None or row["last"] is None else datetime.fromtimestamp(row["last"], UTC)


def _nobody(lake: Lake, question: Question) -> str:
    """Why there is no answer, and what to do about it."""
    wide = replace(question, account=None, region=None, vpc=None)
    elsewhere = _asked_for(lake.read(IP_LEASES), wide) if wide != question else []
    if elsewhere:
        return lease_words.elsewhere(question.subject, elsewhere)
    if question.function is None:
        return lease_words.unheard(question.subject, question.ip)
    configs = lake.read(FUNCTION_CONFIGS)
    known = configs.where(F.col("function_name") == F.lit(question.function)).select("vpc_id").distinct().collect()
    if known:
        return lease_words.without_interface(question.function, any(row["vpc_id"] for row in known))
    names = [row["function_name"] for row in configs.select("function_name").distinct().collect()]
    lower = {name.lower(): name for name in names if name}
    like = [lower[near] for near in difflib.get_close_matches(question.function.lower(), lower, n=5, cutoff=0.6)]
    return lease_words.unheard_function(question.function, like)


def compose(question: Question, rows: list[Row], said: list[Row], last_poll: datetime | None) -> Row:
    """The answer, network by network: addresses repeat, and those of two networks have nothing to do with each other.

    `rows` are leases (with `answered`'s columns where there is an instant), `said` is what `shares` gives.
    Returns question, notes (what holds for all of it), and networks: account_id, region, vpc_id, answer (a
    sentence), how_sure (sentences), leases (at the instant; ever without one), before and after (the nearest
    leases), conversations. A lease says in `others` who else may have used the address at that time.
    """
    by_network: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        by_network[tuple(row[name] or "unknown" for name in ("account_id", "region", "vpc_id"))].append(row)
    networks = []
    for network, members in sorted(by_network.items()):
        made = _network(question, members, said)
        if made:
            networks.append({**dict(zip(("account_id", "region", "vpc_id"), network, strict=True)), **made})
    networks.sort(key=lambda network: not network["leases"])
    notes = []
    if len(networks) > 1:
        what = question.ip or question.interface or question.function
        notes.append(f"{len(networks)} networks know {what}; an answer for each. --account, --region and --vpc narrow.")
    if question.version:
        notes.append("Leases do not tell versions or aliases apart: the answer is for all of the function's.")
    still = [r for n in networks for r in n["leases"] if r["valid_from"] and r["valid_to"] is None]
    if question.at and last_poll and question.at > last_poll and still:
        notes.append(f"The last poll of interfaces is of {moment(last_poll)}: what has changed since may not be known.")
    asked = {f.name: getattr(question, f.name) for f in fields(question) if getattr(question, f.name) is not None}
    return {"question": asked, "notes": notes, "networks": networks}


def _network(question: Question, rows: list[Row], said: list[Row]) -> Row | None:
    name = question.function
    own = [r for r in rows if name is None or (r["owner_kind"] == "lambda" and r["owner_name"] == name)]
    if not own:
        return None
    own = [{**row, "others": lease_words.others(row, rows)} for row in sorted(own, key=_in_time)]
    here = [row for row in own if row.get("answer", "held") in lease_words.NOW]
    places = sorted({place_of(row) for row in here})
    sure, spoken = [], []
    if question.at:
        for place in places:
            there = [row for row in rows if place_of(row) == place and row["answer"] in lease_words.NOW]
            talk = _spoken(place, there, said, question.at)
            sure += lease_words.how_sure(place, there, question.at, talk, len(places) > 1)
            spoken += [talk] if talk else []
    before = _nearest(own, here, "before", "valid_to", max)
    after = _nearest(own, here, "after", "valid_from", min)
    return {
        "answer": lease_words.sentence(question.subject, name is not None, question.at is not None, here),
        "how_sure": sure + lease_words.neighbours(before, after),
        "leases": here,
        "before": before,
        "after": after,
        "conversations": spoken,
    }


def _in_time(row: Row) -> tuple[Any, ...]:
    start = row["valid_from"]
    return start is not None, start, row["interface_id"], row["address"], row["owner_kind"], row["owner_name"] or ""


def _nearest(rows: list[Row], here: list[Row], side: str, boundary_name: str, pick: Any) -> list[Row]:
    """The nearest leases on that side: on the interface that has the address now, and on any other."""
    now = {row["interface_id"] for row in here}
    found = []
    for same in (True, False):
        there = [r for r in rows if r.get("answer") == side and (r["interface_id"] in now) == same]
        if there:
            edge = pick(r[boundary_name] for r in there)
            found += [r for r in there if r[boundary_name] == edge]
    return sorted(found, key=_in_time)


def _spoken(place: Place, there: list[Row], said: list[Row], at: datetime) -> Row | None:
    """The conversations of one address around the instant: how many, whose, on what evidence; only Lambda's count."""
    if there[0]["owner_kind"] != "lambda":
        return None
    mine = [r for r in said if (r["interface_id"], r["local_addr"]) == place]
    total = sum(r["conversations"] for r in mine)
    whose: dict[str | None, float] = defaultdict(float)
    why: dict[str, float] = defaultdict(float)
    for row in mine:
        whose[row["function_name"]] += row["conversations"]
        why[lease_words.evidence(row["attribution"], row["evidence"])] += row["conversations"]

    def parts(counts: dict[Any, float], name: str) -> list[Row]:
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
        return [{name: k, "conversations": round(n, 3), "share": round(n / total, 9)} for k, n in ranked]

    return {
        "interface_id": place[0],
        "address": place[1],
        "from": at - AROUND,
        "until": at + AROUND,
        "conversations": round(total),
        "functions": parts(whose, "function_name"),
        "evidence": parts(why, "evidence"),
    }
