"""The DAG files, and settings for each way of starting the jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DAG_FOLDER = REPOSITORY / "airflow_dags"
DAG_FILES = sorted(DAG_FOLDER.glob("leasehold_*.py"))

FIRST = "first: 2026-03-11T00:00Z\n"
PLACES = "config: /etc/leasehold.yaml\nraw: s3://example-raw\nlake: s3://example-lake/lake\n"
WAYS = {
    "local": "start: local\ncommand: [/opt/lease hold/bin/leasehold]\nfolder: .\n",
    "spark-submit": (
        "start: spark-submit\nfolder: .\nentry_point: /opt/leasehold/leasehold.py\n"
        'spark_submit: [spark-submit, --master, "spark://192.0.2.1:7077", --conf, "spark.app.name=a b"]\n'
    ),
    "emr-serverless": (
        "start: emr-serverless\napplication_id: 00example00000000\nentry_point: s3://example-artifacts/leasehold.py\n"
        "execution_role_arn: arn:aws:iam::123456789012:role/leasehold-job\nregion: eu-west-1\n"
        "spark_submit_parameters: --py-files s3://example-artifacts/leasehold.zip\n"
        "log_uri: s3://example-artifacts/logs/\nsns_topic: arn:aws:sns:eu-west-1:123456789012:failures\n"
    ),
}
"""A settings file for each way of starting the jobs."""


def use(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a settings file, and let the DAGs find it."""
    file = folder / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("LEASEHOLD_AIRFLOW", str(file))
    return file
