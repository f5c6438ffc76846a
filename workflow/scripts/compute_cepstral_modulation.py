"""Compute the cepstral modulation spectra of a shard."""

from __future__ import annotations

from genreflow.features.cepstrum import compute_cepstral_modulation
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform clip by clip; the normalisation of a partition is applied later, exactly."""
    window = {key: job.params[key] for key in ("window_frames", "shift_frames")}
    with FeatureFile(job.path("cepstrogram")) as cepstrogram:
        quefrencies, frames = cepstrogram.shape
        windows = 1 + (frames - window["window_frames"]) // window["shift_frames"]
        with FeatureWriter(
            job.path("cepstral_modulation"),
            feature="cepstral_modulation",
            shape=(quefrencies, windows, window["window_frames"] // 2 + 1),
            parameters={**cepstrogram.parameters, "cepstral_modulation": window},
            sample_rate=cepstrogram.attributes["sample_rate"],
            hop=cepstrogram.attributes["hop"],
        ) as out:
            for track_id, values in cepstrogram:
                out.append(track_id, compute_cepstral_modulation(values, **window))


if __name__ == "__main__":
    run(main)
