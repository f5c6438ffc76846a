"""Put a trained system into a folder of its own: a classifier that can be moved and run."""

from __future__ import annotations

from genreflow.classifiers.folder import CARD, DESCRIPTION, FOREST, describe, write_folder
from genreflow.classifiers.parts import describe_classifier
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Copy networks and forest as they are, and describe them."""
    models = {path.name: path for path in job.paths("models")}
    description = describe_classifier(models.values(), **job.settings, **job.planned)
    files = {name: path.read_bytes() for name, path in models.items()}
    for path in job.paths("forest"):
        files[FOREST] = path.read_bytes()
    files |= {CARD: job.path("card").read_bytes(), DESCRIPTION: describe(description)}
    write_folder(job.path("folder"), files)
    log.info("%d files, %.1f MB", len(files) + 1, sum(map(len, files.values())) / 1e6)
