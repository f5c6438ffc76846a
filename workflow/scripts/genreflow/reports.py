"""What became of every audio file of a collection."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path


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
    with path.open("w", newline="", encoding="utf-8") as handle:
        names = [field.name for field in fields(AudioReport)]
        writer = csv.DictWriter(handle, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(report) for report in reports)


def read_reports(paths: Iterable[Path]) -> list[AudioReport]:
    """Return the reports of several files in the order of the track ids."""
    reports = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as handle:
            reports += [AudioReport(**row) for row in csv.DictReader(handle)]
    return sorted(reports, key=lambda report: report.track_id)
