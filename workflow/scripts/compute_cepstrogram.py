"""Compute the cepstrograms of a shard."""

from __future__ import annotations

from genreflow.features.cepstrum import compute_cepstrogram
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform the frames that Jeong 2016 counts, clip by clip."""
    epsilon = job.params["epsilon"]
    with FeatureFile(job.path("stft")) as stft:
        counted = slice(stft.attributes["uncentred_start"], stft.attributes["uncentred_stop"])
        with FeatureWriter(
            job.path("cepstrogram"),
            feature="cepstrogram",
            shape=(stft.shape[0], counted.stop - counted.start),
            parameters={**stft.parameters, "cepstrum": {"epsilon": epsilon}},
            sample_rate=stft.attributes["sample_rate"],
            hop=stft.attributes["hop"],
            moments=True,
        ) as out:
            for track_id, magnitude in stft:
                out.append(track_id, compute_cepstrogram(magnitude[:, counted], epsilon=epsilon))


if __name__ == "__main__":
    run(main)
