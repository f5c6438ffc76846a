"""Predict the test clips by a mixture of the experts: MoEB, MoEC or MoER."""

from __future__ import annotations

import numpy as np
import torch
from genreflow.features.normalisation import input_normaliser
from genreflow.files.assignments import read_assignments
from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.files.store import FeatureSet, read_arrays
from genreflow.jobs.job import Job, log, run
from genreflow.yi2019.mixture import align_probabilities
from genreflow.yi2019.networks import network_from_model
from genreflow.yi2019.training import (
    ClipInputs,
    choose_device,
    frames,
    image,
    make_deterministic,
    mix,
    predict_probabilities,
)


def mixer_weights(job: Job, track_ids: list[str]) -> np.ndarray:
    """Return the trained mixer's weights of some clips, shape (clips, experts)."""
    params = job.params
    recurrent = params["system"] == "MoER"
    make_deterministic(1 if recurrent else params["threads"])
    network, statistics, description = network_from_model(job.path("model"))
    device = choose_device(params["device"])
    network.to(device)
    with FeatureSet(job.paths("inputs")) as features:
        inputs = ClipInputs(
            features,
            track_ids,
            normalise=input_normaliser(description["normalisation"], statistics),
            memory_gb=job.number("inputs-mb") / 1000,
            device=device,
        )
        return predict_probabilities(
            network, inputs, prepare=frames if recurrent else image, batch=params["batch"]
        )


def main(job: Job) -> None:
    """Weight the experts' cached probabilities, equally (MoEB) or by the mixer."""
    params = job.params
    experts = params["experts"]
    assignments = read_assignments(job.path("partition"), params["fold"])
    test = [a for a in assignments if a.role == "test"]
    files = [read_arrays(path)[0] for path in job.paths("probabilities")]
    labels = files[0]["label"].tolist()
    present = set(files[0]["track_id"])
    track_ids = [clip.track_id for clip in test if clip.track_id in present]
    probabilities = torch.from_numpy(align_probabilities(files, track_ids))
    balanced = params["system"] == "MoEB"
    weights = (
        np.full((len(track_ids), len(experts)), 1 / len(experts), np.float32)
        if balanced
        else mixer_weights(job, track_ids)
    )
    mixture = mix(torch.from_numpy(weights), probabilities).numpy()
    table = tabulate_predictions(
        test,
        {
            track_id: ClipPrediction(mixture[row], None if balanced else weights[row])
            for row, track_id in enumerate(track_ids)
        },
        labels=labels,
        experts=[] if balanced else experts,
        seed=params["seed"],
    )
    write_predictions(table, job.path("predictions"))
    log.info("%d of %d right", (table["true"] == table["predicted"]).sum(), len(table))


if __name__ == "__main__":
    run(main)
