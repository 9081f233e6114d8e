"""How good are the detections? Against a simulated company, with every scenario, in several seeds.

    make evaluate [OPTIONS="--seeds 10 --days 60 --functions 60 --clean 1 --json evaluation.json"]

For each seed: a company is simulated (functions of every sort; releases, fail-overs, outages, holidays and other things
that are not wrong; 39 scenarios, several of which evade), `leasehold run nightly` takes in all days, and its alerts are
held against the truth, as benchmarks/scoring.py says. The settings name a threat list and nothing of the company.

- precision: right ÷ (right + false), where all right alerts of a detection on one scenario count as one (a scan raises
  dozens) and false ones each. Alerts of another kind on a function while a scenario hits it are `related`, those on
  benign changes that may have one `accepted`: neither counts.
- recall: of the scenarios that are made for this detection, those that it saw. A kind that no detection covers has
  recall 0.
- time to alert: from a scenario's first act to the end of the day whose nightly run could tell it (median).
- alerts a day: per 100 functions, after the 36 days of learning, in simulations in which nothing goes wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pyarrow.parquet as pq
import yaml

from benchmarks.scoring import ACCEPTABLE, FALSE, RELATED, RIGHT, Alert, Benign, Scenario, Score, score
from simulator.simulate import Options, simulate

_LEARNED = 36
_ROOT = Path(__file__).parent.parent
_DAY = timedelta(days=1)


@dataclass
class Evaluation:
    """All seeds together."""

    score: Score = field(default_factory=Score)
    clean: Counter[str] = field(default_factory=Counter)
    """alerts by detection where nothing goes wrong"""
    clean_days: float = 0.0
    """days that these were counted on, times functions"""
    seeds: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"simulate": 0.0, "pipeline": 0.0})

    def daily(self, detection: str | None = None) -> float | None:
        """Alerts a day per 100 functions where nothing goes wrong."""
        count = sum(n for name, n in self.clean.items() if detection in (None, name))
        return 100 * count / self.clean_days if self.clean_days else None


def pipeline(folder: Path, start: date, days: int, engine: str, settings: Path | None) -> None:
    """`leasehold run nightly` over all days, as a user would; raises RuntimeError with what it said."""
    told = yaml.safe_load(settings.read_text().replace("{folder}", str(folder))) if settings else {}
    config = folder / "leasehold.yaml"
    told = {**(told or {}), "raw": str(folder / "raw"), "lake": str(folder / "lake")}
    told.setdefault("threat_lists", [{"name": "Tor exits", "path": str(folder / "threat_lists" / "tor_exits.txt")}])
    config.write_text(yaml.safe_dump(told))
    asked = ["run", "nightly", "--config", config, "--start", start, "--end", start + days * _DAY, "--engine", engine]
    command = [sys.executable, "-c", "from jobs.cli import main; main()", *map(str, asked)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the pipeline failed in {folder}:\n{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}")


def alerts_of(lake: Path) -> list[Alert]:
    """The alerts, each with the end of the first day on which it was observed."""
    observed: dict[tuple[str, str, str], list[date]] = {}
    for row in _rows(lake / "observations"):
        observed.setdefault(_subject(row), []).append(row["date"])
    made = []
    for row in _rows(lake / "alerts"):
        opened = row["opened_at"]
        days = [day for day in observed.get(_subject(row), ()) if day >= opened.date()]
        first = min(days, default=opened.date())
        functions = frozenset(filter(None, (name.strip() for name in (row["functions"] or "").split(","))))
        made.append(Alert(row["detection_id"], functions, opened, _midnight(first) + _DAY))
    return made


def truth_of(folder: Path) -> tuple[list[Scenario], list[Benign]]:
    """What truly happened."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(folder / "scenarios.parquet").to_pylist():
        by_name.setdefault(row["scenario"], []).append(row)
    scenarios = [
        Scenario(
            name=name,
            functions=frozenset(row["function_name"] for row in rows if row["function_name"]),
            start=min(row["start"] for row in rows),
            end=max(row["end"] for row in rows),
            families=tuple(rows[0]["families"]),
        )
        for name, rows in by_name.items()
    ]
    benign = [
        Benign(row["change"], row["function_name"], row["start"], row["end"], tuple(row["acceptable"]))
        for row in pq.read_table(folder / "quiet.parquet").to_pylist()
    ]
    return scenarios, benign


