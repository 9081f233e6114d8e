"""Polls that failed, in words: where, what AWS says, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from jobs.collect.access import WrongAccountError
from jobs.collect.metrics import ForbiddenError, IncompleteError
from jobs.show import safe
from jobs.sources.redact import redacted_text

FAILURES = (ClientError, BotoCoreError, WrongAccountError, ForbiddenError, IncompleteError, OSError)
"""What makes a poll fail, and the others go on. Anything else is a bug."""

_ACTIONS = {
    "describe_network_interfaces": "ec2:DescribeNetworkInterfaces",
    "describe_flow_logs": "ec2:DescribeFlowLogs",
    "list_functions": "lambda:ListFunctions",
    "get_function_configuration": "lambda:GetFunctionConfiguration",
    "get_metric_data": "cloudwatch:GetMetricData",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"}
_THROTTLED = {"RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}
_NOT_VALID = {
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "OptInRequired", "RequestExpired",
    "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
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
    if code in _DENIED:
        if operation == "assume_role":
            return (
                "Allow the caller to assume this role (conf/iam/collector-policy.json), and check whether the role is "
                "there and trusts the caller's account with this external_id (conf/iam/read-role.yaml)"
            )
        return f"Allow {_ACTIONS.get(operation, operation)} (conf/iam/read-policy.json)"
    if code in _THROTTLED or "Throttl" in code:
        return "AWS throttled all attempts: poll less often, or raise collect_attempts in the settings"
    if code in _NOT_VALID:
        return "Renew the credentials; if they are valid: is the region enabled in this account?"
    if isinstance(error, _NO_CREDENTIALS):
        return "Give credentials as for the AWS CLI: AWS_PROFILE, a role of the machine, or AWS_ACCESS_KEY_ID"
    if isinstance(error, WrongAccountError):
        return "Give the account a role_name in the settings"
    if isinstance(error, BotoCoreError):
        return "Check the region's name, the network and the proxy"
    if isinstance(error, OSError):
        return "Check the raw folder: is there room, and may it be written to?"
    return "The next poll asks again"
