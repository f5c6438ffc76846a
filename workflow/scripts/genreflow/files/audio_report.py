"""What became of every audio file of a collection."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genreflow.files.records import write_records


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
    reports = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as handle:
            reports += [AudioReport(**row) for row in csv.DictReader(handle)]
    return sorted(reports, key=lambda report: report.track_id)
