"""All saved queries in one session of an engine: `python -m tests.jobs.ask_saved ENGINE FILE`.

FILE has {lake: {query: parameters}}; standard output gets {lake: {query: rows}}, and under `refused` what is said to
each statement of REFUSED. An engine of its own takes a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.errors import LeaseholdError
from jobs.session import session
from jobs.sql import query
from jobs.sql_output import json_lines
from jobs.sql_queries import saved_query
from jobs.storage import Lake
from tests.jobs.sql_lake import REFUSED

Asked = Mapping[str, Mapping[str, str]]


def answers(lake: Lake, asked: Asked) -> dict[str, list[str]]:
    """What each query answers, a line a row."""
    made = {}
    for name, given in asked.items():
        saved = saved_query(name)
        made[name] = list(json_lines(query(lake, saved.sql, saved.values(given), None)))
    return made


def refused(lake: Lake) -> list[str]:
    """What is said to each statement of REFUSED."""
    said = []
    for text, _ in REFUSED:
        try:
            query(lake, text, {}, None)
            said.append("it ran")
        except LeaseholdError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    engine, file = sys.argv[1:]
    with session(engine, "local[2]") as spark:
        found: dict[str, Any] = {}
        for root, asked in json.loads(Path(file).read_text()).items():
            found[root] = answers(Lake(spark, root), asked)
        found["refused"] = refused(Lake(spark, root))
    print(json.dumps(found))
