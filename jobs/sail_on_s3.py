"""Sail's client, patient with S3 where Sail is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.connect.client.retries import RetryPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession

from jobs.object_store import is_broken_listing

_PLANS = 40
"""A plan over many tables lists so much that of ten made again each may break off somewhere."""


class _BrokenListing(RetryPolicy):
    """Sail 0.7 makes any call to S3 again but a listing whose answer breaks off: the plan has to be made again."""

    def __init__(self) -> None:
        super().__init__(max_retries=_PLANS, initial_backoff=50, backoff_multiplier=2, max_backoff=5_000)

    def can_retry(self, exception: BaseException) -> bool:
        return is_broken_listing(exception)


def ask_again(spark: SparkSession) -> None:
    """Let Sail's client ask again after a listing that broke off."""
    client = _client(spark)
    # Attached to an operation that failed it would get the same error for ever.
    client.disable_reattachable_execute()
    client.set_retry_policies([*client.get_retry_policies(), _BrokenListing()])


@contextmanager
def asking_once(spark: SparkSession) -> Iterator[None]:
    """Without that, for writes: they may have been done when a listing after them breaks. Nothing on Spark."""
    client = _client(spark)
    if client is None:
        yield
        return
    policies = client.get_retry_policies()
    client.set_retry_policies([policy for policy in policies if not isinstance(policy, _BrokenListing)])
    try:
        yield
    finally:
        client.set_retry_policies(policies)


def _client(spark: Any) -> Any:
    return spark.client if isinstance(spark, ConnectSession) else None
