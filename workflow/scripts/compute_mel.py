"""Compute the mel spectrograms of a shard, of the whole, the harmonic or the percussive part."""

from __future__ import annotations

from genreflow.features.mel import compute_mel, mel_filters
from genreflow.files.store import FeatureFile, derive_features
from genreflow.jobs.job import Job


def main(job: Job) -> None:
    """Transform clip by clip."""
    mel = job.settings
    with FeatureFile(job.path("magnitude")) as magnitude:
        filters = mel_filters(
            sample_rate=int(magnitude.attributes["sample_rate"]),
            n_fft=2 * (magnitude.shape[0] - 1),
            n_mels=mel["n_mels"],
            fmin=mel["fmin"],
            fmax=mel["fmax"],
        )
        derive_features(
            magnitude,
            job.caches("mel"),
            lambda values: [compute_mel(values, filters=filters, top_db=mel["top_db"])],
            settings=mel,
        )
