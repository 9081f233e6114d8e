"""What holds for every DAG, however it starts its jobs."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import boto3
import pendulum
import pytest
from airflow.providers.amazon.aws.hooks.emr import EmrServerlessHook
from airflow.sdk import CronDataIntervalTimetable
from airflow.sdk.exceptions import TaskDeferred
from airflow.serialization.serialized_objects import DagSerialization
from botocore.stub import Stubber
from ways import DAG_FILES, DAG_FOLDER, FIRST, PLACES, REPOSITORY, WAYS, use

Loader = Callable[[], dict[str, ModuleType]]
HOUR = {"start": pendulum.datetime(2026, 3, 11, 10), "end": pendulum.datetime(2026, 3, 11, 11)}
COMMANDS = {
    "leasehold_collect": "collect",
    "leasehold_hourly": "run hourly",
    "leasehold_nightly": "run nightly",
    "leasehold_maintain": "maintain",
    "leasehold_send": "send",
    "leasehold_expire": "respond expire",
}
NAMES = set(COMMANDS)
NO_ENGINE = {"leasehold_collect", "leasehold_send", "leasehold_expire"}
OF_TASKS = {"local": "BashOperator", "spark-submit": "BashOperator", "emr-serverless": "EmrServerlessStartJobOperator"}


def test_there_are_these_dags_and_each_is_named_as_its_file(way: str, load_dags: Loader) -> None:
    del way
    assert {file.stem for file in DAG_FILES} == NAMES
    for name, module in load_dags().items():
        assert module.dag.dag_id == name


def test_airflow_itself_loads_them_without_a_word(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    del way
    from airflow.dag_processing.dagbag import DagBag

    monkeypatch.syspath_prepend(str(DAG_FOLDER))
    bag = DagBag(DAG_FOLDER, collect_dags=True, known_pools={*pools(), "default_pool"})
    assert not bag.import_errors
    assert not any(file.warning_num for file in bag.dagbag_stats)
    assert set(bag.dags) == NAMES
    # As the scheduler and the UI see them, each is the same after a detour through the database.
    for dag in bag.dags.values():
        written = DagSerialization.to_dict(dag)
        assert DagSerialization.from_dict(json.loads(json.dumps(written))).dag_id == dag.dag_id


def pools() -> dict[str, dict[str, Any]]:
    return json.loads((DAG_FOLDER / "pools.json").read_text())


@pytest.mark.parametrize("file", sorted(DAG_FOLDER.rglob("*.py")), ids=lambda file: file.stem)
def test_nothing_of_the_project_is_imported(file: Path) -> None:
    ours = {path.name for path in REPOSITORY.iterdir() if path.is_dir() and any(path.glob("*.py"))} | {"tests"}
    assert {"jobs", "transforms", "detections", "conf", "simulator"} <= ours
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in found}
    assert not roots & ours
    assert roots <= sys.stdlib_module_names | {"airflow", "leasehold_airflow", "yaml"}


def test_every_dag_can_be_left_alone_at_night(way: str, load_dags: Loader) -> None:
    del way
    for name, module in load_dags().items():
        dag = module.dag
        assert dag.max_active_runs == 1, name
        assert isinstance(dag.schedule, CronDataIntervalTimetable), f"{name}: of another schedule the interval is empty"
        # The past can be computed again; it cannot be polled, and tables are not the better for being cared for twice.
        assert dag.catchup is (name in ("leasehold_hourly", "leasehold_nightly")), name
        assert dag.start_date == datetime(2026, 3, 11, tzinfo=UTC)
        assert {"leasehold", "security"} < set(dag.tags), name
        for task in dag.tasks:
            where = f"{name}.{task.task_id}"
            assert task.owner == "leasehold", where
            assert task.retries >= 2, where
            assert task.retry_delay >= timedelta(seconds=30), where
            assert task.retry_exponential_backoff > 1, where
            assert task.max_retry_delay <= timedelta(minutes=30), where
            assert task.execution_timeout and task.execution_timeout <= timedelta(hours=8), where
            assert task.on_failure_callback, where
            assert task.pool in {*pools(), "default_pool"}, where


def test_every_dag_says_what_to_do_when_it_fails(way: str, load_dags: Loader) -> None:
    del way
    for name, module in load_dags().items():
        doc = module.dag.doc_md
        assert doc == module.__doc__, name
        assert doc.startswith("\n### "), name
        assert "**Triage**" in doc and doc.count("\n- ") >= 3, name
        assert all(len(line) <= 120 for line in doc.splitlines()), name


def test_one_job_at_a_time_writes_the_lake(way: str, load_dags: Loader) -> None:
    """Also while EMR Serverless is waited for: Airflow calls that deferred, and by default counts it not."""
    assert pools()["leasehold_writer"] == {**pools()["leasehold_writer"], "slots": 1, "include_deferred": True}
    for name, module in load_dags().items():
        for task in module.dag.tasks:
            if task.task_type not in OF_TASKS.values():
                # Who waits must not keep others from writing.
                assert task.pool == "default_pool", f"{name}.{task.task_id}"
                continue
            assert task.task_type == OF_TASKS[way]
            no_writer = {**dict.fromkeys(NO_ENGINE, "leasehold_messenger"), "leasehold_collect": "leasehold_collector"}
            assert task.pool == no_writer.get(name, "leasehold_writer")
            assert task.pool_slots == 1


def test_assets_tie_the_nights_to_the_hours(way: str, load_dags: Loader) -> None:
    del way
    dags = {name: module.dag for name, module in load_dags().items()}
    assert [asset.name for asset in dags["leasehold_hourly"].get_task("run").outlets] == ["leasehold_hours"]
    wait, run = (dags["leasehold_nightly"].get_task(name) for name in ("wait_for_hours", "run"))
    assert [asset.name for asset in wait.inlets] == ["leasehold_hours"]
    assert run.upstream_task_ids == {"wait_for_hours"}
    assert [asset.name for asset in run.outlets] == ["leasehold_days"]


def test_an_hour_waits_for_what_aws_delivers_late(way: str, load_dags: Loader) -> None:
    del way
    dag = load_dags()["leasehold_hourly"].dag
    wait = dag.get_task("wait_for_delivery")
    assert dag.get_task("run").upstream_task_ids == {"wait_for_delivery"}
    awaited = {None: "2026-03-11T11:45", "2026-02-01": "2026-02-01T00:45", "2026-02-01T04Z": "2026-02-01T04:45"}
    for asked, until in awaited.items():
        context = {"params": {"end": asked}, "data_interval_end": HOUR["end"]}
        assert dag.get_template_env().from_string(wait.target_time).render(context) == f"{until}:00+00:00"


def rendered(module: ModuleType, **params: str) -> Any:
    """The job's task as it runs, for the hour of the schedule or what a person asks for."""
    task = next(task for task in module.dag.tasks if task.task_type in OF_TASKS.values())
    given = {"start": None, "end": None, **params}
    interval = {f"data_interval_{end}": moment for end, moment in HOUR.items()}
    task.render_template_fields({"params": given, **interval, "dag": module.dag}, module.dag.get_template_env())
    return task


