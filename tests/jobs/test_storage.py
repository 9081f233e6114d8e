"""What the code relies on of Delta, on the engine of this run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import deltalake
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.storage import Lake, exists, protocol
from transforms.schemas import ALL
from transforms.schemas.table import Table, columns

PEOPLE = Table(
    name="people",
    job="test",
    key=("name",),
    partition_by="day",
    doc="People met on a day.",
    schema=columns(("name", "string", "who"), ("age", "int", "years"), ("day", "date", "when")),
)
FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)
Person = tuple[str, int | None, date | None]


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(spark, str(tmp_path / "lake"))
    made.create([PEOPLE])
    made.append(PEOPLE, people(spark, ("ann", 30, FIRST), ("bob", None, SECOND)))
    return made


def people(spark: SparkSession, *rows: Person) -> DataFrame:
    return spark.createDataFrame(list(rows), "name string, age int, day date")


def rows(lake: Lake) -> list[Person]:
    """As `deltalake` reads them."""
    found = deltalake.DeltaTable(lake.path(PEOPLE)).to_pyarrow_table().to_pylist()
    return sorted((row["name"], row["age"], row["day"]) for row in found)


def test_every_table_can_be_made_and_is_readable_by_athena(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path))
    lake.create(ALL)
    lake.create(ALL)  # again: nothing happens
    for table in ALL:
        assert exists(lake.root, table) and protocol(lake.path(table)) == (1, 2), table.name
        made = deltalake.DeltaTable(lake.path(table))
        assert made.version() == 0 and made.metadata().description == table.doc
        assert lake.read(table).columns == table.schema.names


def test_the_protocol_stays_through_every_kind_of_commit(lake: Lake, spark: SparkSession) -> None:
    lake.overwrite(PEOPLE, people(spark, ("ann", 31, FIRST)))
    lake.replace(PEOPLE, f"day = DATE '{FIRST}'", people(spark, ("cid", 1, FIRST)))
    lake.upsert(PEOPLE, people(spark, ("cid", 2, FIRST), ("dot", 3, SECOND)))
    lake.delete_where(PEOPLE, "name = 'dot'")
    assert rows(lake) == [("cid", 2, FIRST)]
    assert protocol(lake.path(PEOPLE)) == (1, 2)


def test_replace_touches_what_meets_the_condition_only(lake: Lake, spark: SparkSession) -> None:
    # "eve" does not meet it: Spark would refuse her and Sail take her, so the lake leaves her out.
    lake.replace(PEOPLE, f"day = DATE '{FIRST}'", people(spark, ("cid", 1, FIRST), ("eve", 2, SECOND)))
    assert rows(lake) == [("bob", None, SECOND), ("cid", 1, FIRST)]
    lake.replace(PEOPLE, f"day = DATE '{FIRST}' AND age < 10", people(spark))
    assert rows(lake) == [("bob", None, SECOND)]


def test_upsert_replaces_and_inserts_by_key(lake: Lake, spark: SparkSession) -> None:
    lake.upsert(PEOPLE, people(spark, ("bob", 7, SECOND), ("cid", None, FIRST)))
    assert rows(lake) == [("ann", 30, FIRST), ("bob", 7, SECOND), ("cid", None, FIRST)]


def test_delete_matching_deletes_by_the_columns_given(lake: Lake, spark: SparkSession) -> None:
    lake.delete_matching(PEOPLE, people(spark, ("bob", 99, SECOND)).select("name", "day"))
    assert rows(lake) == [("ann", 30, FIRST)]


def test_delete_matching_looks_where_it_is_told(lake: Lake, spark: SparkSession) -> None:
    both = people(spark, ("ann", 30, FIRST), ("bob", None, SECOND)).select("name")
    lake.delete_matching(PEOPLE, both, f"t.day >= DATE '{SECOND}'")
    assert rows(lake) == [("ann", 30, FIRST)]


def test_some_days_are_read_as_they_are_now(lake: Lake, spark: SparkSession) -> None:
    def now(first: date, last: date) -> list[Person]:
        found = lake.read_days(PEOPLE, first, last)
        assert found.columns == PEOPLE.schema.names
        return sorted((row["name"], row["age"], row["day"]) for row in found.collect())

    lake.append(PEOPLE, people(spark, ("nobody knows when", 1, None)))
    assert now(FIRST, FIRST) == [("ann", 30, FIRST)]
    assert now(FIRST, SECOND) == [("ann", 30, FIRST), ("bob", None, SECOND)]
    assert now(date(2026, 1, 1), date(2026, 1, 4)) == [] and lake.days(PEOPLE) == [FIRST, SECOND]
    lake.replace(PEOPLE, f"day = DATE '{FIRST}'", people(spark, ("cid", 1, FIRST)))
    lake.delete_where(PEOPLE, f"day = DATE '{SECOND}'")
    assert now(FIRST, SECOND) == [("cid", 1, FIRST)] and lake.days(PEOPLE) == [FIRST]


def test_a_missing_column_is_refused_and_not_filled(lake: Lake, spark: SparkSession) -> None:
    with pytest.raises(Exception, match="age"):
        lake.append(PEOPLE, people(spark, ("cid", 1, FIRST)).drop("age"))
    assert len(rows(lake)) == 2


def test_hostile_strings_stay_strings(lake: Lake, spark: SparkSession) -> None:
    name = "x'); DROP TABLE people; --`\"\\"
    lake.upsert(PEOPLE, people(spark, (name, 1, FIRST)))
    assert (name, 1, FIRST) in rows(lake)


@pytest.mark.parametrize(
    "by_files",
    [pytest.param(False, id="as at hand"), pytest.param(True, id="as on S3", marks=pytest.mark.sail_only)],
)
def test_versions_from_before_a_checkpoint_can_be_read(
    lake: Lake, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, by_files: bool
) -> None:
    """Sail makes a checkpoint every ten commits, and cannot go back beyond it by itself."""
    for age in range(12):
        lake.upsert(PEOPLE, people(spark, ("ann", age, FIRST)))
    # Files that lie on S3 are read in another way than those on this machine.
    monkeypatch.setattr("jobs.storage.is_remote", lambda _: by_files)

    def then(version: int, first: date = FIRST, last: date = SECOND) -> list[Person]:
        found = lake.read_at(PEOPLE, version, first, last)
        assert found.columns == PEOPLE.schema.names
        return sorted((row["name"], row["age"], row["day"]) for row in found.collect())

    bob: Person = ("bob", None, SECOND)
    assert then(0) == [] and then(1) == [("ann", 30, FIRST), bob]
    assert [then(version) for version in (2, 5, 9, 13)] == [[("ann", age, FIRST), bob] for age in (0, 3, 7, 11)]
    assert then(5, SECOND) == [bob] and then(5, FIRST, FIRST) == [("ann", 3, FIRST)]
