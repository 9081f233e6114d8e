"""From an alert, history and what AWS answered to the ways to contain it. Nothing is called here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

from conf.settings import Settings
from jobs.errors import LeaseholdError
from jobs.respond.guarded import guarded, refusal
from jobs.respond.model import Case, History, Network, Row, Seen, Way
from jobs.respond.ways.kinds import PLANS


def destination_of(alert: Row, given: str | None) -> Network | None:
    """What is to be blocked: the network given, else the alert's peer, if it is about one.

    An alert about API calls names the address that they came from: to block that stops nothing.
    """
    if given is not None:
        try:
            return ip_network(given)
        except ValueError as error:
            raise LeaseholdError(
                f"--destination takes an address or a network as 198.51.100.0/24, not {given!r}: {error}"
            ) from None
    return peer_of(alert)


def peer_of(alert: Row) -> Network | None:
    """The address of the alert's peer, if it is about one."""
    if alert["peer_kind"] is None or not alert["peer_addr"]:
        return None
    try:
        return ip_network(ip_address(alert["peer_addr"]))
    except ValueError:
        return None


def case_of(alert: Row, functions: tuple[str, ...], network: Network | None, past: History, settings: Settings) -> Case:
    """What is known without asking AWS."""
    why = "the alert is about no destination in the network: name one with --destination"
    return Case(
        alert_id=alert["alert_id"],
        account_id=alert["account_id"] or "unknown",
        region=alert["region"] or "unknown",
        functions=functions,
        destination=network,
        history=past,
        guarded=guarded(listed(settings), past.own_addresses, None),
        network_acl_rules=settings.network_acl_rules,
        security_group_rules=settings.security_group_rules,
        no_destination=why,
        service=str(alert["peer_name"]) if alert["peer_kind"] == "aws_service" and network == peer_of(alert) else "",
    )


def listed(settings: Settings) -> Iterable[tuple[str, str]]:
    """The networks that the settings protect."""
    yield from ((cidr, "protected_networks in the settings") for cidr in settings.protected_networks)
    yield from ((one.cidr, f"{one.name}, internal in the settings") for one in settings.networks if one.internal)


def ways(case: Case, seen: Seen | None) -> list[Way]:
    """All ways, with their changes if AWS was asked; those that touch a protected network have an obstacle instead."""
    network = case.destination
    refused = refusal(network, case.guarded) if network is not None else ""
    if refused:
        case = replace(case, destination=None, no_destination=refused)
    found = [make(case, seen) for make in PLANS.values()]
    # A way may block more than it was asked to.
    return [_checked(way, case) for way in found]


def _checked(way: Way, case: Case) -> Way:
    refused = refusal(way.destination, case.guarded) if way.destination is not None else ""
    return replace(way, changes=(), obstacle=refused) if refused else way
