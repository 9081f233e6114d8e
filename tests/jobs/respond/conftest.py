"""Each test has an AWS of its own that can fail, or kill the process, at any call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import botocore.handlers
import pytest
from moto import mock_aws
from moto.ec2.models.security_groups import SecurityGroupBackend

from tests.jobs.moto_alone import alone
from tests.jobs.respond.account import Account, Perilous, make_account, modified_as_aws_does
from tests.jobs.respond.firewall import Firewall


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Perilous]:
    """moto with a recorder before it, nothing of the machine's, and nobody waits."""
    alone(monkeypatch, tmp_path)
    made = Perilous()
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*made.handlers(), *botocore.handlers.BUILTIN_HANDLERS])
    monkeypatch.setattr("jobs.respond.execute.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(SecurityGroupBackend, "modify_security_group_rules", modified_as_aws_does, raising=True)
    with mock_aws():
        yield made


@pytest.fixture
def account(aws: Perilous) -> Account:
    """An account with a function in two subnets of a VPC, and a stranger's things beside it."""
    made = make_account()
    aws.firewall = Firewall(made.vpc)
    aws.firewall.install(aws.scripts)
    aws.calls.clear()
    return made
