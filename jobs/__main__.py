"""The command `leasehold` as a script, for `spark-submit` and EMR Serverless; also `python -m jobs`."""

from jobs.cli import main

if __name__ == "__main__":
    main()
