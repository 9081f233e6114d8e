"""Whose interface is it? EC2 says so only in the description, the type and the attachment."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

# (kind, pattern on the description): the first group is the resource's name.
# Lambda: with and without uuid both occur; before September 2019 the name was not in the description.
_DESCRIPTIONS = (
    ("lambda", rf"^AWS Lambda VPC ENI-(.+?)(?:-{_UUID})?$"),
    ("lambda", r"^AWS Lambda VPC ENI: ()"),
    ("load_balancer", r"^ELB (?:app|net|gwy)/([^/]+)/"),
    ("load_balancer", r"^ELB (.+)$"),
    ("elasticache", r"^ElastiCache (.+)$"),
    ("vpc_endpoint", r"^VPC Endpoint Interface (\S+)"),
    ("nat_gateway", r"^Interface for NAT Gateway (\S+)"),
    ("efs", r"^EFS mount target for (\S+)"),
    ("rds", r"^RDSNetworkInterface()"),
)

_TYPES = {
    "lambda": "lambda",
    "nat_gateway": "nat_gateway",
    "natGateway": "nat_gateway",
    "vpc_endpoint": "vpc_endpoint",
    "load_balancer": "load_balancer",
    "network_load_balancer": "load_balancer",
    "gateway_load_balancer": "load_balancer",
}


def owner_kind(description: str, interface_type: str, instance_id: str) -> Column:
    """What sort of resource an interface belongs to, from the three columns named."""
    kind = F.lit("interface")
    kind = F.when(F.col(instance_id).isNotNull(), "ec2").otherwise(kind)
    for aws, ours in _TYPES.items():
        kind = F.when(F.col(interface_type) == aws, ours).otherwise(kind)
    for ours, pattern in reversed(_DESCRIPTIONS):
        kind = F.when(F.col(description).rlike(pattern), ours).otherwise(kind)
    return kind


def owner_name(description: str, interface_type: str, instance_id: str, tag_name: str, interface_id: str) -> Column:
    """The resource's name: from the description, the Name tag, the instance, else the interface's id.

    For Lambda it is only the function that caused the creation; NULL for the kind made before
    September 2019, whose description holds a uuid alone.
    """
    kind = owner_kind(description, interface_type, instance_id)
    described = F.lit(None).cast("string")
    for _, pattern in reversed(_DESCRIPTIONS):
        found = F.regexp_extract(F.col(description), pattern, 1)
        described = F.when(F.col(description).rlike(pattern), F.when(found != "", found)).otherwise(described)
    other = F.coalesce(described, F.col(tag_name), F.col(instance_id), F.col(interface_id))
    return F.when(kind == "lambda", described).otherwise(other)
