"""The settings file of the DAGs: what is wrong is said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from leasehold_airflow.settings import SettingsError, load
from ways import DAG_FOLDER, FIRST, WAYS


def write(folder: Path, text: str) -> str:
    file = folder / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start: local\n", "first is missing"),
        ("first: soon\n", "first must be an hour"),
        ("first: 2026-03-01T00:30Z\n", "whole hour"),
        (FIRST + "until: later\n", "until must be an hour"),
        (FIRST + "start: yarn\n", "start is one of local, spark-submit, emr-serverless"),
        (FIRST + "start_collect: cron\n", "start_collect is one of"),
        (FIRST + "start: emr-serverless\nentry_point: s3://a/b.py\n", "needs application_id, execution_role_arn"),
        (FIRST + "start: spark-submit\n", "needs entry_point"),
        (FIRST + "lakes: x\n", "unknown lakes; known are first, start"),
        (FIRST + "retries: many\n", "retries must be a number"),
        (FIRST + "retries: -1\n", "must not be negative"),
        (FIRST + "lake: 7\n", "lake must be a text"),
        (FIRST + "command: leasehold\n", "command must be a list of words"),
        ("- first\n", "expected `key: value` lines"),
        ("first: [\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as found:
        load(write(tmp_path, text))
    assert str(tmp_path) in str(found.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read"):
        load(str(tmp_path / "none.yaml"))


def test_times_are_utc_and_folders_relative_to_the_file(tmp_path: Path) -> None:
    found = load(write(tmp_path, "first: 2026-03-01\nuntil: 2026-03-02T03:00+02:00\nfolder: a\n"))
    assert found.first == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.until == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert found.folder == str(tmp_path / "a")


def test_the_file_that_is_shipped_lacks_but_its_first_hour(tmp_path: Path) -> None:
    text = (DAG_FOLDER / "settings.yaml").read_text(encoding="utf-8")
    with pytest.raises(SettingsError, match="first is missing"):
        load(write(tmp_path, text))
    assert load(write(tmp_path, text + FIRST)).start == "local"


@pytest.mark.parametrize("way", WAYS)
def test_what_it_shows_of_each_way_is_right(way: str, tmp_path: Path) -> None:
    """With the example's lines of that way read as they stand."""
    text = (DAG_FOLDER / "settings.yaml").read_text(encoding="utf-8")
    parts = text.split("\n\n")
    part = next(part for part in parts if f"start: {way}\n" in part)
    lines = [line.removeprefix("# ") for line in part.splitlines() if not line.startswith(("# 1.", "# 2.", "# 3."))]
    assert load(write(tmp_path, FIRST + "\n".join(lines))).start == way
