"""Compute the magnitude spectrograms of a shard."""

from __future__ import annotations

from genreflow.features.stft import compute_stft, uncentred_frames
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform clip by clip; the moments are of the frames that Jeong 2016 counts."""
    with FeatureFile(job.path("audio")) as audio:
        counted = uncentred_frames(*audio.shape, **job.settings)
        derive_features(
            audio,
            job.caches("stft"),
            lambda samples: [compute_stft(samples, **job.settings)],
            settings=job.settings,
            hop=job.settings["hop"],
            moments_over=counted,
            attributes={"uncentred_start": counted.start, "uncentred_stop": counted.stop},
        )
