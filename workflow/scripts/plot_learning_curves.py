"""Plot the learning curves of all networks of a partition."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
from genreflow.files.models import read_model
from genreflow.jobs.job import Job
from genreflow.results.drawing import save_figure
from genreflow.results.figures import LearningCurve, draw_learning_curves
from genreflow.systems import SYSTEMS

#: A network is called as the system that it makes.
NAMES = {system.lower(): system for system in SYSTEMS}


def main(job: Job) -> None:
    """Draw a panel a network with a line a fold and seed."""
    trainings = defaultdict(list)
    for network, source, model in zip(
        job.planned["networks"], job.paths("curves"), job.paths("models"), strict=True
    ):
        curve = pd.read_csv(source)
        _, description = read_model(model)
        train, valid = (list(curve[name]) for name in ("train_loss", "valid_loss"))
        trainings[NAMES[network]].append(LearningCurve(train, valid, description["best_epoch"]))
    figure = draw_learning_curves(
        trainings,
        classes=job.planned["classes"],
        title=f"{job.wildcards['dataset']}, {job.wildcards['partition']}: learning curves",
    )
    save_figure(figure, job.outputs)
