"""One poll of all accounts and regions. What fails is noted, and the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from conf.settings import Account, Settings
from jobs.collect import answers, metrics
from jobs.collect.access import Access, Clients, enter, own_account, regions_of
from jobs.collect.advice import NOT_ASKED
from jobs.collect.answers import Answer, Clock
from jobs.collect.failures import FAILURES, Failure, failure
from jobs.collect.store import FAILED, Poll, Row, check, store
from jobs.errors import LeaseholdError
from jobs.progress import Progress, quiet

KINDS = {
    "interfaces": "describe_network_interfaces",
    "functions": "list_functions",
    "metrics": "get_metric_data",
    "flow-logs": "describe_flow_logs",
}
"""What can be polled, in this order, and the operation that its files are named after."""


@dataclass(frozen=True)
class Polled:
    """What came of one kind, of one account and region."""

    account_id: str
    region: str
    kind: str
    count: int
    """interfaces, function versions, points or flow logs"""
    files: int


def collect(
    settings: Settings,
    only: Iterable[str] = tuple(KINDS),
    regions: tuple[str, ...] = (),
    now: Clock = answers.utc_now,
    progress: Progress = quiet,
) -> tuple[list[Polled], list[Failure]]:
    """Poll, and store what AWS answers below the raw folder; returns what came and what failed.

    `regions` are polled instead of those of the settings. Polls that failed leave a file in `snapshots/failed_polls/`.
    Raises LeaseholdError where nothing can be polled at all: no credentials, no region, no folder to write to.
    """
    check(settings.raw)
    clients = Clients(settings.collect_attempts)
    home = clients.home()
    accounts = settings.accounts or (_own(clients, regions_of(None, regions, settings.regions, home)[0]),)
    where = {account: regions_of(account, regions, settings.regions, home) for account in accounts}
    kinds = [kind for kind in KINDS if kind in set(only)]
    done = _Counter(len(kinds) * sum(map(len, where.values())), progress)
    with ThreadPoolExecutor(max(settings.collect_threads, 1)) as pool:
        entered = list(pool.map(lambda account: _enter(clients, account, where[account], settings.raw, now), accounts))
        targets = []
        for account, access in zip(accounts, entered, strict=True):
            if isinstance(access, Access):
                targets += [_Target(clients, access, region, settings.raw, now) for region in where[account]]
            else:
                done.step(len(kinds) * len(where[account]))
        polls = list(pool.map(lambda target: target.poll(kinds, done.step), targets))
    failed = [access for access in entered if isinstance(access, Failure)]
    failed += [one for target in polls for one in target if isinstance(one, Failure)]
    return [one for target in polls for one in target if isinstance(one, Polled)], failed


def _own(clients: Clients, region: str) -> Account:
    try:
        return Account(own_account(clients, region).account_id)
    except (ClientError, BotoCoreError) as error:
        said = failure(error, "", region, "get_caller_identity")
        raise LeaseholdError(f"{said.code}: {said.message}. {said.advice}") from None


def _enter(clients: Clients, account: Account, regions: list[str], raw: str, now: Clock) -> Access | Failure:
    operation = "assume_role" if account.role_arn else "get_caller_identity"
    try:
        return enter(clients, account, regions[0])
    except FAILURES as error:
        for region in regions:
            _note(failure(error, account.account_id, region, operation), raw, now)
        return failure(error, account.account_id, ", ".join(regions), operation)


def _note(failed: Failure, raw: str, now: Clock) -> None:
    """Leave a file that tells of the failure: of an account that was never polled nothing else would."""
    said = {name: value for name, value in asdict(failed).items() if name in ("code", "message", "advice")}
    poll = Poll(failed.operation, failed.account_id, failed.region, now(), {}, [], {"error": said}, FAILED)
    with suppress(OSError):  # The failure itself is reported; most likely it was this very folder.
        store(raw, poll)


class _Counter:
    """Counts what threads have done."""

    def __init__(self, of_all: int, progress: Progress) -> None:
        self._done, self._all, self._progress, self._lock = 0, of_all, progress, threading.Lock()

    def step(self, steps: int = 1) -> None:
        with self._lock:
            self._done += steps
            self._progress(self._done, self._all)


class _Target:
    """One account in one region."""

    def __init__(self, clients: Clients, access: Access, region: str, raw: str, now: Clock) -> None:
        self._account_id, self._region, self._raw, self._now = access.account_id, region, raw, now
        self._client = partial(clients.client, region=region, access=access)
        self._functions: set[str] | None = None
        """their names, once they are known"""

    def poll(self, kinds: list[str], step: Callable[[], None]) -> list[Polled | Failure]:
        """All kinds, one after the other: the interfaces first, since they come and go fastest."""
        results: list[Polled | Failure] = []
        polls: dict[str, Callable[[], list[Polled | Failure]]] = {
            "interfaces": self._interfaces,
            "functions": self._list_functions,
            "metrics": partial(self._metrics, asked="functions" in kinds),
            "flow-logs": self._flow_logs,
        }
        for kind in kinds:
            try:
                results += polls[kind]()
            except FAILURES as error:
                results.append(self._failed(error, KINDS[kind]))
            step()
        return results

    def _interfaces(self) -> list[Polled | Failure]:
        answer = answers.interfaces(self._client("ec2"), self._now)
        self._keep("interfaces", answer)
        return [self._polled("interfaces", sum(len(page["NetworkInterfaces"]) for page in answer[2]))]

    def _flow_logs(self) -> list[Polled | Failure]:
        answer = answers.flow_logs(self._client("ec2"), self._now)
        self._keep("flow-logs", answer)
        return [self._polled("flow-logs", sum(len(page["FlowLogs"]) for page in answer[2]))]

    def _list_functions(self) -> list[Polled | Failure]:
        answer, error = answers.functions(self._client("lambda"), self._now)
        self._keep("functions", answer)
        self._functions = answers.names(answer[2])
        polled = self._polled("functions", sum(len(page["Functions"]) for page in answer[2]))
        return [polled, self._failed(error, "get_function_configuration")] if error else [polled]

    def _metrics(self, asked: bool) -> list[Polled | Failure]:
        if self._functions is None and asked:
            # To ask for those of an earlier list would lose the first minutes of those that are new.
            because = "its functions are not known, as list_functions failed"
            failed = Failure(
                self._account_id, self._region, "get_metric_data", NOT_ASKED, because, "The next poll makes up for it"
            )
            _note(failed, self._raw, self._now)
            return [failed]
        current = self._functions
        if current is None:
            current = answers.names(answers.pages(self._client("lambda"), "list_functions", {}, self._now)[2])
        place, now = (self._raw, self._account_id, self._region), self._now()
        whole = metrics.span(metrics.last_end(*place, now), now)
        # Also of those that are gone by now the last minutes are wanted.
        wanted = current | metrics.functions_since(*place, whole[0], now)
        files = 0

        def keep(answer: Answer, more: Row) -> None:
            nonlocal files
            self._keep("metrics", answer, more)
            files += 1

        points = metrics.ask(self._client("cloudwatch"), wanted, whole, self._now, keep) if wanted else 0
        return [self._polled("metrics", points, files)]

    def _keep(self, kind: str, answer: Answer, more: Row | None = None) -> None:
        asked_at, request, responses = answer
        store(self._raw, Poll(KINDS[kind], self._account_id, self._region, asked_at, request, responses, more or {}))

    def _polled(self, kind: str, count: int, files: int = 1) -> Polled:
        return Polled(self._account_id, self._region, kind, count, files)

    def _failed(self, error: Exception, operation: str) -> Failure:
        failed = failure(error, self._account_id, self._region, operation)
        _note(failed, self._raw, self._now)
        return failed
