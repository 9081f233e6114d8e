"""Who held which address, when, and how we know."""

from transforms.schemas.table import Table, columns

_BOUNDARIES = (
    ("valid_from", "timestamp", "from (inclusive); NULL = the evidence has no time"),
    ("valid_to", "timestamp", "until (exclusive); NULL = still so at the last evidence"),
    ("from_evidence", "string", "cloudtrail, snapshot, first snapshot (nothing before it was seen), undated snapshot"),
    ("from_uncertainty_seconds", "bigint", "the true start is within ± this; NULL = it may be any time earlier"),
    ("to_evidence", "string", "cloudtrail, snapshot, or address reused; NULL while open"),
    ("to_uncertainty_seconds", "bigint", "the true end is within ± this; NULL while open"),
)

INTERFACES = Table(
    name="interfaces",
    job="leases",
    partition_by="date",
    key=("account_id", "region", "interface_id", "address", "valid_from"),
    doc="A network interface and one of its addresses over [valid_from, valid_to).",
    schema=columns(
        ("account_id", "string", "owner of the interface, or unknown"),
        ("region", "string", "AWS region"),
        ("vpc_id", "string", "VPC"),
        ("subnet_id", "string", "subnet"),
        ("interface_id", "string", "eni-…"),
        ("address", "string", "one private IPv4 or IPv6 address"),
        ("security_group_ids", "string", "sorted, joined by a comma"),
        (
            "owner_kind",
            "string",
            "lambda, ec2, rds, elasticache, load_balancer, vpc_endpoint, nat_gateway, efs, interface",
        ),
        ("owner_name", "string", "the resource; for Lambda only the function that caused the creation"),
        ("description", "string", "as EC2 gives it"),
        *_BOUNDARIES,
        ("date", "date", "of valid_from; 1970-01-01 without one"),
    ),
)

FUNCTION_CONFIGS = Table(
    name="function_configs",
    job="leases",
    partition_by="date",
    key=("account_id", "region", "function_name", "version", "valid_from"),
    doc="A function version's configuration over [valid_from, valid_to).",
    schema=columns(
        ("account_id", "string", "owner, or unknown"),
        ("region", "string", "AWS region"),
        ("function_name", "string", "name without account or region"),
        ("version", "string", "$LATEST or a number"),
        ("vpc_id", "string", "VPC; NULL = outside any VPC, so without flow logs"),
        ("subnet_ids", "string", "sorted, joined by a comma"),
        ("security_group_ids", "string", "sorted, joined by a comma"),
        ("role", "string", "execution role"),
        ("code_sha256", "string", "hash of the code"),
        *_BOUNDARIES,
        ("date", "date", "of valid_from; 1970-01-01 without one"),
    ),
)

IP_LEASES = Table(
    name="ip_leases",
    job="leases",
    partition_by="date",
    key=("account_id", "region", "interface_id", "address", "owner_kind", "owner_name", "valid_from"),
    doc="An address, its interface, and one candidate owner over [valid_from, valid_to). "
    "A Lambda interface has a row for each function that may have used it.",
    schema=columns(
        ("account_id", "string", "owner of the interface, or unknown"),
        ("region", "string", "AWS region"),
        ("vpc_id", "string", "VPC"),
        ("subnet_id", "string", "subnet"),
        ("interface_id", "string", "eni-…"),
        ("address", "string", "private address"),
        ("owner_kind", "string", "lambda, ec2, rds, …"),
        ("owner_name", "string", "function name, or the resource's name"),
        (
            "basis",
            "string",
            "configuration (same subnet and security groups), creator (only the description), resource",
        ),
        *_BOUNDARIES,
        ("date", "date", "of valid_from; 1970-01-01 without one"),
    ),
)
