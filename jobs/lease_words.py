"""The words of `leasehold leases`. They hold names from logs: `show` makes them safe before a terminal sees them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_address

from rich.console import Console
from rich.text import Text

from jobs.show import Row, boundary, moment, safe, span, table
from transforms.conversations import WINDOW_SECONDS

Place = tuple[str, str]
"""Interface and address."""

NOW = ("held", "perhaps")
"""The answers of leases that have the instant in them."""

_NAMES = 12
"""Names in a sentence; the table has them all."""

_NEAR_SECONDS = WINDOW_SECONDS + 60
"""A hand-over this near to the instant is mentioned: a flow-log record's start may be so far from its packets."""

_SHOWN = 40
"""Rows of one network on a screen; --json has them all."""

_POLL = (
    "Store a poll of the account and region that it is in (aws ec2 describe-network-interfaces, and "
    "aws lambda list-functions --function-version ALL) below the raw folder, and run `leasehold run` over that day."
)


def place_of(row: Row) -> Place:
    """Where a lease is."""
    return row["interface_id"], row["address"]


def owner(row: Row) -> str:
    """function f, rds orders-db."""
    if row["owner_kind"] == "lambda":
        return f"function {row['owner_name']}" if row["owner_name"] else "a function whose name is not known"
    return f"{row['owner_kind']} {row['owner_name'] or 'without a name'}"


def others(row: Row, rows: Iterable[Row]) -> list[str]:
    """The other candidates for the address: at the instant, or at any time of the lease."""
    found = set()
    for other in rows:
        there = place_of(other) == place_of(row) and other["owner_kind"] == row["owner_kind"] == "lambda"
        if there and other["owner_name"] != row["owner_name"] and _meet(row, other):
            found.add(other["owner_name"] or "a function whose name is not known")
    return sorted(found)


def _meet(one: Row, other: Row) -> bool:
    if "answer" in one:
        return one["answer"] in NOW and other["answer"] in NOW
    if one["valid_from"] is None or other["valid_from"] is None:
        return True
    return (one["valid_to"] is None or other["valid_from"] < one["valid_to"]) and (
        other["valid_to"] is None or one["valid_from"] < other["valid_to"]
    )


def sure_of(row: Row) -> str:
    """How sure one lease is, in a few words."""
    if row["basis"] == "resource":
        return "an interface of its own"
    if row["basis"] == "creator":
        return "a guess by name: its creator"
    shared = f"shares it with {_listed(row['others'])}" if row["others"] else "the only candidate"
    return f"{shared}, undated" if row["valid_from"] is None else shared


def sentence(subject: str, of_function: bool, dated: bool, here: list[Row]) -> str:
    """Who has it; or what the function has."""
    if not here:
        return f"{subject}: {'no address' if of_function else 'nobody'} that is known."
    if of_function:
        return f"{subject}: {_places(here)}."
    if not dated:
        return f"{subject}: {_who(here, '{}, over time: {}')}."
    parts = []
    for interface in dict.fromkeys(row["interface_id"] for row in here):
        rows = [row for row in here if row["interface_id"] == interface]
        held = [row for row in rows if row["answer"] == "held"]
        perhaps = [row for row in rows if row["answer"] == "perhaps"]
        perhaps = [row for row in perhaps if owner(row) not in {owner(h) for h in held}]
        part = _who(held) + (f", or perhaps {_who(perhaps)}" if perhaps else "") if held else f"perhaps {_who(perhaps)}"
        parts.append((not held, part))
    return f"{subject}: {'; or '.join(part for _, part in sorted(parts, key=lambda p: p[0]))}."


def _who(rows: list[Row], several: str = "one of {}, which share the interface: {}") -> str:
    """function f; or: one of 2 functions, which share the interface: f, g."""
    names = sorted({owner(row) for row in rows})
    if len(names) == 1:
        return names[0]
    if all(row["owner_kind"] == "lambda" and row["owner_name"] for row in rows):
        return several.format(f"{len(names)} functions", _listed(sorted({row["owner_name"] for row in rows})))
    return several.format(len(names), _listed(names))


