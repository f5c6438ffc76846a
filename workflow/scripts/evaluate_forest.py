"""Classify segments by a random forest and clips by their segments (Jeong 2016, section 4.3)."""

from __future__ import annotations

import numpy as np
from genreflow.files.assignments import read_assignments
from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.files.store import read_arrays
from genreflow.jeong2016.forest import clip_shares, grow_forest, segment_probabilities
from genreflow.jobs.job import Job, log
from genreflow.seeds import derive_seed


def main(job: Job) -> None:
    """Train on training and validation clips, predict the test clips."""
    rf, seed, fold = job.settings, job.wildcards["seed"], job.wildcards["fold"]
    assignments = read_assignments(job.path("partition"), fold)
    labels = sorted({assignment.label for assignment in assignments})
    files = [read_arrays(path)[0] for path in job.paths("segments")]
    track_ids = files[0]["track_id"].tolist()
    segments = np.concatenate([file["data"] for file in files], axis=2)
    place = {track_id: row for row, track_id in enumerate(track_ids)}
    known = [a for a in assignments if a.role != "test" and a.track_id in place]
    rows = [place[clip.track_id] for clip in known]
    forest = grow_forest(
        segments[rows],
        np.array([labels.index(clip.label) for clip in known]),
        trees=rf["trees"],
        max_features=rf["max_features"],
        seed=derive_seed(seed, fold, "forest"),
        threads=job.number("threads"),
    )
    test = [a for a in assignments if a.role == "test"]
    predictions = {}
    for clip in test:
        if clip.track_id in place:
            found = segment_probabilities(
                forest, segments[place[clip.track_id]], classes=len(labels)
            )
            predictions[clip.track_id] = ClipPrediction(clip_shares(found, rf["decision"]))
    table = tabulate_predictions(test, predictions, labels=labels, seed=seed)
    write_predictions(table, job.path("predictions"))
    log.info("%d of %d right", (table["true"] == table["predicted"]).sum(), len(table))
