"""Whose interface is it? EC2 says so only in the description, the type, the attachment and tags."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

# (kind, pattern on the description): the first group is the resource's name. Of two that match the first counts.
# Lambda: with and without uuid both occur; before September 2019 the name was not in the description.
_LAMBDA = (
    ("lambda", rf"^AWS Lambda VPC ENI-([A-Za-z0-9_-]+?)(?:-{_UUID})?$"),
    ("lambda", r"^AWS Lambda VPC ENI(: |-)"),
)
# Then the role's session was named after the function. Now it is the account's number, or `awslambda_<n>_<time>`.
_SESSION, _NO_NAME = r"^A[A-Z0-9]+:([A-Za-z0-9_-]+)$", r"^([0-9]{12}|awslambda_.*|)$"
# Where the description holds a name that people gave.
_NAMED = (
    ("load_balancer", r"^ELB (?:app|net|gwy)/([^/]+)/"),
    ("load_balancer", r"^ELB (.+)$"),
    # A node of a replication group ends in -001, of a shard in -0001-001: the group is the resource.
    ("elasticache", r"^ElastiCache[ +](.+?)(?:-[0-9]{4})?(?:-[0-9]{3})?$"),
    ("rds_proxy", r"^Network interface for DBProxy (\S+)"),
    ("opensearch", r"^ES (\S+)"),
    ("dax", r"^DAX (\S+)"),
    ("msk", r"Amazon MSK network interface for cluster arn:[^:]*:kafka:[^:]*:[^:]*:cluster/([^/]+)/"),
    ("eks", r"^Amazon EKS (\S+)"),
    ("firehose", r"^Amazon Kinesis Firehose - (\S+?)\.?$"),
    ("glue", r"^Attached to Glue using role: arn:[^:]*:iam::[0-9]*:role/(?:.*/)?([^/]+)$"),
)
# Where it holds an id: a Name tag says more.
_IDENTIFIED = (
    ("vpc_endpoint", r"^VPC Endpoint Interface (vpce-[0-9a-f]+)"),
    ("nat_gateway", r"^Interface for NAT Gateway (nat-[0-9a-f]+)"),
    ("efs", r"^EFS mount target for (fs-[0-9a-f]+)"),
    ("transit_gateway", r"^Network Interface for Transit Gateway Attachment (tgw-attach-[0-9a-f]+)"),
    ("directory", r"^AWS created network interface for directory (d-[0-9a-f]+)"),
    ("resolver", r"^Route 53 Resolver: (rslvr-[a-z]+-[0-9a-f]+)"),
    ("sagemaker", r"SageMaker .*?(d-[0-9a-z]+|notebook-instance/[^\]\s]+)"),
)
# Where it only says what sort of thing it is.
_SORTED = (
    # Neptune and DocumentDB call their interfaces RDS's, too.
    ("rds", r"^RDSNetworkInterface$"),
    ("redshift", r"^RedshiftNetworkInterface$"),
    ("dms", r"^DMSNetworkInterface$"),
    ("ecs", r"^arn:[^:]*:ecs:[^:]*:[0-9]*:attachment/"),
    ("eks", r"^aws-k8s-branch-eni"),
    ("emr", r"^AWS ElasticMapReduce"),
    ("workspaces", r"^Created By Amazon Workspaces"),
    ("api_gateway", r"^ENI managed by APIGateway"),
    ("cloudhsm", r"^CloudHs[mM] "),
    ("cloudhsm", r"^CloudHSM "),
    ("sagemaker", r"(?:ENI managed by|created to access resources in your VPC for) SageMaker"),
    ("codestar", r"^AWS CodeStar Connections"),
)

_TYPES = {
    "nat_gateway": "nat_gateway",
    "natGateway": "nat_gateway",
    "vpc_endpoint": "vpc_endpoint",
    "gateway_load_balancer_endpoint": "vpc_endpoint",
    "load_balancer": "load_balancer",
    "network_load_balancer": "load_balancer",
    "gateway_load_balancer": "load_balancer",
    "transit_gateway": "transit_gateway",
    "api_gateway_managed": "api_gateway",
    "quicksight": "quicksight",
    "aws_codestar_connections_managed": "codestar",
}

# Their interfaces come and go with each task: what stays is the security group.
_SHORT_LIVED = ("ecs", "emr")


def owner_kind(description: str, interface_type: str, instance_id: str) -> Column:
    """What sort of resource an interface belongs to, from the three columns named.

    A description is free text that anybody may write who may create interfaces; an attached instance and
    the type are not, so they come first.
    """
    # `coalesce`, not nested `when`s: Spark Connect refuses expressions that are nested deeply.
    described = [
        F.when(F.col(description).rlike(pattern), ours) for ours, pattern in (*_LAMBDA, *_NAMED, *_IDENTIFIED, *_SORTED)
    ]
    typed = [F.when(F.col(interface_type) == aws, ours) for aws, ours in _TYPES.items()]
    return F.coalesce(
        F.when(F.col(interface_type) == "lambda", "lambda"),
        F.when(F.col(instance_id).isNotNull(), "ec2"),
        *described,
        *typed,
        F.lit("interface"),
    )


def owner_name(
    kind: str,
    description: str,
    instance_id: str,
    tag_name: str,
    security_group_ids: str,
    interface_id: str,
    requester_id: str,
) -> Column:
    """The resource's name, from the columns named: what people called it, else an id. `kind` is `owner_kind`'s.

    In order: a name in the description, the Name tag, an id in the description, the instance; of tasks that
    come and go, the security groups; else the interface's own id (an RDS interface says nothing of its
    database: give it a Name tag). For Lambda it is the function that caused the creation; of the kind made before
    September 2019, whose description holds a uuid alone, the requester's session if that is a name, else NULL.
    """
    called = _first_match(description, _NAMED)
    identified = _first_match(description, _IDENTIFIED)
    tag = F.nullif(F.trim(tag_name), F.lit(""))
    groups = F.when(F.col(kind).isin(*_SHORT_LIVED), F.nullif(F.col(security_group_ids), F.lit("")))
    resource = F.coalesce(called, tag, identified, F.col(instance_id), groups, F.col(interface_id))
    instance = F.coalesce(tag, F.col(instance_id))
    session = F.regexp_extract(F.col(requester_id), _SESSION, 1)
    session = F.when(~session.rlike(_NO_NAME), session)
    return (
        F.when(F.col(kind) == "lambda", F.coalesce(_first_match(description, _LAMBDA[:1]), session))
        .when(F.col(kind) == "ec2", instance)
        .otherwise(resource)
    )


def _first_match(description: str, patterns: tuple[tuple[str, str], ...]) -> Column:
    """The first group of the first pattern that matches; NULL without one."""
    found = [F.nullif(F.regexp_extract(F.col(description), pattern, 1), F.lit("")) for _, pattern in patterns]
    return F.coalesce(*found)
