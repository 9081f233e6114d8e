"""flowlogs-reader on local files: it reads from S3 only, so it is given as much of a client as it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from flowlogs_reader import FlowRecord, S3FlowLogsReader


class LocalS3:
    """A boto3 S3 client whose bucket holds the given files in AWS's layout."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = {p.name: p for p in paths}

    def records(self) -> Iterator[FlowRecord]:
        """All records of the files; raises if flowlogs-reader skipped any."""
        span = {"start_time": datetime(2026, 1, 1), "end_time": datetime(2027, 1, 1)}
        reader = S3FlowLogsReader("bucket", include_regions=["eu-west-1"], boto_client=self, **span)
        yield from reader
        assert not reader.skipped_records

    def list_objects_v2(self, Prefix: str, **_: str) -> dict[str, Any]:  # noqa: N803  (boto3's own name)
        folder = "eu-west-1/" if Prefix.endswith("vpcflowlogs/") else "123456789012/"
        return {"CommonPrefixes": [{"Prefix": Prefix + folder}]}

    def get_paginator(self, _: str) -> LocalS3:
        return self

    def paginate(self, Prefix: str, **_: str) -> list[dict[str, Any]]:  # noqa: N803
        day = Prefix[-11:].replace("/", "")
        return [{"Contents": [{"Key": Prefix + name} for name in self.paths if f"_{day}T" in name]}]

    def get_object(self, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        path = self.paths[Key.rpartition("/")[2]]
        return {"Body": path.open("rb"), "ContentLength": path.stat().st_size}
