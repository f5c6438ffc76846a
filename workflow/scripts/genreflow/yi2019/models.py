"""The networks of Yi 2019 from files to files: how a job trains one, and how a job runs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from genreflow.features.normalisation import input_normaliser
from genreflow.files.curves import write_curve
from genreflow.files.store import FeatureSet
from genreflow.jobs.job import Job, log
from genreflow.jobs.progress import TrainingProgress, format_seconds
from genreflow.jobs.resuming import find_checkpoint
from genreflow.yi2019.networks import network_from_model, write_network
from genreflow.yi2019.training import (
    ClipInputs,
    Objective,
    TrainingSet,
    batches,
    check_precision,
    choose_device,
    fit_settings,
    input_form,
    make_deterministic,
    predict_probabilities,
    seconds_a_step,
    train_network,
)

#: Below these, a training is warned of.
FEWEST_STEPS = 100
FEWEST_CLIPS = 10


def memory_gb(job: Job) -> float:
    """Return how much of its inputs a job may keep in memory."""
    return job.number("inputs_mb") / 1000


def train_and_write(
    job: Job,
    network: nn.Module,
    data: TrainingSet,
    objective: Objective,
    *,
    section: Literal["expert", "mixer"],
    seed: int,
    description: Mapping[str, Any],
) -> None:
    """Train a network and write it with its learning curve; go on where a killed job stopped.

    Parameters
    ----------
    section
        Of the settings: how the network is trained; also the wildcard that has its name.
    seed
        32 bits.
    description
        What the model file says besides: architecture, input, normalisation, labels.

    Raises
    ------
    UserError
        The training diverged.
    """
    settings, precision = job.settings[section], job.settings["training"]["precision"]
    device = next(network.parameters()).device
    check_precision(precision, device)
    steps = tell_size(
        data, description["labels"], epochs=settings["epochs"], batch=settings["batch"]
    )
    log.info("training on %s, %s", device, precision)
    gpu = device.type == "cuda"
    with find_checkpoint(job, device=torch.cuda.get_device_name(device) if gpu else "cpu") as kept:
        if steps >= FEWEST_STEPS:
            seconds = seconds_a_step(
                network,
                data,
                objective,
                prepare=input_form(network),
                precision=precision,
                batch=settings["batch"],
            )
            left = steps - steps * kept.epochs_done // settings["epochs"]
            log.info(
                "%d steps of %.2g s: about %s, and validation",
                left, seconds, format_seconds(left * seconds), extra={"progress": True},
            )  # fmt: skip
        progress = TrainingProgress(epochs=settings["epochs"], before=kept.epochs_done)
        best_epoch, curve = train_network(
            network,
            data,
            objective,
            prepare=input_form(network),
            **fit_settings(settings),
            seed=seed,
            precision=precision,
            section=section,
            checkpoint=kept,
            report_step=progress.step,
            report_epoch=progress.epoch,
        )
        log.info("best epoch %d of %d", best_epoch, len(curve))
        write_curve(curve, job.path("curve"))
        write_network(
            job.path("model"),
            network,
            data.statistics,
            {
                **description,
                "clips": data.clips,
                "parameters": settings,
                "precision": precision,
                "seed": job.wildcards["seed"],
                "fold": job.wildcards["fold"],
                "best_epoch": best_epoch,
                "device": str(device),
            },
        )


def tell_size(data: TrainingSet, labels: Sequence[str], *, epochs: int, batch: int) -> int:
    """Return the number of steps; say it and the clips, and warn where they are too few."""
    steps = epochs * len(list(batches(data.train, batch)))
    counts = np.bincount(data.classes.cpu().numpy()[data.train], minlength=len(labels))
    each = ", ".join(f"{label} {count}" for label, count in zip(labels, counts, strict=True))
    log.info("%d training clips (%s), %d steps", len(data.train), each, steps)
    if steps < FEWEST_STEPS:
        log.warning(
            "%d steps are few: under %d a network of Yi 2019 has hardly begun to learn. "
            "More clips or epochs help; the systems of Jeong 2016 need fewer.",
            steps, FEWEST_STEPS,
        )  # fmt: skip
    if counts.min() < FEWEST_CLIPS:
        log.warning(
            "class %r has %d training clips: with under %d, expect it to be learned by heart.",
            labels[int(counts.argmin())], counts.min(), FEWEST_CLIPS,
        )  # fmt: skip
    return steps


def run_model(
    job: Job, track_ids: Sequence[str] | None = None, *, threads: int
) -> tuple[npt.NDArray[np.float32], list[str], dict[str, Any]]:
    """Run a trained network in evaluation mode on some clips, or on all of its feature.

    Returns
    -------
    ndarray, shape (clips, outputs)
        The softmax output.
    list of str
        The clips.
    dict
        The description in the model's file.
    """
    make_deterministic(threads)
    network, statistics, description = network_from_model(job.path("model"))
    device = choose_device(job.settings["training"]["device"])
    network.to(device)
    with FeatureSet(job.paths("inputs")) as features:
        chosen = features.track_ids if track_ids is None else list(track_ids)
        inputs = ClipInputs(
            features,
            chosen,
            normalise=input_normaliser(description["normalisation"], statistics),
            memory_gb=memory_gb(job),
            device=device,
        )
        outputs = predict_probabilities(
            network, inputs, prepare=input_form(network), batch=job.settings["batch"]
        )
    return outputs, chosen, description
