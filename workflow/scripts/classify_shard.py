"""Classify the clips of a shard with a classifier, from their cached features."""

from __future__ import annotations

from contextlib import ExitStack

import pandas as pd
from genreflow.classifiers.classifier import Classifier
from genreflow.features.extraction import ClipInMemory
from genreflow.files.predictions import write_predictions
from genreflow.files.store import FeatureFile
from genreflow.jobs.job import Job, log


def main(job: Job) -> None:
    """Take clip by clip from the caches of all features that the classifier reads."""
    classifier = Classifier(job.path("classifier"))
    rows = []
    with ExitStack() as stack:
        shards = {
            feature: stack.enter_context(FeatureFile(path))
            for feature, path in zip(classifier.features, job.paths("features"), strict=True)
        }
        first = next(iter(shards.values()))
        if any(shard.track_ids != first.track_ids for shard in shards.values()):
            raise ValueError("the caches of the shard have different clips")
        for row, track_id in enumerate(first.track_ids):
            prediction = classifier.classify(
                {
                    feature: ClipInMemory(shard.clip(row), shard.parameters, shard.attributes)
                    for feature, shard in shards.items()
                }
            )
            rows.append({"track_id": track_id, **prediction.row()})
    table = pd.DataFrame(rows, columns=None if rows else ["track_id"])
    write_predictions(table, job.path("rows"))
    log.info("%d clips", len(rows))
