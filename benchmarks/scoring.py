"""Alerts held against what truly happened. Pure: no files, no engine.

An alert and a scenario meet when they are of the same function and the alert opened from the day on which the scenario
began until two days after it ended (detections may need a day or two to be sure). The alert is then

- *right*, when it is of a kind that should see the scenario;
- *related*, when it is of another kind: neither right nor wrong, and it finds nothing.

Without a scenario it is *acceptable*, when something benign happened of which one may have an alert of that kind, and
*false* otherwise. A scenario that concerns the whole account meets alerts of any function, and an alert about the
account meets any scenario, but only of its kinds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

RIGHT, RELATED, ACCEPTABLE, FALSE = "right", "related", "acceptable", "false"
_GRACE = timedelta(days=2)


@dataclass(frozen=True)
class Alert:
    """One alert; `detection` is also the kind that scenarios name."""

    detection: str
    functions: frozenset[str]
    """empty: about the account"""
    opened: datetime
    """the first thing that it is about"""
    told: datetime
    """when the run ended that first could tell it"""


@dataclass(frozen=True)
class Scenario:
    """What truly went wrong."""

    name: str
    functions: frozenset[str]
    start: datetime
    end: datetime
    families: tuple[str, ...]
    """kinds of detections that should see it, first the one that it is made for"""


@dataclass(frozen=True)
class Benign:
    """What changed without being wrong."""

    name: str
    function: str
    start: datetime
    end: datetime
    acceptable: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """That a detection saw a scenario, and how long after it had begun it could be told."""

    scenario: str
    detection: str
    hours: float


@dataclass
class Score:
    """Of one simulation. Several add up with `+`."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """alerts by (detection, right, related, acceptable or false)"""
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """false alerts by (detection, the benign change that they coincide with; empty: none)"""
    played: list[Scenario] = field(default_factory=list)
    findings: list[tuple[int, Finding]] = field(default_factory=list)
    """with the place of the scenario in `played`; the first of each detection"""

    def __add__(self, other: Score) -> Score:
        shift = len(self.played)
        return Score(
            self.verdicts + other.verdicts,
            self.causes + other.causes,
            [*self.played, *other.played],
            [*self.findings, *((place + shift, found) for place, found in other.findings)],
        )

    def found(self, detection: str | None = None) -> set[int]:
        """Places of the scenarios that this detection saw, or any."""
        return {place for place, f in self.findings if detection in (None, f.detection)}

    def meant_for(self, detection: str) -> set[int]:
        """Places of the scenarios that are made for this detection."""
        return {place for place, scenario in enumerate(self.played) if scenario.families[0] == detection}

    def precision(self, detection: str | None = None) -> float | None:
        """Right ones of those that are right or false; None without any.

        All right alerts of one detection on one scenario count as one (a scan raises dozens), false ones each.
        """
        right = sum(detection in (None, finding.detection) for _, finding in self.findings)
        false = self.count(detection, FALSE)
        return right / (right + false) if right + false else None

    def recall(self, detection: str) -> float | None:
        """Of the scenarios that are made for it, the share that it saw; None when there is none."""
        meant = self.meant_for(detection)
        return len(meant & self.found(detection)) / len(meant) if meant else None

    def hours(self, detection: str | None = None) -> float | None:
        """Median time until a scenario could be told, over those that were seen; of any detection by the first."""
        first: dict[int, float] = {}
        for place, finding in self.findings:
            if detection in (None, finding.detection):
                first[place] = min(first.get(place, finding.hours), finding.hours)
        return median(first.values()) if first else None

    def count(self, detection: str | None, verdict: str) -> int:
        """Alerts of that verdict."""
        return sum(n for (name, said), n in self.verdicts.items() if said == verdict and detection in (None, name))

    @property
    def detections(self) -> list[str]:
        """All that raised an alert, or that some scenario is made for."""
        return sorted({name for name, _ in self.verdicts} | {scenario.families[0] for scenario in self.played})


def score(
    alerts: Iterable[Alert], scenarios: Sequence[Scenario], benign: Sequence[Benign], judged_from: datetime
) -> Score:
    """What alerts are worth. Those that opened before `judged_from` count only where they are right.

    Example: a beacon of f from Monday 10:00 to Tuesday 10:00. An alert `beaconing` of f that opened on Monday at 10:00
    and could be told on Tuesday at 0:00 is right, after 14 hours; one of f and g, too; `error_outlier` of f on
    Wednesday is related; `beaconing` of g is false.
    """
    made = Score(played=list(scenarios))
    first: dict[tuple[int, str], float] = {}
    for alert in alerts:
        met = [n for n, scenario in enumerate(scenarios) if _meets(alert, scenario)]
        right = [n for n in met if alert.detection in scenarios[n].families]
        for n in right:
            hours = max(0.0, (alert.told - scenarios[n].start).total_seconds() / 3_600)
            first[n, alert.detection] = min(first.get((n, alert.detection), hours), hours)
        if right:
            verdict = RIGHT
        elif alert.opened < judged_from:
            continue
        elif met:
            verdict = RELATED
        else:
            near = [b for b in benign if b.function in alert.functions and _within(alert, b.start, b.end)]
            verdict = ACCEPTABLE if any(alert.detection in b.acceptable for b in near) else FALSE
            if verdict == FALSE:
                made.causes[alert.detection, near[0].name if near else ""] += 1
        made.verdicts[alert.detection, verdict] += 1
    made.findings = [
        (n, Finding(scenarios[n].name, detection, hours)) for (n, detection), hours in sorted(first.items())
    ]
    return made


def _meets(alert: Alert, scenario: Scenario) -> bool:
    if not _within(alert, scenario.start, scenario.end):
        return False
    if not scenario.functions or not alert.functions:
        return alert.detection in scenario.families
    return bool(alert.functions & scenario.functions)


def _within(alert: Alert, start: datetime, end: datetime) -> bool:
    return start.replace(hour=0, minute=0, second=0, microsecond=0) <= alert.opened <= end + _GRACE
