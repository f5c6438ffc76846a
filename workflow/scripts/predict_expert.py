"""Compute an expert's class probabilities for every clip of the dataset, once."""

from __future__ import annotations

import numpy as np
from genreflow.features.normalisation import input_normaliser
from genreflow.files.store import FeatureSet, write_arrays
from genreflow.jobs.job import Job, log, run
from genreflow.yi2019.networks import network_from_model
from genreflow.yi2019.training import (
    ClipInputs,
    choose_device,
    image,
    make_deterministic,
    predict_probabilities,
)


def main(job: Job) -> None:
    """Run the frozen expert in evaluation mode."""
    params = job.params
    make_deterministic(params["threads"])
    network, statistics, description = network_from_model(job.path("model"))
    device = choose_device(params["device"])
    network.to(device)
    with FeatureSet(job.paths("inputs")) as features:
        track_ids = features.track_ids
        inputs = ClipInputs(
            features,
            track_ids,
            normalise=input_normaliser(description["normalisation"], statistics),
            memory_gb=job.number("inputs-mb") / 1000,
            device=device,
        )
        probabilities = predict_probabilities(network, inputs, prepare=image, batch=params["batch"])
    write_arrays(
        job.path("probabilities"),
        {
            "track_id": np.array(track_ids),
            "data": probabilities,
            "label": np.array(description["labels"]),
        },
        axes="clip, class",
    )
    log.info("%d clips", len(track_ids))


if __name__ == "__main__":
    run(main)
