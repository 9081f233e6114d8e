"""All saved queries in one session of an engine: `python -m tests.jobs.ask_saved ENGINE LAKE FILE`.

FILE has {query: parameters}; standard output gets {query: rows}. An engine of its own takes a process of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from jobs.session import session
from jobs.sql import query
from jobs.sql_output import json_lines
from jobs.sql_queries import saved_query
from jobs.storage import Lake

Asked = Mapping[str, Mapping[str, str]]


def answers(lake: Lake, asked: Asked) -> dict[str, list[str]]:
    """What each query answers, a line a row."""
    made = {}
    for name, given in asked.items():
        saved = saved_query(name)
        made[name] = list(json_lines(query(lake, saved.sql, saved.values(given), None)))
    return made


if __name__ == "__main__":
    engine, root, file = sys.argv[1:]
    with session(engine, "local[2]") as spark:
        found = answers(Lake(spark, root), json.loads(Path(file).read_text()))
    print(json.dumps(found))
