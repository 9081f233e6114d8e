"""`python -m simulator --out DIR`: write the raw logs of a small AWS account, and the truth about them."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date
from pathlib import Path

from simulator.simulate import ACCOUNTS, FORMATS, Options, Summary, simulate

_DEFAULTS = Options()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Write the raw logs of a small AWS account as AWS and pollers write them (DIR/raw), and "
        "the truth about them as Parquet (DIR/truth). The same options give the same bytes.",
        epilog="\n".join(
            line
            for account, scenarios in ACCOUNTS.items()
            for line in (
                f"scenarios of the {account}:" if scenarios else "",
                *(f"  {n:<26} {(f.__doc__ or '').strip()}" for n, f in scenarios.items()),
            )
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write; must be empty")
    parser.add_argument("--days", type=float, default=_DEFAULTS.days, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="of chance (default: %(default)s)")
    parser.add_argument(
        "--start", type=date.fromisoformat, default=_DEFAULTS.start, metavar="DATE",
        help="first day, UTC (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", type=float, default=_DEFAULTS.rate,
        help="multiplies how often functions run (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--period-seconds", type=int, choices=(60, 600), default=_DEFAULTS.period_seconds,
        help="aggregation of the flow log (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=sorted(FORMATS), default=_DEFAULTS.format,
        help="fields of the flow log: the 14 of version 2, or more (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--data-events", action="store_true",
        help="also Lambda's data events in CloudTrail, which name the interface of each invocation",
    )  # fmt: skip
    parser.add_argument(
        "--scenarios", type=_names, metavar="A,B",
        help="what goes wrong, '' for nothing (default: all that the account has)",
    )  # fmt: skip
    parser.add_argument(
        "--poll-minutes", type=float, default=_DEFAULTS.poll_minutes,
        help="between two polls (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--missed-polls", type=float, default=_DEFAULTS.missed_polls, metavar="SHARE",
        help="of the polls never took place (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--account", choices=ACCOUNTS, default=_DEFAULTS.account,
        help="shop: one small company, the same whatever the seed; crowd: made by the seed, many functions "
        "that share interfaces and peers, to measure attribution with; company: made by the seed, with every sort of "
        "function, change and scenario, to evaluate detections with (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--functions", type=int, default=_DEFAULTS.functions, metavar="N",
        help="of the company (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--interfaces", type=int, default=_DEFAULTS.interfaces, metavar="N",
        help="of the crowd: groups of 1 to 10 functions that share an interface in each of their subnets "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--clock-skew-seconds", type=float, default=_DEFAULTS.clock_skew_seconds, metavar="SECONDS",
        help="in each window of an interface the times of the flow log are off by up to this, either way "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--late-cloudtrail", type=float, default=_DEFAULTS.late_cloudtrail, metavar="SHARE",
        help="of the CloudTrail files that come 2 to 30 hours later (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--late-flow-logs", type=float, default=_DEFAULTS.late_flow_logs, metavar="SHARE",
        help="of the flow-log files that come 20 minutes to 12 hours later (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--keep-alive", type=float, default=_DEFAULTS.keep_alive, metavar="SHARE",
        help="of the crowd's functions whose connections outlive an invocation, by minutes (default: %(default)s)",
    )  # fmt: skip
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main(arguments: list[str] | None = None) -> int:
    """Parse, simulate, say what was written; 2 when the options make no sense."""
    asked = vars(_parser().parse_args(arguments))
    root = asked.pop("out")
    begun = time.monotonic()
    try:
        summary = simulate(root, Options(**asked), _say)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(_described(summary, time.monotonic() - begun))
    return 0


def _say(step: str, done: int, total: int) -> None:
    if done < total:
        print(f"[{done + 1}/{total}] {step}", file=sys.stderr, flush=True)


def _described(summary: Summary, seconds: float) -> str:
    return "\n".join(
        (
            f"{summary.raw}: {summary.raw_bytes / 1e6:,.0f} MB in {seconds:,.1f} s",
            f"  flow logs   {summary.flow_records:>9,} records in {summary.flow_log_files:,} files",
            f"  CloudTrail  {summary.cloudtrail_events:>9,} events in {summary.cloudtrail_files:,} files",
            f"  snapshots   {summary.polls:>9,} polls",
            f"{summary.truth}: {summary.conversations:,} conversations, {summary.invocations:,} invocations",
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
