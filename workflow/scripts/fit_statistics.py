"""Learn from the statistics of a fold again, as `evaluate_vectors` does, and keep it."""

from __future__ import annotations

import json

from genreflow.baselines.folds import fold_of_vectors
from genreflow.baselines.svm import svm_tensors
from genreflow.files.models import write_model
from genreflow.files.store import read_arrays
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Learn from every clip that is not a test clip."""
    seed, number = job.wildcards["seed"], job.wildcards["fold"]
    fold = fold_of_vectors(job.path("partition"), job.path("vectors"), job.path("manifest"), number)
    _, about = read_arrays(job.path("vectors"))
    with threadpool_limits(1):
        learned = fold.learn(job.planned["learner"], seed=seed, threads=job.number("threads"))
    clips = (a.track_id for a in fold.assignments if a.role != "test")
    known = [track_id for track_id in clips if track_id in fold.vectors]
    write_model(
        job.path("model"),
        svm_tensors(learned),
        {
            "architecture": {"network": "svm"},
            "input": about["values"],
            "normalisation": "mean and deviation of the clips that it learned from",
            "labels": fold.labels,
            "clips": {"train": sorted(known), "valid": []},
            "feature_parameters": json.loads(about["parameters"]),
            "parameters": learned.chosen,
            "seed": seed,
            "fold": number,
        },
    )
    log.info("%d clips, %s", len(known), learned.chosen)
