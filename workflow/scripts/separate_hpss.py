"""Separate the spectrograms of a shard into harmonic and percussive ones."""

from __future__ import annotations

from contextlib import ExitStack

from genreflow.features.hpss import separate_hpss
from genreflow.files.store import FeatureFile, FeatureWriter
from genreflow.jobs.job import Job, run


def main(job: Job) -> None:
    """Separate clip by clip; both parts come from one pair of medians."""
    hpss = {key: job.params[key] for key in ("kernel", "power", "margin", "conserve")}
    with ExitStack() as stack:
        stft = stack.enter_context(FeatureFile(job.path("stft")))
        outputs = [
            stack.enter_context(
                FeatureWriter(
                    job.path(part),
                    feature=f"hpss_{part}",
                    shape=stft.shape,
                    parameters={**stft.parameters, "hpss": hpss},
                    sample_rate=stft.attributes["sample_rate"],
                    hop=stft.attributes["hop"],
                )
            )
            for part in ("harmonic", "percussive")
        ]
        for track_id, magnitude in stft:
            parts = separate_hpss(magnitude, **hpss)
            for out, part in zip(outputs, parts, strict=True):
                out.append(track_id, part)


if __name__ == "__main__":
    run(main)
