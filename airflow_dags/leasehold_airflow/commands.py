"""What is started: pure functions from settings to words. Nothing here knows Airflow.

>>> words(settings, "run hourly", start="2026-03-11T10", end="2026-03-11T11")
['run', 'hourly', '--start=2026-03-11T10', '--end=2026-03-11T11', '--config=/etc/leasehold.yaml', …]
"""

from __future__ import annotations

import shlex
from typing import Any

from leasehold_airflow.settings import Settings

START = "(params.start or (data_interval_start | ts))"
END = "(params.end or (data_interval_end | ts))"
"""of the window, in Jinja: what a manual run asks for, else the interval of the schedule"""
BUSY = 75
"""exit code of a job that found another one writing the lake"""
_TAKES = {
    "collect": ("config", "raw"),
    "run hourly": ("config", "raw", "lake"),
    "run nightly": ("config", "raw", "lake"),
    "maintain": ("config", "lake"),
    "send": ("config", "lake"),
    "respond expire": ("config", "lake"),
}
"""which of the settings each command has as options"""
_NO_ENGINE = ("collect", "send", "respond expire")
"""need no Spark, run often, and may be started elsewhere than the others"""


def how(settings: Settings, command: str) -> str:
    """local, spark-submit or emr-serverless."""
    return (settings.start_collect if command in _NO_ENGINE else "") or settings.start


def words(settings: Settings, command: str, start: str = "", end: str = "") -> list[str]:
    """The words behind `leasehold`."""
    found = command.split()
    found += [f"--start={start}", f"--end={end}"] if start else []
    values = {"config": settings.config, "raw": settings.raw, "lake": settings.lake}
    if command in _NO_ENGINE:
        values["config"] = settings.config_collect or settings.config
    found += [f"--{name}={values[name]}" for name in _TAKES[command] if values[name]]
    if command not in _NO_ENGINE:
        found.append("--log-format=json")
        found += ["--engine=spark"] if how(settings, command) != "local" else []
    return found


def shell_line(settings: Settings, command: str, window: bool) -> str:
    """The line for a shell, with Jinja for the window.

    What Jinja puts in is quoted by the filter `quoted`: a window may come from a person who triggers a run.
    """
    if how(settings, command) == "local":
        begin = list(settings.command)
    else:
        begin = [*settings.spark_submit, settings.entry_point]
    line = shlex.join([*begin, *words(settings, command)])
    return f"exec {line}{_window_for_shell()}" if window else f"exec {line}"


def _window_for_shell() -> str:
    return "".join(f" {option}={{{{ {value} | quoted }}}}" for option, value in (("--start", START), ("--end", END)))


def job_driver(settings: Settings, command: str, window: bool) -> dict[str, Any]:
    """`jobDriver` of EMR Serverless's StartJobRun, with Jinja for the window."""
    start, end = (f"{{{{ {value} }}}}" if window else "" for value in (START, END))
    driver: dict[str, Any] = {
        "entryPoint": settings.entry_point,
        "entryPointArguments": words(settings, command, start, end),
    }
    if settings.spark_submit_parameters:
        driver["sparkSubmitParameters"] = settings.spark_submit_parameters
    return {"sparkSubmit": driver}


def monitoring(settings: Settings) -> dict[str, Any] | None:
    """`configurationOverrides` of StartJobRun: where logs go."""
    if not settings.log_uri:
        return None
    return {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": settings.log_uri}}}
