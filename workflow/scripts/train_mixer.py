"""Train the convolutional (MoEC) or the recurrent (MoER) mixer over frozen experts."""

from __future__ import annotations

import numpy as np
import torch
from genreflow.curves import write_curve
from genreflow.mixture import align_probabilities, batch_statistics_experts
from genreflow.models import name_normalisation, write_model
from genreflow.networks import GruMixer, K2c2, initialise, network_from_model, network_tensors
from genreflow.normalisation import input_normaliser, input_statistics
from genreflow.partitions import read_assignments, usable
from genreflow.runtime import Job, TrainingProgress, log, run
from genreflow.seeds import derive_seed
from genreflow.store import FeatureSet, read_arrays
from genreflow.training import (
    ClipInputs,
    choose_device,
    frames,
    image,
    make_deterministic,
    mixture_objective,
    train_network,
)
from torch import Tensor, nn


def main(job: Job) -> None:
    """Train on the experts' cached probabilities, with the original spectrogram as input."""
    params = job.params
    mixer, experts = params["mixer_settings"], params["experts"]
    recurrent = params["mixer"] == "moer"
    # The steps of a GRU are so short that two threads only wait for each other.
    make_deterministic(1 if recurrent else params["threads"])
    device = choose_device(params["device"])
    assignments = read_assignments(job.path("partition"), params["fold"])
    seed = derive_seed(params["seed"], params["fold"], params["mixer"])
    with FeatureSet(job.paths("inputs")) as features:
        clips = usable(assignments, features, roles=["train", "valid"])
        track_ids = [clip.track_id for clip in clips]
        rows = {
            role: np.array([row for row, clip in enumerate(clips) if clip.role == role])
            for role in ("train", "valid")
        }
        statistics = input_statistics(
            features, [track_ids[row] for row in rows["train"]], params["normalisation"]
        )
        inputs = ClipInputs(
            features,
            track_ids,
            normalise=input_normaliser(params["normalisation"], statistics),
            memory_gb=params["memory_gb"],
        )
        files = [read_arrays(path)[0] for path in job.paths("probabilities")]
        labels = files[0]["label"].tolist()
        cached = torch.from_numpy(align_probabilities(files, track_ids)).to(device)
        classes = torch.tensor([labels.index(clip.label) for clip in clips], device=device)

        network: nn.Module
        architecture = {"outputs": len(experts), "batchnorm_momentum": mixer["batchnorm_momentum"]}
        if recurrent:
            own = {"bands": features.shape[0], "dropout": mixer["dropout"]}
            network = GruMixer(len(experts), **own, batchnorm_momentum=mixer["batchnorm_momentum"])
            architecture |= {"network": "gru_mixer", **own}
        else:
            own = {"pools": params["pools"], "channels": params["channels"]}
            network = K2c2(len(experts), **own, batchnorm_momentum=mixer["batchnorm_momentum"])
            architecture |= {"network": "k2c2", **own}
        initialise(network, seed)
        network.to(device)

        def cached_probabilities(chosen: np.ndarray, training: bool) -> Tensor:
            return cached[chosen]

        source = cached_probabilities
        if mixer["frozen_batchnorm"] == "keras224_bn":
            source = batch_statistics_experts(
                [network_from_model(path) for path in job.paths("models")],
                [job.paths(f"inputs_{expert}") for expert in experts],
                track_ids,
                cached=cached,
                memory_gb=params["memory_gb"] / len(experts),
            )
        log.info("%d training clips on %s", len(rows["train"]), device)
        progress = TrainingProgress(
            f"{params['mixer']} fold {params['fold']}", epochs=mixer["epochs"]
        )
        best_epoch, curve = train_network(
            network,
            inputs,
            mixture_objective(source, classes),
            classes,
            prepare=frames if recurrent else image,
            train_rows=rows["train"],
            valid_rows=rows["valid"],
            epochs=mixer["epochs"],
            batch=mixer["batch"],
            learning_rate=mixer["learning_rate"],
            decay=mixer["decay"],
            model=mixer["model"],
            seed=seed,
            report_step=progress.step,
            report_epoch=progress.epoch,
        )
        feature_parameters = features.parameters
    log.info("best epoch %d of %d", best_epoch, len(curve))
    write_curve(curve, job.path("curve"))
    write_model(
        job.path("model"),
        {**network_tensors(network), **name_normalisation(statistics)},
        {
            "architecture": architecture,
            "input": "original",
            "normalisation": params["normalisation"],
            "experts": experts,
            "labels": labels,
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
