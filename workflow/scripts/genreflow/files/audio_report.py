"""What became of every audio file of a collection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genreflow.files.records import read_rows, write_records


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


def write_reports(reports: Iterable[AudioReport], path: Path) -> None:
    """Write reports, a row a clip."""
    write_records(reports, AudioReport, path)


def read_reports(paths: Iterable[Path]) -> list[AudioReport]:
    """Return the reports of several files in the order of the track ids."""
    reports = [AudioReport(**row) for path in paths for row in read_rows(path)]
    return sorted(reports, key=lambda report: report.track_id)
