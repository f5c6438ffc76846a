"""Compute the magnitude spectrograms of a shard."""

from __future__ import annotations

from genreflow.features.stft import compute_stft, uncentred_frames
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform clip by clip; the moments are of the frames that Jeong 2016 counts."""
    n_fft, hop = job.params["n_fft"], job.params["hop"]
    with FeatureFile(job.path("audio")) as audio:
        (samples,) = audio.shape
        counted = uncentred_frames(samples, n_fft=n_fft, hop=hop)
        with FeatureWriter(
            job.path("stft"),
            feature="stft",
            shape=(n_fft // 2 + 1, 1 + samples // hop),
            parameters={**audio.parameters, "stft": {"n_fft": n_fft, "hop": hop}},
            sample_rate=audio.attributes["sample_rate"],
            hop=hop,
            moments=True,
            attributes={"uncentred_start": counted.start, "uncentred_stop": counted.stop},
        ) as out:
            for track_id, signal in audio:
                out.append(
                    track_id, compute_stft(signal, n_fft=n_fft, hop=hop), moments_over=counted
                )


if __name__ == "__main__":
    run(main)