def _places(here: list[Row]) -> str:
    surely = {place_of(row) for row in here if row.get("answer") != "perhaps"}
    parts = []
    for word, places in (("", surely), ("perhaps ", {place_of(row) for row in here} - surely)):
        if places:
            few = f"{len(places)} addresses: " if len(places) > 1 else ""
            parts.append(f"{word}{few}{_listed(sorted(f'{address} on {eni}' for eni, address in places))}")
    return f"may have used {'; '.join(parts)}"


def how_sure(place: Place, there: list[Row], at: datetime, spoken: Row | None, several: bool) -> list[str]:
    """How sure it is who has this address at the instant, and on what that rests; `there` are its leases then."""
    held = [row for row in there if row["answer"] == "held"] or there
    names = sorted({owner(row) for row in there})
    basis = held[0]["basis"]
    if basis == "resource":
        said = [f"The interface belongs to {names[0]}, and serves nothing else."]
    elif basis == "creator":
        said = [
            "A guess by name: no configuration that is known has the interface's subnet and security groups; its "
            "description names the function that caused its creation, which need not be the one that used it."
        ]
    elif len(names) == 1:
        said = ["The only candidate: no other function known then has the interface's subnet and security groups."]
    else:
        said = [
            f"One of {len(names)} candidates, which share the interface (same subnet and security groups): the lease "
            "alone does not tell which of them sent a packet."
        ]
    said += [doubt for row in there if (doubt := _doubt(row, at))]
    if spoken:
        said.append(_conversations(spoken))
    return [f"{place[1]} on {place[0]}: {text}" for text in said] if several else said


def _doubt(row: Row, at: datetime) -> str | None:
    """Why a lease only perhaps has the instant in it."""
    if row["answer"] != "perhaps":
        return None
    if row["valid_from"] is None:
        return f"{owner(row)}: known only from a snapshot without a time, which says who, and not when."
    early = at < row["valid_from"]
    side, word = ("from", "begins") if early else ("to", "ended")
    spread, evidence_of_it = row[f"{side}_uncertainty_seconds"], row[f"{side}_evidence"]
    if spread is None:
        return (
            f"{owner(row)}: first seen at {moment(row['valid_from'])} ({evidence_of_it}); it may have had the address "
            "any time before."
        )
    return (
        f"{owner(row)}: its lease {word} {span(row['distance_seconds'])} {'later' if early else 'before'}, which is "
        f"within the uncertainty of that boundary (± {span(spread)}, {evidence_of_it})."
    )


