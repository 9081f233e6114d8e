"""`leasehold respond` as processes that are killed (SIGKILL): rolled back, the account is as it was."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faulty_s3 import FaultyS3
from tests.jobs.respond import account
from tests.jobs.respond.alert_lake import ALERT, alert_lake
from tests.lakes import command, leasehold

pytestmark = [pytest.mark.sail_only, pytest.mark.slow]


def test_killed_after_calls_here_and_there(s3: FaultyS3, spark: SparkSession, tmp_path: Path) -> None:
    account._MADE.clear()
    lake = alert_lake(spark, account.make_account(), tmp_path / "lake").root
    before = account.answers()

    def respond(what: str, action: str, killed_after: int = 0) -> bool:
        """Was it killed?"""
        s3.kill(killed_after)
        line = f"AWS_SDK_UA_APP_ID=$$ exec {shlex.join(command('respond', what, action, '--yes', '--lake', lake))}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, check=False)
        s3.kill(0)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    kills = 0
    for number in range(3, 60, 4):  # after each there is in test_respond_execute.py, where it costs less
        plan = json.loads(leasehold("respond", "plan", ALERT, "--json", "--lake", lake).stdout)
        action = next(way["action_id"] for way in plan["ways"] if way["way"] == "network acl")
        applying, changed = respond("apply", action, number), account.answers() != before
        rolling = respond("rollback", action, number)
        if rolling:
            respond("rollback", action)
        assert account.answers() == before, number
        kills += applying + rolling
        if not applying:
            assert changed
        if not applying and not rolling:
            break
    assert kills >= 4
