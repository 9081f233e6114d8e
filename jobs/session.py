"""The engines: the same PySpark code on Sail (embedded, no Java) or on Apache Spark."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from jobs import spark_conf
from jobs.errors import LeaseholdError
from jobs.object_store import allow_http, is_remote

ENGINES = ("sail", "spark")
_JAVA = 17


def missing_for(engine: str) -> str | None:
    """What this machine lacks to run the engine, with the remedy; None when it is ready."""
    if _submitted():
        return (
            None if engine == "spark" else "spark-submit started it: give --engine spark, or the setting engine: spark"
        )
    if engine == "sail":
        return None if importlib.util.find_spec("pysail") else "pysail is not installed: run `make install`"
    if importlib.util.find_spec("delta") is None:
        return "delta-spark is not installed: run `make install`"
    java, needed = _java_version(), f"Spark 4 needs Java {_JAVA} or newer (package openjdk-{_JAVA}-jre-headless)"
    if java is None:
        return f"Java is not installed: {needed}"
    if java < _JAVA:
        return f"Java {java} is too old: {needed}, first on the PATH or in JAVA_HOME"
    return None


@contextmanager
def session(engine: str = "sail", master: str = "local[*]", lake: str = "") -> Iterator[SparkSession]:
    """A Spark session on the engine, in UTC; stopped at the end. A `lake` on S3 is made reachable.

    Raises LeaseholdError when the engine is unknown or cannot run here, saying what to install.
    """
    if engine not in ENGINES:
        raise LeaseholdError(f"unknown engine {engine!r}: choose one of {', '.join(ENGINES)}")
    lack = missing_for(engine)
    if lack:
        raise LeaseholdError(f"the engine {engine!r} cannot run here. {lack}")
    # Where dates become Python objects they are in the process's zone: keep one zone everywhere.
    os.environ["TZ"] = "UTC"
    time.tzset()
    on_s3 = is_remote(lake)
    if engine == "sail":
        yield from _sail(on_s3)
    else:
        yield from _spark(master, on_s3)


def _sail(on_s3: bool) -> Iterator[SparkSession]:
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    if on_s3:
        allow_http()

    server = SparkConnectServer(port=0)
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").create()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set(spark_conf.CALL_SITES, "false")
    if on_s3:
        from jobs.sail_on_s3 import ask_again

        ask_again(spark)
    try:
        yield spark
    finally:
        spark.stop()
        server.stop()


def _spark(master: str, on_s3: bool) -> Iterator[SparkSession]:
    # Workers must run this Python, whatever is first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("leasehold")
    settings = dict(spark_conf.ALWAYS)
    if not _submitted():
        from delta import configure_spark_with_delta_pip

        if master:
            # On one machine Spark gives up a job at the first task that fails, on a cluster at the fourth.
            builder = builder.master(re.sub(r"^local\[([^],]+)\]$", r"local[\1,4]", master) if on_s3 else master)
        if master.startswith("local"):
            settings |= spark_conf.on_one_machine()
        if on_s3:
            settings |= spark_conf.S3A
        builder = configure_spark_with_delta_pip(builder, list(spark_conf.S3A_PACKAGES) if on_s3 else None)
    if on_s3:
        settings |= spark_conf.where_s3_is()
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def _submitted() -> bool:
    """Did `spark-submit` start this process? Then it chose master, memory, jars and Python, and its JVM is up."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _java_version() -> int | None:
    """8, 11, 17 …; None if it does not run."""
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java") if os.environ.get("JAVA_HOME") else "java"
    if not shutil.which(java):
        return None
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    # Up to 8 it called itself 1.8; what cannot be read is left to Spark.
    said = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return None if done.returncode else int(said[1]) if said else _JAVA


if __name__ == "__main__":
    # For the Makefile: prints what is lacking, or nothing.
    print(missing_for(sys.argv[1]) or "", end="")
