"""The blast radius in rows: who talked to what a way blocks, and what a way stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from jobs.respond.model import Case, History, Network, Row, Talker


def who_talks(history: History, network: Network, concerned: Callable[[Talker], bool]) -> tuple[Row, ...]:
    """Those who talked to the network from where the way works, the ones whose baseline has it first."""
    rows: dict[tuple[str, str], Row] = {}
    for one in history.talkers:
        if ip_address(one.address) not in network or not concerned(one):
            continue
        row = rows.setdefault(
            (one.kind, one.who),
            {
                "who": one.who, "kind": one.kind, "normal": one.normal, "conversations": 0, "bytes_out": 0,
                "bytes_in": 0, "days": 0, "first": one.first_time, "last": one.last_time,
            },
        )  # fmt: skip
        row["normal"] = True if True in (row["normal"], one.normal) else row["normal"]
        for name in ("conversations", "bytes_out", "bytes_in"):
            row[name] += getattr(one, name)
        row["days"] = max(row["days"], one.days)
        row["first"], row["last"] = min(row["first"], one.first_time), max(row["last"], one.last_time)
    return tuple(sorted(rows.values(), key=lambda row: (not row["normal"], -row["conversations"], row["who"])))


def what_stops(case: Case, functions: Iterable[str]) -> tuple[Row, ...]:
    """What the functions did within the days: invocations, API calls, peers."""
    nothing = dict.fromkeys(("invocations", "busy_days", "api_calls", "apis", "peers"), 0)
    return tuple({"who": name, "kind": "lambda", **(case.history.work.get(name) or nothing)} for name in functions)


def in_words(case: Case, rows: tuple[Row, ...]) -> str:
    """`3 talked to it in the 36 days to 2026-03-12; it is in the baseline of orders.`"""
    since = f"since {case.history.first_day}"
    # AWS moves services about.
    many = f" It is one of many addresses of {case.service}; whoever uses that meets it." if case.service else ""
    if not rows:
        return f"Nobody there talked to it {since}.{many}"
    usual = [row["who"] for row in rows if row["normal"]]
    beyond = [row["who"] for row in rows if row["normal"] is None]
    said = f"{', '.join(row['who'] for row in rows)} talked to it {since}; "
    said += f"it is in the baseline of {', '.join(usual)}." if usual else "it is in nobody's baseline."
    if beyond:
        said += f" What {', '.join(beyond)} usually does is not learned: ask who owns it."
    return said + many
