"""What a check of `leasehold doctor` says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BLOCKS, COSTS, FINE = "blocks", "costs", "fine"
SEVERITIES = (BLOCKS, COSTS, FINE)
"""blocks: something, or an account, cannot work at all; costs: it works, and sees less; fine: as it should be."""

_NAMES = 6


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    severity: str
    about: str
    """engine, raw, credentials …"""
    what: str
    """what is the case, in a sentence"""
    cost: str = ""
    """what does not work, or is not seen"""
    fix: str = ""
    """what to do: the setting, the permission"""
    command: str = ""
    """the command that does it"""


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """What blocks comes first, then what costs; among equals the order of the checks, each of which the next need."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def listed(names: Iterable[str]) -> str:
    """a, b, c and 4 more; distinct, sorted."""
    some = sorted(set(names))
    return ", ".join(some[:_NAMES]) + (f" and {len(some) - _NAMES} more" if len(some) > _NAMES else "")
