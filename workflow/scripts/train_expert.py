"""Train one of the convolutional experts of Yi 2019."""

from __future__ import annotations

import numpy as np
import torch
from genreflow.curves import write_curve
from genreflow.models import name_normalisation, write_model
from genreflow.networks import K2c2, initialise, network_tensors
from genreflow.normalisation import input_normaliser, input_statistics
from genreflow.partitions import read_assignments, usable
from genreflow.runtime import Job, TrainingProgress, log, run
from genreflow.seeds import derive_seed
from genreflow.store import FeatureSet
from genreflow.training import (
    ClipInputs,
    choose_device,
    classification_objective,
    image,
    make_deterministic,
    train_network,
)


def main(job: Job) -> None:
    """Train on the training clips, choose the epoch on the validation clips."""
    params = job.params
    expert = params["expert_settings"]
    make_deterministic(params["threads"])
    device = choose_device(params["device"])
    assignments = read_assignments(job.path("partition"), params["fold"])
    labels = sorted({assignment.label for assignment in assignments})
    seed = derive_seed(params["seed"], params["fold"], params["expert"])
    with FeatureSet(job.paths("inputs")) as features:
        clips = usable(assignments, features, roles=["train", "valid"])
        rows = {
            role: np.array([row for row, clip in enumerate(clips) if clip.role == role])
            for role in ("train", "valid")
        }
        statistics = input_statistics(
            features, [clips[row].track_id for row in rows["train"]], expert["normalisation"]
        )
        inputs = ClipInputs(
            features,
            [clip.track_id for clip in clips],
            normalise=input_normaliser(expert["normalisation"], statistics),
            memory_gb=params["memory_gb"],
        )
        classes = torch.tensor([labels.index(clip.label) for clip in clips], device=device)
        architecture = {
            "network": "k2c2",
            "outputs": len(labels),
            "pools": params["pools"],
            "channels": expert["channels"],
            "batchnorm_momentum": expert["batchnorm_momentum"],
        }
        network = K2c2(
            len(labels),
            pools=params["pools"],
            channels=expert["channels"],
            batchnorm_momentum=expert["batchnorm_momentum"],
        )
        initialise(network, seed)
        network.to(device)
        log.info("%d training clips on %s", len(rows["train"]), device)
        progress = TrainingProgress(
            f"{params['expert']} fold {params['fold']}", epochs=expert["epochs"]
        )
        best_epoch, curve = train_network(
            network,
            inputs,
            classification_objective(classes),
            classes,
            prepare=image,
            train_rows=rows["train"],
            valid_rows=rows["valid"],
            epochs=expert["epochs"],
            batch=expert["batch"],
            learning_rate=expert["learning_rate"],
            decay=expert["decay"],
            model=expert["model"],
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
            "input": params["expert"],
            "normalisation": expert["normalisation"],
            "labels": labels,
            "feature_parameters": feature_parameters,
            "parameters": expert,
            "seed": params["seed"],
            "fold": params["fold"],
            "best_epoch": best_epoch,
            "device": str(device),
        },
    )


if __name__ == "__main__":
    run(main)
