"""Make a figure-of-merit matrix as in Jeong 2016, figure 3, all folds and seeds pooled."""

from __future__ import annotations

from genreflow.files.assignments import read_assignments
from genreflow.files.predictions import read_predictions
from genreflow.files.tables import write_table
from genreflow.jobs.job import Job
from genreflow.results.evaluation import figure_of_merit


def main(job: Job) -> None:
    """Pool the predictions, as the papers pool their runs."""
    labels = sorted({assignment.label for assignment in read_assignments(job.path("partition"))})
    predictions = read_predictions(job.path("predictions"))
    true, predicted = (list(predictions[side]) for side in ("true", "predicted"))
    write_table(figure_of_merit(true, predicted, labels), job.path("matrix"), index=True)
