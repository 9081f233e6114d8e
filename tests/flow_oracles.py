"""Conversations, baselines and alerts again, slow and obvious, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from tests.oracles import SECOND, Row, earliest, latest


def conversations(records: list[Row], leases: list[Row]) -> list[Row]:
    """Records on Lambda interfaces, by minute; see `transforms.conversations`."""
    mine: dict[str, list[Row]] = defaultdict(list)
    for lease in leases:
        if lease["owner_kind"] == "lambda":
            mine[lease["interface_id"]].append(lease)
    lines: set[tuple[Any, ...]] = set()
    for r in records:
        own = mine.get(r["interface_id"])
        if not own or r["log_status"] != "OK" or r["src_addr"] is None or r["dst_addr"] is None:
            continue
        starts, ends = [earliest(o) for o in own], [latest(o) for o in own]
        born = None if None in starts else min(starts)  # type: ignore[type-var]
        died = None if None in ends else max(ends)  # type: ignore[type-var]
        if (born and r["start_time"] + 600 * SECOND < born) or (died and r["start_time"] - 600 * SECOND >= died):
            continue
        addresses = {o["address"] for o in own}
        if r["src_addr"] in addresses:
            out = True
        elif r["dst_addr"] in addresses:
            out = False
        elif r.get("flow_direction") in ("egress", "ingress"):
            out = r["flow_direction"] == "egress"
        else:
            continue
        here, there = ("src", "dst") if out else ("dst", "src")
        key = (
            r["interface_id"], r[f"{here}_addr"], r[f"{here}_port"] or 0,
            r.get(f"pkt_{there}_addr") or r[f"{there}_addr"], r[f"{there}_port"] or 0, r["protocol"],
        )  # fmt: skip
        log = (r["version"], r["flow_log_id"])
        service = r.get(f"pkt_{there}_aws_service")
        lines.add((key, log, out, r["start_time"], r["end_time"], r["bytes"], r["packets"], r["action"], service))
    minutes: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for key, log, *line in lines:
        minutes[key, line[1].replace(second=0, microsecond=0), log].append(tuple(line))
    found = []
    for (key, minute, log), parts in minutes.items():
        asked = any(
            k == key and abs(m - minute) <= 600 * SECOND and any(p[0] for p in other)
            for (k, m, _), other in minutes.items()
        )
        best = max(other for k, m, other in minutes if k == key and m.replace(minute=0) == minute.replace(minute=0))
        if asked and log == best:
            names = ("interface_id", "local_addr", "local_port", "peer_addr", "peer_port", "protocol")
            found.append(
                dict(zip(names, key, strict=True))
                | {
                    "window_start": minute,
                    "start_time": min(p[1] for p in parts),
                    "end_time": max(p[2] for p in parts),
                    "bytes_out": sum(p[3] for p in parts if p[0]),
                    "bytes_in": sum(p[3] for p in parts if not p[0]),
                    "packets_out": sum(p[4] for p in parts if p[0]),
                    "packets_in": sum(p[4] for p in parts if not p[0]),
                    "rejected": all(p[5] == "REJECT" for p in parts),
                    "peer_aws_service": max((p[6] for p in parts if p[6]), default=None),
                }
            )
    return found


def owners(conversation: Row, leases: list[Row], tolerance: int) -> tuple[list[str], str]:
    """The functions that may have held it, and how sure that is."""
    start = conversation["start_time"]
    end = min(conversation["end_time"], start + 660 * SECOND)
    start, end = start - tolerance * SECOND, end + tolerance * SECOND
    names, surely = set(), False
    for lease in leases:
        same = (lease["interface_id"], lease["address"]) == (conversation["interface_id"], conversation["local_addr"])
        if lease["owner_kind"] != "lambda" or lease["owner_name"] is None or not same:
            continue
        low, high = earliest(lease), latest(lease)
        if (low is None or end >= low) and (high is None or start < high):
            names.add(lease["owner_name"])
            surely |= not (lease["from_evidence"] == "first snapshot" and end < lease["valid_from"])
    if not names:
        return [], "unknown"
    return sorted(names), "presumed" if not surely else "unique" if len(names) == 1 else "shared"


def peer(conversation: Row, leases: list[Row], networks: list[tuple[str, str, bool]]) -> tuple[str, str, bool]:
    """kind, name, internal."""
    moment, address = conversation["start_time"], ip_address(conversation["peer_addr"])
    ranked = []
    for lease in leases:
        same = (lease["vpc_id"], lease["address"]) == (conversation["vpc_id"], conversation["peer_addr"])
        if lease["owner_kind"] == "lambda" or not same:
            continue
        low, high = earliest(lease), latest(lease)
        presumed = lease["from_evidence"] == "first snapshot" and moment < lease["valid_from"]
        if moment >= lease["valid_from"] and (lease["valid_to"] is None or moment < lease["valid_to"]):
            ranked.append((0, lease["owner_kind"], lease["owner_name"]))
        elif (low is None or moment >= low) and (high is None or moment < high):
            ranked.append((2 if presumed else 1, lease["owner_kind"], lease["owner_name"]))
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10")
    inside = any(address in ip_network(n) for n in (*private, *(c for c, _, internal in networks if internal)))
    if ranked:
        return min(ranked)[1], min(ranked)[2], True
    if conversation["peer_aws_service"]:
        return "aws_service", conversation["peer_aws_service"], inside
    for cidr, name, _ in networks:
        if address in ip_network(cidr):
            return "network", name, inside
    return "address", conversation["peer_addr"], inside


def judge(
    sightings: list[Row], baseline: list[Row], day: date, settings: tuple[int, int, float, float, float]
) -> list[Row]:
    """One account's sightings of a day, (function, candidates, peer), with own_status, ready and verdict."""
    min_history, _, max_mass, max_strangers, max_chance = settings
    judged = []
    for row in sightings:
        mine = [b for b in baseline if b["function"] == row["function"]]
        status = next((b["status"] for b in mine if b["peer"] == row["peer"]), None)
        if status is None and _alike(row["peer"], mine) >= 3:
            status = "normal"
        known = mine[0] if mine else None
        side = next((b for b in mine if _outside(b["peer"]) == _outside(row["peer"])), None)
        ready = known is not None and (
            (day - known["learned_from"]).days >= min_history
            and known["days_learned"] >= 3
            and (side is None or side["unseen_mass"] <= max_mass)
            and (side is None or side["strangers_per_day"] <= max_strangers)
        )
        if ready:
            trials = max(known["days_learned"], side["thing_days"] if side else 0)
            ready = ((side["unseen_mass"] if side else 0) * trials + 1) / (trials + 2) < max_chance
        judged.append(row | {"own_status": status, "ready": ready})
    for row in judged:
        together = [r for r in judged if (r["candidates"], r["peer"]) == (row["candidates"], row["peer"])]
        statuses = {r["own_status"] for r in together}
        row["verdict"] = (
            "explained"
            if "normal" in statuses
            else "flagged"
            if "flagged" in statuses
            else "novel"
            if all(r["ready"] for r in together)
            else "learning"
        )
    return judged


