"""
### Hands alerts over every quarter of an hour

Each sink of Leasehold's settings gets the alerts that are new, or have changed since it got them last. Switch it on if
the settings name `sinks`. It waits for no run, and none waits for it.

**Triage**

- *A sink did not take some*: the log says which sink, how many and why. All others have theirs. They are tried again by
  each run; nothing is lost while it fails.
- *"the settings name no sinks"*: name some, as docs/hand_over.md shows, or switch this DAG off.
- *"is being written by"*, exit code 75: another `leasehold send` is at work. The retries wait for it.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from leasehold_airflow.settings import load
from leasehold_airflow.tasks import MESSENGER, common, job

settings = load()

with DAG(
    dag_id="leasehold_send",
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,
    **common(settings, __doc__ or "", ["every-15-minutes"]),
) as dag:
    # The next run is not far: two retries, soon.
    job(settings, "send", timedelta(minutes=12), MESSENGER, retries=min(2, settings.retries))
