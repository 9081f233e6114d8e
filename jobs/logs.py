"""What runs say for machines: one JSON object a line on standard error, if the setting `log_format` is `json`.

For people there are bars instead (`runner.py`), and these lines are not written. Every line has `time` (UTC), `level`,
`run_id` (as in the table `runs`, and in the lake's lock), `job` within one, `event` (a fixed word to search for) and
`message`; more by event: `seconds`, `rows`, `note` …

    {"time": "2026-03-12T02:00:41.218Z", "level": "info", "run_id": "3f5c…", "job": "ingest", "event": "job_done",
     "message": "ingest: 24 files, 8,120 records, …", "seconds": 12.4, "note": "24 files, 8,120 records, …"}
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from jobs.errors import LeaseholdError
from jobs.progress import Progress
from jobs.show import safe_lines
from jobs.sources.redact import redacted_text

_LOG = logging.getLogger("leasehold")
_LOG.addHandler(logging.NullHandler())
_PROGRESS_SECONDS = 30.0
_everywhere: dict[str, Any] = {}
"""what every line has, from whichever thread"""


class JsonLines(logging.Formatter):
    """A record as one line of plain ASCII: nothing breaks out of it. What looks like a credential is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        row: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            **_everywhere,
            "event": getattr(record, "event", "log"),
            "message": record.getMessage(),
            **getattr(record, "more", {}),
        }
        if record.name != _LOG.name:
            row["logger"] = record.name
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        clean = {name: redacted_text(value) if isinstance(value, str) else value for name, value in row.items()}
        return json.dumps(clean, default=_plain, ensure_ascii=True).replace("\x7f", "\\u007f")


def configure(log_format: str) -> None:
    """Begin: `json` or `text`. In JSON also what other libraries warn of, and what nobody caught."""
    if log_format != "json" or in_json():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    _LOG.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _crashed((kind, error, trace))
    threading.excepthook = lambda of: _crashed((of.exc_type, of.exc_value, of.exc_traceback))


def in_json() -> bool:
    """Are lines of JSON written, and no bars?"""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def say(event: str, message: str, **more: Any) -> None:
    """Say what happens; `more` are numbers and words that a machine wants by themselves."""
    _LOG.info(message, extra={"event": event, "more": more})


def warn(event: str, message: str, **more: Any) -> None:
    """Say what somebody should look at."""
    _LOG.warning(message, extra={"event": event, "more": more})


def end_with(error: BaseException, who: str = "leasehold") -> int:
    """Say why all ends, as one line in either form; returns the exit code."""
    code = error.exit_code if isinstance(error, LeaseholdError) else 1
    failed(str(error), code, who)
    return code


def failed(message: str, exit_code: int, who: str = "leasehold") -> None:
    """Say why all ends."""
    if in_json():
        _LOG.error(message, extra={"event": "failed", "more": {"exit_code": exit_code}})
    else:
        print(f"{who}: {safe_lines(message)}", file=sys.stderr, flush=True)


def of_run(run_id: str) -> None:
    """From now on every line is of this run."""
    _everywhere["run_id"] = run_id


@contextmanager
def everywhere(**more: Any) -> Iterator[None]:
    """Within it every line has these, too."""
    before = dict(_everywhere)
    _everywhere.update(more)
    try:
        yield
    finally:
        _everywhere.clear()
        _everywhere.update(before)


def telling(progress: Progress) -> Progress:
    """The same, that also says how far a job is, every half minute."""
    said = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal said
        progress(done, total)
        if time.monotonic() - said >= _PROGRESS_SECONDS:
            said = time.monotonic()
            say("progress", f"{done:,} of {total:,}", done=done, total=total)

    return tell


def _crashed(what: Any) -> None:
    _LOG.critical(f"{what[0].__name__}: {what[1]}", exc_info=what, extra={"event": "crashed", "more": {"exit_code": 1}})


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
