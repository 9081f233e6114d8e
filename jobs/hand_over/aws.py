"""AWS's clients for sinks, and what their errors mean."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from jobs.collect.advice import advice
from jobs.show import safe

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=10, read_timeout=30)
_DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException")


def client(service: str, region: str | None) -> Any:
    """A client that retries what is throttled or not answered, within about a minute."""
    # boto3 itself reads AWS_DEFAULT_REGION only.
    return boto3.client(service, region_name=region or os.environ.get("AWS_REGION") or None, config=_CONFIG)


def why(error: Exception, action: str) -> str:
    """`AccessDenied: allow sns:Publish (conf/iam/hand-over-policy.json)`: what failed, and what to do."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", "")) or "ClientError"
        if code in _DENIED:
            return f"{code}: allow {action} (conf/iam/hand-over-policy.json; an encrypted topic or bucket its key, too)"
        said = advice(code, action) or safe(error.response["Error"].get("Message", ""))[:300]
        return f"{code}: {said}"
    code = type(error).__name__
    return f"{code}: {advice(code, action) or safe(error)[:300]}"
