"""What became of every audio file of a collection.

Both tables are opened in spreadsheets, which run cells that begin like a formula; so texts that do
get an apostrophe in front, by which spreadsheets know a text, and lose it when they are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from genreflow.files.records import read_rows, write_records

Row = TypeVar("Row")

#: How a formula begins, and a text that already has apostrophes before one.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True)
class AudioReport:
    """A file's fate: ``ok``, ``padded`` (shorter than a clip), ``silent`` or ``quarantined``."""

    track_id: str
    path: str
    status: str
    note: str = ""
    decoder: str = ""
    sample_rate: int | str = ""
    channels: int | str = ""


@dataclass(frozen=True)
class Quarantined:
    """A clip that was set aside, and why."""

    track_id: str
    path: str
    reason: str


def write_reports(reports: Iterable[AudioReport], path: Path) -> None:
    """Write reports, a row a clip."""
    _write(reports, AudioReport, path)


def read_reports(paths: Iterable[Path]) -> list[AudioReport]:
    """Return the reports of several files in the order of the track ids."""
    reports = [report for path in paths for report in _read(path, AudioReport)]
    return sorted(reports, key=lambda report: report.track_id)


def write_quarantine(clips: Iterable[Quarantined], path: Path) -> None:
    """Write the clips that were set aside."""
    _write(clips, Quarantined, path)


def read_quarantine(path: Path) -> list[Quarantined]:
    """Return the clips that were set aside."""
    return _read(path, Quarantined)


def _write(rows: Iterable[Any], kind: type[Any], path: Path) -> None:
    write_records(
        (kind(**{name: _guarded(value) for name, value in asdict(row).items()}) for row in rows),
        kind,
        path,
    )


def _read(path: Path, kind: type[Row]) -> list[Row]:
    return [
        kind(**{name: text[1:] if _is_guarded(text) else text for name, text in row.items()})
        for row in read_rows(path)
    ]


def _guarded(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _is_guarded(text: str) -> bool:
    return text.startswith("'") and FORMULA.match(text) is not None
