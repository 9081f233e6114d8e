"""The generated pages that are committed are what the contracts and the detections make."""

from pathlib import Path

from jobs import detection_pages
from jobs.dictionary import markdown
from transforms.schemas import ALL


def test_the_committed_dictionary_is_what_the_contracts_say() -> None:
    committed = Path(__file__).parents[2] / "docs" / "data_dictionary.md"
    assert committed.read_text(encoding="utf-8") == markdown(), "run `make docs`"


def test_the_committed_page_of_detections_is_what_they_say_of_themselves() -> None:
    committed = Path(__file__).parents[2] / "docs" / "detections.md"
    assert committed.read_text(encoding="utf-8") == detection_pages.markdown(), "run `make docs`"


def test_every_table_and_column_is_described() -> None:
    for table in ALL:
        assert table.doc and table.key, table.name
        assert set(table.key) <= set(table.schema.names), table.name
        assert table.partition_by is None or table.partition_by in table.schema.names
        # Fields of AWS's that need no words of ours have their version (v2, v7) or nothing at all.
        assert all("comment" in field.metadata for field in table.schema.fields), table.name
