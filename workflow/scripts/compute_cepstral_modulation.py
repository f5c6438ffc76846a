"""Compute the cepstral modulation spectra of a shard."""

from __future__ import annotations

from genreflow.features.cepstrum import compute_cepstral_modulation
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform clip by clip; the normalisation of a partition is applied later, exactly."""
    with FeatureFile(job.path("cepstrogram")) as cepstrogram:
        derive_features(
            cepstrogram,
            job.caches("cepstral_modulation"),
            lambda values: [compute_cepstral_modulation(values, **job.settings)],
            settings=job.settings,
        )
