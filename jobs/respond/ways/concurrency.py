"""Reserved concurrency 0: no new invocation of the functions starts."""

from __future__ import annotations

from dataclasses import replace

from botocore.exceptions import ClientError

from jobs.respond.model import Aws, Case, Change, Seen, State, Way
from jobs.respond.radius import what_stops

NAME = "reserved concurrency"
RESERVED = "reserved concurrency of a function"
_KEY = "ReservedConcurrentExecutions"
_CANNOT = (
    "Invocations that run go on to their end, for up to 15 minutes.",
    "Credentials that were taken from the function stay valid: deny its role, too.",
    "Somebody who may call PutFunctionConcurrency can raise it again.",
)


def plan(case: Case, seen: Seen | None) -> Way:
    """0 for each function of the alert, from what is reserved for it now."""
    does = "Let no new invocation of the functions start: callers are throttled (429)."
    base = Way(NAME, "Stop the functions (reserved concurrency 0)", does, cannot=_CANNOT)
    if not case.functions:
        return replace(base, obstacle=case.without("function"))
    rows = what_stops(case, case.functions)
    work = ", ".join(f"{row['who']} {row['invocations']:,} times on {row['busy_days']} days" for row in rows)
    costs: tuple[str, ...] = (
        f"Everything that the functions do stops. Since {case.history.first_day} there were invocations of: {work}.",
        "Synchronous callers get errors. Asynchronous events wait for up to 6 hours, and are then dropped or go to the "
        "dead-letter queue; streams and queues wait.",
    )
    if len(case.functions) > 1:
        costs += ("The alert is about one of them, which share an interface: all are stopped.",)
    base = replace(base, radius=rows, costs=costs)
    if seen is None:
        return base
    if "concurrency" in seen.failures:
        return replace(base, obstacle=seen.failures["concurrency"])
    changes = tuple(
        Change(
            RESERVED,
            name,
            f"{name}: reserved concurrency 0, instead of {'none' if former is None else former}",
            former,
            0,
        )
        for name, former in ((name, seen.concurrency.get(name)) for name in case.functions)
        if former != 0
    )
    if not changes:
        return replace(base, obstacle="their reserved concurrency is 0 already")
    return replace(base, changes=changes)


def look(aws: Aws, change: Change, action_id: str) -> State:
    """What is reserved now. There are no tags on it: 0 is ours."""
    del action_id
    try:
        now = aws("lambda").get_function_concurrency(FunctionName=change.resource).get(_KEY)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return State.other
        raise
    if now == change.after:
        return State.ours
    return State.before if now == change.before else State.other


def do(aws: Aws, change: Change, action_id: str) -> None:
    """Reserve 0."""
    del action_id
    aws("lambda").put_function_concurrency(FunctionName=change.resource, **{_KEY: change.after})


def undo(aws: Aws, change: Change, action_id: str) -> None:
    """Reserve what was reserved before, or nothing."""
    del action_id
    if change.before is None:
        aws("lambda").delete_function_concurrency(FunctionName=change.resource)
    else:
        aws("lambda").put_function_concurrency(FunctionName=change.resource, **{_KEY: change.before})
