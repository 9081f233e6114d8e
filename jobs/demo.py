"""The demo: an AWS account on paper, the pipeline over its logs, and what it finds."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path

import yaml
from pyspark.sql import functions as F
from rich.console import Console
from rich.text import Text

from conf.settings import load
from jobs.answers import alert_table
from jobs.errors import BusyError, LeaseholdError
from jobs.lock import held_by
from jobs.options import options_said
from jobs.runner import bars, run_all, running
from jobs.session import missing_for
from jobs.show import Row, moment
from jobs.storage import Lake
from jobs.window import Window, parse_time
from simulator.simulate import Options, Summary, simulate
from transforms.schemas import ALERTS, FUNCTION_FLOWS

_SETTINGS = "leasehold.yaml"
_MADE = ("raw", "truth", "lake", _SETTINGS)
_NETWORKS = [
    {"cidr": "198.51.100.16/29", "name": "mail provider"},
    {"cidr": "10.0.1.10/32", "name": "orders-db", "internal": True},
    {"cidr": "10.0.1.11/32", "name": "reports-db", "internal": True},
]
"""What the owner of the account would have told: a service behind many addresses is one peer, and which database
has which address, since EC2 does not say."""


def run(out: Path, days: int, seed: int, engine: str, master: str | None, console: Console, progress: Console) -> None:
    """Simulate into `out`, run nightly over all days, show alerts and certainty. An earlier demo there is replaced."""
    lack = missing_for(engine)
    if lack:
        raise LeaseholdError(f"the engine {engine!r} cannot run here. {lack}")
    _make_room(out)
    options = Options(days=days, seed=seed)
    with bars(progress) as shown:
        task = shown.add_task("simulate", total=None, note=f"{days} days of a small account, seed {seed}")

        def step(name: str, done: int, total: int) -> None:
            shown.update(task, description=name, completed=done, total=max(total, 1))

        summary = simulate(out, options, step)
        shown.update(task, description="simulate", completed=1, total=1, note=_written(summary))
    settings_file = out / _SETTINGS
    settings_file.write_text(
        "# Written by `leasehold demo`.\n"
        + yaml.safe_dump(
            {"raw": str((out / "raw").resolve()), "lake": str((out / "lake").resolve()), "networks": _NETWORKS}
        ),
        encoding="utf-8",
    )
    settings = load(str(settings_file), engine=engine, master=master)
    start = parse_time(options.start.isoformat(), "start")
    window = Window(start, start + timedelta(days=days))
    with running(settings, progress, "leasehold demo") as (lake, shown):
        run_all(lake, settings, window, shown)
        rows = lake.read(ALERTS).orderBy("opened_at", "alert_id").toArrow().to_pylist()
        certainty = _certainty(lake)
    console.print(alert_table(rows, options_said(settings_file, None)))
    console.print(Text(certainty))
    _next_steps(console, settings_file, rows)


def _written(summary: Summary) -> str:
    return f"{summary.flow_records:,} flow-log records, {summary.cloudtrail_events:,} events, {summary.polls:,} polls"


def _make_room(out: Path) -> None:
    """Remove an earlier demo; never anything else, and none that is still running."""
    if out.exists() and not out.is_dir():
        raise LeaseholdError(f"{str(out)!r} is a file: give another folder with --out")
    if out.is_dir() and any(out.iterdir()):
        if not (out / _SETTINGS).is_file() and {p.name for p in out.iterdir()} - set(_MADE):
            raise LeaseholdError(f"{str(out)!r} is not empty and no earlier demo: give another folder with --out")
        holder = held_by(str(out / "lake"))
        if holder:
            raise BusyError(f"{str(out)!r} is being written by {holder}: give another folder with --out")
        for name in _MADE:
            path = out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _certainty(lake: Lake) -> str:
    """How sure attribution was, in words."""
    flows = lake.read(FUNCTION_FLOWS)
    counts = {
        row["attribution"]: row["n"]
        for row in flows.groupBy("attribution").agg(F.count_distinct("conversation_id").alias("n")).collect()
    }
    total = sum(counts.values())
    if not total:
        return "No conversation of a function was found."

    def share(name: str) -> str:
        return f"{100 * counts.get(name, 0) / total:.1f} %"

    return (
        f"\nHow sure: of {total:,} conversations {share('unique')} can only be one function's (unique), "
        f"{share('weighted')} are one of several functions' that share an interface, with probabilities from "
        f"evidence (weighted), {share('shared')} without any (shared), {share('unknown')} are on an interface that "
        "no lease covers (unknown)."
    )


def _next_steps(console: Console, settings_file: Path, rows: list[Row]) -> None:
    command = sys.argv[0] if "/" in sys.argv[0] else "leasehold"
    if Path(command).is_absolute() and Path(command).is_relative_to(Path.cwd()):
        command = str(Path(command).relative_to(Path.cwd()))
    config = f"--config {settings_file}"
    console.print(Text("\nNext, try:", style="bold"))
    steps = [f"{command} alerts {config} --json"]
    if rows:
        internal = next((row for row in rows if row["peer_internal"]), rows[0])
        steps.append(f"{command} explain {internal['alert_id'][:8]} {config}")
        steps.append(f"{command} respond plan {internal['alert_id'][:8]} {config}")
        at = moment(internal["opened_at"]).replace(" ", "T")
        steps.append(f"{command} leases --ip {internal['local_addr']} --at {at} {config}")
    steps.append(f"{command} coverage {config}")
    for line in steps:
        console.print(Text("  " + line), soft_wrap=True)
