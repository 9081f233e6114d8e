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

from jobs.errors import LeaseholdError
from jobs.object_store import ATTEMPTS, allow_http, endpoint, is_remote

ENGINES = ("sail", "spark")
_JAVA = 17
# PySpark looks up its caller's line for each column that is built, a third of the time it takes to build a plan.
_CALL_SITES = "spark.python.sql.dataFrameDebugging.enabled"

_SDK = "2.29.52"
# hadoop-aws asks for all of AWS's SDK in one jar of 600 MB. These parts of it, 20 MB, are what S3A calls, and what
# the usual chain of credentials needs: roles (sts) and single sign-on (sso, ssooidc).
_SDK_PARTS = (
    "s3", "s3-transfer-manager", "sts", "sso", "ssooidc", "kms", "apache-client", "url-connection-client",
    "netty-nio-client",
)  # fmt: skip
_S3A_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.4.2",
    *(f"software.amazon.awssdk:{part}:{_SDK}" for part in _SDK_PARTS),
)


def missing_for(engine: str) -> str | None:
    """What this machine lacks to run the engine, with the remedy; None when it is ready."""
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
    spark.conf.set(_CALL_SITES, "false")
    if on_s3:
        from jobs.sail_on_s3 import ask_again

        ask_again(spark)
    try:
        yield spark
    finally:
        spark.stop()
        server.stop()


def _spark(master: str, on_s3: bool) -> Iterator[SparkSession]:
    from delta import configure_spark_with_delta_pip

    # Workers must run this Python, whatever is first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.appName("leasehold")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config(_CALL_SITES, "false")
        .config("spark.ui.showConsoleProgress", "false")
    )
    if master:
        # On one machine Spark gives up a job at the first task that fails, on a cluster at the fourth.
        builder = builder.master(re.sub(r"^local\[([^],]+)\]$", r"local[\1,4]", master) if on_s3 else master)
    if master.startswith("local"):
        # On one machine: no ports to the outside, and small tables, which few tasks finish soonest.
        builder = (
            builder.config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.default.parallelism", "2")
            .config("spark.databricks.delta.snapshotPartitions", "2")
            .config("spark.driver.memory", os.environ.get("LEASEHOLD_DRIVER_MEMORY", "2g"))
            .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
            .config("spark.log.level", "ERROR")
        )
    # Under spark-submit the JVM is up already: its own --packages or image bring Delta's jars.
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted:
        for key, value in (_s3a_settings() if on_s3 else {}).items():
            builder = builder.config(key, value)
        builder = configure_spark_with_delta_pip(builder, list(_S3A_PACKAGES) if on_s3 else None)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def _s3a_settings() -> dict[str, str]:
    """For a lake on `s3://`: Hadoop's S3A, with AWS's usual credential chain, endpoint and region."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    settings = {
        "spark.jars.excludes": "software.amazon.awssdk:bundle",
        # One path serves both engines.
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        # S3A's own chain passes over profiles and the roles of pods.
        "spark.hadoop.fs.s3a.aws.credentials.provider": (
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
        ),
        "spark.hadoop.fs.s3a.attempts.maximum": str(ATTEMPTS),
        # Of all its reads S3A does not go on with these where the connection breaks.
        "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",
    }
    if endpoint():
        settings |= {"spark.hadoop.fs.s3a.endpoint": endpoint(), "spark.hadoop.fs.s3a.path.style.access": "true"}
    if region:
        settings["spark.hadoop.fs.s3a.endpoint.region"] = region
    return settings


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
