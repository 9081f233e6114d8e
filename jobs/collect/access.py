"""Getting into accounts. Credentials stay in memory: they are neither logged nor written."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from conf.settings import Account
from jobs.errors import LeaseholdError

_SESSION_NAME = "leasehold-collect"
"""as CloudTrail of the polled account will show it"""


@dataclass(frozen=True)
class Access:
    """An account, and the keys to it; none: the caller's own."""

    account_id: str
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


class WrongAccountError(Exception):
    """The credentials are of another account than the settings say."""


class Clients:
    """boto3 clients, made for any thread.

    A call that is throttled or not answered is made again, at a pace that adapts to what AWS lets through
    (botocore's adaptive retries).
    """

    def __init__(self, attempts: int, connect_seconds: int = 10, read_seconds: int = 60) -> None:
        try:
            self._session = boto3.Session()
        except BotoCoreError as error:  # a profile that is not there
            raise LeaseholdError(f"{error}: check AWS_PROFILE and the AWS configuration file") from None
        # Clients may be used by any thread, but a session makes them for one at a time.
        self._lock = threading.Lock()
        self._config = Config(
            retries={"mode": "adaptive", "total_max_attempts": max(attempts, 1)},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            user_agent_extra="leasehold",
        )

    def client(self, service: str, region: str, access: Access | None = None) -> Any:
        """A client of a service in a region, with an account's keys or the caller's own."""
        keys = access.keys if access else {}
        with self._lock:
            return self._session.client(service, region_name=region, config=self._config, **keys)

    def home(self) -> str | None:
        """The region that the environment or the AWS profile names."""
        return os.environ.get("AWS_REGION") or self._session.region_name


def own_account(clients: Clients, region: str) -> Access:
    """The account that the caller's credentials are of."""
    return Access(clients.client("sts", region).get_caller_identity()["Account"])


def enter(clients: Clients, account: Account, region: str, session_name: str = _SESSION_NAME) -> Access:
    """The keys to an account: its role's, for an hour, or the caller's own.

    Raises what boto3 raises, and WrongAccountError for the caller's own credentials if they are of another account.
    """
    if not account.role_arn:
        own = own_account(clients, region)
        if own.account_id != account.account_id:
            raise WrongAccountError(f"without a role only {own.account_id}, the caller's own account, can be entered")
        return own
    external = {"ExternalId": account.external_id} if account.external_id else {}
    answer = clients.client("sts", region).assume_role(
        RoleArn=account.role_arn, RoleSessionName=session_name, **external
    )
    given = answer["Credentials"]
    return Access(
        account.account_id,
        {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        },
    )


def regions_of(account: Account | None, given: tuple[str, ...], usual: tuple[str, ...], home: str | None) -> list[str]:
    """Those given, else the account's, else the usual ones, else the environment's; LeaseholdError without any."""
    found = given or (account.regions if account else ()) or usual or ((home,) if home else ())
    if not found:
        raise LeaseholdError("no region to poll: set `regions` in the settings, or give --regions, or set AWS_REGION")
    return list(dict.fromkeys(found))
