"""Compute what normalises the inputs of a small network: moments over the training clips."""

from __future__ import annotations

from genreflow.features.normalisation import pooled_moments
from genreflow.files.assignments import read_assignments, usable
from genreflow.files.store import FeatureSet, write_arrays
from genreflow.jeong2016.vectors import modulation_moments
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Pool the cached moments; for TF pass over the training clips once as well."""
    assignments = read_assignments(job.path("partition"), job.wildcards["fold"])
    with FeatureSet(job.paths("moments")) as features:
        train = [clip.track_id for clip in usable(assignments, features, roles=["train"])]
        mean, deviation = pooled_moments(features, train)
    arrays = {"mean": mean, "deviation": deviation}
    if job.wildcards["network"] == "tf":
        with FeatureSet(job.paths("vectors")) as modulation:
            window = modulation.parameters["cepstral_modulation"]["window_frames"]
            centre, spread = modulation_moments(
                modulation, train, mean=mean, deviation=deviation, window_frames=window
            )
        arrays |= {"modulation_mean": centre, "modulation_deviation": spread}
    write_arrays(job.path("normalisation"), arrays, clips=len(train))
    log.info("%d training clips", len(train))
