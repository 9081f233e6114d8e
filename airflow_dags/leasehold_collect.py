"""
### Polls AWS every quarter of an hour

Stores what EC2, Lambda and CloudWatch answer below the raw folder. Without these polls nobody knows who had an address.

**Triage**

- *Some polls failed*: all others were stored. The log says account, region, operation, AWS's code and what to do;
  mostly a permission is missing. `leasehold doctor` checks them all.
- *Everything failed*: the credentials or the network of the machine. What was not polled of interfaces is lost:
  `leasehold coverage` counts it. Metrics make up for themselves, for 15 days.
- An hour of failures is worth looking at on the same day. There is nothing to run again: the past cannot be polled.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import COLLECTOR, common, job

settings = load()

with DAG(
    dag_id="leasehold_collect",
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,
    **common(settings, __doc__ or "", ["every-15-minutes"]),
) as dag:
    # The next poll is not far: two retries, soon.
    job(settings, "collect", timedelta(minutes=12), COLLECTOR, retries=min(2, settings.retries))
