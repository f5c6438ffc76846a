"""Join a system's predictions of all seeds and folds."""

from __future__ import annotations

import pandas as pd
from genreflow.files.predictions import read_predictions, write_predictions
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Order by seed, fold and track id, whatever the order of the jobs."""
    table = pd.concat([read_predictions(path) for path in job.paths("parts")], ignore_index=True)
    table = table.sort_values(["seed", "fold", "track_id"], kind="stable")
    write_predictions(table, job.path("predictions"))
    log.info("%d predictions", len(table))
