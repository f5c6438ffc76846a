"""Train the convolutional (MoEC) or the recurrent (MoER) mixer over frozen experts."""

from __future__ import annotations

import numpy as np
import torch
from genreflow.files.assignments import read_assignments
from genreflow.files.curves import check_converged, write_curve
from genreflow.files.store import FeatureSet, read_arrays
from genreflow.jobs.job import Job, log, run
from genreflow.jobs.progress import TrainingProgress
from genreflow.seeds import derive_seed
from genreflow.yi2019.mixture import align_probabilities, batch_statistics_experts
from genreflow.yi2019.networks import build_network, initialise, network_from_model, write_network
from genreflow.yi2019.training import (
    batchnorm_settings,
    choose_device,
    fit_settings,
    frames,
    image,
    make_deterministic,
    mixture_objective,
    train_network,
    training_set,
)
from torch import Tensor


def main(job: Job) -> None:
    """Train on the experts' cached probabilities, with the original spectrogram as input."""
    params = job.params
    mixer, name, experts = params["mixer_settings"], params["mixer"], params["experts"]
    recurrent = name == "moer"
    # The steps of a GRU are so short that two threads only wait for each other.
    make_deterministic(1 if recurrent else params["threads"])
    device = choose_device(params["device"])
    assignments = read_assignments(job.path("partition"), params["fold"])
    seed = derive_seed(params["seed"], params["fold"], name)
    files = [read_arrays(path)[0] for path in job.paths("probabilities")]
    labels = files[0]["label"].tolist()
    with FeatureSet(job.paths("inputs")) as features:
        own = (
            {"network": "gru_mixer", "bands": features.shape[0], "dropout": mixer["dropout"]}
            if recurrent
            else {"network": "k2c2", "pools": params["pools"], "channels": params["channels"]}
        )
        architecture = own | {
            "outputs": len(experts),
            **batchnorm_settings(mixer),
        }
        network = build_network(architecture)
        initialise(network, seed)
        network.to(device)
        data = training_set(
            features,
            assignments,
            labels=labels,
            normalisation=params["normalisation"],
            memory_gb=job.number("inputs-mb") / 1000,
            device=device,
        )
        cached = torch.from_numpy(align_probabilities(files, data.track_ids)).to(device)

        def cached_probabilities(rows: np.ndarray, training: bool) -> Tensor:
            return cached[rows]

        probabilities = cached_probabilities
        if mixer["frozen_batchnorm"] == "keras224_bn":
            probabilities = batch_statistics_experts(
                [network_from_model(path) for path in job.paths("models")],
                [job.paths(f"inputs_{expert}") for expert in experts],
                data.track_ids,
                cached=cached,
                memory_gb=job.number("inputs-mb") / 1000 / len(experts),
            )
        log.info("%d training clips on %s", len(data.train), device)
        progress = TrainingProgress(f"{name} fold {params['fold']}", epochs=mixer["epochs"])
        best_epoch, curve = train_network(
            network,
            data,
            mixture_objective(probabilities, data.classes),
            prepare=frames if recurrent else image,
            **fit_settings(mixer),
            seed=seed,
            report_step=progress.step,
            report_epoch=progress.epoch,
        )
        feature_parameters = features.parameters
    check_converged(curve, best_epoch, section="mixer")
    log.info("best epoch %d of %d", best_epoch, len(curve))
    write_curve(curve, job.path("curve"))
    write_network(
        job.path("model"),
        network,
        data.statistics,
        {
            "architecture": architecture,
            "input": "original",
            "normalisation": params["normalisation"],
            "experts": experts,
            "labels": labels,
            "clips": data.clips,
            "feature_parameters": feature_parameters,
            "parameters": mixer,
            "seed": params["seed"],
            "fold": params["fold"],
            "best_epoch": best_epoch,
            "device": str(device),
        },
    )


if __name__ == "__main__":
    run(main)
