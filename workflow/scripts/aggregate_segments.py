"""Extract the last hidden layer's activations and aggregate them to 5 s segments."""

from __future__ import annotations

import numpy as np
from genreflow.files.layouts import finite_clip
from genreflow.files.models import read_model, split_normalisation
from genreflow.files.store import FeatureSet, write_arrays
from genreflow.jeong2016.network import mlp_from_tensors
from genreflow.jeong2016.segments import segment_features
from genreflow.jeong2016.vectors import vectors_for
from genreflow.jobs.job import Job, log
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Aggregate every clip of the dataset, whatever its role."""
    network_name = job.wildcards["network"]
    tensors, _ = read_model(job.path("model"))
    weights, statistics = split_normalisation(tensors)
    network = mlp_from_tensors(weights)
    segments = []
    with FeatureSet(job.paths("vectors")) as features, threadpool_limits(1):
        normalise = vectors_for(network_name, statistics, features)
        track_ids = features.track_ids
        for track_id in track_ids:
            vectors = normalise(finite_clip(features, track_id))
            segments.append(
                segment_features(network, vectors, framed=network_name == "sf", **job.settings)
            )
    write_arrays(
        job.path("segments"),
        {
            "track_id": np.array(track_ids),
            "data": np.stack(segments),
            "quarantined": np.array(features.quarantined, dtype=object),
        },
        axes="clip, segment, feature (means of the hidden units, then their variances)",
    )
    log.info("%d clips, %d segments each", len(segments), len(segments[0]))
