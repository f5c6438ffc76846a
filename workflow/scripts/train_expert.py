"""Train one of the convolutional experts of Yi 2019."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments
from genreflow.files.curves import check_converged, write_curve
from genreflow.files.store import FeatureSet
from genreflow.jobs.job import Job, log, run
from genreflow.jobs.progress import TrainingProgress
from genreflow.seeds import derive_seed
from genreflow.yi2019.networks import build_network, initialise, write_network
from genreflow.yi2019.training import (
    batchnorm_settings,
    choose_device,
    classification_objective,
    fit_settings,
    image,
    make_deterministic,
    train_network,
    training_set,
)


def main(job: Job) -> None:
    """Train on the training clips, choose the epoch on the validation clips."""
    params = job.params
    expert, name = params["expert_settings"], params["expert"]
    make_deterministic(params["threads"])
    device = choose_device(params["device"])
    assignments = read_assignments(job.path("partition"), params["fold"])
    labels = sorted({assignment.label for assignment in assignments})
    seed = derive_seed(params["seed"], params["fold"], name)
    architecture = {
        "network": "k2c2",
        "outputs": len(labels),
        "pools": params["pools"],
        "channels": expert["channels"],
        **batchnorm_settings(expert),
    }
    network = build_network(architecture)
    initialise(network, seed)
    network.to(device)
    with FeatureSet(job.paths("inputs")) as features:
        data = training_set(
            features,
            assignments,
            labels=labels,
            normalisation=expert["normalisation"],
            memory_gb=job.number("inputs-mb") / 1000,
            device=device,
        )
        log.info("%d training clips on %s", len(data.train), device)
        progress = TrainingProgress(f"{name} fold {params['fold']}", epochs=expert["epochs"])
        best_epoch, curve = train_network(
            network,
            data,
            classification_objective(data.classes),
            prepare=image,
            **fit_settings(expert),
            seed=seed,
            report_step=progress.step,
            report_epoch=progress.epoch,
        )
        feature_parameters = features.parameters
    check_converged(curve, best_epoch, section="expert")
    log.info("best epoch %d of %d", best_epoch, len(curve))
    write_curve(curve, job.path("curve"))
    write_network(
        job.path("model"),
        network,
        data.statistics,
        {
            "architecture": architecture,
            "input": name,
            "normalisation": expert["normalisation"],
            "labels": labels,
            "clips": data.clips,
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
