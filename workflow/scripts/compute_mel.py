"""Compute the mel spectrograms of a shard, of the whole, the harmonic or the percussive part."""

from __future__ import annotations

from genreflow.features.mel import compute_mel, mel_filters
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform clip by clip."""
    mel = {key: job.params[key] for key in ("n_mels", "fmin", "fmax", "top_db")}
    with FeatureFile(job.path("magnitude")) as magnitude:
        rate = int(magnitude.attributes["sample_rate"])
        bins, frames = magnitude.shape
        filters = mel_filters(
            sample_rate=rate,
            n_fft=2 * (bins - 1),
            n_mels=mel["n_mels"],
            fmin=mel["fmin"],
            fmax=mel["fmax"],
        )
        with FeatureWriter(
            job.path("mel"),
            feature=f"mel_{job.params['component']}",
            shape=(mel["n_mels"], frames),
            parameters={**magnitude.parameters, "mel": mel},
            sample_rate=rate,
            hop=magnitude.attributes["hop"],
            moments=True,
        ) as out:
            for track_id, values in magnitude:
                out.append(track_id, compute_mel(values, filters=filters, top_db=mel["top_db"]))


if __name__ == "__main__":
    run(main)
