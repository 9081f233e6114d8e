"""Files of polls: whole or not there, each its own, and found again."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.collect.store import Poll, store, stored
from jobs.raw_files import listing
from tests.jobs.collect.aws import NOW, OWN, envelope, files

_FUNCTIONS = "list_functions"


def _poll(at: datetime = NOW, name: str = "one") -> Poll:
    return Poll(_FUNCTIONS, OWN, "eu-west-1", at, {}, [{"Functions": [{"FunctionName": name}]}])


def _listed(raw: Path) -> list[str]:
    """What ingest would see."""
    return [file.source_file for file in listing(str(raw), NOW - timedelta(days=1), NOW + timedelta(days=1))]


def test_an_unfinished_file_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(_listed(tmp_path)))
    key = store(str(tmp_path), _poll())
    assert (seen, _listed(tmp_path)) == ([[]], [key])


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store(str(tmp_path), _poll())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_polls_of_one_second_do_not_replace_each_other(tmp_path: Path) -> None:
    for number in range(12):
        store(str(tmp_path), _poll(name=f"f-{number}"))
    found = list(stored(str(tmp_path), _FUNCTIONS, OWN, "eu-west-1", NOW, 1))
    assert [poll["responses"][0]["Functions"][0]["FunctionName"] for poll in found] == [
        f"f-{n}" for n in range(11, -1, -1)
    ]
    assert {poll["polled_at"] for poll in found} == {NOW.replace(microsecond=0)}
    assert len(_listed(tmp_path)) == 12


def test_times_are_stored_in_utc(tmp_path: Path) -> None:
    store(str(tmp_path), _poll(datetime.fromisoformat("2026-03-02T00:30:00+01:00").astimezone(UTC)))
    [path] = files(tmp_path)
    assert path.parts[-4:-1] == ("2026", "03", "01")
    assert envelope(path)["polled_at"] == "2026-03-01T23:30:00+00:00"


def test_stored_polls_come_the_latest_first_and_not_older_than_asked_for(tmp_path: Path) -> None:
    times = [NOW - timedelta(days=days) for days in (0, 1, 2, 5)]
    for at in times:
        store(str(tmp_path), _poll(at))
    found = [p["polled_at"] for p in stored(str(tmp_path), _FUNCTIONS, OWN, "eu-west-1", NOW, 2)]
    assert found == times[:3]