def words_of(task: Any) -> list[str]:
    """What is started, as words."""
    if task.task_type == "BashOperator":
        begin, *words = shlex.split(task.bash_command)
        assert begin == "exec"
        return words
    submit = task.job_driver["sparkSubmit"]
    return [submit["entryPoint"], *submit["entryPointArguments"]]


BEGIN = {
    "local": ["/opt/lease hold/bin/leasehold"],
    "spark-submit": [
        *("spark-submit", "--master", "spark://192.0.2.1:7077", "--conf", "spark.app.name=a b"),
        "/opt/leasehold/leasehold.py",
    ],
    "emr-serverless": ["s3://example-artifacts/leasehold.py"],
}


def test_each_way_starts_the_command_over_the_interval(way: str, load_dags: Loader) -> None:
    for name, module in load_dags().items():
        words, begin = words_of(rendered(module)), BEGIN[way]
        command = COMMANDS[name].split()
        assert words[: len(begin) + len(command)] == [*begin, *command], name
        options = dict(word.split("=", 1) for word in words[len(begin) + len(command) :])
        expected = {"--config": "/etc/leasehold.yaml"}
        if name != "leasehold_collect":
            expected["--lake"] = "s3://example-lake/lake"
        if name not in NO_ENGINE:
            expected |= {"--log-format": "json"} | ({} if way == "local" else {"--engine": "spark"})
        if name == "leasehold_collect" or command[0] == "run":
            expected["--raw"] = "s3://example-raw"
        if command[0] == "run":
            expected |= {"--start": "2026-03-11T10:00:00+00:00", "--end": "2026-03-11T11:00:00+00:00"}
        assert options == expected, name


