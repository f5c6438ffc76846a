"""Compute the cepstrograms of a shard."""

from __future__ import annotations

from genreflow.features.cepstrum import compute_cepstrogram
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform the frames that Jeong 2016 counts, clip by clip."""
    with FeatureFile(job.path("stft")) as stft:
        counted = slice(stft.attributes["uncentred_start"], stft.attributes["uncentred_stop"])
        derive_features(
            stft,
            job.caches("cepstrogram"),
            lambda magnitude: [compute_cepstrogram(magnitude[:, counted], **job.settings)],
            settings=job.settings,
        )
