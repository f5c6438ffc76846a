"""Train one of the convolutional experts of Yi 2019."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments
from genreflow.files.store import FeatureSet
from genreflow.jobs.job import Job
from genreflow.seeds import derive_seed
from genreflow.yi2019.models import memory_gb, train_and_write
from genreflow.yi2019.networks import build_network, initialise
from genreflow.yi2019.training import (
    batchnorm_settings,
    choose_device,
    classification_objective,
    make_deterministic,
    training_set,
)


def main(job: Job) -> None:
    """Train on the training clips, choose the epoch on the validation clips."""
    training, expert = job.settings["training"], job.settings["expert"]
    seed, fold, name = (job.wildcards[key] for key in ("seed", "fold", "expert"))
    make_deterministic(training["threads"])
    device = choose_device(training["device"])
    assignments = read_assignments(job.path("partition"), fold)
    labels = sorted({assignment.label for assignment in assignments})
    own_seed = derive_seed(seed, fold, name)
    architecture = {
        "network": "k2c2",
        "outputs": len(labels),
        "pools": job.settings["pools"],
        "channels": expert["channels"],
        **batchnorm_settings(expert),
    }
    network = build_network(architecture)
    initialise(network, own_seed)
    network.to(device)
    with FeatureSet(job.paths("inputs")) as features:
        data = training_set(
            features,
            assignments,
            labels=labels,
            normalisation=expert["normalisation"],
            memory_gb=memory_gb(job),
            device=device,
        )
        train_and_write(
            job,
            network,
            data,
            classification_objective(data.classes),
            section="expert",
            seed=own_seed,
            description={
                "architecture": architecture,
                "input": name,
                "normalisation": expert["normalisation"],
                "labels": labels,
                "feature_parameters": features.parameters,
            },
        )
