"""Compute the modulation spectrograms of a shard."""

from __future__ import annotations

from genreflow.features.modulation import compute_modulation
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform clip by clip."""
    modulation = {"spectrogram": job.params["spectrogram"]}
    with FeatureFile(job.path("mel")) as mel:
        bands, frames = mel.shape
        with FeatureWriter(
            job.path("modulation"),
            feature="modulation",
            shape=(bands, frames // 2),
            parameters={**mel.parameters, "modulation": modulation},
            sample_rate=mel.attributes["sample_rate"],
            hop=mel.attributes["hop"],
            moments=True,
        ) as out:
            for track_id, values in mel:
                out.append(track_id, compute_modulation(values, **modulation))


if __name__ == "__main__":
    run(main)
