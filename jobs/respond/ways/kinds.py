"""The kinds of change, by name: how a resource stands to it, and how it is made and unmade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

from jobs.respond.model import Aws, Case, Change, Seen, State, Way
from jobs.respond.ways import concurrency, firewall, network_acl, role_policy, security_group

PLANS: dict[str, Callable[[Case, Seen | None], Way]] = {
    network_acl.NAME: network_acl.plan,
    firewall.NAME: firewall.plan,
    security_group.NAME: security_group.plan,
    concurrency.NAME: concurrency.plan,
    role_policy.NAME: role_policy.plan,
}
"""By way, in the order in which they are shown: what hits least first."""


@dataclass(frozen=True)
class Kind:
    """One kind of change. Each function takes the clients, the change and the action's id."""

    look: Callable[[Aws, Change, str], State]
    do: Callable[[Aws, Change, str], None]
    undo: Callable[[Aws, Change, str], None]


def _of(module: ModuleType) -> Kind:
    return Kind(module.look, module.do, module.undo)


KINDS: dict[str, Kind] = {
    network_acl.ENTRY: _of(network_acl),
    firewall.GROUP: Kind(firewall.look_group, firewall.do_group, firewall.undo_group),
    firewall.REFERENCE: Kind(firewall.look_reference, firewall.do_reference, firewall.undo_reference),
    security_group.ADDED: Kind(security_group.look_added, security_group.do_added, security_group.undo_added),
    security_group.NARROWED: Kind(
        security_group.look_narrowed, security_group.do_narrowed, security_group.undo_narrowed
    ),
    concurrency.RESERVED: _of(concurrency),
    role_policy.POLICY: _of(role_policy),
}
"""By the kind's name in `Change.kind`."""


def dated(change: Change, expires: datetime | None) -> Change:
    """The change with the date at which it ends, where it can bear one."""
    return role_policy.dated(change, expires) if change.kind == role_policy.POLICY else change