def _conversations(spoken: Row) -> str:
    minutes = span(int((spoken["until"] - spoken["from"]).total_seconds()) // 2)
    total = spoken["conversations"]
    if not total:
        return f"No conversation of this address begins within {minutes} of then."
    whose = ", ".join(
        f"{p['function_name'] or 'nobody known'} {_percent(p['share'])}" for p in spoken["functions"][:_NAMES]
    )
    why = ", ".join(
        f"{part['evidence'].replace(', ', ' and ')} {_percent(part['share'])}" for part in spoken["evidence"]
    )
    them = "The one conversation" if total == 1 else f"The {total:,} conversations"
    return f"{them} within {minutes} of then, as attributed: {whose}. On what evidence: {why}."


def _percent(share: float) -> str:
    """Rounded, but never to certainty: 0.998 is not 100%."""
    if 0.99 < share < 1:
        return "over 99%"
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


def neighbours(before: list[Row], after: list[Row]) -> list[str]:
    """Who had the address shortly before or has it soon after: a record's times may be off by so much."""
    found = []
    for rows, side, word in ((before, "to", "until"), (after, "from", "from")):
        near = [row for row in rows if row["distance_seconds"] <= _NEAR_SECONDS]
        for name in sorted({owner(row) for row in near}):
            row = next(row for row in near if owner(row) == name)
            found.append(
                f"Near a hand-over: {name} had {row['address']} {word} {boundary(row, side)}, "
                f"{span(row['distance_seconds'])} {'before' if side == 'to' else 'later'}."
            )
    if found:
        found.append(
            f"A flow-log record stands for a window of up to {span(WINDOW_SECONDS)}, and its times may be off by a "
            "minute: if the instant comes from one, it may have been either's."
        )
    return found


def evidence(attribution: str, said: str | None) -> str:
    """What an attribution rests on, in words; `said` is `function_flows.evidence`."""
    if attribution in ("presumed", "unknown"):
        return {"presumed": "presumed from the first snapshot", "unknown": "no lease"}[attribution]
    return said or "equal parts for lack of evidence"


def elsewhere(subject: str, rows: list[Row]) -> str:
    """The narrowing left nothing over."""
    names = ("account_id", "region", "vpc_id")
    networks = sorted({" ".join(str(row[name] or "unknown") for name in names) for row in rows})
    return (
        f"{subject}: nobody that is known there, but it is known in {_listed(networks, '; ')}. "
        "Leave out --account, --region or --vpc, or give one of these."
    )


def unheard(subject: str, address: str | None) -> str:
    """No lease names the address or interface at any time."""
    if address is not None and ip_address(address).is_global:
        return (
            f"{subject}: nobody that is known. It is a public address, and leases are of private ones: a function in a "
            "VPC reaches the internet from its NAT gateway's. Who talked to it stands in function_flows, as peer_addr."
        )
    return (
        f"{subject}: nobody that is known. No lease names it: neither a poll of DescribeNetworkInterfaces nor "
        f"CloudTrail has shown it. {_POLL}"
    )


def without_interface(name: str, in_vpc: bool) -> str:
    """A function that is known, and has no lease."""
    if not in_vpc:
        return (
            f"{name}: outside any VPC, as far as its configurations are known: it uses addresses of AWS's own, has no "
            "interface, and flow logs never show it. What it calls is in cloudtrail_events only."
        )
    return (
        f"{name}: its configuration is known, and no interface with its subnets and security groups. It may not have "
        f"run, or interfaces were not polled. {_POLL}"
    )


def unheard_function(name: str, like: list[str]) -> str:
    """A function of which nothing is known."""
    near = f" Names like it: {_listed(like)}." if like else ""
    return f"{name}: no function of this name is known, from polls of ListFunctions or CloudTrail.{near} {_POLL}"


def _listed(names: Iterable[str], separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return separator.join(names[:_NAMES]) + more


def show(console: Console, answer: Row) -> None:
    """The answer for the eye: a sentence, a table and how sure it is, for each network."""
    for note in answer["notes"]:
        console.print(Text(safe(note)))
    for network in answer["networks"]:
        place = f"account {network['account_id']} · {network['region']} · {network['vpc_id']}"
        console.print(Text(safe(place), style="bold"))
        console.print(Text(safe(network["answer"])))
        if network["how_sure"]:
            console.print(Text("How sure: ", style="bold").append(safe(network["how_sure"][0]), style="not bold"))
        for line in network["how_sure"][1:]:
            console.print(Text(safe(line)))
        rows = [*network["before"], *network["leases"], *network["after"]]
        columns, cells = _columns(answer["question"], rows[:_SHOWN])
        console.print(table("", columns, cells))
        if len(rows) > _SHOWN:
            console.print(Text(f"… and {len(rows) - _SHOWN:,} leases more: --json has them all."))


def _columns(question: Row, rows: list[Row]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The table's headings and cells: what the question names already needs no column."""
    columns = {
        "then": [str(row.get("answer")) for row in rows],
        "who": [owner(row) for row in rows],
        "address": [str(row["address"]) for row in rows],
        "interface": [str(row["interface_id"]) for row in rows],
        "from": [boundary(row, "from") for row in rows],
        "until": [boundary(row, "to") for row in rows],
        "how sure": [sure_of(row) for row in rows],
    }
    needless = {"ip": "address", "interface": "interface", "function": "who", "at": None}
    shown = [name for name in columns if name not in {needless[asked] for asked in needless if asked in question}]
    if "at" not in question:
        shown.remove("then")
    return shown, list(zip(*[columns[name] for name in shown], strict=True))
