"""Compute the modulation spectrograms of a shard."""

from __future__ import annotations

from genreflow.features.modulation import compute_modulation
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform clip by clip."""
    with FeatureFile(job.path("mel")) as mel:
        derive_features(
            mel,
            job.caches("modulation"),
            lambda values: [compute_modulation(values, **job.settings)],
            settings=job.settings,
        )
