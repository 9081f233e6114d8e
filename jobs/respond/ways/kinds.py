"""The kinds of change, by name: how a resource stands to it, and how it is made and unmade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

from jobs.respond.model import Aws, Case, Change, Seen, State, Way
from jobs.respond.ways import concurrency, network_acl, role_policy

PLANS: dict[str, Callable[[Case, Seen | None], Way]] = {
    network_acl.NAME: network_acl.plan,
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
    concurrency.RESERVED: _of(concurrency),
    role_policy.POLICY: _of(role_policy),
}
"""By the kind's name in `Change.kind`."""


def dated(change: Change, expires: datetime | None) -> Change:
    """The change with the date at which it ends, where it can bear one."""
    return role_policy.dated(change, expires) if change.kind == role_policy.POLICY else change
