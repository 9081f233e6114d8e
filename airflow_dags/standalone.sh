#!/usr/bin/env bash
# Airflow on this machine alone, to try the DAGs: SQLite, LocalExecutor, reached from here only. `make airflow` runs it.
#   airflow_dags/standalone.sh HOME SETTINGS [PORT]     HOME: folder for what Airflow keeps; SETTINGS: as settings.yaml
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
AIRFLOW_HOME=$(cd "$1" && pwd)
LEASEHOLD_AIRFLOW=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
port=${3:-8080}
export AIRFLOW_HOME LEASEHOLD_AIRFLOW
export PATH="${here%/*}/.airflow/bin:$PATH"
export AIRFLOW__CORE__DAGS_FOLDER="$here" AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__EXECUTOR=LocalExecutor AIRFLOW__CORE__PARALLELISM=4
export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT="$port" AIRFLOW__API__BASE_URL="http://127.0.0.1:$port"
# A small machine, busy with the jobs, is slow and not broken: Airflow kills a task whose first call takes 30 seconds.
export AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=60 AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS=20
export AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT=120 AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT=180

airflow db migrate > "$AIRFLOW_HOME/migrate.log" 2>&1 || { cat "$AIRFLOW_HOME/migrate.log"; exit 1; }
airflow pools import "$here/pools.json" > /dev/null
cat <<END
Airflow comes up at http://127.0.0.1:$port in a minute; Ctrl-C ends it.
  User admin; its password is in $AIRFLOW_HOME/simple_auth_manager_passwords.json.generated
  DAGs begin paused: switch leasehold_hourly on, then leasehold_nightly, and open their Docs.
  What they start, and over which days, says $LEASEHOLD_AIRFLOW
  On the command line: export AIRFLOW_HOME=$AIRFLOW_HOME AIRFLOW__CORE__DAGS_FOLDER=$here LEASEHOLD_AIRFLOW=$LEASEHOLD_AIRFLOW
END

# Not all of Airflow always ends by a signal: what is left after 20 seconds is ended at once.
finish() {
  trap - INT TERM EXIT
  kill -TERM -- "-$group" 2> /dev/null || exit 0
  for _ in {1..40}; do
    kill -0 -- "-$group" 2> /dev/null || exit 0
    sleep 0.5
  done
  kill -KILL -- "-$group"
}
set -m # the next process is a group of its own
airflow standalone &
group=$!
trap finish INT TERM EXIT
wait "$group"
