"""The data dictionary, from the tables' contracts: `python -m jobs.dictionary > docs/data_dictionary.md`."""

from __future__ import annotations

from transforms.schemas import ALL
from transforms.schemas.table import Table


def markdown() -> str:
    """Every table with its grain, key, partition, job and columns."""
    intro = (
        "# Data dictionary\n\nMade from the contracts in `transforms/schemas/` by `make docs`. All times are UTC; every"
        " interval is half-open, `[from, to)`.\n"
    )
    return intro + "".join(_table(table) for table in ALL)


def _table(table: Table) -> str:
    partition = f", partitioned by `{table.partition_by}`" if table.partition_by else ""
    lines = [
        f"\n## {table.name}\n",
        f"{table.doc}\n",
        f"Written by: {table.job}. Key: {', '.join(f'`{name}`' for name in table.key)}{partition}.\n",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for field in table.schema.fields:
        meaning = field.metadata["comment"].replace("|", "\\|")
        lines.append(f"| `{field.name}` | {field.dataType.simpleString()} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
