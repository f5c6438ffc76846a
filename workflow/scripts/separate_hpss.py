"""Separate the spectrograms of a shard into harmonic and percussive ones."""

from __future__ import annotations

from genreflow.features.hpss import separate_hpss
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Separate clip by clip; both parts come from one pair of medians."""
    caches = job.caches("harmonic", "percussive")
    halves = all(layout.dtype == "float16" for layout in caches.values())
    with FeatureFile(job.path("stft")) as stft:
        derive_features(
            stft,
            caches,
            lambda magnitude: separate_hpss(magnitude, **job.settings, halves=halves),
            settings=job.settings,
        )
