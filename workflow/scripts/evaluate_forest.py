"""Classify segments by a random forest and clips by their segments (Jeong 2016, section 4.3)."""

from __future__ import annotations

from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.files.store import read_arrays
from genreflow.jeong2016.forest import clip_shares, fold_of_segments, segment_probabilities
from genreflow.jobs.job import Job
from genreflow.jobs.progress import tell_right


def main(job: Job) -> None:
    """Train on training and validation clips, predict the test clips."""
    rf, seed = dict(job.settings), job.wildcards["seed"]
    decision = rf.pop("decision")
    fold = fold_of_segments(
        job.path("partition"),
        [read_arrays(path)[0] for path in job.paths("segments")],
        job.wildcards["fold"],
    )
    forest = fold.grow(**rf, seed=seed, threads=job.number("threads"))
    test = [a for a in fold.assignments if a.role == "test"]
    predictions = {}
    for clip in test:
        if clip.track_id in fold.segments:
            found = segment_probabilities(
                forest, fold.segments[clip.track_id], classes=len(fold.labels)
            )
            predictions[clip.track_id] = ClipPrediction(clip_shares(found, decision))
    table = tabulate_predictions(
        test, predictions, labels=fold.labels, quarantined=fold.quarantined, seed=seed
    )
    write_predictions(table, job.path("predictions"))
    tell_right(table["true"], table["predicted"])