def next_baseline(
    baseline: list[Row], judged: list[Row], day: date, settings: tuple[int, int, float, float, float]
) -> list[Row]:
    """The rows as of the next day: (function, peer) with its days and its status, and the function's numbers."""
    rows = {(b["function"], b["peer"]): dict(b) for b in baseline}
    functions = {b["function"]: [b["learned_from"], b["days_learned"]] for b in baseline}
    for name in {j["function"] for j in judged}:
        functions.setdefault(name, [day, 0])[1] += 1
    met: dict[tuple[str, Any], bool] = {}
    for row in judged:
        flagged = row["verdict"] in ("novel", "flagged")
        if flagged or row["own_status"] == "normal" or not row["ready"]:
            key = (row["function"], row["peer"])
            met[key] = met.get(key, False) or flagged
    for key, flagged in met.items():
        new = {"function": key[0], "peer": key[1], "first_seen": day, "days_seen": 0}
        row = rows.setdefault(key, new | {"status": "flagged" if flagged else "normal"})
        row |= {"last_seen": day, "days_seen": row["days_seen"] + 1}
    kept = [r for r in rows.values() if (day + timedelta(days=1) - r["last_seen"]).days <= settings[1]]
    for row in kept:
        mine = [r for r in kept if r["function"] == row["function"]]
        beside = [r for r in mine if r["status"] == "normal" and _outside(r["peer"]) == _outside(row["peer"])]
        once = sum(r["days_seen"] == 1 and _alike(r["peer"], mine) < 3 for r in beside)
        row["thing_days"] = sum(r["days_seen"] for r in beside)
        row["learned_from"], row["days_learned"] = functions[row["function"]]
        days = max(1, min(row["days_learned"], settings[1]))
        row["unseen_mass"] = round(once / max(row["thing_days"], days), 6)
        row["strangers_per_day"] = round(once / days, 6)
    return kept


def _outside(peer: str) -> bool:
    return peer[0].isdigit()


def _alike(peer: str, baseline: list[Row]) -> int:
    """How many normal addresses of the peer's /24 there are; a peer inside has none."""
    near = [b for b in baseline if b["status"] == "normal" and b["peer"].split(".")[:3] == peer.split(".")[:3]]
    return len(near) if _outside(peer) else 0


def alert_days(days: Iterable[date], close_after: int) -> list[list[date]]:
    """The days of one thing, as the alerts that they make."""
    alerts: list[list[date]] = []
    for day in sorted(days):
        if alerts and (day - alerts[-1][-1]).days <= close_after:
            alerts[-1].append(day)
        else:
            alerts.append([day])
    return alerts
