"""Predict the test clips by one expert alone."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments
from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.files.store import read_arrays
from genreflow.jobs.job import Job
from genreflow.jobs.progress import tell_right


def main(job: Job) -> None:
    """Take the cached probabilities of the test clips."""
    assignments = read_assignments(job.path("partition"), job.wildcards["fold"])
    arrays, _ = read_arrays(job.path("probabilities"))
    predictions = {
        track_id: ClipPrediction(row)
        for track_id, row in zip(arrays["track_id"], arrays["data"], strict=True)
    }
    table = tabulate_predictions(
        [a for a in assignments if a.role == "test"],
        predictions,
        labels=arrays["label"].tolist(),
        quarantined=arrays["quarantined"],
        seed=job.wildcards["seed"],
    )
    write_predictions(table, job.path("predictions"))
    tell_right(table["true"], table["predicted"])
