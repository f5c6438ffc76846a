"""CSV files of dataclasses."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest
from genreflow.files.audio_report import (
    AudioReport,
    Quarantined,
    read_quarantine,
    read_reports,
    write_quarantine,
    write_reports,
)
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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "'=", "''+"])
def test_what_a_spreadsheet_would_run_is_a_text_there_and_itself_here(
    tmp_path: Path, start: str
) -> None:
    text = f'{start}HYPERLINK("http://example.org")'
    reports = [AudioReport(text, text, "quarantined", text), AudioReport("'a'", "b=c", "ok")]
    write_reports(reports, tmp_path / "audio_report.csv")
    assert read_reports([tmp_path / "audio_report.csv"]) == sorted(
        reports, key=lambda report: report.track_id
    )
    write_quarantine([Quarantined(text, text, text)], tmp_path / "quarantine.csv")
    assert read_quarantine(tmp_path / "quarantine.csv") == [Quarantined(text, text, text)]
    for name in ("audio_report.csv", "quarantine.csv"):
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t")]
        assert f"'{text}" in cells
        assert name == "quarantine.csv" or {"'a'", "b=c"} <= set(cells)
