"""What `leasehold collect` does and says."""

from __future__ import annotations

from rich.console import Console

from conf.settings import REGION, Settings
from jobs.collect.run import KINDS, Polled, collect
from jobs.errors import LeaseholdError
from jobs.runner import bars
from jobs.show import table


def run(settings: Settings, only: str | None, regions: str | None, console: Console, errors: Console) -> None:
    """Poll, with a bar on `errors`; list on `console` what came. LeaseholdError, if anything failed, says what."""
    kinds = _words(only) or list(KINDS)
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise LeaseholdError(f"--only takes {','.join(KINDS)}, not {', '.join(unknown)}")
    chosen = _words(regions)
    for region in chosen:
        if not REGION.fullmatch(region):
            raise LeaseholdError(f"--regions takes regions as eu-west-1,eu-central-1, not {region!r}")
    with bars(errors) as shown:
        task = shown.add_task("collect", total=None, note="")

        def progress(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total, note=f"{done} of {total} polls")

        polled, failed = collect(settings, kinds, tuple(chosen), progress=progress)
    if polled:
        console.print(table("Polled", ("account", "region", *KINDS), _lines(polled)))
    if failed:
        lines = "\n".join(f"  {one}" for one in failed)
        raise LeaseholdError(f"{len(failed)} polls failed, the others are stored:\n{lines}")


def _lines(polled: list[Polled]) -> list[list[str]]:
    """A line an account and region: how many of each kind."""
    places = sorted({(one.account_id, one.region) for one in polled})
    counts = {(one.account_id, one.region, one.kind): f"{one.count:,}" for one in polled}
    return [[*place, *(counts.get((*place, kind), "—") for kind in KINDS)] for place in places]


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
