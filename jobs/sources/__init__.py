"""The raw files as Spark Python data sources: `vpc_flow_logs`, `cloudtrail` and `snapshots`."""

from jobs.sources.datasource import read_receipts, register, remove_receipts

__all__ = ["read_receipts", "register", "remove_receipts"]
