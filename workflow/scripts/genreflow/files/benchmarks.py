"""Snakemake's measurements of jobs: a file a job, below ``results/benchmarks/{rule}``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measurement:
    """A job's time, and its largest memory, None where Snakemake did not measure it."""

    seconds: float
    memory_mb: float | None


def read_measurement(path: Path) -> Measurement:
    """Return what Snakemake measured of a job, the last time that it ran."""
    with path.open(newline="", encoding="utf-8") as handle:
        row = next(csv.DictReader(handle, delimiter="\t"))
    memory = row.get("max_rss", "NA")
    return Measurement(float(row["s"]), None if memory in ("NA", "-") else float(memory))
