"""What every test on moto needs first: nothing of the machine's own AWS, and nobody who waits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

_OF_THE_MACHINE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "LEASEHOLD_CONFIG",
)


def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forget profile, region, endpoints, credentials and settings of the machine; retries of botocore do not wait."""
    for name in _OF_THE_MACHINE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
