"""Learn from the statistics of a fold again, as `evaluate_vectors` does, and keep it."""

from __future__ import annotations

import json

from genreflow.baselines.folds import learn_fold
from genreflow.baselines.svm import svm_tensors
from genreflow.files.assignments import read_assignments
from genreflow.files.clips import read_clips
from genreflow.files.models import write_model
from genreflow.files.store import read_arrays
from genreflow.files.vectors import read_vectors
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Learn from every clip that is not a test clip."""
    seed, fold = job.wildcards["seed"], job.wildcards["fold"]
    assignments = read_assignments(job.path("partition"), fold)
    vectors = read_vectors(job.path("vectors"))
    _, about = read_arrays(job.path("vectors"))
    labels = sorted({assignment.label for assignment in assignments})
    with threadpool_limits(1):
        learned = learn_fold(
            job.planned["learner"],
            assignments,
            vectors,
            read_clips(job.path("manifest")),
            labels=labels,
            seed=seed,
            threads=job.number("threads"),
        )
    known = [a.track_id for a in assignments if a.role != "test" and a.track_id in vectors]
    write_model(
        job.path("model"),
        svm_tensors(learned),
        {
            "architecture": {"network": "svm"},
            "input": about["values"],
            "normalisation": "mean and deviation of the clips that it learned from",
            "labels": labels,
            "clips": {"train": sorted(known), "valid": []},
            "feature_parameters": json.loads(about["parameters"]),
            "parameters": learned.chosen,
            "seed": seed,
            "fold": fold,
        },
    )
    log.info("%d clips, %s", len(known), learned.chosen)
