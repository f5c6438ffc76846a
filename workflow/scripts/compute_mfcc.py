"""Compute the MFCC and their derivatives of a shard."""

from __future__ import annotations

from genreflow.features.mfcc import compute_mfcc
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Transform clip by clip."""
    mfcc = {key: job.params[key] for key in ("n_mfcc", "delta_width")}
    with (
        FeatureFile(job.path("mel")) as mel,
        FeatureWriter(
            job.path("mfcc"),
            feature="mfcc",
            shape=(3 * mfcc["n_mfcc"], mel.shape[1]),
            parameters={**mel.parameters, "mfcc": mfcc},
            sample_rate=mel.attributes["sample_rate"],
            hop=mel.attributes["hop"],
            moments=True,
        ) as out,
    ):
        for track_id, values in mel:
            out.append(track_id, compute_mfcc(values, **mfcc))


if __name__ == "__main__":
    run(main)