def _rows(table: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = deltalake.DeltaTable(str(table)).to_pyarrow_table().to_pylist()
    return rows


def _subject(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["detection_id"], row["functions"] or "", row["subject"]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def evaluate(args: argparse.Namespace, work: Path) -> Evaluation:
    """One seed after the other; what each wrote is removed before the next begins, unless it is kept."""
    made = Evaluation(seeds=args.seeds)
    judged_from = _midnight(args.start) + (_LEARNED if args.days >= 45 else 0.6 * args.days) * _DAY
    plays = [(seed, True) for seed in range(args.first_seed, args.first_seed + args.seeds)]
    plays += [(seed, False) for seed in range(args.first_seed, args.first_seed + args.clean)]
    for number, (seed, wrong) in enumerate(plays, 1):
        folder = work / f"seed-{seed}{'' if wrong else '-clean'}"
        options = Options(
            account="company", seed=seed, days=args.days, functions=args.functions, start=args.start, rate=args.rate,
            period_seconds=args.period_seconds, poll_minutes=args.poll_minutes, scenarios=None if wrong else (),
        )  # fmt: skip
        begun = time.monotonic()
        summary = simulate(folder, options)
        simulated = time.monotonic()
        _say(
            f"[{number}/{len(plays)}] seed {seed}{'' if wrong else ', nothing wrong'}: {summary.flow_records:,} records"
        )
        pipeline(folder, args.start, args.days, args.engine, args.settings)
        made.seconds["simulate"] += simulated - begun
        made.seconds["pipeline"] += time.monotonic() - simulated
        alerts = alerts_of(folder / "lake")
        if wrong:
            scenarios, benign = truth_of(folder / "truth")
            one = score(alerts, scenarios, benign, judged_from)
            made.score += one
            _say(f"  {len(one.found())} of {len(one.played)} scenarios seen, {one.count(None, FALSE)} false alerts")
        else:
            late = [alert for alert in alerts if alert.opened >= judged_from]
            made.clean += Counter(alert.detection for alert in late)
            made.clean_days += args.functions * (_midnight(args.start) + args.days * _DAY - judged_from) / _DAY
            _say(f"  {len(late)} alerts after the time of learning")
        if not args.keep:
            shutil.rmtree(folder)
    return made


def lines_of(made: Evaluation) -> list[str]:
    """The tables: by detection, by scenario, and what false alerts coincide with."""
    result, wide = made.score, 28
    heads = ("alerts", "right", "related", "accepted", "false", "precision", "recall", "of", "hours", "a day")
    lines = [f"{'detection':{wide}}" + "".join(f"{head:>10}" for head in heads)]
    for name in [*sorted(set(result.detections) | set(made.clean)), None]:
        counts = [result.count(name, verdict) for verdict in (RIGHT, RELATED, ACCEPTABLE, FALSE)]
        meant = result.meant_for(name) if name else set(range(len(result.played)))
        found = result.recall(name) if name else len(result.found()) / max(1, len(result.played))
        cells = [sum(counts), *counts, _share(result.precision(name)), _share(found), len(meant)]
        cells += [_number(result.hours(name)), _number(made.daily(name), 2)]
        lines.append(f"{name or 'all':{wide}}" + "".join(f"{cell:>10}" for cell in cells))
    lines += ["", f"{'scenario':{wide}}{'seen':>10}{'hours':>10}   made for; seen by"]
    for name in dict.fromkeys(scenario.name for scenario in result.played):
        places = {n for n, scenario in enumerate(result.played) if scenario.name == name}
        here = [(place, finding) for place, finding in result.findings if place in places]
        by = Counter(finding.detection for _, finding in here)
        hours = Score(findings=here).hours()
        seen = f"{len({place for place, _ in here})} of {len(places)}"
        made_for = result.played[min(places)].families[0]
        by_whom = ", ".join(f"{detection} {n}" for detection, n in by.most_common()) or "nobody"
        lines.append(f"{name:{wide}}{seen:>10}{_number(hours):>10}   {made_for}; {by_whom}")
    if result.causes:
        lines += ["", "false alerts, and the benign change that they coincide with:"]
        for (detection, cause), count in result.causes.most_common():
            lines.append(f"  {detection:{wide}}{count:>8}   {cause or 'none'}")
    return lines


def document(made: Evaluation) -> dict[str, Any]:
    """The same for machines."""
    result = made.score
    return {
        "seeds": made.seeds,
        "seconds": {name: round(value, 1) for name, value in made.seconds.items()},
        "scenarios": len(result.played),
        "scenarios_seen": len(result.found()),
        "precision": result.precision(),
        "median_hours": result.hours(),
        "clean_alerts_per_day_and_100_functions": made.daily(),
        "detections": {
            name: {
                **{verdict: result.count(name, verdict) for verdict in (RIGHT, RELATED, ACCEPTABLE, FALSE)},
                "precision": result.precision(name),
                "recall": result.recall(name),
                "meant_for": len(result.meant_for(name)),
                "median_hours": result.hours(name),
                "clean_alerts_per_day_and_100_functions": made.daily(name),
            }
            for name in sorted(set(result.detections) | set(made.clean))
        },
        "findings": [
            {"scenario": found.scenario, "detection": found.detection, "hours": round(found.hours, 2)}
            for _, found in result.findings
        ],
        "missed": dict(Counter(s.name for n, s in enumerate(result.played) if n not in result.found())),
        "false_alerts": [
            {"detection": detection, "coincides_with": cause or None, "alerts": count}
            for (detection, cause), count in result.causes.most_common()
        ],
    }


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _say(text: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--clean", type=int, default=1, help="seeds also played without scenarios (default: %(default)s)"
    )
    parser.add_argument("--days", type=int, default=60, help="(default: %(default)s)")
    parser.add_argument("--functions", type=int, default=60, help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1.0, help="how often functions run (default: %(default)s)")
    parser.add_argument("--start", type=date.fromisoformat, default=Options().start, help="(default: %(default)s)")
    parser.add_argument("--period-seconds", type=int, default=600, choices=(60, 600), help="of the flow log")
    parser.add_argument("--poll-minutes", type=float, default=60, help="(default: %(default)s)")
    parser.add_argument("--engine", default="sail", choices=("sail", "spark"))
    parser.add_argument(
        "--settings", type=Path, help="settings of the pipeline, besides raw and lake; {folder} is the simulation's"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file, too")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave everything there")
    return parser


def main() -> None:
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="leasehold-evaluate-") as temporary:
        made = evaluate(args, args.keep or Path(temporary))
    print("\n".join(lines_of(made)))
    spent = ", ".join(f"{name} {seconds / 60:.1f} min" for name, seconds in made.seconds.items())
    print(f"\n{made.seeds} seeds, {args.functions} functions, {args.days} days: {spent}")
    if args.json:
        args.json.write_text(json.dumps(document(made), indent=2) + "\n")


if __name__ == "__main__":
    main()
