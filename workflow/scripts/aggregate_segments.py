"""Extract the last hidden layer's activations and aggregate them to 5 s segments."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from genreflow.files.layouts import finite_clip
from genreflow.files.models import read_model
from genreflow.files.store import feature_sets, write_arrays
from genreflow.jeong2016.segments import segments_for
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Aggregate every clip of the dataset, whatever its role."""
    models = {path.stem: read_model(path)[0] for path in job.paths("models")}
    segments = []
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))
        caches = [stack.enter_context(cache) for cache in feature_sets(job.paths("vectors"))]
        aggregate = segments_for(job.wildcards["network"], models, caches, **job.settings)
        track_ids, quarantined = caches[0].track_ids, caches[0].quarantined
        for track_id in track_ids:
            segments.append(aggregate([finite_clip(cache, track_id) for cache in caches]))
    write_arrays(
        job.path("segments"),
        {
            "track_id": np.array(track_ids),
            "data": np.stack(segments),
            "quarantined": np.array(quarantined, dtype=object),
        },
        axes="clip, segment, feature (means of the hidden units, then their variances)",
    )
    log.info("%d clips, %d segments each", len(segments), len(segments[0]))
