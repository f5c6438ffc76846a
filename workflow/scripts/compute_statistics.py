"""Compute the statistics of every clip's mel spectrogram."""

from __future__ import annotations

from genreflow.baselines.statistics import clip_statistics
from genreflow.files.layouts import finite_clip
from genreflow.files.store import FeatureSet
from genreflow.files.vectors import write_vectors
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Read the dataset clip by clip, whatever the roles of the clips."""
    with FeatureSet(job.paths("mel")) as features:
        rows = {
            track_id: clip_statistics(finite_clip(features, track_id))
            for track_id in features.track_ids
        }
        write_vectors(
            job.path("vectors"),
            rows,
            without=features.quarantined,
            parameters=features.parameters,
            values="mean and deviation of each mel band, and of its first differences",
        )
    log.info("%d clips", len(rows))
