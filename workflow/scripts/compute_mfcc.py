"""Compute the MFCC and their derivatives of a shard."""

from __future__ import annotations

from genreflow.features.mfcc import compute_mfcc
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform clip by clip."""
    with FeatureFile(job.path("mel")) as mel:
        derive_features(
            mel,
            job.caches("mfcc"),
            lambda values: [compute_mfcc(values, **job.settings)],
            settings=job.settings,
        )
