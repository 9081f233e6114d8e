"""What must hold of the rows that a job wrote, told apart by what follows when it does not.

A **critical** check holds whatever the logs say: only a fault of Leasehold's own can break it, because readers reject
what they cannot take for a record (`rejected_records`) and all else is computed. So whoever can write into a log cannot
stop the detections with it. A **warning** is for what the logs themselves may lack: it is said, and the work goes on.

A check looks at all rows together that were written since the table was last found good. NULL is never wrong but where
a check says `present`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from transforms.schemas.table import Table

BATCH = "{batch}"
"""stands for the rows in a check's query"""

_OUR_FAULT = (
    "Logs cannot cause this, so it is a fault of Leasehold or something else has written to the table: look at the "
    "rows, mend the cause and run the window again."
)


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    kind: Literal["present", "between", "one of", "none of", "in order", "nothing"]
    says: str
    """what holds, in words; no other check of the table says the same"""
    columns: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: bool = False
    """`low` itself is outside"""
    values: tuple[str, ...] = ()
    query: str = ""
    """SQL over {batch} that finds what must not be there (kind `nothing`)"""
    share: float = 0.0
    """so much of the rows, of those without NULL, may break it"""
    severity: Literal["critical", "warning"] = "critical"
    remedy: str = _OUR_FAULT
    """what to do when it does not hold"""


def present(*columns: str) -> list[Check]:
    """No NULL in these columns: a check each."""
    return [Check("present", f"{column} is there", (column,)) for column in columns]


def between(column: str, low: float | None, high: float | None = None, *, above: bool = False) -> Check:
    """Values lie in [low, high], or (low, high]; None: no bound."""
    if high is None:
        says = f"{column} is {'more than' if above else 'at least'} {low}"
    else:
        says = f"{column} is in {'(' if above else '['}{low}, {high}]"
    return Check("between", says, (column,), low=low, high=high, above=above)


def one_of(column: str, *values: str) -> Check:
    """Values are among these."""
    return Check("one of", f"{column} is one of {', '.join(values)}", (column,), values=values)


def none_of(column: str, *values: str) -> Check:
    """Values are not among these."""
    return Check("none of", f"{column} is not {' or '.join(values)}", (column,), values=values)


def in_order(earlier: str, later: str, *, equal: bool = True) -> Check:
    """One column does not come after another (nor at the same time)."""
    says = f"{earlier} is {'not after' if equal else 'before'} {later}"
    return Check("in order", says, (earlier, later), above=not equal)


def nothing(says: str, query: str) -> Check:
    """The query over {batch} finds no row."""
    return Check("nothing", says, query=query)


def unique(*columns: str) -> Check:
    """No two rows agree in all of these columns; NULL equals NULL."""
    key = ", ".join(columns)
    return nothing(
        f"one row for each {key}", f"SELECT {key}, count(*) AS copies FROM {BATCH} GROUP BY {key} HAVING count(*) > 1"
    )


def warning(check: Check, remedy: str, share: float = 0.0) -> Check:
    """The check as a warning that comes when more than this share of the rows breaks it."""
    says = f"{check.says}, but for {share:.0%} of the rows" if share else check.says
    return replace(check, says=says, severity="warning", share=share, remedy=remedy)


def counts(*columns: str) -> list[Check]:
    """None of these is negative: a check each."""
    return [between(column, 0) for column in columns]


def of_key(table: Table, nullable: Iterable[str] = ()) -> list[Check]:
    """The table's key is unique, and there but for some columns; so is the date by which it is partitioned."""
    needed = [*table.key, *([table.partition_by] if table.partition_by else [])]
    return [*present(*[c for c in dict.fromkeys(needed) if c not in nullable]), unique(*table.key)]
