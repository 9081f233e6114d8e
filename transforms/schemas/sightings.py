"""What polls saw and CloudTrail told, a day at a time, without the repetition: what leases are built from.

They are small, and read from their first day to their last by every run: in partitions that would be a file a day.
"""

from transforms.schemas.table import Table, columns

_SPAN = (
    ("settled", "boolean", "false: the poll shows attributes that are not in force yet"),
    ("first_at", "timestamp", "the first poll that shows it so; NULL: a snapshot that does not say when"),
    ("last_at", "timestamp", "the last one of the day, with no complete poll between that does not"),
    ("date", "date", "of the polls; 1970-01-01 without a time"),
)

POLLS = Table(
    name="polls",
    job="leases",
    key=("operation", "account_id", "region", "polled_at"),
    doc="One answer of DescribeNetworkInterfaces or ListFunctions.",
    schema=columns(
        ("operation", "string", "describe_network_interfaces or list_functions"),
        ("account_id", "string", "account, or unknown"),
        ("region", "string", "region, or unknown"),
        ("polled_at", "timestamp", "when"),
        ("complete", "boolean", "it lists everything: what is not in it was not there"),
        ("date", "date", "of polled_at"),
    ),
)

INTERFACE_SIGHTINGS = Table(
    name="interface_sightings",
    job="leases",
    key=("account_id", "region", "interface_id", "address", "first_at"),
    doc="An interface's address as consecutive polls of a day showed it, unchanged.",
    schema=columns(
        ("account_id", "string", "owner, or unknown"),
        ("region", "string", "region, or unknown"),
        ("interface_id", "string", "eni-…"),
        ("address", "string", "one private IPv4 or IPv6 address"),
        ("vpc_id", "string", "VPC"),
        ("subnet_id", "string", "subnet"),
        ("security_group_ids", "string", "sorted, joined by a comma"),
        ("owner_kind", "string", "as in interfaces"),
        ("owner_name", "string", "as in interfaces"),
        ("description", "string", "as EC2 gives it"),
        *_SPAN,
    ),
)

FUNCTION_SIGHTINGS = Table(
    name="function_sightings",
    job="leases",
    key=("account_id", "region", "function_name", "version", "first_at"),
    doc="A function version as consecutive polls of a day showed it, unchanged and without an event between.",
    schema=columns(
        ("account_id", "string", "owner, or unknown"),
        ("region", "string", "region, or unknown"),
        ("function_name", "string", "name"),
        ("version", "string", "$LATEST or a number"),
        ("vpc_id", "string", "VPC; NULL = outside any VPC"),
        ("subnet_ids", "string", "sorted, joined by a comma"),
        ("security_group_ids", "string", "sorted, joined by a comma"),
        ("role", "string", "execution role"),
        ("code_sha256", "string", "hash of the code"),
        *_SPAN,
    ),
)

LEASE_EVENTS = Table(
    name="lease_events",
    job="leases",
    key=("event_id", "account_id"),
    doc="The CloudTrail events that change interfaces or functions.",
    schema=columns(
        ("event_id", "string", "as in cloudtrail_events, like all that follows"),
        ("event_time", "timestamp", ""),
        ("event_source", "string", ""),
        ("event_name", "string", ""),
        ("error_code", "string", "NULL: it did change something"),
        ("account_id", "string", ""),
        ("region", "string", ""),
        ("request_parameters", "string", ""),
        ("response_elements", "string", ""),
        ("date", "date", "of event_time"),
    ),
)
