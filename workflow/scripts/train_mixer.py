"""Train the convolutional (MoEC) or the recurrent (MoER) mixer over frozen experts."""

from __future__ import annotations

import torch
from genreflow.files.assignments import read_assignments
from genreflow.files.store import FeatureSet, read_arrays
from genreflow.jobs.job import Job
from genreflow.seeds import derive_seed
from genreflow.yi2019.mixture import (
    align_probabilities,
    batch_statistics_experts,
    frozen_experts,
)
from genreflow.yi2019.models import memory_gb, train_and_write
from genreflow.yi2019.networks import build_network, initialise, network_from_model
from genreflow.yi2019.training import (
    batchnorm_settings,
    choose_device,
    make_deterministic,
    mixture_objective,
    training_set,
)


def main(job: Job) -> None:
    """Train on the experts' cached probabilities, with the original spectrogram as input."""
    settings = job.settings
    training, mixer, experts = settings["training"], settings["mixer"], settings["experts"]
    seed, fold, name = (job.wildcards[key] for key in ("seed", "fold", "mixer"))
    recurrent = name == "moer"
    # The steps of a GRU are so short that two threads only wait for each other.
    make_deterministic(1 if recurrent else training["threads"])
    device = choose_device(training["device"])
    assignments = read_assignments(job.path("partition"), fold)
    own_seed = derive_seed(seed, fold, name)
    files = [read_arrays(path)[0] for path in job.paths("probabilities")]
    labels = files[0]["label"].tolist()
    with FeatureSet(job.paths("inputs")) as features:
        own = (
            {"network": "gru_mixer", "bands": features.shape[0], "dropout": mixer["dropout"]}
            if recurrent
            else {"network": "k2c2", "pools": settings["pools"], "channels": settings["channels"]}
        )
        architecture = own | {"outputs": len(experts), **batchnorm_settings(mixer)}
        network = build_network(architecture)
        initialise(network, own_seed)
        network.to(device)
        data = training_set(
            features,
            assignments,
            labels=labels,
            normalisation=settings["normalisation"],
            memory_gb=memory_gb(job),
            device=device,
        )
        cached = torch.from_numpy(align_probabilities(files, data.track_ids)).to(device)
        probabilities = frozen_experts(cached)
        if mixer["frozen_batchnorm"] == "keras224_bn":
            # All shards of the first expert's feature, then all of the next one's.
            paths = job.paths("expert_inputs")
            shards = len(paths) // len(experts)
            probabilities = batch_statistics_experts(
                [network_from_model(path) for path in job.paths("models")],
                [paths[start : start + shards] for start in range(0, len(paths), shards)],
                data.track_ids,
                cached=cached,
                memory_gb=memory_gb(job) / len(experts),
            )
        train_and_write(
            job,
            network,
            data,
            mixture_objective(probabilities, data.classes),
            section="mixer",
            seed=own_seed,
            description={
                "architecture": architecture,
                "input": "original",
                "normalisation": settings["normalisation"],
                "experts": experts,
                "labels": labels,
                "feature_parameters": features.parameters,
            },
        )
