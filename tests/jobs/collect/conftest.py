"""Each test has an AWS of its own, and nothing of the machine's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import botocore.handlers
import pytest
from moto import mock_aws

from tests.jobs.collect.aws import Aws
from tests.jobs.moto_alone import alone


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    """moto with a recorder before it; retries do not wait."""
    alone(monkeypatch, tmp_path)
    made = Aws()
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*made.handlers(), *botocore.handlers.BUILTIN_HANDLERS])
    with mock_aws():
        yield made
