"""Divide a dataset's clips into training, validation and test clips, for every fold."""

from __future__ import annotations

from collections import Counter

from genreflow.files.assignments import write_assignments
from genreflow.files.clips import read_clips
from genreflow.jobs.job import Job, log
from genreflow.partitions.drawing import make_partition


def main(job: Job) -> None:
    """Draw the partition from the whole manifest, clips in quarantine included."""
    assignments = make_partition(
        read_clips(job.path("manifest")),
        job.wildcards["partition"],
        dataset=job.wildcards["dataset"],
        **job.settings,
        sizes=job.planned["sizes"],
    )
    write_assignments(assignments, job.path("partition"))
    for fold in sorted({assignment.fold for assignment in assignments}):
        sizes = Counter(a.role for a in assignments if a.fold == fold)
        log.info(
            "fold %d: %s", fold, ", ".join(f"{r} {sizes[r]}" for r in ("train", "valid", "test"))
        )
