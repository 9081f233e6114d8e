"""
### Cares for the tables every week

Makes large files of small ones, deletes old versions, and old rows where the settings say so. Readers go on reading;
other jobs wait until it is done.

**Triage**

- *A week without it* costs some speed, and keeps rows longer than `keep_days` says. It goes on where it stopped.
- *"is being written by"*, exit code 75: as for `leasehold_hourly`.
- *Timed out*: the first time takes longest. Run `leasehold maintain` by hand, or clear the task.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import common, job

settings = load()

with DAG(
    dag_id="leasehold_maintain",
    schedule=CronDataIntervalTimetable("0 9 * * 6", timezone="UTC"),
    catchup=False,
    **common(settings, __doc__ or "", ["weekly"]),
) as dag:
    job(settings, "maintain", timedelta(hours=4))
