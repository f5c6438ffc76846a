"""Compute the audio fingerprints of a shard."""

from __future__ import annotations

import json

import numpy as np
from genreflow.features.fingerprint import (
    PARAMETERS,
    compute_fingerprint,
    fingerprint_shape,
    step_frames,
)
from genreflow.files.store import FeatureFile, write_arrays
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Fingerprint clip by clip."""
    with FeatureFile(job.path("stft")) as stft, threadpool_limits(1):
        signal = {name: int(stft.attributes[name]) for name in ("sample_rate", "hop")}
        shape = fingerprint_shape(stft.shape[1], **signal)
        data = np.zeros((len(stft.track_ids), *shape), np.int8)
        for row, (_, magnitude) in enumerate(stft):
            data[row] = compute_fingerprint(magnitude, **signal)
        write_arrays(
            job.path("fingerprints"),
            {"track_id": np.array(stft.track_ids, dtype=object), "data": data},
            axes="clip, band, frame",
            parameters=json.dumps({**stft.parameters, "fingerprint": PARAMETERS}, sort_keys=True),
            frame_seconds=step_frames(**signal) * signal["hop"] / signal["sample_rate"],
        )
    without = len(data) - int(data.any(axis=(1, 2)).sum())
    log.info("%d clips, %d silent, steady or too short for a fingerprint", len(data), without)
