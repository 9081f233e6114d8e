"""What to do about a poll that failed, by AWS's code; nothing slow is imported, since other commands say it, too."""

from __future__ import annotations

ACTIONS = {
    "describe_network_interfaces": "ec2:DescribeNetworkInterfaces",
    "describe_flow_logs": "ec2:DescribeFlowLogs",
    "list_functions": "lambda:ListFunctions",
    "get_function_configuration": "lambda:GetFunctionConfiguration",
    "get_metric_data": "cloudwatch:GetMetricData",
}
"""What a policy has to allow for each operation."""

NOT_ASKED = "NotAsked"
"""Code of metrics that were not asked for because the functions are not known: another failure is the cause."""

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"}
_THROTTLED = {"RequestLimitExceeded", "TooManyRequestsException", "SlowDown"}
_NOT_VALID = {
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "OptInRequired", "RequestExpired",
    "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
}  # fmt: skip


def advice(code: str, operation: str) -> str | None:
    """What to do, in a sentence without its full stop; None for a code that is not known."""
    if code in _DENIED:
        if operation == "assume_role":
            return (
                "Allow the caller to assume this role (conf/iam/collector-policy.json), and check whether the role is "
                "there and trusts the caller's account with this external_id (conf/iam/read-role.yaml)"
            )
        return f"Allow {ACTIONS.get(operation, operation)} (conf/iam/read-policy.json)"
    if code in _THROTTLED or "Throttl" in code:
        return "AWS throttled all attempts: poll less often, or raise collect_attempts in the settings"
    if code in _NOT_VALID:
        return "Renew the credentials; if they are valid: is the region enabled in this account?"
    if code in _NO_CREDENTIALS:
        return "Give credentials as for the AWS CLI: AWS_PROFILE, a role of the machine, or AWS_ACCESS_KEY_ID"
    if code == "WrongAccountError":
        return "Give the account a role_name in the settings"
    return None
