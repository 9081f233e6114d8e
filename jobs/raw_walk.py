"""What lies below the raw root, a folder or `s3://bucket/prefix`, without entering the days that do not matter."""

from __future__ import annotations

import calendar
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import NamedTuple

from jobs.errors import LeaseholdError
from jobs.object_store import CONNECTIONS, is_remote, level
from jobs.sources.files import event_day

# Folders of years, months and days need not be entered outside the window: AWS's (…/vpcflowlogs/<region>/2026/03/11,
# in the hive layout …/aws-service=vpcflowlogs/aws-region=<region>/year=2026/month=03/day=11) and the pollers'. Others
# that look like days are somebody's prefix and say nothing of the logs below.
_DATED_FOLDER = re.compile(
    r"(?:(?:/|=)vpcflowlogs/(?:aws-region=)?[a-z0-9-]+|/CloudTrail[\w-]*/[a-z0-9-]+|/snapshots/\w+)"
    r"/(?:year=)?(\d{4})(?:/(?:month=)?(\d{2})(?:/(?:day=)?(\d{2}))?)?$"
)


class Found(NamedTuple):
    """A file or an object."""

    path: str
    """below the root"""
    at: str
    """what to open: a path or a URI"""
    size: int
    stat: str
    """another one when the content is another: size and time of change, on S3 size and ETag"""
    etag: str
    """of S3, at no cost; empty: to be computed"""


def walk(root: str, first: date, last: date) -> Iterator[Found]:
    """Files below the root; folders of days outside [first, last] are not entered, nor those of years and months.

    Of S3 each folder is one call for a thousand entries, CONNECTIONS at once. What begins with a dot is passed over,
    and so is what vanishes meanwhile. Raises LeaseholdError if there is no such folder, or it cannot be listed.
    """
    try:
        if is_remote(root):
            yield from _on_s3(f"{root.rstrip('/')}/", first, last)
        elif Path(root).is_dir():
            yield from _in_folder(str(Path(root).resolve()), "", first, last)
        else:
            raise LeaseholdError(f"there is no raw folder {root!r}: set `raw` in the settings, or give --raw")
    except OSError as error:
        needs = "; conf/iam/pipeline-policy.json has the permissions that it takes" if is_remote(root) else ""
        raise LeaseholdError(f"the raw folder {root!r} cannot be listed: {error.strerror or error}{needs}") from None


def _in_folder(root: str, below: str, first: date, last: date) -> Iterator[Found]:
    try:
        entries = os.scandir(f"{root}/{below}")
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir():
                if _may_hold(path, first, last):
                    yield from _in_folder(root, path, first, last)
            elif entry.is_file():
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                # A name may be any bytes; a table's text is UTF-8.
                shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
                yield Found(shown, f"{root}/{path}", status.st_size, f"{status.st_size}-{status.st_mtime_ns}", "")


def _on_s3(root: str, first: date, last: date) -> Iterator[Found]:
    nothing = True
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        folders = [root]
        while folders:
            deeper: list[str] = []
            for inner, objects in pool.map(level, folders):
                nothing = nothing and not inner and not objects
                deeper += [uri for uri in inner if not _is_hidden(uri) and _may_hold(uri[len(root) : -1], first, last)]
                for one in objects:
                    if not _is_hidden(one.uri):
                        yield Found(one.uri[len(root) :], one.uri, one.size, f"{one.size}-{one.etag}", one.etag)
            folders = deeper
    if nothing:
        raise LeaseholdError(f"there is nothing below {root!r}: set `raw` in the settings, or give --raw")


def _is_hidden(uri: str) -> bool:
    return uri.rstrip("/").rpartition("/")[2].startswith(".")


def _may_hold(folder: str, first: date, last: date) -> bool:
    of_events = event_day(folder)
    if of_events:
        return first <= of_events <= last
    dated = _DATED_FOLDER.search("/" + folder)
    if not dated:
        return True
    year, month, day = (int(part or 0) for part in dated.groups())
    try:
        begins = date(year, month or 1, day or 1)
        ends = date(year, month or 12, day or calendar.monthrange(year, month or 12)[1])
    except ValueError:
        return True
    return begins <= last and first <= ends
