"""Compute an expert's class probabilities for every clip of the dataset, once."""

from __future__ import annotations

import numpy as np
from genreflow.files.store import FeatureSet, write_arrays
from genreflow.jobs.job import Job, log
from genreflow.yi2019.models import run_model


def main(job: Job) -> None:
    """Run the frozen expert in evaluation mode."""
    probabilities, track_ids, description = run_model(
        job, threads=job.settings["training"]["threads"]
    )
    with FeatureSet(job.paths("inputs")) as features:
        quarantined = np.array(features.quarantined, dtype=object)
    write_arrays(
        job.path("probabilities"),
        {
            "track_id": np.array(track_ids),
            "data": probabilities,
            "quarantined": quarantined,
            "label": np.array(description["labels"]),
        },
        axes="clip, class",
    )
    log.info("%d clips", len(track_ids))
