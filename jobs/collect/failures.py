"""Polls that failed, in words: where, what AWS says, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from jobs.collect.access import WrongAccountError
from jobs.collect.advice import advice
from jobs.collect.metrics import ForbiddenError, IncompleteError
from jobs.show import safe
from jobs.sources.redact import redacted_text

FAILURES = (ClientError, BotoCoreError, WrongAccountError, ForbiddenError, IncompleteError, OSError)
"""What makes a poll fail, and the others go on. Anything else is a bug."""

_LONGEST = 300


@dataclass(frozen=True)
class Failure:
    """A poll that failed."""

    account_id: str
    region: str
    operation: str
    code: str
    """AWS's, else the kind of error"""
    message: str
    advice: str

    def __str__(self) -> str:
        return f"account {self.account_id}, {self.region}, {self.operation}: {self.code}: {self.message}. {self.advice}"


def failure(error: Exception, account_id: str, region: str, operation: str) -> Failure:
    """One of FAILURES in words."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        code, message = str(said.get("Code") or "Unknown"), str(said.get("Message") or "")
        # EC2 appends the whole request, encoded.
        message = message.partition("Encoded authorization failure message")[0]
    else:
        code, message = type(error).__name__, str(error)
        if isinstance(error, ForbiddenError):
            code = "Forbidden"
    message = redacted_text(safe(message.strip().rstrip("."))) or "no message"
    if len(message) > _LONGEST:
        message = message[:_LONGEST] + "…"
    return Failure(account_id, region, operation, code, message, _advice(error, code, operation))


def _advice(error: Exception, code: str, operation: str) -> str:
    known = advice(code, operation)
    if known:
        return known
    if isinstance(error, BotoCoreError):
        return "Check the region's name, the network and the proxy"
    if isinstance(error, OSError):
        return "Check the raw folder: is there room, and may it be written to?"
    return "The next poll asks again"
