"""What is known of a raw file: what its name says, and what became of it (its receipt)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from jobs.sources.redact import redacted_text

KEPT_RECORD_BYTES = 4 << 10
"""Of one rejected record so much text is kept …"""
KEPT_FILE_BYTES = 256 << 10
"""… of all those of a file so much …"""
KEPT_REJECTIONS = 1_000
"""… and so many are kept one by one: receipts of thousands of hostile files must fit into memory."""

_ACCOUNT = re.compile(r"AWSLogs/(?:o-[a-z0-9]+/)?(?:aws-account-id=)?(\d{12})/")
_NAMED = re.compile(r"(?:^|/)(\d{12})_([A-Za-z_-]+)_([a-z]{2}(?:-[a-z]+)+-\d)_")
_REGION = re.compile(r"(?:vpcflowlogs|CloudTrail)/(?:aws-region=)?([a-z]{2}(?:-[a-z]+)+-\d)/")
_FLOW_LOG = re.compile(r"_(fl-[0-9a-f]+)_")
_STAMP = re.compile(r"[_-](\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?Z?[_.]")
# Security Lake's folders, by the day of the event; of its preview by the hour, of Iceberg by the partition's own name.
_LAKE = re.compile(
    r"(?:^|/)region=([a-z]{2}(?:-[a-z]+)+-\d)/accountId=(\w+)/"
    r"(?:(?:eventDay|eventHour)=(\d{4})(\d\d)(\d\d)|time_dt_day=(\d{4})-(\d\d)-(\d\d))(?:\d\d)?(?:/|$)",
    re.IGNORECASE,
)


@dataclass
class Rejected:
    """A record that could not be read."""

    line: int
    text: str
    reason: str


@dataclass
class Receipt:
    """What became of one raw file: `outcome` is `read`, `skipped` (not wanted) or `unreadable` (not opened).

    `rejected_count` counts every rejection. `rejected` lists them one by one up to KEPT_REJECTIONS; then a last
    entry, at the first line that is not listed, says how many more there are and where they end.
    """

    source_file: str
    outcome: str = "read"
    reason: str | None = None
    records: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0
    min_time: datetime | None = None
    max_time: datetime | None = None
    hours: set[int] = field(default_factory=set)
    """the hours, counted from 1970, that its records touch: a straggler does not make a file reach over all between"""
    _kept_bytes: int = 0

    def reject(self, line: int, text: bytes | str, reason: str) -> None:
        """Note a bad record. Secrets in its text are redacted; long text is cut, and the reason says so."""
        self.rejected_count += 1
        more = self.rejected_count - KEPT_REJECTIONS
        if more > 1:
            last = self.rejected[-1]
            last.reason = f"{more:,} more records were rejected, the last at {line:,}: not listed one by one"
            return
        if more == 1:
            text, reason = b"", f"{reason}; from here on rejected records are only counted"
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
        room = max(0, min(KEPT_RECORD_BYTES, KEPT_FILE_BYTES - self._kept_bytes))
        if len(raw) > room:
            reason += f" (of {len(raw):,} bytes the first {room:,} are kept)"
            raw = raw[:room]
        self._kept_bytes += len(raw)
        # NUL is legal in UTF-8 and in no CSV, terminal or database that will show this.
        shown = redacted_text(raw.decode("utf-8", "backslashreplace").replace("\x00", "\\x00"))
        self.rejected.append(Rejected(line, shown, reason))

    def note(self, reason: str) -> None:
        """Say something of the file as a whole."""
        self.reason = f"{self.reason}; {reason}" if self.reason else reason

    def skip(self, reason: str) -> None:
        """Nothing of the file is wanted."""
        self.outcome, self.reason = "skipped", reason

    def unreadable(self, reason: str) -> None:
        """Nothing of the file could be read, this time."""
        self.outcome, self.reason = "unreadable", reason

    def saw(self, earliest: datetime, latest: datetime, hours: Iterable[int] = ()) -> None:
        """Widen the span of event times; `hours` are those touched, if not just the ends' own."""
        self.hours.update(hours or (int(earliest.timestamp()) // 3_600, int(latest.timestamp()) // 3_600))
        self.min_time = min(self.min_time or earliest, earliest)
        self.max_time = max(self.max_time or latest, latest)


@dataclass(frozen=True)
class FileName:
    """What a file's path and name say of it; AWS's layouts, with or without prefixes."""

    account_id: str | None
    region: str | None
    flow_log_id: str | None
    time: datetime | None
    day: date | None = None
    """the day of Security Lake's folder: of the events, whenever they came"""

    @classmethod
    def parse(cls, path: str) -> FileName:
        """`…/123456789012_vpcflowlogs_eu-west-1_fl-0a_20260105T1005Z_1f.log.gz` → its four parts."""
        lake = _LAKE.search(path)
        if lake:
            account_id = lake[2] if re.fullmatch(r"\d{12}", lake[2]) else None
            return cls(account_id, lake[1].lower(), None, None, event_day(path))
        named, account, region = _NAMED.search(path), _ACCOUNT.search(path), _REGION.search(path)
        flow_log, stamp = _FLOW_LOG.search(path), _STAMP.search(path, path.rfind("/") + 1)
        time = None
        if stamp:
            try:
                time = datetime(*(int(part or 0) for part in stamp.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
            except ValueError:
                time = None
        return cls(
            account[1] if account else named[1] if named else None,
            region[1] if region else named[3] if named else None,
            flow_log[1] if flow_log else None,
            time,
        )


def event_day(path: str) -> date | None:
    """`…/region=eu-west-1/accountId=123456789012/eventDay=20260105/…` → 5 January; None if the path names no day."""
    found = _LAKE.search(path)
    try:
        return date(*map(int, found.groups()[2:5] if found[3] else found.groups()[5:8])) if found else None
    except ValueError:
        return None
