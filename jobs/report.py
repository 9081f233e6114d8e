"""The command `report`: one page about an alert, a function or a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from jobs.errors import LeaseholdError
from jobs.storage import Lake
from jobs.whole_file import output_file


def write(lake: Lake, output: Path, alert: str | None, function: str | None, day: date | None) -> int:
    """Write the page, whole or not at all; returns its length in bytes. Raises LeaseholdError."""
    from jobs import report_alert, report_page, report_pages  # Vega and its drawing are slow to import

    if alert:
        page = report_alert.of_alert(lake, alert)
    elif function:
        page = report_pages.of_function(lake, function)
    elif day:
        page = report_pages.of_day(lake, day)
    text = report_page.render(page).encode("utf-8", "backslashreplace")
    with output_file(output) as half:
        half.write_bytes(text)
    return len(text)


def asked_once(alert: str | None, function: str | None, day: str | None) -> None:
    """Raise LeaseholdError unless exactly one is asked for."""
    if sum(bool(one) for one in (alert, function, day)) != 1:
        raise LeaseholdError("ask for exactly one of --alert, --function and --day")
