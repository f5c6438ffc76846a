"""Predict the test clips by a mixture of the experts: MoEB, MoEC or MoER."""

from __future__ import annotations

import numpy as np
import torch
from genreflow.files.assignments import read_assignments
from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.files.store import read_arrays
from genreflow.jobs.job import Job
from genreflow.jobs.progress import tell_right
from genreflow.yi2019.mixture import align_probabilities
from genreflow.yi2019.models import run_model
from genreflow.yi2019.training import mix


def main(job: Job) -> None:
    """Weight the experts' cached probabilities, equally (MoEB) or by the mixer."""
    experts, system = job.settings["experts"], job.wildcards["system"]
    assignments = read_assignments(job.path("partition"), job.wildcards["fold"])
    test = [a for a in assignments if a.role == "test"]
    files = [read_arrays(path)[0] for path in job.paths("probabilities")]
    labels = files[0]["label"].tolist()
    present = set(files[0]["track_id"])
    track_ids = [clip.track_id for clip in test if clip.track_id in present]
    probabilities = torch.from_numpy(align_probabilities(files, track_ids))
    balanced = system == "MoEB"
    if balanced:
        weights = np.full((len(track_ids), len(experts)), 1 / len(experts), np.float32)
    else:
        threads = 1 if system == "MoER" else job.settings["training"]["threads"]
        weights, _, _ = run_model(job, track_ids, threads=threads)
    mixture = mix(torch.from_numpy(weights), probabilities).numpy()
    table = tabulate_predictions(
        test,
        {
            track_id: ClipPrediction(mixture[row], None if balanced else weights[row])
            for row, track_id in enumerate(track_ids)
        },
        labels=labels,
        quarantined=files[0]["quarantined"],
        experts=[] if balanced else experts,
        seed=job.wildcards["seed"],
    )
    write_predictions(table, job.path("predictions"))
    tell_right(table["true"], table["predicted"])
