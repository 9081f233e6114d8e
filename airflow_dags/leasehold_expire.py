"""
### Takes blocks back whose time is over, every five minutes

`leasehold respond apply` blocks for a time, 24 hours if nothing else was said. This rolls back what is over it. Switch
it on if anybody responds that way: nothing else ends a block.

**Triage**

- *An action could not be rolled back*: it is still in force. The log says which, and what AWS said; mostly a permission
  is missing. All others were rolled back. Each run tries again.
- By hand: `leasehold respond list` shows what is in force, `leasehold respond rollback ACTION` takes one back.
- *It did not run for a while*: blocks were in force for longer than asked. The next run takes them all back.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import MESSENGER, common, job

settings = load()

with DAG(
    dag_id="leasehold_expire",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    **common(settings, __doc__ or "", ["every-5-minutes"]),
) as dag:
    job(settings, "respond expire", timedelta(minutes=12), MESSENGER, retries=min(2, settings.retries))
