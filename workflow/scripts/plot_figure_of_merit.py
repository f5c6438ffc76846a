"""Plot a figure-of-merit matrix as Jeong 2016, figure 3."""

from __future__ import annotations

from genreflow.files.predictions import read_predictions
from genreflow.jobs.job import Job
from genreflow.results.drawing import save_figure
from genreflow.results.figures import draw_figure_of_merit
from genreflow.results.scores import read_figure_of_merit


def main(job: Job) -> None:
    """Draw the matrix of one system."""
    wildcards = job.wildcards
    labels, matrix = read_figure_of_merit(job.path("matrix"))
    predictions = read_predictions(job.path("predictions"))
    seeds = predictions["seed"].nunique()
    count = f"n = {len(predictions) // seeds}" + (f" x {seeds} seeds" if seeds > 1 else "")
    title = (
        f"{wildcards['dataset']}, {wildcards['partition']}: {wildcards['system']}\n"
        f"accuracy {matrix[-1, -1]:.1f} %, {count}"
    )
    missing = int((predictions["predicted"] == "").sum()) // seeds
    if missing:
        title += f", {missing} of them without a prediction"
    published = None
    if name := job.planned["published"]:
        known, published = read_figure_of_merit(job.path("published") / name)
        assert known == labels
    figure = draw_figure_of_merit(labels, matrix, title=title, published=published)
    save_figure(figure, job.outputs)
