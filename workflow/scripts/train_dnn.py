"""Train a small network of Jeong 2016: on frames (SF), on modulation vectors (TF), or in series."""

from __future__ import annotations

import numpy as np
from genreflow.files.assignments import read_assignments, usable
from genreflow.files.curves import write_curve
from genreflow.files.models import name_normalisation, read_model, write_model
from genreflow.files.store import FeatureSet, read_statistics
from genreflow.jeong2016.network import Mlp
from genreflow.jeong2016.training import train_mlp
from genreflow.jeong2016.vectors import (
    ClipVectors,
    activation_spectra,
    bin_moments,
    series_vectors,
    vectors_for,
)
from genreflow.jobs.job import Job, log
from genreflow.jobs.progress import TrainingProgress
from genreflow.jobs.resuming import find_checkpoint
from genreflow.seeds import derive_seed
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Train on the training clips, choose on the validation clips."""
    dnn = job.settings["dnn"]
    seed, fold, network_name = (job.wildcards[name] for name in ("seed", "fold", "network"))
    assignments = read_assignments(job.path("partition"), fold)
    labels = sorted({assignment.label for assignment in assignments})
    rng = np.random.default_rng(derive_seed(seed, fold, network_name))
    with (
        FeatureSet(job.paths("vectors")) as features,
        find_checkpoint(job) as checkpoint,
        # One thread: the products are too small for more, and the bits depend on the number.
        threadpool_limits(1),
    ):
        clips = {role: usable(assignments, features, roles=[role]) for role in ("train", "valid")}
        used = {role: [clip.track_id for clip in chosen] for role, chosen in clips.items()}
        parameters = features.parameters
        if below := job.paths("below"):
            # What normalises them depends on the network below, so it is no file of a fold's.
            windows = job.settings["windows"]
            spectra = activation_spectra(read_model(below[0])[0], features, **windows)
            centre, spread = bin_moments(features, used["train"], spectra)
            statistics = {"modulation_mean": centre, "modulation_deviation": spread}
            normalise = series_vectors(spectra, statistics)
            parameters = {**parameters, "cepstral_modulation": windows}
        else:
            statistics = read_statistics(job.path("normalisation"))
            normalise = vectors_for(network_name, statistics, features)
        sources = {
            role: ClipVectors(
                features,
                used[role],
                [labels.index(clip.label) for clip in chosen],
                normalise=normalise,
                memory_gb=job.settings["memory_gb"],
            )
            for role, chosen in clips.items()
        }
        sizes = [sources["train"].inputs, *dnn["hidden"], len(labels)]
        log.info(
            "%d training vectors, network %s", sources["train"].rows, "-".join(map(str, sizes))
        )
        progress = TrainingProgress(epochs=dnn["epochs"], before=checkpoint.epochs_done)
        trained = train_mlp(
            Mlp.initialise(sizes, initialisation=dnn["initialisation"], rng=rng),
            sources["train"],
            sources["valid"],
            learning_rate=dnn["learning_rate"],
            batch=dnn["batch"],
            epochs=dnn["epochs"],
            patience=dnn["patience"],
            rng=rng,
            checkpoint=checkpoint,
            report=progress.epoch,
        )
        log.info("best epoch %d of %d", trained.best_epoch, len(trained.curve))
        write_curve(trained.curve, job.path("curve"))
        write_model(
            job.path("model"),
            {**trained.tensors, **name_normalisation(statistics)},
            {
                "architecture": {"network": "mlp", "sizes": sizes, "hidden_activation": "relu"},
                "input": network_name,
                "normalisation": "normalisation_* tensors, see genreflow.jeong2016.vectors",
                "labels": labels,
                "clips": used,
                "feature_parameters": parameters,
                "parameters": dnn,
                "seed": seed,
                "fold": fold,
                "best_epoch": trained.best_epoch,
            },
        )
