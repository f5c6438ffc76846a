"""Plot what each expert knows of each genre, beside the weights that mixtures give it."""

from __future__ import annotations

from genreflow.files.predictions import read_predictions
from genreflow.jobs.job import Job
from genreflow.results.drawing import save_figure
from genreflow.results.figures import draw_experts_by_genre
from genreflow.results.scores import read_genre_scores


def main(job: Job) -> None:
    """Draw the matrices of a partition."""
    dataset, partition = job.wildcards["dataset"], job.wildcards["partition"]
    scores = read_genre_scores(job.path("comparison"), dataset, partition)
    # Any system has the whole test set in it.
    predictions = read_predictions(job.path("predictions"))
    seeds = predictions["seed"].nunique()
    count = f"n = {len(predictions) // seeds}" + (f" x {seeds} seeds" if seeds > 1 else "")
    title = f"{dataset}, {partition}: experts by genre\n{count}"
    missing = int((predictions["predicted"] == "").sum()) // seeds
    if missing:
        title += f", {missing} of them quarantined"
    save_figure(draw_experts_by_genre(scores, title=title), job.outputs)
