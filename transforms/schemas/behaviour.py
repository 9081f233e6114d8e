"""What functions did, and what was done to them, apart from traffic."""

from transforms.schemas.table import Table, columns

FUNCTION_API_CALLS = Table(
    name="function_api_calls",
    job="behave",
    key=("event_id", "account_id"),
    partition_by="date",
    doc="One AWS API call made with a function's credentials.",
    schema=columns(
        ("event_id", "string", "key in cloudtrail_events"),
        ("event_time", "timestamp", "when the request was completed (UTC)"),
        ("account_id", "string", "of the function, or unknown"),
        ("region", "string", "of the function, or unknown"),
        ("function_name", "string", "whose credentials they were"),
        (
            "identified_by",
            "string",
            "in scope of (AWS says that the function made the call), or session name (the role session bears the "
            "function's name and its role; credentials used elsewhere look like this, and so do older records)",
        ),
        ("service", "string", "s3, from s3.amazonaws.com"),
        ("action", "string", "GetObject"),
        ("error_code", "string", "NULL: it succeeded"),
        ("api_region", "string", "the region that was called"),
        ("source_ip_address", "string", "where the call came from: an address, or a service's name"),
        ("vpc_endpoint_id", "string", "it came through this endpoint"),
        ("user_agent", "string", ""),
        ("invoked_by", "string", "a service made the call on the function's behalf"),
        ("role_arn", "string", "the role"),
        ("read_only", "boolean", ""),
        ("date", "date", "of event_time"),
    ),
)

FUNCTION_CHANGES = Table(
    name="function_changes",
    job="behave",
    key=("event_id", "account_id", "region", "function_name", "change"),
    partition_by="date",
    doc="One change, or attempt to change, a function or what watches it, as CloudTrail tells.",
    schema=columns(
        ("event_id", "string", "key in cloudtrail_events"),
        ("event_time", "timestamp", "when the request was completed (UTC)"),
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("function_name", "string", "the function; NULL: a change to the account's own sight (flow logs, trails)"),
        (
            "change",
            "string",
            "code, configuration, layer, role, role policy (of its execution role), vpc, environment, url, permission, "
            "trigger, concurrency, created, deleted, published, alias, log group; flow logs, trail, guardduty",
        ),
        ("event_name", "string", "the API call"),
        ("principal", "string", "who: the ARN without the session's name, else the service or account"),
        ("source_ip_address", "string", "from where"),
        ("user_agent", "string", ""),
        ("error_code", "string", "set: it was refused, and changed nothing"),
        ("detail", "string", "what it was changed to, in words, as far as CloudTrail says"),
        ("opens_to", "string", "who else may call the function now: anybody, another account; NULL: nobody new"),
        ("date", "date", "of event_time"),
    ),
)

FUNCTION_METRICS_HOURLY = Table(
    name="function_metrics_hourly",
    job="behave",
    key=("account_id", "region", "function_name", "hour"),
    partition_by="date",
    doc="CloudWatch's minutes of a function by the hour. Hours without a point are missing: a missing point is not 0.",
    schema=columns(
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("function_name", "string", "function"),
        ("hour", "timestamp", "start of the hour (UTC)"),
        ("minutes", "bigint", "minutes with a point of Invocations"),
        ("invocations", "double", "how many"),
        ("peak_invocations", "double", "in the busiest minute"),
        ("errors", "double", "how many; NULL: the metric was not polled"),
        ("throttles", "double", "how many were refused"),
        ("duration_seconds", "double", "all of them together: the mean times the invocations of each minute"),
        ("longest_seconds", "double", "the longest"),
        ("concurrent_executions", "double", "the most at once"),
        ("peak_minute", "timestamp", "the busiest minute"),
        ("date", "date", "of the hour"),
    ),
)