def test_a_person_may_ask_for_another_window_and_for_nothing_else(way: str, load_dags: Loader) -> None:
    for name in ("leasehold_hourly", "leasehold_nightly"):
        words = words_of(rendered(load_dags()[name], start="2026-02-01", end="2026-03-01"))
        assert {"--start=2026-02-01", "--end=2026-03-01"} <= set(words)
        hostile = "2026-02-01 $(touch x); `id` 'a' \"b\""
        assert f"--start={hostile}" in words_of(rendered(load_dags()[name], start=hostile)), way
        pattern = load_dags()[name].dag.params.get_param("start").schema["pattern"]
        assert re.search(pattern, "2026-02-01") and not re.search(pattern, hostile)
        assert not re.search(pattern, "2026-02-01\n;id")


def test_emr_serverless_is_called_as_aws_describes_it(
    load_dags: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's own call, checked by botocore: names, types, lengths. Then it waits without holding a worker."""
    use(FIRST + PLACES + WAYS["emr-serverless"], tmp_path, monkeypatch)
    client = boto3.client("emr-serverless", "eu-west-1", aws_access_key_id="-", aws_secret_access_key="-")
    monkeypatch.setattr(EmrServerlessHook, "conn", client)
    at, arn = datetime.now(UTC), "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/00example00000000"
    application = {"applicationId": "00example00000000", "arn": arn, "releaseLabel": "emr-spark-8.1.0", "type": "Spark"}
    application |= {"state": "STARTED", "createdAt": at, "updatedAt": at}
    started = {"applicationId": "00example00000000", "jobRunId": "00run", "arn": f"{arn}/jobruns/00run"}
    started["ResponseMetadata"] = {"HTTPStatusCode": 200}
    for name, module in load_dags().items():
        task = rendered(module)
        with Stubber(client) as stub:
            stub.add_response("get_application", {"application": application})
            stub.add_response("start_job_run", started)
            with pytest.raises(TaskDeferred) as deferred:
                task.execute({"ti": MagicMock()})
            stub.assert_no_pending_responses()
        assert all(task.job_driver["sparkSubmit"]["entryPointArguments"]), "AWS takes no empty argument"
        # AWS ends the job when Airflow ceases to wait for it.
        waited = task.waiter_delay * task.waiter_max_attempts
        assert waited == task.config["executionTimeoutMinutes"] * 60 == task.execution_timeout.total_seconds(), name
        assert deferred.value.timeout == task.execution_timeout
        assert deferred.value.trigger.cancel_on_kill


def test_what_needs_no_spark_can_stay_on_the_worker(
    load_dags: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "start_collect: local\nconfig_collect: here.yaml\nconfig: there.yaml\n"
    use(FIRST + WAYS["emr-serverless"] + more, tmp_path, monkeypatch)
    modules = load_dags()
    for name in NO_ENGINE:
        words = [".venv/bin/leasehold", *COMMANDS[name].split(), "--config=here.yaml"]
        assert words_of(rendered(modules[name])) == words
    hourly = rendered(modules["leasehold_hourly"])
    assert hourly.task_type == "EmrServerlessStartJobOperator"
    assert "--config=there.yaml" in words_of(hourly)


@pytest.mark.parametrize("exception", [None, ValueError("exit code 1")])
def test_failures_are_said_on_a_topic_too(
    load_dags: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exception: Exception | None
) -> None:
    """Also when the worker was lost, and there is no exception."""
    use(FIRST + WAYS["emr-serverless"], tmp_path, monkeypatch)
    dag = load_dags()["leasehold_hourly"].dag
    log, topic = dag.get_task("run").on_failure_callback
    assert log.__name__ == "log_failure"
    assert (topic.target_arn, topic.region_name) == ("arn:aws:sns:eu-west-1:123456789012:failures", "eu-west-1")
    told: list[str] = []
    monkeypatch.setattr(type(topic), "notify", lambda self, _: told.extend((self.subject, self.message)))
    context = {"dag": dag, "run_id": "scheduled__1", "ti": SimpleNamespace(task_id="run", log_url="http://192.0.2.1/x")}
    topic({**context, **({"exception": exception} if exception else {})})
    assert told == [
        "Leasehold: leasehold_hourly failed",
        f"leasehold_hourly.run failed for good, run scheduled__1: {exception or 'no word'}. What to do: the Docs of "
        "the DAG in Airflow, and the log http://192.0.2.1/x",
    ]
