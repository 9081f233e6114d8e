"""
### Runs the pipeline over each hour

Waits until AWS has delivered most of the hour, then takes in what is new, attributes it, learns and judges: alerts are
an hour or two old. Hours that files came late for are computed again by the next run; nothing has to be done.

**Triage**

- *Any hour may be run again*, in any order and any number of times: the tables are the same. Clear the task, or trigger
  the DAG with `start` and `end`.
- *A failed hour is no loss*: the next run takes in what it left, as far back as `lookback_days` (3) of the settings.
  A failure of more than two days needs a run over them all: trigger the DAG with `start` and `end`.
- *"is being written by"*, exit code 75: another process writes the lake, perhaps a person, perhaps a run whose worker
  was lost and that still goes on. The retries wait for it; the message says who, and since when.
- *A critical check failed*: the log names table, check and rows, and what to do. `leasehold quality` shows more.
- *Timed out*: `leasehold status` shows what waits. After a long pause the first run has days to do: trigger
  `leasehold_nightly` over them.
"""

from datetime import timedelta

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG, CronDataIntervalTimetable
from leasehold_airflow.commands import END
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import HOURS, WAITING, common, job, window_params

settings = load()

with DAG(
    dag_id="leasehold_hourly",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    catchup=True,
    params=window_params(r"^\d{4}-\d{2}-\d{2}(T\d{2}(:00)?Z?)?$", "2026-03-11T10"),
    **common(settings, __doc__ or "", ["hourly"]),
) as dag:
    # Of the window's end, whoever started the run: one over hours long past waits for nothing.
    delivery = DateTimeSensorAsync(
        task_id="wait_for_delivery",
        target_time=f"{{{{ {END} | delivered }}}}",
        end_from_trigger=True,
        pool=WAITING,
        execution_timeout=timedelta(hours=3),
    )
    delivery >> job(settings, "run hourly", timedelta(hours=2), told=HOURS)
