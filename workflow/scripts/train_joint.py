"""Train SF and TF together: one softmax on what both networks are aggregated to in a segment."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from genreflow.files.assignments import read_assignments, usable
from genreflow.files.curves import write_curve
from genreflow.files.models import name_normalisation, write_model
from genreflow.files.store import feature_sets, read_statistics
from genreflow.jeong2016.joint import train_joint
from genreflow.jeong2016.network import PARTS, Joint
from genreflow.jeong2016.vectors import ClipBlocks, vectors_for
from genreflow.jobs.job import Job, log
from genreflow.jobs.progress import TrainingProgress
from genreflow.jobs.resuming import find_checkpoint
from genreflow.seeds import derive_seed
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Train on the segments of the training clips, choose on those of the validation clips."""
    dnn, joint = job.settings["dnn"], job.settings["joint"]
    seed, fold = job.wildcards["seed"], job.wildcards["fold"]
    assignments = read_assignments(job.path("partition"), fold)
    labels = sorted({assignment.label for assignment in assignments})
    statistics = [read_statistics(path) for path in job.paths("normalisations")]
    rng = np.random.default_rng(derive_seed(seed, fold, "joint"))
    with ExitStack() as stack:
        caches = [stack.enter_context(cache) for cache in feature_sets(job.paths("vectors"))]
        checkpoint = stack.enter_context(find_checkpoint(job))
        # As the small networks: the bits depend on the number.
        stack.enter_context(threadpool_limits(1))
        inputs = [
            (cache, vectors_for(part, own, cache))
            for part, own, cache in zip(PARTS, statistics, caches, strict=True)
        ]
        sources, used = {}, {}
        for role in ("train", "valid"):
            clips = usable(assignments, caches[0], roles=[role])
            used[role] = [clip.track_id for clip in clips]
            sources[role] = ClipBlocks(
                inputs,
                used[role],
                [labels.index(clip.label) for clip in clips],
                memory_gb=job.settings["memory_gb"],
            )
        sizes = [shape[-1] for shape in sources["train"].shapes]
        network = Joint.initialise(
            sizes, dnn["hidden"], len(labels), initialisation=dnn["initialisation"], rng=rng
        )
        log.info("%d training clips, %d parameters", len(used["train"]), network.parameters)
        progress = TrainingProgress(epochs=dnn["epochs"], before=checkpoint.epochs_done)
        trained = train_joint(
            network,
            sources["train"],
            sources["valid"],
            **caches[1].parameters["cepstral_modulation"],
            **joint,
            epochs=dnn["epochs"],
            patience=dnn["patience"],
            rng=rng,
            checkpoint=checkpoint,
            report=progress.epoch,
        )
        log.info("best epoch %d of %d", trained.best_epoch, len(trained.curve))
        write_curve(trained.curve, job.path("curve"))
        of_parts = {
            f"{part}_{name}": values
            for part, own in zip(PARTS, statistics, strict=True)
            for name, values in own.items()
        }
        write_model(
            job.path("model"),
            {**trained.tensors, **name_normalisation(of_parts)},
            {
                "architecture": {
                    "network": "joint",
                    "inputs": sizes,
                    "hidden": dnn["hidden"],
                    "hidden_activation": "relu",
                },
                "input": "joint",
                "normalisation": "normalisation_* tensors, see genreflow.jeong2016.vectors",
                "labels": labels,
                "clips": used,
                "feature_parameters": {**caches[0].parameters, **caches[1].parameters},
                "parameters": {**dnn, **joint},
                "seed": seed,
                "fold": fold,
                "best_epoch": trained.best_epoch,
            },
        )
