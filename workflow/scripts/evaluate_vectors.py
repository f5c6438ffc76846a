"""Classify clips by one vector each: their statistics, or somebody's embeddings."""

from __future__ import annotations

from genreflow.baselines.folds import fold_of_vectors
from genreflow.files.predictions import ClipPrediction, tabulate_predictions, write_predictions
from genreflow.jobs.job import Job, log
from genreflow.jobs.progress import tell_right
from threadpoolctl import threadpool_limits


def main(job: Job) -> None:
    """Learn from training and validation clips, predict the test clips."""
    seed = job.wildcards["seed"]
    fold = fold_of_vectors(
        job.path("partition"), job.path("vectors"), job.path("manifest"), job.wildcards["fold"]
    )
    labels, vectors = fold.labels, fold.vectors
    test = [a for a in fold.assignments if a.role == "test"]
    # The last bits of products of matrices depend on the number of threads.
    with threadpool_limits(1):
        learned = fold.learn(job.planned["learner"], seed=seed, threads=job.number("threads"))
        predictions = {
            clip.track_id: ClipPrediction(
                learned.probabilities(vectors.rows[clip.track_id][None], classes=len(labels))[0]
            )
            for clip in test
            if clip.track_id in vectors
        }
    log.info("%s chosen, %.1f %% right in the folds", learned.chosen, 100 * learned.accuracy)
    table = tabulate_predictions(
        test, predictions, labels=labels, quarantined=vectors.quarantined, seed=seed
    )
    write_predictions(table, job.path("predictions"))
    tell_right(table["true"], table["predicted"])
