"""Join the classified clips of all shards; clips in quarantine stay in, without a label."""

from __future__ import annotations

import pandas as pd
from genreflow.files.audio_report import read_quarantine
from genreflow.files.predictions import write_predictions
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Write a row a clip, in the order of the track ids."""
    text = {"track_id": str, "label": str}
    parts = [pd.read_csv(path, dtype=text, keep_default_na=False) for path in job.paths("rows")]
    lost = pd.DataFrame({"track_id": [c.track_id for c in read_quarantine(job.path("quarantine"))]})
    filled = [part for part in parts if len(part)]
    table = pd.concat([*filled, lost], ignore_index=True).sort_values("track_id")
    write_predictions(table, job.path("table"))
    log.info("%d clips, %d of them in quarantine", len(table), len(lost))
