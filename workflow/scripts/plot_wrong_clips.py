"""Plot what the segments of clips that were got wrong were taken for over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from genreflow.files.predictions import read_predictions
from genreflow.files.store import read_arrays
from genreflow.jeong2016.forest import fold_of_segments, segment_probabilities
from genreflow.jobs.job import Job, log
from genreflow.results.drawing import save_figure
from genreflow.results.wrong_clips import choose_wrong, draw_wrong_clips


def main(job: Job) -> None:
    """Choose the clips, and grow the forest again only if there are any."""
    fold_number = job.planned["fold"]
    rf, seed = dict(job.settings["rf"]), job.settings["seed"]
    decision = rf.pop("decision")
    clips = choose_wrong(read_predictions(job.path("predictions")))
    fold = fold_of_segments(
        job.path("partition"),
        [read_arrays(path)[0] for path in job.paths("segments")],
        fold_number,
    )
    if clips:
        forest = fold.grow(**rf, seed=seed, threads=job.number("threads"))
        clips = [
            replace(
                clip,
                probabilities=segment_probabilities(
                    forest, fold.segments[clip.track_id], classes=len(fold.labels)
                ),
            )
            for clip in clips
        ]
    segments = next(iter(fold.segments.values())).shape[0]
    wildcards = job.wildcards
    title = (
        f"{wildcards['dataset']}, {wildcards['partition']}: {wildcards['system']}\n"
        f"clips that were got wrong, fold {fold_number}, seed {seed}"
    )
    figure = draw_wrong_clips(
        clips,
        labels=fold.labels,
        starts=job.settings["shift_seconds"] * np.arange(segments),
        segment_seconds=job.settings["segment_seconds"],
        decision=decision,
        title=title,
    )
    save_figure(figure, job.outputs)
    log.info("%d clips that were got wrong", len(clips))
