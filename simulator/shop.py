"""The shop: a small company's account, the same whatever the seed."""

from __future__ import annotations

from typing import Any

from simulator.account import ACCOUNT, SUBNET_A, SUBNET_B, Account, Call, Function, Handover, Resource, group, hosts

_SECRETS = "secretsmanager.amazonaws.com"
_NETWORKS = ((SUBNET_A, "10.0.1.0/24", 101), (SUBNET_B, "10.0.2.0/24", 101))


def shop(seconds: float) -> Account:
    """The account over so many seconds: after a third of them, RDSQueryLogger's address goes to SearchIndexer."""
    handover = Handover(SUBNET_A, group("rds-query-logger"), group("search"), gone=seconds / 3 + 433, pause=120)
    return Account(_functions(), _resources(), (handover,), _NETWORKS)


def _resources() -> tuple[Resource, ...]:
    """Everything in the VPC that is not a function."""
    balancer = "ELB app/payments/50dc6c495c0c9188"
    elb: dict[str, Any] = {"requester": "amazon-elb", "owner": "amazon-elb"}
    rds: dict[str, Any] = {"requester": "amazon-rds", "owner": "amazon-rds"}
    cache: dict[str, Any] = {"requester": "amazon-elasticache", "owner": "amazon-elasticache"}
    aws: dict[str, Any] = {"requester": ACCOUNT, "owner": "amazon-aws"}
    endpoint = "VPC Endpoint Interface vpce-0aa11bb22cc33dd44"
    nat = "Interface for NAT Gateway nat-0123456789abcdef0"
    return (
        Resource("orders-db", "10.0.1.10", "RDSNetworkInterface", **rds),
        Resource("reports-db", "10.0.1.11", "RDSNetworkInterface", **rds),
        Resource("session-cache", "10.0.1.20", "ElastiCache session-cache-001", **cache),
        Resource("payments-a", "10.0.1.30", balancer, **elb),
        Resource("payments-b", "10.0.2.30", balancer, **elb),
        Resource("secrets-endpoint", "10.0.1.40", endpoint, "vpc_endpoint", **aws, source=_SECRETS),
        Resource("nat", "10.0.1.50", nat, "nat_gateway", **aws),
        Resource("payroll-01", "10.0.1.60", ""),
        Resource("search-01", "10.0.1.61", ""),
    )


def _functions() -> tuple[Function, ...]:
    """A small company's functions: static and bursty ones, shared interfaces, some that deployments change."""
    orders = Call(("10.0.1.10",), 5432, "orders-db", bytes_in=12_000)
    reports = Call(("10.0.1.11",), 5432, "reports-db", bytes_in=60_000, seconds=15)
    cache = Call(("10.0.1.20",), 6379, "session-cache", bytes_in=800)
    balancer = Call(("10.0.1.30", "10.0.2.30"), 443, "payments")
    search = Call(("10.0.1.61",), 9200, "search-01", bytes_out=6_000)
    s3 = Call(hosts("203.0.113", 128, 140), 443, "S3", service="S3", bytes_out=20_000)
    dynamo = Call(hosts("203.0.113", 192, 200), 443, "DYNAMODB", service="DYNAMODB")
    tables = _api(dynamo, "dynamodb.amazonaws.com", "DescribeTable", 0.1)
    mail = Call(hosts("198.51.100", 16, 24), 443, "mail-saas")
    partner = Call(("203.0.113.10",), 443, "partner-api", bytes_out=3_000)
    web = Call(hosts("192.0.2", 1, 255), 443, "the web", bytes_in=40_000)
    both = (SUBNET_A, SUBNET_B)
    return (
        Function("RDSQueryLogger", group("rds-query-logger"), (orders, _secrets(0.1)), ("every", 300)),
        Function(
            "OrderIngest",
            group("order-ingest"),
            (orders, cache, dynamo, _secrets(0.05)),
            ("diurnal", 300),
            both,
            deploys=(0.2, 0.5, 0.8),
        ),
        Function(
            "NightlyReport",
            group("nightly"),
            (reports, s3),
            ("every", 3_600),
            moves=(0.45, group("nightly-v2")),
        ),
        Function("MailSender", group("mail"), (mail, cache, _parameters(0.2)), ("diurnal", 150)),
        Function("LinkPreview", group("preview"), (web, cache), ("diurnal", 200)),
        # These three share one interface: same subnet, same groups.
        Function("CartService", group("shop"), (cache, balancer, _parameters(0.1)), ("diurnal", 250)),
        Function("PriceSync", group("shop"), (partner, orders), ("every", 900)),
        Function("StockCheck", group("shop"), (balancer, orders), ("every", 600)),
        # And these two share one in each of their subnets.
        Function("ThumbnailMaker", group("media"), (s3,), ("bursts", 10), both),
        Function(
            "VideoTagger",
            group("media"),
            (_labels(), dynamo),
            ("every", 1_800),
            both,
            deploys=(0.3,),
            timeout=900,
        ),
        # One that is retired early, and one that is new.
        Function("LegacyExport", group("legacy"), (reports, partner), ("every", 3_600), life=(0.0, 0.25)),
        Function("RefundHandler", group("refunds"), (orders, balancer), ("diurnal", 60), life=(0.6, 1.0)),
        Function("SearchIndexer", group("search"), (search, tables), ("every", 600)),
        Function("Webhook", (), (_workflow(),), ("diurnal", 100), (), in_vpc=False),
    )


def _api(call: Call, source: str, name: str, share: float) -> Call:
    fields = {**vars(call), "api": ((source, name),), "api_share": share}
    return Call(**fields)


def _secrets(share: float) -> Call:
    api = ((_SECRETS, "GetSecretValue"),)
    return Call(("10.0.1.40",), 443, "secrets-endpoint", share, bytes_in=2_500, seconds=0.4, api=api)


def _parameters(share: float) -> Call:
    """Systems Manager, over the internet: it has no endpoint in this VPC."""
    api = (("ssm.amazonaws.com", "GetParameter"),)
    addresses = hosts("203.0.113", 160, 164)
    return Call(addresses, 443, "AMAZON", share, seconds=0.4, service="AMAZON", api=api)


def _labels() -> Call:
    """Long calls: they reach over several windows of the flow log."""
    api = (("rekognition.amazonaws.com", "DetectLabels"),)
    addresses = hosts("203.0.113", 176, 180)
    return Call(addresses, 443, "AMAZON", bytes_out=4_000_000, seconds=180, service="AMAZON", api=api, api_share=0.5)


def _workflow() -> Call:
    api = (("states.amazonaws.com", "StartExecution"),)
    return Call(("203.0.113.181",), 443, "AMAZON", service="AMAZON", api=api, api_share=0.25)
