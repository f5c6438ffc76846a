"""Plot the differences that a study's variations make, with their intervals."""

from __future__ import annotations

from genreflow.jobs.job import Job
from genreflow.results.drawing import save_figure
from genreflow.results.figures import draw_study
from genreflow.results.scores import read_differences


def main(job: Job) -> None:
    """Draw a panel a system, a row a variation."""
    study = job.wildcards["study"]
    differences = read_differences(job.path("studies"), study)
    title = f"{study}: what each setting changes\nin the accuracy on {differences[0].n} test clips"
    save_figure(draw_study(differences, title=title), job.outputs)
