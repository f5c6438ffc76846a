"""Plot the accuracies of a partition's systems with their intervals."""

from __future__ import annotations

from genreflow.files.predictions import read_predictions
from genreflow.jobs.job import Job
from genreflow.results.drawing import save_figure
from genreflow.results.figures import draw_accuracies
from genreflow.results.scores import majority_share, read_scores


def main(job: Job) -> None:
    """Draw a row a system."""
    dataset, partition = job.wildcards["dataset"], job.wildcards["partition"]
    scores = read_scores(job.path("tables"), dataset, partition)
    # Any system has the whole test set in it.
    majority = majority_share(list(read_predictions(job.path("predictions"))["true"]))
    title = f"{dataset}, {partition}: accuracy on {scores[0].n} test clips"
    save_figure(draw_accuracies(scores, majority=majority, title=title), job.outputs)
