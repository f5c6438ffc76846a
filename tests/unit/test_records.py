"""CSV files of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genreflow.files.records import parse_records, read_records, write_records


@dataclass(frozen=True)
class Thing:
    """One of each kind of field, with a name that pandas would take for a missing value."""

    name: str
    count: int
    size: float


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    things = [Thing("NA", 3, 0.1), Thing('a, "b"\nü', -1, 1e-300), Thing("", 0, 2.0)]
    write_records(iter(things), Thing, tmp_path / "things.csv")
    assert (tmp_path / "things.csv").read_bytes().startswith(b"name,count,size\nNA,3,0.1\n")
    found = read_records(tmp_path / "things.csv", Thing)
    assert found == things
    assert [type(value) for value in vars(found[0]).values()] == [str, int, float]


def test_no_record_leaves_the_header(tmp_path: Path) -> None:
    write_records([], Thing, tmp_path / "things.csv")
    assert (tmp_path / "things.csv").read_bytes() == b"name,count,size\n"
    assert read_records(tmp_path / "things.csv", Thing) == []


def test_columns_that_are_no_field_are_left_out() -> None:
    row = {"size": "2", "more": "x", "name": "a", "count": "7"}
    assert parse_records([row], Thing) == [Thing("a", 7, 2.0)]
