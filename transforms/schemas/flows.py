"""Traffic with a name to it."""

from transforms.schemas.table import Table, columns

FUNCTION_FLOWS = Table(
    name="function_flows",
    job="attribute",
    key=("conversation_id", "function_name"),
    partition_by="date",
    doc="One conversation of a Lambda interface with a peer in one minute, "
    "once for each function that may have held it.",
    schema=columns(
        ("conversation_id", "string", "hash of interface, addresses, ports, protocol and window"),
        ("window_start", "timestamp", "the minute in which the records start (UTC)"),
        ("start_time", "timestamp", "earliest record start"),
        ("end_time", "timestamp", "latest record end"),
        ("account_id", "string", "account, or unknown"),
        ("region", "string", "region, or unknown"),
        ("vpc_id", "string", "VPC"),
        ("interface_id", "string", "the Lambda interface"),
        ("local_addr", "string", "its address"),
        ("local_port", "int", "its port"),
        ("peer_addr", "string", "the other side's address"),
        ("peer_port", "int", "the other side's port"),
        ("protocol", "int", "IANA number; -1 = the log does not say"),
        ("peer_kind", "string", "aws_service, rds, ec2, load_balancer, …, network, address"),
        ("peer_name", "string", "the resource that held the address then, the service, the network, or the address"),
        ("peer_internal", "boolean", "inside: private ranges and configured internal networks"),
        ("bytes_out", "bigint", "sent by the function"),
        ("bytes_in", "bigint", "received by it"),
        ("packets_out", "bigint", "sent by the function"),
        ("packets_in", "bigint", "received by it"),
        ("rejected", "boolean", "every record of it was a REJECT"),
        ("function_name", "string", "candidate; NULL when no lease says"),
        ("candidates", "string", "all candidates, sorted, joined by a comma"),
        (
            "plausible",
            "string",
            "those of them with at least 5 % (all, if none has it): their behaviour is learned from it",
        ),
        ("probability", "double", "that this function held it; the rows of a conversation add up to 1"),
        (
            "attribution",
            "string",
            "unique; weighted (several candidates, probabilities from evidence); shared (several, no evidence: equal "
            "parts); presumed (only evidence that is later says so); unknown",
        ),
        (
            "evidence",
            "string",
            "what the probability rests on: sole candidate, creator name, or some of data events, api calls and "
            "invocations; empty: nothing tells the candidates apart",
        ),
        ("date", "date", "of window_start"),
    ),
)

FUNCTION_ACTIVITY_HOURLY = Table(
    name="function_activity_hourly",
    job="attribute, behave",
    key=("account_id", "region", "function_name", "candidates", "hour", "behaviour", "thing"),
    partition_by="date",
    doc="Function × hour × peer or API: the compact history that baselines are built from.",
    schema=columns(
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("function_name", "string", "candidate function"),
        ("candidates", "string", "the plausible candidates of these conversations; of API calls the function itself"),
        (
            "bystanders",
            "string",
            "others with 0.1 to 5 %: what is normal for one of them, or it did more often that day, is no news; "
            "nothing is learned of them",
        ),
        ("hour", "timestamp", "start of the hour (UTC)"),
        ("behaviour", "string", "peer (it spoke with), api call, api error, api region"),
        ("thing", "string", "which one: protocol|port|kind|name of a peer, s3:GetObject, s3:GetObject AccessDenied, …"),
        ("peer_kind", "string", "what the peer is"),
        ("peer_name", "string", "its name"),
        ("peer_internal", "boolean", "inside the account's networks"),
        ("peer_port", "int", "its port"),
        ("protocol", "int", "IANA number"),
        ("events", "bigint", "conversation windows, or API calls"),
        ("bytes_out", "bigint", "sent by the interface in them"),
        ("bytes_in", "bigint", "received"),
        ("first_time", "timestamp", "first window or call"),
        ("last_time", "timestamp", "last one"),
        ("first_evidence", "string", "key of the first one in function_flows or function_api_calls"),
        ("first_peer_addr", "string", "address of the peer in the first one; of a call its source"),
        ("first_local_addr", "string", "address of the function in the first one"),
        ("date", "date", "of the hour"),
    ),
)

_ACCOUNTS = "(account's row) "
_FUNCTIONS = "(function's row) "

COVERAGE = Table(
    name="coverage",
    job="attribute",
    key=("account_id", "region", "date", "function_name"),
    partition_by="date",
    doc="What was and was not seen, per day and function (function_name NULL: the account, and what is nobody's). "
    "Files that were lost cannot be counted: AWS numbers neither them nor records, so they show only as gaps.",
    schema=columns(
        ("account_id", "string", "account"),
        ("region", "string", "region"),
        ("date", "date", "day (UTC)"),
        ("function_name", "string", "function; NULL = not known whose, and the whole account"),
        ("unique_conversations", "bigint", "with one candidate"),
        ("weighted_conversations", "double", "this function's part of those with several, by evidence"),
        ("shared_conversations", "double", "its equal part of those with several that no evidence tells apart"),
        ("presumed_conversations", "double", "its part of those before the first snapshot, which says what came later"),
        ("unknown_conversations", "bigint", "on a Lambda interface that no lease covers"),
        ("unique_bytes", "bigint", "of unique_conversations, sent and received"),
        ("weighted_bytes", "bigint", "its part of the bytes, conversation by conversation, like those that follow"),
        ("shared_bytes", "bigint", ""),
        ("presumed_bytes", "bigint", ""),
        ("unknown_bytes", "bigint", ""),
        (
            "in_vpc",
            "boolean",
            _FUNCTIONS
            + "false: outside any VPC that day, so that no flow log can show it; NULL: no configuration known",
        ),
        ("data_events", "boolean", _FUNCTIONS + "CloudTrail data events of that day name an interface of it"),
        (
            "gain_conversations",
            "double",
            _FUNCTIONS + "what data events would settle of it: the sum of probability × (1 − the highest probability "
            "of the conversation), where no data event told",
        ),
        ("skipdata_records", "bigint", _ACCOUNTS + "records that AWS says it skipped: each may hide many flows"),
        ("nodata_records", "bigint", _ACCOUNTS + "windows without traffic"),
        (
            "gap_interfaces",
            "bigint",
            _ACCOUNTS + "Lambda interfaces with a gap: not even a NODATA line for more than two windows and two "
            "minutes; NULL: the flow logs have no NODATA lines, so that silence and loss look alike",
        ),
        ("gap_seconds", "bigint", _ACCOUNTS + "how long these gaps are together, interface by interface"),
        ("interface_polls", "bigint", _ACCOUNTS + "answers of DescribeNetworkInterfaces that list everything"),
        (
            "interface_polls_missed",
            "bigint",
            _ACCOUNTS + "estimate: gap ÷ the day's usual distance − 1, where that is more than none",
        ),
        ("function_polls", "bigint", _ACCOUNTS + "answers of ListFunctions that list everything"),
        ("function_polls_missed", "bigint", _ACCOUNTS + "estimate, likewise"),
        (
            "interface_polls_failed",
            "bigint",
            _ACCOUNTS + "polls of interfaces that AWS did not answer: denied, throttled …; also where the account "
            "could not be entered",
        ),
        ("function_polls_failed", "bigint", _ACCOUNTS + "polls of functions, or of the state of those just changed"),
        ("metric_polls_failed", "bigint", _ACCOUNTS + "polls of functions' metrics"),
        ("last_poll_error", "string", _ACCOUNTS + "AWS's code of the day's last failure; NULL: none failed"),
        ("unleased_interfaces", "bigint", _ACCOUNTS + "Lambda interfaces with unknown_conversations"),
    ),
)
