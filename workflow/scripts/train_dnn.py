"""Train a small network of Jeong 2016 on frames (SF) or on modulation vectors (TF)."""

from __future__ import annotations

import numpy as np
from genreflow.files.assignments import read_assignments, usable
from genreflow.files.curves import write_curve
from genreflow.files.layouts import check_finite
from genreflow.files.models import name_normalisation, write_model
from genreflow.files.store import FeatureSet, read_arrays
from genreflow.jeong2016.network import Mlp, mlp_tensors
from genreflow.jeong2016.training import train_mlp
from genreflow.jeong2016.vectors import ClipVectors, vectors_for
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
    statistics, _ = read_arrays(job.path("normalisation"))
    for name, values in statistics.items():
        check_finite(values, of=f"values of {name!r}", where=str(job.path("normalisation")))
    rng = np.random.default_rng(derive_seed(seed, fold, network_name))
    with (
        FeatureSet(job.paths("vectors")) as features,
        find_checkpoint(job) as checkpoint,
        # One thread: the products are too small for more, and the bits depend on the number.
        threadpool_limits(1),
    ):
        sources, used = {}, {}
        for role in ("train", "valid"):
            clips = usable(assignments, features, roles=[role])
            used[role] = [clip.track_id for clip in clips]
            sources[role] = ClipVectors(
                features,
                used[role],
                [labels.index(clip.label) for clip in clips],
                normalise=vectors_for(network_name, statistics, features),
                memory_gb=job.settings["memory_gb"],
            )
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
            {**mlp_tensors(trained.network), **name_normalisation(statistics)},
            {
                "architecture": {"network": "mlp", "sizes": sizes, "hidden_activation": "relu"},
                "input": network_name,
                "normalisation": "normalisation_* tensors, see genreflow.jeong2016.vectors",
                "labels": labels,
                "clips": used,
                "feature_parameters": features.parameters,
                "parameters": dnn,
                "seed": seed,
                "fold": fold,
                "best_epoch": trained.best_epoch,
            },
        )
