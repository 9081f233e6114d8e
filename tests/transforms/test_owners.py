"""Whose interface it is, from descriptions as AWS writes them (real ones where the comment says so)."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.rows import frame, rows_of
from transforms.owners import owner_kind, owner_name
from transforms.schemas.table import columns

SCHEMA = columns(
    *[
        (n, "string", "")
        for n in ("interface_id", "description", "interface_type", "instance_id", "name", "groups", "requester_id")
    ]
)
UUID = "8c7ac78b-e11d-4dea-8a47-ab2bdeba9bf5"
PLAIN, LAMBDA = "interface", "lambda"

# (description, type, instance, Name tag) → (kind, name)
CASES: list[tuple[tuple[str | None, str | None, str | None, str | None], tuple[str, str | None]]] = [
    # Lambda: recorded 2023; without uuid; before September 2019 (recorded); a name with hyphens and digits.
    ((f"AWS Lambda VPC ENI-test-python-{UUID}", LAMBDA, None, None), ("lambda", "test-python")),
    (("AWS Lambda VPC ENI-orders", LAMBDA, None, None), ("lambda", "orders")),
    (("AWS Lambda VPC ENI: 26578289-8b35-4f36-a046-ceda51a45800", PLAIN, None, None), ("lambda", None)),
    ((f"AWS Lambda VPC ENI-a-1-b_2-{UUID}", PLAIN, None, None), ("lambda", "a-1-b_2")),
    ((None, LAMBDA, None, "tagged"), ("lambda", None)),
    (("AWS Lambda VPC ENI-no, such; name", LAMBDA, None, None), ("lambda", None)),
    # Anybody can write a description on an instance's interface.
    ((f"AWS Lambda VPC ENI-forged-{UUID}", PLAIN, "i-1", None), ("ec2", "i-1")),
    (("RDSNetworkInterface", PLAIN, "i-1", "bastion"), ("ec2", "bastion")),
    # Load balancers: application, network, gateway, classic (recorded).
    (("ELB app/payments/50dc6c495c0c9188", PLAIN, None, None), ("load_balancer", "payments")),
    (("ELB net/ingress/50dc6c495c0c9188", "network_load_balancer", None, None), ("load_balancer", "ingress")),
    (("ELB gwy/inspection/50dc6c495c0c9188", "gateway_load_balancer", None, None), ("load_balancer", "inspection")),
    (("ELB test-load-balancer", None, None, None), ("load_balancer", "test-load-balancer")),
    # Databases and caches: RDS says no name, so a tag does, else the interface; a cache node names its group.
    (("RDSNetworkInterface", PLAIN, None, "orders-db"), ("rds", "orders-db")),
    (("RDSNetworkInterface", PLAIN, None, None), ("rds", "eni-1")),
    (("RDSNetworkInterface", PLAIN, None, "  "), ("rds", "eni-1")),
    (("Network interface for DBProxy proxy-1", PLAIN, None, None), ("rds_proxy", "proxy-1")),
    (("ElastiCache session-cache-001", PLAIN, None, None), ("elasticache", "session-cache")),
    (("ElastiCache sharded-0001-002", PLAIN, None, None), ("elasticache", "sharded")),
    (("ElastiCache gen2-redis", PLAIN, None, None), ("elasticache", "gen2-redis")),
    (("ElastiCache+gen2", PLAIN, None, None), ("elasticache", "gen2")),
    (("RedshiftNetworkInterface", PLAIN, None, None), ("redshift", "eni-1")),
    (("DMSNetworkInterface", PLAIN, None, None), ("dms", "eni-1")),
    (("ES gen2", PLAIN, None, None), ("opensearch", "gen2")),
    (("DAX sessions", PLAIN, None, None), ("dax", "sessions")),
    (
        ("DO NOT DELETE - Amazon MSK network interface for cluster arn:aws:kafka:eu-west-2:766176144542:"
         "cluster/kafka-cluster/6411a16c-75d7-48b0-afdb-8ed466fe2072-2.", PLAIN, None, None),
        ("msk", "kafka-cluster"),
    ),
    # The network's own (recorded): an id, unless a tag says more.
    (("VPC Endpoint Interface vpce-0929ee4b892d", "vpc_endpoint", None, None), ("vpc_endpoint", "vpce-0929ee4b892d")),
    (("VPC Endpoint Interface vpce-0929ee4b892d", "vpc_endpoint", None, "secrets"), ("vpc_endpoint", "secrets")),
    ((None, "gateway_load_balancer_endpoint", None, None), ("vpc_endpoint", "eni-1")),
    (("Interface for NAT Gateway nat-001ede673d09", "nat_gateway", None, None), ("nat_gateway", "nat-001ede673d09")),
    ((None, "natGateway", None, None), ("nat_gateway", "eni-1")),
    (
        ("Network Interface for Transit Gateway Attachment tgw-attach-063138e0", "transit_gateway", None, None),
        ("transit_gateway", "tgw-attach-063138e0"),
    ),
    (
        ("EFS mount target for fs-017557a9f00b1bec9 (fsmt-0fca46e06dcfff8e2)", "efs", None, None),
        ("efs", "fs-017557a9f00b1bec9"),
    ),
    (("AWS created network interface for directory d-90677cc91c", PLAIN, None, None), ("directory", "d-90677cc91c")),
    (("Route 53 Resolver: rslvr-in-55829d25693e4b729:rni-9494385465134fa5a", PLAIN, None, None),
     ("resolver", "rslvr-in-55829d25693e4b729")),
    # Containers and jobs: tasks come and go, so their security group names them.
    (
        ("arn:aws:ecs:us-east-1:644160558196:attachment/c8773f8d-1317-457a-ba3c-b57775ac6a04", PLAIN, None, None),
        ("ecs", "sg-1,sg-2"),
    ),
    (("arn:aws:ecs:us-east-1:1:attachment/c8773f8d", PLAIN, None, "checkout"), ("ecs", "checkout")),
    (("Amazon EKS prod-agents", PLAIN, None, None), ("eks", "prod-agents")),
    (("aws-k8s-branch-eni", "branch", None, None), ("eks", "eni-1")),
    (("aws-K8S-i-0123456789abcdef0", PLAIN, "i-0123456789abcdef0", None), ("ec2", "i-0123456789abcdef0")),
    (("Attached to Glue using role: arn:aws:iam::402683911681:role/x/etl", PLAIN, None, None), ("glue", "etl")),
    (("AWS ElasticMapReduce - j-1", PLAIN, None, None), ("emr", "sg-1,sg-2")),
    (("CloudHsm ENI", PLAIN, None, None), ("cloudhsm", "eni-1")),
    (("[DO NOT DELETE] ENI managed by SageMaker for Studio Domain (d-abc)", PLAIN, None, None), ("sagemaker", "d-abc")),
    (("ENI managed by APIGateway", PLAIN, None, None), ("api_gateway", "eni-1")),
    ((None, "api_gateway_managed", None, None), ("api_gateway", "eni-1")),
    # Instances, and what nobody says anything of.
    ((None, PLAIN, "i-1", "payroll-01"), ("ec2", "payroll-01")),
    (("Primary network interface", PLAIN, "i-1", None), ("ec2", "i-1")),
    ((None, PLAIN, None, "appliance"), ("interface", "appliance")),
    (("private", PLAIN, None, None), ("interface", "eni-1")),
    ((None, None, None, None), ("interface", "eni-1")),
    (("", "", None, ""), ("interface", "eni-1")),
    (("ELB app/'; DROP TABLE x; --/1", PLAIN, None, None), ("load_balancer", "'; DROP TABLE x; --")),
]  # fmt: skip


def test_owners(spark: SparkSession) -> None:
    rows: list[dict[str, Any]] = [
        {
            "interface_id": "eni-1",
            "groups": "sg-1,sg-2",
            "description": d,
            "interface_type": t,
            "instance_id": i,
            "name": n,
        }
        for (d, t, i, n), _ in CASES
    ]
    data = frame(spark, SCHEMA, rows).withColumn("kind", owner_kind("description", "interface_type", "instance_id"))
    named = data.withColumn(
        "owner", owner_name("kind", "description", "instance_id", "name", "groups", "interface_id", "requester_id")
    )
    keys = ("description", "interface_type", "instance_id", "name")
    found = {tuple(r[k] for k in keys): (r["kind"], r["owner"]) for r in rows_of(named.select("*", F.lit(1)))}
    for given, expected in CASES:
        assert found[given] == expected, given


def test_lambda_before_2019_is_named_by_its_requester(spark: SparkSession) -> None:
    """The second and third recorded; a name in the description counts first."""
    old = "AWS Lambda VPC ENI: 26578289-8b35-4f36-a046-ceda51a45800"
    cases = [
        (f"AWS Lambda VPC ENI-orders-{UUID}", "AROAIYDDMMXM3QFS5LEKZ:other", "orders"),
        (old, "AROAIYDDMMXM3QFS5LEKZ:deploy-lambda", "deploy-lambda"),
        (old, "AROAZL6XWCR2C7JFOQ5SJ:644160558196", None),
        (old, "AROAZL6XWCR2C7JFOQ5SJ:awslambda_282_20211202220456968", None),
        (old, "644160558196", None),
        (old, None, None),
    ]
    rows = [
        {"interface_id": str(n), "description": text, "requester_id": requester}
        for n, (text, requester, _) in enumerate(cases)
    ]
    data = frame(spark, SCHEMA, rows).withColumn("kind", owner_kind("description", "interface_type", "instance_id"))
    name = owner_name("kind", "description", "instance_id", "name", "groups", "interface_id", "requester_id")
    found = {row["interface_id"]: row["owner"] for row in rows_of(data.withColumn("owner", name))}
    assert found == {str(n): expected for n, (_, _, expected) in enumerate(cases)}
