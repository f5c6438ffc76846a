"""Grow the forest of a fold again, as `evaluate_forest` does, and keep it for a classifier."""

from __future__ import annotations

from genreflow.files.models import write_tensors
from genreflow.files.store import read_arrays
from genreflow.jeong2016.forest import fold_of_segments, forest_tensors
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Train on every clip that is not a test clip."""
    fold = fold_of_segments(
        job.path("partition"),
        [read_arrays(path)[0] for path in job.paths("segments")],
        job.wildcards["fold"],
    )
    forest = fold.grow(**job.settings, seed=job.wildcards["seed"], threads=job.number("threads"))
    tensors = forest_tensors(forest, classes=len(fold.labels))
    write_tensors(job.path("forest"), tensors)
    log.info("%d trees, %d leaves", len(tensors["roots"]), len(tensors["value"]))
