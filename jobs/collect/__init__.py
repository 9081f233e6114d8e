"""Polling AWS: what EC2, Lambda and CloudWatch answer, stored as raw files that `ingest` reads like any other.

`run.py` polls all accounts and regions; `access.py` gets into them, `answers.py` and `metrics.py` ask, `store.py`
writes, `failures.py` says what went wrong and what to do. The permissions that this takes are in `conf/iam/`.
"""
