"""Spark's properties: what every session needs, what one machine needs, and what a cluster is told by `spark-submit`.

`python -m jobs.spark_conf VERSION` prints the last as the properties file that `make package` puts beside the package.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from jobs.object_store import ATTEMPTS, endpoint

# PySpark looks up its caller's line for each column that is built, a third of the time it takes to build a plan.
CALL_SITES = "spark.python.sql.dataFrameDebugging.enabled"

ALWAYS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # Else Spark 4.1 leaves binding `sql(…, args=…)` to the parser, and Delta 4.4's drops the values (delta #7640).
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    "spark.ui.showConsoleProgress": "false",
    CALL_SITES: "false",
    # Spark writes each plan out as text, again after each of its stages, which of long ones takes gigabytes.
    "spark.sql.maxPlanStringLength": "16384",
    # Where dates become Python objects they are in the process's zone, also on other machines.
    "spark.executorEnv.TZ": "UTC",
}

S3A = {
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
"""For a lake on `s3://` where Spark has no S3 of its own: Hadoop's S3A, with AWS's usual credential chain"""

_SDK = "2.29.52"
# hadoop-aws asks for all of AWS's SDK in one jar of 600 MB. These parts of it, 20 MB, are what S3A calls, and what
# the usual chain of credentials needs: roles (sts) and single sign-on (sso, ssooidc).
_SDK_PARTS = (
    "s3", "s3-transfer-manager", "sts", "sso", "ssooidc", "kms", "apache-client", "url-connection-client",
    "netty-nio-client",
)  # fmt: skip
S3A_PACKAGES = (
    "org.apache.hadoop:hadoop-aws:3.4.2",
    *(f"software.amazon.awssdk:{part}:{_SDK}" for part in _SDK_PARTS),
)


def on_one_machine() -> dict[str, str]:
    """No ports to the outside, and small tables, which few tasks finish soonest."""
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.databricks.delta.snapshotPartitions": "2",
        # It plans anew what is left after each stage, which of our long plans takes far longer than to run them.
        "spark.sql.adaptive.enabled": "false",
        "spark.driver.memory": os.environ.get("LEASEHOLD_DRIVER_MEMORY", "2g"),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.log.level": "ERROR",
    }


def where_s3_is() -> dict[str, str]:
    """Endpoint and region as the environment has them, for S3A and for the readers on other machines."""
    settings: dict[str, str] = {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        settings |= {"spark.hadoop.fs.s3a.endpoint.region": region, "spark.executorEnv.AWS_REGION": region}
    if endpoint():
        settings |= {"spark.hadoop.fs.s3a.endpoint": endpoint(), "spark.hadoop.fs.s3a.path.style.access": "true"}
        settings["spark.executorEnv.AWS_ENDPOINT_URL_S3"] = endpoint()
    return settings


def of_package(leasehold: str) -> dict[str, str]:
    """What `spark-submit` is told of the package of a version, on a cluster whose Spark is Apache's own.

    Paths are relative to the folder in which the package lies and `spark-submit` is started.
    """
    spark = ".".join(version("pyspark").split(".")[:2])
    delta = f"io.delta:delta-spark_{spark}_2.13:{version('delta-spark')}"
    return {
        "spark.submit.pyFiles": f"leasehold-{leasehold}.zip",
        "spark.archives": f"leasehold-{leasehold}-environment.tar.gz#environment",
        "spark.pyspark.python": "./environment/bin/python",
        "spark.pyspark.driver.python": "./environment/bin/python",
        "spark.jars.packages": ",".join((delta, *S3A_PACKAGES)),
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        **S3A,
    }


if __name__ == "__main__":
    print("# For spark-submit --properties-file, on a cluster of Apache Spark. EMR has jars and an S3 of its own.")
    for name, value in of_package(sys.argv[1]).items():
        print(f"{name} {value}")
