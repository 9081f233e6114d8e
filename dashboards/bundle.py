"""The bundle as Superset imports it: a zip whose database is the one that is asked for.

    python dashboards/bundle.py DATABASE leasehold-dashboards.zip

DATABASE is SQLAlchemy's URI (trino://user@host:8080/leasehold/leasehold, awsathena+rest://…), or the path of the file
that `leasehold export --format duckdb` wrote. A password in it is written into the zip: leave it out and be asked.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import quote
from zipfile import ZipFile

BUNDLE = Path(__file__).parent / "bundle"
_READ_ONLY = "access_mode=read_only&enable_external_access=false"
"""So that SQL Lab can neither change the file nor read any other."""


def database_uri(database: str) -> str:
    """The database's URI; of a DuckDB file one that only reads it.

    demo/leasehold.duckdb → duckdb:////home/me/leasehold/demo/leasehold.duckdb?access_mode=read_only&…
    Raises ValueError if there is no such file.
    """
    if "://" in database:
        return database
    file = Path(database).resolve()
    if not file.is_file():
        raise ValueError(f"{database!r} is neither a URI nor a file: make one with `leasehold export --format duckdb`")
    return f"duckdb:///{quote(str(file))}?{_READ_ONLY}"


def contents(database: str) -> dict[str, str]:
    """The bundle's files by their path, with this database in them."""
    files = {file.relative_to(BUNDLE).as_posix(): file.read_text("utf-8") for file in sorted(BUNDLE.rglob("*.yaml"))}
    # As YAML's quoted scalar, whatever is in it.
    quoted = "'" + database_uri(database).replace("'", "''") + "'"
    place = "databases/leasehold.yaml"
    files[place] = re.sub(r"(?m)^sqlalchemy_uri: .*$", lambda _: f"sqlalchemy_uri: {quoted}", files[place])
    return files


def write(database: str, target: Path) -> None:
    """Write the zip."""
    with ZipFile(target, "w") as bundle:
        for path, text in contents(database).items():
            bundle.writestr(f"leasehold/{path}", text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        write(sys.argv[1], Path(sys.argv[2]))
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(f"{sys.argv[2]}: superset import-dashboards -p {sys.argv[2]} -u YOUR_USER, or Settings > Import in Superset")
