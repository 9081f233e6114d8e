"""A whole simulation: raw logs in one folder, the truth about them in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

from simulator.cloudtrail import write_cloudtrail
from simulator.company import company
from simulator.company_scenarios import COMPANY_SCENARIOS
from simulator.crowd import crowd
from simulator.effects import Effects, Scenario, after, without
from simulator.flow_log_text import CUSTOM_FORMAT, DEFAULT_FORMAT, Shape
from simulator.flow_logs import write_flow_logs
from simulator.keep_alive import kept_open
from simulator.lifecycle import DAY, History, history
from simulator.polls import Polling, write_polls
from simulator.randomness import stream
from simulator.scenarios import SCENARIOS
from simulator.shop import shop
from simulator.spells import loaded, suffered, throttled
from simulator.traffic import (
    Activity,
    ApiCalls,
    Conversations,
    Invocations,
    assign_ports,
    invocation_times,
    perform,
    weekday_of,
)
from simulator.truth import write_threat_list, write_truth

Progress = Callable[[str, int, int], None]
"""Told (what is being done, steps done, steps in all)."""

ACCOUNTS: dict[str, dict[str, Scenario]] = {"shop": SCENARIOS, "crowd": {}, "company": COMPANY_SCENARIOS}
"""Each with what can go wrong in it."""
FORMATS = {"custom": CUSTOM_FORMAT, "default": DEFAULT_FORMAT}
_STEPS = ("functions at work", "flow logs", "CloudTrail", "polls", "truth")


@dataclass(frozen=True)
class Options:
    """What to simulate. The same options give the same bytes."""

    seed: int = 1
    days: float = 40
    start: date = date(2026, 2, 1)
    """the first day, from midnight UTC; with the defaults the last one is 2026-03-12"""
    rate: float = 1.0
    """multiplies how often functions run"""
    period_seconds: int = 600
    """aggregation of the flow log: 60 or 600"""
    format: str = "custom"
    """of the flow log: custom (fields of versions 2 to 5) or default (the 14 of version 2)"""
    data_events: bool = False
    """CloudTrail's Lambda data events: optional and paid, therefore off"""
    scenarios: tuple[str, ...] | None = None
    """None: all that the account has"""
    poll_minutes: float = 30
    missed_polls: float = 0.0
    """share of the polls that never took place"""
    account: str = "shop"
    """shop: a small one, the same whatever the seed; crowd and company: made by the seed, to measure attribution
    and to evaluate detections with"""
    functions: int = 60
    """of the company"""
    interfaces: int = 20
    """of the crowd: how many groups of 1 to 10 functions share an interface in each of their subnets"""
    clock_skew_seconds: float = 0.0
    """in each (interface, window) of the flow log the recorder's clock is off by up to this, either way"""
    late_cloudtrail: float = 0.0
    """share of the CloudTrail files that come 2 to 30 hours later"""
    late_flow_logs: float = 0.0
    """share of the flow-log files that come 20 minutes to 12 hours later"""
    keep_alive: float = 0.0
    """of the crowd: share of the functions whose connections outlive an invocation, by minutes"""

    def __post_init__(self) -> None:
        if self.account not in ACCOUNTS:
            raise ValueError(f"unknown account {self.account}; there are: {', '.join(ACCOUNTS)}")
        there = ACCOUNTS[self.account]
        unknown = [name for name in self.scenarios or () if name not in there]
        if unknown and not there:
            raise ValueError(f"account {self.account} has no scenarios: leave them out")
        if unknown:
            raise ValueError(f"unknown scenario {', '.join(unknown)}; there are: {', '.join(there)}")
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format}; there are: {', '.join(FORMATS)}")
        if self.period_seconds not in (60, 600):
            raise ValueError(f"period_seconds is 60 or 600, not {self.period_seconds}")
        if self.days <= 0 or self.rate <= 0 or self.poll_minutes < 1:
            raise ValueError("days and rate must be more than 0, poll_minutes at least 1")
        if self.account != "crowd" and (self.interfaces != 20 or self.keep_alive):
            raise ValueError("interfaces and keep_alive are for account crowd only")
        if self.account != "company" and self.functions != 60:
            raise ValueError("functions is for account company only")
        if not 20 <= self.functions <= 1_000:
            raise ValueError(f"functions is from 20 to 1000, not {self.functions}")
        if not 1 <= self.interfaces <= 1_000:
            raise ValueError(f"interfaces is from 1 to 1000, not {self.interfaces}")
        if self.played and self.days < 1:
            raise ValueError("scenarios need at least one whole day: raise days, or ask for no scenarios")
        if not 0 <= self.missed_polls < 1:
            raise ValueError(f"missed_polls is a share from 0 to below 1, not {self.missed_polls}")
        for name in ("late_cloudtrail", "late_flow_logs", "keep_alive"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")
        if not 0 <= self.clock_skew_seconds <= 600:
            raise ValueError(f"clock_skew_seconds is from 0 to 600, not {self.clock_skew_seconds}")

    @property
    def played(self) -> tuple[str, ...]:
        """The scenarios that take place, each once."""
        if self.scenarios is None:
            return tuple(ACCOUNTS[self.account])
        return tuple(dict.fromkeys(self.scenarios))

    @property
    def world(self) -> History:
        """The account and all that happens to it, apart from traffic."""
        seconds = self.days * DAY
        if self.account == "shop":
            return history(shop(seconds), self.days)
        if self.account == "company":
            monday = weekday_of(int(datetime.combine(self.start, time(), UTC).timestamp()))
            return history(company(self.seed, self.functions, seconds, monday), self.days)
        return history(crowd(self.seed, self.interfaces, seconds, self.keep_alive), self.days)


@dataclass(frozen=True)
class Summary:
    """What was written, and where."""

    raw: Path
    truth: Path
    conversations: int
    invocations: int
    flow_records: int
    flow_log_files: int
    cloudtrail_events: int
    cloudtrail_files: int
    polls: int
    raw_bytes: int


def simulate(root: Path, options: Options | None = None, progress: Progress | None = None) -> Summary:
    """Write `root/raw` (what AWS and the pollers write) and `root/truth` (what nobody else knows)."""
    options = options or Options()
    tell = progress or (lambda _step, _done, _total: None)
    raw, truth = root / "raw", root / "truth"
    for folder in (raw, truth):
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty: choose another folder, or delete it first")
    midnight = datetime.combine(options.start, time(), UTC)
    start, seed = int(midnight.timestamp()), options.seed

    def step(number: int) -> None:
        tell(_STEPS[number] if number < len(_STEPS) else "done", number, len(_STEPS))

    step(0)
    world = options.world
    invocations, conversations, api_calls, effects = _activity(world, options, start)
    world = after(world, effects)
    step(1)
    shape = Shape(
        fields=FORMATS[options.format],
        period_seconds=options.period_seconds,
        skew_seconds=options.clock_skew_seconds,
        late_file_share=options.late_flow_logs,
    )
    flows = write_flow_logs(raw, conversations, world, start, seed, shape, effects.no_flow_log)
    step(2)
    trail = write_cloudtrail(
        raw, world, invocations, api_calls, start, seed, options.data_events, options.late_cloudtrail,
        effects.events, effects.no_trail,
    )  # fmt: skip
    step(3)
    polling = Polling(round(options.poll_minutes * 60), options.missed_polls)
    kept_out = throttled([*world.spells, *effects.spells], stream(seed, "throttled"))
    polls = write_polls(raw, world, invocations, start, seed, polling, kept_out)
    step(4)
    write_truth(truth, world, invocations, conversations, api_calls, effects.story, flows.logged, start)
    if options.account == "company":
        write_threat_list(root, effects.listed)
    step(5)
    return Summary(
        raw=raw,
        truth=truth,
        conversations=len(conversations),
        invocations=len(invocations),
        flow_records=flows.records,
        flow_log_files=flows.files,
        cloudtrail_events=trail.events,
        cloudtrail_files=trail.files,
        polls=polls,
        raw_bytes=sum(path.stat().st_size for path in raw.rglob("*.gz")),
    )


def _activity(world: History, options: Options, start: int) -> tuple[Invocations, Conversations, ApiCalls, Effects]:
    """All that functions do: the background, then what scenarios add. Each has its own chance."""
    background: list[Activity] = []
    for function in world.functions:
        rng = stream(options.seed, "invocations", function.name)
        times = invocation_times(function, world, weekday_of(start), rng, options.rate)
        own = [spell for spell in world.spells if spell.function == function.name]
        times = loaded(times, own, stream(options.seed, "load", function.name))
        rng = stream(options.seed, "calls", function.name)
        invocations, conversations, api_calls = perform(world, function, times, function.calls, rng)
        for n, task in enumerate(function.tasks):
            rng = stream(options.seed, "task", function.name, n)
            times = invocation_times(function, world, weekday_of(start), rng, 1.0, task.schedule)
            also = perform(world, replace(function, pace=task.pace), times, task.calls, rng)
            invocations = Invocations.joined([invocations, also[0]])
            conversations = Conversations.joined([conversations, also[1]])
            api_calls = ApiCalls.joined([api_calls, also[2]])
        if function.keeps_open:
            conversations = kept_open(invocations, conversations)
        background.append((invocations, conversations, api_calls))
    # Together, because functions share interfaces.
    normal = Conversations.joined([conversations for _, conversations, _ in background])
    assign_ports(normal, odd=False)
    effects = Effects(options.seed, start)
    effects.background = {f.name: part[0] for f, part in zip(world.functions, background, strict=True)}
    for name in options.played:
        ACCOUNTS[options.account][name](world, stream(options.seed, "scenario", name), effects)
    for _, conversations, _ in effects.activities:
        assign_ports(conversations, odd=True)
    everything = [*background, *effects.activities]
    invocations, conversations, api_calls = without(
        effects,
        Invocations.joined([invocations for invocations, _, _ in everything]),
        Conversations.joined([normal, *[conversations for _, conversations, _ in effects.activities]]),
        ApiCalls.joined([api_calls for _, _, api_calls in everything]),
    )
    suffered(invocations, conversations, [*world.spells, *effects.spells], world.functions)
    return invocations, conversations, api_calls, effects
