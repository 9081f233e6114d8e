"""What the DAGs have in common: how a job becomes a task, the assets, the waits, and what happens when one fails."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, BaseOperator, Param
from leasehold_airflow import commands
from leasehold_airflow.settings import Settings

HOURS = Asset("leasehold_hours")
"""hours of the lake that were run; each event says which: `{"start": …, "end": …}`"""
DAYS = Asset("leasehold_days")
"""days of the lake that were run by night, said alike: for DAGs of your own"""
WRITER, COLLECTOR, MESSENGER = "leasehold_writer", "leasehold_collector", "leasehold_messenger"
WAITING = "default_pool"
TAGS = frozenset({"leasehold", "security"})
_HOUR = timedelta(hours=1)
_LOOK_SECONDS = 60
_MESSAGE = (
    "{{ dag.dag_id }}.{{ ti.task_id }} failed for good, run {{ run_id }}: {{ exception | default('no word') }}. "
    "What to do: the Docs of the DAG in Airflow, and the log {{ ti.log_url }}"
)


def common(settings: Settings, doc: str, tags: Iterable[str]) -> dict[str, Any]:
    """What every DAG is made with; `doc` is its module's docstring: notes for the person on duty."""
    delivery = timedelta(minutes=settings.delivery_minutes)
    return {
        "doc_md": doc,
        "start_date": settings.first,
        "end_date": settings.until - timedelta(seconds=1) if settings.until else None,
        "max_active_runs": 1,
        "tags": sorted({*TAGS, *tags}),
        "user_defined_filters": {
            "quoted": shlex.quote,
            "delivered": lambda end: (moment(end) + delivery).isoformat(),
        },
        "default_args": {
            "owner": settings.owner,
            "retries": settings.retries,
            "retry_delay": timedelta(seconds=settings.retry_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=30),
            "on_failure_callback": failure_calls(settings),
        },
    }


def window_params(pattern: str, example: str) -> dict[str, Param]:
    """The form of a manual run: a window of any length, in one run."""

    def param(what: str) -> Param:
        said = f"{what} (UTC), like {example}. Empty: the last interval of the schedule."
        return Param(None, type=["null", "string"], pattern=pattern, description=said)

    return {"start": param("From"), "end": param("Until, exclusive")}


def job(
    settings: Settings, command: str, timeout: timedelta, pool: str = WRITER, told: Asset | None = None, **more: Any
) -> BaseOperator:
    """The task that starts `leasehold <command>`, over the window if it is `told` to an asset."""
    window = told is not None
    task: dict[str, Any] = {
        "task_id": command.split()[0],
        "pool": pool,
        "execution_timeout": timeout,
        "do_xcom_push": False,
        **({"outlets": [told], "post_execute": tell(told)} if told else {}),
        **more,
    }
    if commands.how(settings, command) == "emr-serverless":
        # Here, because AWS's packages need be there only where they are used, and take a second to import.
        from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator

        return EmrServerlessStartJobOperator(
            application_id=settings.application_id,
            execution_role_arn=settings.execution_role_arn,
            job_driver=commands.job_driver(settings, command, window),
            configuration_overrides=commands.monitoring(settings),
            name=f"leasehold {command}",
            config={"executionTimeoutMinutes": int(timeout / timedelta(minutes=1))},
            region_name=settings.region or None,
            # Waits without holding a worker; the pool counts it all the same.
            deferrable=True,
            waiter_delay=_LOOK_SECONDS,
            waiter_max_attempts=int(timeout / timedelta(seconds=_LOOK_SECONDS)),
            **task,
        )
    line = commands.shell_line(settings, command, window)
    return BashOperator(bash_command=line, cwd=settings.folder, **task)


def tell(asset: Asset) -> Any:
    """After the job: the asset's event says which window was run."""

    def after(context: Mapping[str, Any], result: Any) -> None:
        del result
        start, end = window_of(context)
        context["outlet_events"][asset].extra = {"start": start.isoformat(), "end": end.isoformat()}

    return after


def window_of(context: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """What was asked for, else the interval of the schedule: what `commands.START` and `END` say in Jinja."""
    params = context["params"]
    start, end = params["start"] or context["data_interval_start"], params["end"] or context["data_interval_end"]
    return moment(start), moment(end)


def hours_lacking(start: datetime, end: datetime, told: Iterable[Mapping[str, str]]) -> list[datetime]:
    """The hours of [start, end) that none of the windows told has.

    Of three hours from midnight, told `[{"start": "2026-03-11T00Z", "end": "2026-03-11T02Z"}]`, that from two.
    """
    start, end = moment(start), moment(end)
    wanted = [start + number * _HOUR for number in range(int((end - start) / _HOUR))]
    windows = [(moment(one["start"]), moment(one["end"])) for one in told]
    return [hour for hour in wanted if not any(first <= hour < last for first, last in windows)]


def failure_calls(settings: Settings) -> Sequence[Any]:
    """What is called when a task failed for good: after its last retry."""
    if not settings.sns_topic:
        return [log_failure]
    from airflow.providers.amazon.aws.notifications.sns import SnsNotifier

    region = settings.region or None
    subject = "Leasehold: {{ dag.dag_id }} failed"
    return [
        log_failure,
        SnsNotifier(target_arn=settings.sns_topic, message=_MESSAGE, subject=subject, region_name=region),
    ]


def log_failure(context: Mapping[str, Any]) -> None:
    """One line to search for in Airflow's logs."""
    ti = context["ti"]
    logging.getLogger("leasehold.airflow").error(
        "%s.%s failed for good in run %s, try %s: see the Docs of the DAG for what to do",
        ti.dag_id,
        ti.task_id,
        ti.run_id,
        ti.try_number,
    )


def moment(value: str | datetime) -> datetime:
    """As a plain datetime in UTC: Airflow's own are Pendulum's, which cannot be reckoned with like others."""
    plain = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    return plain.replace(tzinfo=UTC) if plain.tzinfo is None else plain.astimezone(UTC)
