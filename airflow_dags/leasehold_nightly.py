"""
### Runs the pipeline over each whole day

The day again, as a whole, when its last hour is done: what came late is in, and the day is judged by all of it. It does
not need the hourly runs: a small account may do without `leasehold_hourly`, and a back-fill does.

**Triage**

- *Any day may be run again*, in any order: the tables are the same. Clear the task, or trigger the DAG with `start` and
  `end`: one run over many days is much cheaper than many runs.
- *`wait_for_hours` waits*: hours of that day were not run by `leasehold_hourly`; its log says which. It goes on without
  them when `patience_hours` are over.
- *"is being written by"*, exit code 75; *a critical check failed*; *timed out*: as for `leasehold_hourly`.
- A day without its nightly run is still judged hour by hour. Two in a row are worth looking at in the morning.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, task
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import DAYS, HOURS, WAITING, common, hours_lacking, job, moment, window_params

settings = load()
_PATIENCE = timedelta(hours=settings.patience_hours)


@task.sensor(
    mode="reschedule",
    poke_interval=settings.check_seconds,
    timeout=(_PATIENCE + timedelta(days=1)).total_seconds(),
    execution_timeout=timedelta(minutes=10),
    pool=WAITING,
    inlets=[HOURS],
)
def wait_for_hours(**context: Any) -> bool:
    """Until the hourly runs of the day are done. A back-fill, and who triggers a run, waits for nothing."""
    if context["dag_run"].run_type != "scheduled":
        return True
    start, end = moment(context["data_interval_start"]), moment(context["data_interval_end"])
    events = context["inlet_events"][HOURS].after(start.isoformat())
    lacking = hours_lacking(start, end, [event.extra for event in events if "end" in event.extra])
    if not lacking:
        return True
    print(f"not run yet: {len(lacking)} hours, the first {lacking[0]:%Y-%m-%d %H:%M}Z")
    return datetime.now(UTC) - moment(context["dag_run"].start_date) > _PATIENCE


with DAG(
    dag_id="leasehold_nightly",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    catchup=True,
    params=window_params(r"^\d{4}-\d{2}-\d{2}$", "2026-03-11"),
    **common(settings, __doc__ or "", ["nightly"]),
) as dag:
    wait_for_hours() >> job(settings, "run nightly", timedelta(hours=8), told=DAYS)
